// Package arena holds the records of a table that is being built: copied once
// into large blocks without a single pointer in them, so that ten million
// records cost the garbage collector nothing and the memory used stays close to
// the bytes that were added.
//
//	var s arena.Store
//	s.Add([]byte("alice@example.org"), []byte("alice"))
//	order, err := s.Sorted(arena.Duplicates{})
//	for _, i := range order {
//		key, value := s.Record(int(i))
//	}
//
// A record is known by its sequence number: the n-th Add, counted from 0. It is
// what the callers' duplicate reports mention, because the caller knows which
// source line the n-th Add was.
//
// # Memory
//
// A record costs its bytes, two length bytes (more above 127 bytes) and 8 bytes
// of index; the blocks that are not full yet are 2 MiB at most. Putting records
// in order takes 20 bytes per record while it runs and 4 bytes (Hashed: 8 bytes)
// for the result.
//
// A Store is not safe for concurrent use while records are added; reading it
// from several goroutines is.
package arena

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"sync"
)

// ErrTooMany is returned by Add when a store holds 2147483647 records.
var ErrTooMany = errors.New("arena: more than 2147483647 records")

const (
	firstBlock = 4 << 10
	ownBlock   = BlockSize / 16 // a record from this size on gets a block of its own
	refsShift  = 14
	refsBlock  = 1 << refsShift
)

// Store is an append-only list of key and value pairs. The zero Store is empty
// and ready.
type Store struct {
	blocks [][]byte // each record: uvarint len(key), uvarint len(value), key, value
	fill   int      // block that takes the next small record; blocks[fill] may be full
	refs   [][]uint64
	n      int
	size   int64
	first  []byte // key of the first record
	common int    // leading bytes that all keys have in common
	supply Supply // of full blocks
}

// Add appends a copy of key and value. It fails only when the store is full.
func (s *Store) Add(key, value []byte) error {
	if s.n == math.MaxInt32 {
		return ErrTooMany
	}
	var head [2 * binary.MaxVarintLen64]byte
	h := binary.PutUvarint(head[:], uint64(len(key)))
	h += binary.PutUvarint(head[h:], uint64(len(value)))
	need := h + len(key) + len(value)

	var at int
	switch {
	case need >= ownBlock:
		at = len(s.blocks)
		s.blocks = append(s.blocks, make([]byte, 0, need))
	default:
		if len(s.blocks) == 0 || cap(s.blocks[s.fill])-len(s.blocks[s.fill]) < need {
			s.newBlock(need)
		}
		at = s.fill
	}
	b := s.blocks[at]
	s.addRef(uint64(at)<<32 | uint64(len(b)))
	b = append(b, head[:h]...)
	b = append(b, key...)
	s.blocks[at] = append(b, value...)
	s.size += int64(len(key)) + int64(len(value))
	if s.n == 1 {
		s.first, s.common = s.Key(0), len(key)
	}
	if s.common > len(key) || string(key[:s.common]) != string(s.first[:s.common]) {
		s.common = shared(s.first[:s.common], key)
	}
	return nil
}

// shared returns how many leading bytes a and b have in common.
func shared(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// CommonPrefix returns how many leading bytes all keys have in common.
func (s *Store) CommonPrefix() int { return s.common }

// Sizes returns a number for each record, by sequence number; what does not fit
// in 16 bits is for the caller to tell apart. Memory is read from its beginning
// to its end, which is many times faster than in the order of a table. Several
// goroutines call size.
func (s *Store) Sizes(size func(i int) uint16) []uint16 {
	out := make([]uint16, s.n)
	s.ranges(s.workers(), func(_, from, to int) {
		for i := from; i < to; i++ {
			out[i] = size(i)
		}
	})
	return out
}

// workers is how many goroutines are worth it for all records.
func (s *Store) workers() int {
	if s.n > 1<<14 {
		return runtime.GOMAXPROCS(0)
	}
	return 1
}

// ranges has all records visited, each by one of the workers.
func (s *Store) ranges(workers int, visit func(worker, from, to int)) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			visit(w, int(int64(s.n)*int64(w)/int64(workers)), int(int64(s.n)*int64(w+1)/int64(workers)))
		})
	}
	wg.Wait()
}

// newBlock opens a block for small records: 4 KiB at first, so that a small
// table stays small, then doubling up to 1 MiB.
func (s *Store) newBlock(need int) {
	size := firstBlock
	if len(s.blocks) > 0 {
		size = min(2*cap(s.blocks[s.fill]), BlockSize)
	}
	for size < need {
		size *= 2
	}
	s.fill = len(s.blocks)
	if size == BlockSize {
		s.blocks = append(s.blocks, s.supply.Block())
		return
	}
	s.blocks = append(s.blocks, make([]byte, 0, size))
}

func (s *Store) addRef(ref uint64) {
	last := len(s.refs) - 1
	if s.n&(refsBlock-1) == 0 {
		var b []uint64
		if last >= 0 {
			b = make([]uint64, 0, refsBlock)
		}
		s.refs = append(s.refs, b)
		last++
	}
	s.refs[last] = append(s.refs[last], ref)
	s.n++
}

// Len returns how many records were added.
func (s *Store) Len() int { return s.n }

// Size returns the sum of the lengths of all keys and values, in bytes.
func (s *Store) Size() int64 { return s.size }

// Record returns the i-th record added. The slices alias the store and must not
// be changed.
func (s *Store) Record(i int) (key, value []byte) {
	ref := s.refs[i>>refsShift][i&(refsBlock-1)]
	b := s.blocks[ref>>32][uint32(ref):]
	if b[0]|b[1] < 0x80 { // both lengths in one byte
		k, v := 2+int(b[0]), int(b[1])
		return b[2:k:k], b[k : k+v : k+v]
	}
	k, n := binary.Uvarint(b)
	v, m := binary.Uvarint(b[n:])
	b = b[n+m:]
	end := int(k) + int(v)
	return b[:k:k], b[k:end:end]
}

// Touch brings the beginnings of records, all of most, near the processor.
// Called for a few dozen records before they are used in an order that memory
// does not know, it has the processor fetch them at the same time instead of one
// after the other.
func (s *Store) Touch(order []uint32) {
	sum := byte(0)
	for _, i := range order {
		sum += s.touch(i)
	}
	runtime.KeepAlive(sum) // or the compiler leaves the reading out
}

// TouchHashed is Touch for what Hashed returned.
func (s *Store) TouchHashed(order []Hashed) {
	sum := byte(0)
	for _, h := range order {
		sum += s.touch(uint32(h))
	}
	runtime.KeepAlive(sum)
}

// touch reads the first byte of a record and, as records often lie across two
// of the pieces of 64 bytes that processors fetch, one further on.
func (s *Store) touch(i uint32) byte {
	ref := s.refs[i>>refsShift][i&(refsBlock-1)]
	b := s.blocks[ref>>32][uint32(ref):]
	return b[0] + b[min(50, len(b)-1)]
}

// Key returns the key of the i-th record added.
func (s *Store) Key(i int) []byte {
	key, _ := s.Record(i)
	return key
}

// Reset forgets all records and gives their memory back.
func (s *Store) Reset() { *s = Store{} }
