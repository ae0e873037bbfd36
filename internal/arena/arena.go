// Package arena holds the records of a table that is being built: copied once
// into large blocks without a single pointer in them, so that ten million
// records cost the garbage collector nothing and the memory used stays close to
// the bytes that were added.
//
//	var s arena.Store
//	s.Add([]byte("alice@example.org"), []byte("alice"))
//	order, err := s.Sorted(arena.Duplicates{}, nil)
//	for _, item := range order {
//		key, value := s.Record(item.Ref)
//	}
//
// Records have sequence numbers: the n-th Add, counted from 0. They are what
// duplicate reports mention, because the caller knows which source line the n-th
// Add was. Where a record is, its Ref tells.
//
// # Memory
//
// A record costs its bytes, two length bytes (more above 127 bytes) and 4 bytes
// of index, 14 if it comes in a Batch and will be sorted; the blocks that are not
// full yet are 2 MiB at most. The order of records by key has 16 bytes a record,
// by hash 8, and 16 while it is made.
//
// A Store is not safe for concurrent use while records are added; reading it
// from several goroutines is. Batches are for collecting records with several.
package arena

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
)

// ErrTooMany is returned by Add when a store holds 2147483647 records, or has no
// numbers for more memory.
var ErrTooMany = errors.New("arena: more than 2147483647 records")

const (
	maxRecords = math.MaxInt32

	firstBlock = 4 << 10
	ownBlock   = BlockSize / 16 // a record from this size on gets a block of its own
	runSize    = 1 << 10
	hintEvery  = 1 << 10
)

// Store is an append-only list of key and value pairs. The zero Store is empty
// and ready.
type Store struct {
	blocks [][]byte // each record: uvarint len(key), uvarint len(value), key, value
	filled bool     // the last block takes no further records
	rest   []byte   // of the last block that did, when another came behind it
	runs   []run
	hints  []uint32 // the run of every hintEvery-th record
	n      int
	size   int64
	first  []byte // key of the first record
	common int    // leading bytes that all keys have in common
	supply Supply // of full blocks

	// For new batches, which other goroutines make: common, and the bytes of a record.
	depth, each atomic.Int64
}

// A run is records that follow each other in one block.
type run struct {
	first int // sequence number
	block int
	at    []uint32
	sorting
}

// A Ref is where a record is. Those of records added later are larger, but for
// their Size.
type Ref uint64

const (
	sizeBits   = 16
	offsetBits = 24 // a larger block has one record
	blockBits  = 23
	repeated   = 1 << 63 // in the finished order: the key equals the one before
)

func newRef(block int, at uint32) Ref {
	return Ref(block)<<(offsetBits+sizeBits) | Ref(at)<<sizeBits
}

func (r Ref) block() int  { return int(r >> (offsetBits + sizeBits) & (1<<blockBits - 1)) }
func (r Ref) offset() int { return int(r >> sizeBits & (1<<offsetBits - 1)) }

// Size returns the number that the size function of [Store.Sorted] gave the
// record.
func (r Ref) Size() int { return int(r & (1<<sizeBits - 1)) }

// Add appends a copy of key and value. It fails only when the store is full.
func (s *Store) Add(key, value []byte) error {
	if s.n == maxRecords || len(s.blocks) >= 1<<blockBits-1 {
		return ErrTooMany
	}
	var head [2 * binary.MaxVarintLen64]byte
	h := binary.PutUvarint(head[:], uint64(len(key)))
	h += binary.PutUvarint(head[h:], uint64(len(value)))

	if need := h + len(key) + len(value); need >= ownBlock {
		s.put(make([]byte, 0, need))
	} else if last := len(s.blocks) - 1; last < 0 || s.filled || cap(s.blocks[last])-len(s.blocks[last]) < need {
		s.open(need)
	}
	at := len(s.blocks) - 1
	b := s.blocks[at]
	if last := len(s.runs) - 1; last < 0 || s.runs[last].block != at || len(s.runs[last].at) == cap(s.runs[last].at) {
		s.runs = append(s.runs, run{first: s.n, block: at, at: make([]uint32, 0, min(runSize, max(16, s.n)))})
	}
	r := &s.runs[len(s.runs)-1]
	r.at = append(r.at, uint32(len(b)))
	b = append(b, head[:h]...)
	b = append(b, key...)
	b = append(b, value...)
	s.blocks[at] = b
	s.added(1, int64(len(key))+int64(len(value)))
	if s.n == 1 {
		s.first, s.common = s.Key(s.Ref(0)), len(key)
	}
	if s.common > len(key) || string(key[:s.common]) != string(s.first[:s.common]) {
		s.common = shared(s.first[:s.common], key)
	}
	return nil
}

// added counts n records of the last run.
func (s *Store) added(n int, size int64) {
	for s.n += n; len(s.hints)*hintEvery < s.n; {
		s.hints = append(s.hints, uint32(len(s.runs)-1))
	}
	s.size += size
}

