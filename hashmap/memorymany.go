package hashmap

import (
	"math/bits"
	"unsafe"

	"github.com/postfixkit/postfixkit/internal/casefold"
)

// sideBySide is how many keys are looked up at the same time. A processor has
// some tens of reads from memory under way.
const sideBySide = 32

// A side is one of the lookups that go on at the same time.
type side struct {
	hash uint64
	b    *bucket
	tags uint64 // of b
	// entry is where the first entry with the tag begins, "" when there is none.
	entry string
	first byte // of entry
}

// LookupMany is a [table.Batcher]: it takes each step of the search for several
// keys before the next step, so that their waiting for memory overlaps.
func (m *Memory) LookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	if m.n == 0 {
		return len(keys), nil
	}
	var sides [sideBySide]side
	var value []byte
	for from := 0; from < len(keys); from += sideBySide {
		some := keys[from:min(from+sideBySide, len(keys))]
		m.abreast(some, sides[:])
		for i, key := range some {
			v, ok := m.settle(&sides[i], key)
			if !ok {
				continue
			}
			if value = append(value[:0], v...); !found(from+i, value) {
				return from + i, nil
			}
		}
	}
	return len(keys), nil
}

func (m *Memory) abreast(keys [][]byte, sides []side) {
	for i, key := range keys {
		s := &sides[i]
		s.hash = m.hash(unsafe.String(unsafe.SliceData(key), len(key)))
		s.b = &m.buckets[m.start(s.hash)]
	}
	// Few instructions for each key, so that the processor sees many at once.
	sides = sides[:len(keys)]
	for i := range sides {
		sides[i].tags = sides[i].b[0]
	}
	for i := range sides {
		s := &sides[i]
		s.entry = ""
		if found := s.b.matches(tagOf(s.hash)); found != 0 {
			place := s.b[1+bits.TrailingZeros64(found)/8&7]
			s.entry = m.blocks[place>>offsetBits][place&(blockSize-1):]
		}
	}
	for i := range sides {
		if s := &sides[i]; s.entry != "" {
			s.first = s.entry[0]
		}
	}
}

// settle completes a lookup: the simple way, unless the first entry with the tag
// is the right one, or there is none.
func (m *Memory) settle(s *side, key []byte) (value string, ok bool) {
	if s.entry != "" {
		if k, v, _ := readEntry(s.entry); k == string(key) {
			return v, true
		}
	} else if !s.b.full() {
		return "", false
	}
	return m.GetBytes(key)
}

// LookupMany is a [table.Batcher]. It never fails.
func (f foldedMemory) LookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	p := parts.Get().(*part)
	defer parts.Put(p)
	for answered < len(keys) {
		from := answered
		some := keys[from:min(from+partSize, len(keys))]
		p.fill(some, func(key []byte) ([]byte, bool) {
			if f.utf8 && !casefold.Valid(key) {
				return nil, false
			}
			return foldKey(key, f.utf8), true
		})
		// A Memory has no errors, so the only end before the last key is found's.
		n, _ := f.Memory.LookupMany(p.keys, func(i int, value []byte) bool { return found(from+p.of[i], value) })
		if n < len(p.keys) {
			return from + p.of[n], nil
		}
		answered += len(some)
	}
	return answered, nil
}
