package arena

import (
	"encoding/binary"
	"slices"
)

// A Batch is records that are collected apart from a Store, by another goroutine
// perhaps.
type Batch struct {
	data []byte   // as in a block of a Store
	at   []uint32 // where records begin
	sorting
	size   int64
	first  []byte // key of the first record
	common int    // leading bytes that all keys have in common
	nul    bool
	room   func(key, value []byte) uint16
}

// sorting is what Sorted wants to know of records, by their place in at. It is
// learnt when they are collected: then they need not be read for it again.
type sorting struct {
	depth  int
	prefix []uint64 // the eight bytes of keys at depth
	sizes  []uint16
}

const maxBatch = 1 << offsetBits

// smallBatch is the size below which a Batch is copied, because blocks have only
// so many numbers; tests change it.
var smallBatch = 32 << 10

// NewBatch returns an empty Batch for this Store with room for size bytes. With
// nul, Add puts a zero byte behind keys and values. For a Store that will be
// Sorted, room is the size function that will be given then. Several goroutines
// may call NewBatch.
func (s *Store) NewBatch(size int, nul bool, room func(key, value []byte) uint16) Batch {
	each := int(s.each.Load())
	if each == 0 {
		each = 32 // a guess
	}
	n := size / each
	n += n/16 + 8
	b := Batch{data: make([]byte, 0, size+size/16), at: make([]uint32, 0, n), nul: nul, room: room}
	if room != nil {
		b.sorting = sorting{int(s.depth.Load()), make([]uint64, 0, n), make([]uint16, 0, n)}
	}
	return b
}

// Add appends a copy of key and value. It returns false when there is no room.
func (b *Batch) Add(key, value []byte) bool {
	keyLen, valueLen := len(key), len(value)
	if b.nul {
		keyLen, valueLen = keyLen+1, valueLen+1
	}
	if uint64(len(b.data))+uint64(keyLen)+uint64(valueLen) >= maxBatch {
		return false
	}
	b.at = append(b.at, uint32(len(b.data)))
	if keyLen|valueLen < 0x80 {
		b.data = append(b.data, byte(keyLen), byte(valueLen))
	} else {
		b.data = binary.AppendUvarint(b.data, uint64(keyLen))
		b.data = binary.AppendUvarint(b.data, uint64(valueLen))
	}
	b.data = append(b.data, key...)
	if b.nul {
		b.data = append(b.data, 0)
	}
	key = b.data[len(b.data)-keyLen:]
	b.data = append(b.data, value...)
	if b.nul {
		b.data = append(b.data, 0)
	}
	if b.room != nil {
		prefix := uint64(0)
		if keyLen >= b.depth { // else depth will not be what is asked for
			prefix = load(key, b.depth)
		}
		b.prefix = append(b.prefix, prefix)
		b.sizes = append(b.sizes, b.room(key, b.data[len(b.data)-valueLen:]))
	}
	b.size += int64(keyLen) + int64(valueLen)
	if len(b.at) == 1 {
		b.first, b.common = key, keyLen
	} else if keyLen < b.common || string(key[:b.common]) != string(b.first[:b.common]) {
		b.common = shared(b.first[:b.common], key)
	}
	return true
}

// Last returns the record that was added last.
func (b *Batch) Last() (key, value []byte) { return cut(b.data[b.at[len(b.at)-1]:]) }

// Len returns how many records were added.
func (b *Batch) Len() int { return len(b.at) }

// AddBatch adds the records of a Batch, in their order, and takes its memory: the
// Batch is empty then. It fails only when the store is full.
func (s *Store) AddBatch(b *Batch) error {
	if len(b.at) == 0 {
		return nil
	}
	if len(b.at) > maxRecords-s.n || len(s.blocks) >= 1<<blockBits-1 {
		return ErrTooMany
	}
	if len(b.data) < smallBatch {
		for _, at := range b.at {
			if err := s.Add(cut(b.data[at:])); err != nil {
				return err
			}
		}
		b.clear(s.common)
		return nil
	}
	if s.n == 0 {
		s.first, s.common = slices.Clone(b.first), b.common
	} else {
		s.common = shared(s.first[:min(s.common, b.common)], b.first)
	}
	b.prefix, b.sizes = trimmed(b.prefix), trimmed(b.sizes)
	s.runs = append(s.runs, run{s.n, len(s.blocks), trimmed(b.at), b.sorting})
	s.put(trimmed(b.data))
	s.added(len(b.at), b.size)
	s.depth.Store(int64(s.common))
	s.each.Store(int64(len(b.data) / len(b.at)))
	b.clear(s.common)
	return nil
}

// clear leaves an empty Batch without memory that takes records as before.
func (b *Batch) clear(depth int) {
	*b = Batch{nul: b.nul, room: b.room, sorting: sorting{depth: depth}}
}

// trimmed returns s, or a copy where much of its memory is not used: of a source
// that is mostly comments.
func trimmed[T any](s []T) []T {
	if cap(s)-len(s) <= len(s)/4 {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}
