package hashmap

import (
	"hash/maphash"
	"math/bits"
	"runtime"
	"slices"
	"unsafe"
)

// A MemoryBuilder collects the entries of a [Memory]. The zero value is ready
// and rejects repeated keys. Not safe for concurrent use.
type MemoryBuilder struct {
	// Duplicates says what becomes of a key that is added again. KeepAll
	// counts as KeepFirst.
	Duplicates Duplicates
	// OnDuplicate, when set, is called by Build for every entry whose key was
	// added before, in the order they were added, whatever Duplicates says.
	// first and again count the calls of Add from 0; first is the entry that
	// counted until then.
	OnDuplicate func(key string, first, again int)

	blocks []string
	block  []byte // the one being filled
	n      int
	size   int64
}

// Add appends a copy of one entry. It fails only when the table is full, at 16
// TiB.
func (b *MemoryBuilder) Add(key, value []byte) error { return addEntry(b, key, value) }

// AddString is Add for strings.
func (b *MemoryBuilder) AddString(key, value string) error { return addEntry(b, key, value) }

func addEntry[T string | []byte](b *MemoryBuilder, key, value T) error {
	if isFull(b.block, len(key)+len(value)) {
		b.endBlock()
		if len(b.blocks) == maxBlocks {
			return ErrTooLarge
		}
	}
	b.block = appendEntry(b.block, key, value)
	b.size += int64(len(key)) + int64(len(value))
	b.n++
	return nil
}

// isFull tells whether an entry of size bytes has to go to another block: it has
// to begin where its place can name it, and blocks are kept to their size, unless
// one entry needs more.
func isFull(block []byte, size int) bool {
	return len(block) > 0 && len(block)+size+20 > blockSize
}

func appendEntry[T string | []byte](block []byte, key, value T) []byte {
	block = appendUvarint(block, len(key))
	block = appendUvarint(block, len(value))
	block = append(block, key...)
	return append(block, value...)
}

func appendUvarint(dst []byte, v int) []byte {
	for ; v >= 0x80; v >>= 7 {
		dst = append(dst, byte(v)|0x80)
	}
	return append(dst, byte(v))
}

// endBlock copies the block to where it stays, in its exact size.
func (b *MemoryBuilder) endBlock() {
	b.blocks = append(b.blocks, string(b.block))
	if cap(b.block) > 2*blockSize {
		b.block = nil
	}
	b.block = b.block[:0]
}

// A memoryBatch is a block of entries that another goroutine collects.
type memoryBatch struct {
	block []byte
	n     int
	size  int64
}

func (t *memoryBatch) Add(key, value []byte) error {
	if isFull(t.block, len(key)+len(value)) {
		return ErrTooLarge
	}
	t.block = appendEntry(t.block, key, value)
	t.size += int64(len(key)) + int64(len(value))
	t.n++
	return nil
}

// addBatch adds the entries of a batch, in their order.
func (b *MemoryBuilder) addBatch(t *memoryBatch) error {
	if len(b.block) > 0 {
		b.endBlock()
	}
	if len(b.blocks) == maxBlocks {
		return ErrTooLarge
	}
	if cap(t.block)-len(t.block) > len(t.block)/16 {
		b.blocks = append(b.blocks, string(t.block)) // of a source with many comments
	} else {
		b.blocks = append(b.blocks, unsafe.String(unsafe.SliceData(t.block), len(t.block)))
	}
	b.n += t.n
	b.size += t.size
	return nil
}

// Len returns how many entries were added.
func (b *MemoryBuilder) Len() int { return b.n }

// Build returns the table and leaves the builder empty. Its error is a
// *[DuplicateError] when keys are repeated and that is not allowed.
func (b *MemoryBuilder) Build() (*Memory, error) {
	if len(b.block) > 0 {
		b.endBlock()
	}
	x := indexer{m: &Memory{blocks: b.blocks, n: b.n, size: b.size}, policy: b.Duplicates, report: b.OnDuplicate}
	b.blocks, b.block, b.n, b.size = nil, nil, 0, 0
	if x.m.n == 0 {
		return x.m, nil
	}
	// Half of the places taken: few full buckets, and one that is not.
	x.m.buckets = make([]bucket, int(float64(x.m.n)/(bucketSlots*0.55))+1)
	if !x.run(maxProbes) {
		// Somebody chose keys whose hashes collide, to make lookups slow. The
		// hash with a secret seed spreads them and is a little slower.
		x.m.seed, x.m.seeded = maphash.MakeSeed(), true
		clear(x.m.buckets)
		x.run(x.m.n)
	}
	x.m.plain = !x.m.seeded
	return x.finish()
}