// put puts a block behind the others that will not take further records. What
// is left of the one before is kept, to be a block of its own later: so blocks
// stay in the order of their records.
func (s *Store) put(b []byte) {
	if last := len(s.blocks) - 1; last >= 0 && !s.filled {
		before := s.blocks[last]
		s.blocks[last], s.rest = before[:len(before):len(before)], before[len(before):]
	}
	s.blocks, s.filled = append(s.blocks, b), true
}

// open puts a block for small records behind the others: 4 KiB at first, so that
// a small table stays small, then doubling up to 1 MiB.
func (s *Store) open(need int) {
	b := s.rest
	if s.rest = nil; cap(b) < need {
		size := firstBlock
		for size < need || size < BlockSize && int64(size) < s.size {
			size *= 2
		}
		if size == BlockSize {
			b = s.supply.Block()
		} else {
			b = make([]byte, 0, size)
		}
	}
	s.blocks, s.filled = append(s.blocks, b), false
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
func (s *Store) Sizes(size func(r Ref) uint16) []uint16 {
	out := make([]uint16, s.n)
	s.ranges(s.workers(), func(_, from, to int) {
		s.refs(from, to, func(i int, r Ref) { out[i] = size(r) })
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

// refs visits records in the order they were added.
func (s *Store) refs(from, to int, visit func(i int, r Ref)) {
	s.parts(from, to, func(r *run, lo, hi int) {
		for i := lo; i < hi; i++ {
			visit(r.first+i, newRef(r.block, r.at[i]))
		}
	})
}

// parts visits the parts of runs with the records from..to.
func (s *Store) parts(from, to int, visit func(r *run, lo, hi int)) {
	if from >= to {
		return
	}
	for n := s.runOf(from); n < len(s.runs) && s.runs[n].first < to; n++ {
		r := &s.runs[n]
		visit(r, max(0, from-r.first), min(len(r.at), to-r.first))
	}
}

// runOf returns the run of a record.
func (s *Store) runOf(i int) int {
	n := int(s.hints[i/hintEvery])
	for n+1 < len(s.runs) && s.runs[n+1].first <= i {
		n++
	}
	return n
}

// Len returns how many records were added.
func (s *Store) Len() int { return s.n }

// Size returns the sum of the lengths of all keys and values, in bytes.
func (s *Store) Size() int64 { return s.size }

// Ref returns where the i-th record added is.
func (s *Store) Ref(i int) Ref {
	r := &s.runs[s.runOf(i)]
	return newRef(r.block, r.at[i-r.first])
}

// Seq returns the sequence number of a record.
func (s *Store) Seq(r Ref) int {
	block, offset := r.block(), uint32(r.offset())
	after := sort.Search(len(s.runs), func(i int) bool {
		return s.runs[i].block > block || s.runs[i].block == block && s.runs[i].at[0] > offset
	})
	in := &s.runs[after-1]
	return in.first + sort.Search(len(in.at), func(i int) bool { return in.at[i] >= offset })
}

// Record returns a record. The slices alias the store and must not be changed.
func (s *Store) Record(r Ref) (key, value []byte) {
	return cut(s.blocks[r.block()][r.offset():])
}

// Pair returns a record as one piece, the value right behind the key. It aliases
// the store and must not be changed.
func (s *Store) Pair(r Ref) (pair []byte, keyLen int) {
	b := s.blocks[r.block()][r.offset():]
	if b[0]|b[1] < 0x80 {
		k := int(b[0])
		return b[2 : 2+k+int(b[1])], k
	}
	k, n := binary.Uvarint(b)
	v, m := binary.Uvarint(b[n:])
	return b[n+m : n+m+int(k)+int(v)], int(k)
}

// cut returns the record at the beginning of part of a block.
func cut(b []byte) (key, value []byte) {
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

// Touch brings the beginnings of records near the processor. Called for a few
// dozen records before they are used in an order that memory does not know, it
// has the processor fetch them at the same time instead of one after the other.
func (s *Store) Touch(order []Item) {
	sum := byte(0)
	for i := range order {
		sum += s.touch(order[i].Ref)
	}
	runtime.KeepAlive(sum) // or the compiler leaves the reading out
}

// TouchHashed is Touch for what Hashed returned.
func (s *Store) TouchHashed(order []Hashed) {
	sum := byte(0)
	for _, h := range order {
		sum += s.touch(s.Ref(h.Seq()))
	}
	runtime.KeepAlive(sum)
}

// touch reads the first byte of a record and, as records often lie across two
// of the pieces of 64 bytes that processors fetch, one further on.
func (s *Store) touch(r Ref) byte {
	b := s.blocks[r.block()][r.offset():]
	return b[0] + b[min(50, len(b)-1)]
}

// Key returns the key of a record.
func (s *Store) Key(r Ref) []byte {
	key, _ := s.Record(r)
	return key
}
