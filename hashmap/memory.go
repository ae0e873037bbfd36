package hashmap

import (
	"context"
	"hash/maphash"
	"iter"
	"math/bits"
	"unsafe"

	"github.com/postfixkit/postfixkit/table"
)

// A Memory is a table in memory that never changes: what texthash: tables are
// read into, and what an embedding program builds from its own data with a
// [MemoryBuilder].
//
// It is made for many entries. Keys and values stand one after the other in
// blocks of a megabyte, and an index without pointers finds them: an entry costs
// its bytes and 19 more (21 from 128 bytes on), and the garbage collector sees
// one pointer per block. No lookup allocates.
//
// To change a table build a new one and swap it for the old: an
// atomic.Pointer[Memory] does it, and [table.Reload] does it for files.
//
// The zero Memory is an empty table. A Memory is safe for concurrent use.
//
// The strings it returns are parts of its blocks. Whoever keeps one for long
// after the table is gone should keep a strings.Clone of it.
type Memory struct {
	blocks  []string // each entry: uvarint len(key), uvarint len(value), key, value
	buckets []bucket
	n       int
	size    int64 // bytes of keys and values
	dead    bool  // blocks hold entries that lost against another with the key
	// seed is for tables whose keys were chosen to collide; see MemoryBuilder.
	seed   maphash.Seed
	seeded bool
	plain  bool // has entries, and is not seeded
}

var (
	_ table.Lister   = (*Memory)(nil)
	_ table.Appender = (*Memory)(nil)
)

// A bucket is one cache line: a word with a byte of the hash for each of its
// seven entries, filled from the lowest and 0 where there is none, and their
// places. All bytes are compared at once, so that a search has no branch the
// processor would guess wrong and can run ahead to the next one. A full bucket
// continues in the one after it.
type bucket [1 + bucketSlots]uint64

const (
	bucketSlots = 7
	eachByte    = 0x01010101010101
	topBits     = 0x80808080808080
)

// tagOf is the byte of a hash that a bucket holds. The place of the bucket
// comes from the upper bits, so that the two tell different things.
func tagOf(h uint64) uint64 { return max(h&0xff, 1) }

// matches has the top bit set in each byte of the tag word that may equal tag.
func (b *bucket) matches(tag uint64) uint64 {
	x := b[0] ^ tag*eachByte
	return (x - eachByte) &^ x & topBits
}

func (b *bucket) full() bool { return b[0]>>(8*(bucketSlots-1)) != 0 }

// A place is the number of a block and an offset in it.
const (
	offsetBits = 20
	blockSize  = 1 << offsetBits
	maxBlocks  = 1 << 30 // on machines that have the memory
)

// start is the bucket where the search for a hash begins: the hash scaled to
// the number of buckets, which need not be a power of two.
func (m *Memory) start(h uint64) uint {
	hi, _ := bits.Mul64(h, uint64(len(m.buckets)))
	return uint(hi)
}

// entry returns the entry at a place.
func (m *Memory) entry(place uint64) (key, value string) {
	key, value, _ = readEntry(m.blocks[place>>offsetBits][place&(blockSize-1):])
	return key, value
}

// readEntry returns the entry a block begins with, and how long it is.
func readEntry(b string) (key, value string, n int) {
	if b[0]|b[1] < 0x80 { // both lengths in one byte: nearly always
		k, v := 2+int(b[0]), int(b[1])
		return b[2:k], b[k : k+v], k + v
	}
	klen, i := uvarint(b)
	vlen, j := uvarint(b[i:])
	from := i + j
	return b[from : from+klen], b[from+klen : from+klen+vlen], from + klen + vlen
}

func uvarint(b string) (v, n int) {
	for shift := 0; ; shift += 7 {
		c := b[n]
		n++
		v |= int(c&0x7f) << shift
		if c < 0x80 {
			return v, n
		}
	}
}