// maxProbes is how many buckets a search may look at before the keys are taken
// for hostile. Random hashes stay far below it at any number of entries.
const maxProbes = 128

// An indexer fills the index of a table.
type indexer struct {
	m       *Memory
	policy  Duplicates
	report  func(key string, first, again int)
	repeats []repeat
	lost    int64 // bytes of entries that do not count
}

// repeat says that the entry at place again has the key of the one at first.
type repeat struct{ first, again uint64 }

// run enters all entries in the order they were added. It gives up and reports
// false when a search takes more than limit steps.
func (x *indexer) run(limit int) bool {
	m := x.m
	x.repeats, x.lost = nil, 0
	// A page of fresh memory that is read before it is written costs twice.
	for i := 0; i < len(m.buckets); i += 4096 / 64 {
		m.buckets[i][0] = 0
	}
	var (
		next [32]indexEntry // to be entered
		n    int
	)
	for i, block := range m.blocks {
		for at := 0; at < len(block); {
			key, value, size := readEntry(block[at:])
			h := m.hash(key)
			next[n] = indexEntry{key, value, uint64(i)<<offsetBits | uint64(at), h, m.start(h)}
			if n++; n == len(next) {
				if !x.enterAll(next[:n], limit) {
					return false
				}
				n = 0
			}
			at += size
		}
	}
	return x.enterAll(next[:n], limit)
}

// An indexEntry is an entry on its way into the index.
type indexEntry struct {
	key, value string
	place      uint64
	hash       uint64
	start      uint // bucket
}

func (x *indexer) enterAll(entries []indexEntry, limit int) bool {
	// Here the processor waits for the memory of all buckets at the same time.
	sum := uint64(0)
	for i := range entries {
		sum += x.m.buckets[entries[i].start][0]
	}
	runtime.KeepAlive(sum) // or the compiler leaves the reading out
	for i := range entries {
		if !x.enter(&entries[i], limit) {
			return false
		}
	}
	return true
}

func (x *indexer) enter(e *indexEntry, limit int) bool {
	m := x.m
	tag, value := tagOf(e.hash), e.value
	for i := e.start; limit > 0; limit-- {
		b := &m.buckets[i]
		for found := b.matches(tag); found != 0; found &= found - 1 {
			at := &b[1+bits.TrailingZeros64(found)/8&7]
			k, v := m.entry(*at)
			if k != e.key {
				continue
			}
			x.repeats = append(x.repeats, repeat{*at, e.place})
			x.lost += int64(len(e.key))
			if x.policy == KeepLast {
				*at, value = e.place, v
			}
			x.lost += int64(len(value))
			return true
		}
		if !b.full() {
			used := (bits.Len64(b[0]) + 7) / 8
			b[0] |= tag << (8 * used)
			b[(1+used)&7] = e.place
			return true
		}
		if i++; i == uint(len(m.buckets)) {
			i = 0
		}
	}
	return false
}

func (x *indexer) finish() (*Memory, error) {
	m := x.m
	if len(x.repeats) == 0 {
		return m, nil
	}
	m.dead = true
	m.n -= len(x.repeats)
	m.size -= x.lost
	if x.report == nil && x.policy != RejectDuplicates {
		return m, nil
	}
	numbers := x.numbers()
	var refused *DuplicateError
	for _, r := range x.repeats {
		key, _ := m.entry(r.again)
		first, again := numbers.of(r.first), numbers.of(r.again)
		if x.report != nil {
			x.report(key, first, again)
		}
		if refused == nil {
			refused = &DuplicateError{Key: key, First: first, Again: again, Count: len(x.repeats)}
		}
	}
	if x.policy == RejectDuplicates {
		return nil, refused
	}
	return m, nil
}

// placeNumbers are places in their order, and which call of Add the entry there
// came from. A map would take three times the memory.
type placeNumbers struct {
	places  []uint64
	numbers []int
}

func (p *placeNumbers) of(place uint64) int {
	i, _ := slices.BinarySearch(p.places, place)
	return p.numbers[i]
}

// numbers finds out which call of Add the entries of repeats came from.
func (x *indexer) numbers() *placeNumbers {
	wanted := make([]uint64, 0, 2*len(x.repeats))
	for _, r := range x.repeats {
		wanted = append(wanted, r.first, r.again)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	p := &placeNumbers{wanted, make([]int, 0, len(wanted))}
	number := 0
	for i, block := range x.m.blocks {
		for at := 0; at < len(block) && len(p.numbers) < len(wanted); number++ {
			if wanted[len(p.numbers)] == uint64(i)<<offsetBits|uint64(at) {
				p.numbers = append(p.numbers, number)
			}
			_, _, n := readEntry(block[at:])
			at += n
		}
	}
	return p
}