// Get returns the value of key.
func (m *Memory) Get(key string) (value string, ok bool) {
	// Here is what the first look decides; everything else is left to search. The
	// fewer instructions a lookup takes, the more of them the processor begins
	// while it waits for the memory of the first.
	if uint(len(key)-1) >= shortKey || !m.plain {
		return m.search(key) // also the empty key: nothing may follow its lengths
	}
	h := shortHash(key)
	b := &m.buckets[m.start(h)]
	found := b.matches(tagOf(h))
	if found == 0 {
		if b.full() {
			return m.search(key)
		}
		return "", false
	}
	place := b[(1+bits.TrailingZeros64(found)/8)&7]
	block, at := m.blocks[place>>offsetBits], int(place&(blockSize-1))
	e := unsafe.Add(unsafe.Pointer(unsafe.StringData(block)), at)
	n, size := *(*byte)(e), *(*byte)(unsafe.Add(e, 1))
	if size >= 0x80 || int(n) != len(key) || unsafe.String((*byte)(unsafe.Add(e, 2)), len(key)) != key {
		return m.search(key)
	}
	at += 2 + len(key)
	return block[at : at+int(size)], true
}

// search is Get without any assumption.
func (m *Memory) search(key string) (value string, ok bool) {
	if m.n == 0 {
		return "", false
	}
	h := m.hash(key)
	for i := m.start(h); ; {
		b := &m.buckets[i]
		for found := b.matches(tagOf(h)); found != 0; found &= found - 1 {
			if k, v := m.entry(b[1+bits.TrailingZeros64(found)/8&7]); k == key {
				return v, true
			}
		}
		if !b.full() {
			return "", false
		}
		if i++; i == uint(len(m.buckets)) {
			i = 0
		}
	}
}

// GetBytes is Get for a key in bytes. It does not keep or change them.
func (m *Memory) GetBytes(key []byte) (value string, ok bool) {
	return m.Get(unsafe.String(unsafe.SliceData(key), len(key)))
}

// Lookup is Get as a [table.Table]. It never fails.
func (m *Memory) Lookup(_ context.Context, key string) (value string, found bool, err error) {
	value, found = m.Get(key)
	return value, found, nil
}

// AppendLookup is GetBytes as a [table.Appender].
func (m *Memory) AppendLookup(dst, key []byte) (value []byte, found bool, err error) {
	v, found := m.GetBytes(key)
	return append(dst, v...), found, nil
}

// All lists the entries in the order they were added. It never fails.
func (m *Memory) All(ctx context.Context) iter.Seq2[table.Entry, error] {
	return func(yield func(table.Entry, error) bool) {
		for i, block := range m.blocks {
			if err := ctx.Err(); err != nil {
				yield(table.Entry{}, err)
				return
			}
			for at := 0; at < len(block); {
				k, v, n := readEntry(block[at:])
				if (!m.dead || m.alive(k, uint64(i)<<offsetBits|uint64(at))) && !yield(table.Entry{Key: k, Value: v}, nil) {
					return
				}
				at += n
			}
		}
	}
}

// alive reports whether the entry at place is the one lookups find.
func (m *Memory) alive(key string, place uint64) bool {
	for i := m.start(m.hash(key)); ; i = (i + 1) % uint(len(m.buckets)) {
		for _, p := range m.buckets[i].places() {
			if p == place {
				return true
			}
		}
		if !m.buckets[i].full() {
			return false
		}
	}
}

// places are those of the entries in the bucket.
func (b *bucket) places() []uint64 {
	return b[1:][:(bits.Len64(b[0])+7)/8]
}

// Len returns the number of entries.
func (m *Memory) Len() int { return m.n }

// Size returns the bytes of all keys and values, without what it costs to find
// them.
func (m *Memory) Size() int64 { return m.size }

// Close does nothing; with it a Memory is a [table.Closer].
func (m *Memory) Close() error { return nil }
