package bdb

import (
	"bytes"
	"math/bits"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// LookupMany looks up keys, several times as fast as one by one in a table that
// is larger than the caches of the processor: a lookup there is mostly waiting
// for memory, and many can wait at the same time.
//
// It calls found for each key that is there, in order of the keys, until found
// returns false; value is valid until then. It returns how many keys were answered
// before that, or before the one that err is about.
func (r *Reader) LookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	if r.mapped {
		return r.manyMapped(keys, found)
	}
	err = r.many(keys, found, &answered)
	return answered, err
}

// manyMapped returns what was answered even when a fault ends it.
func (r *Reader) manyMapped(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	defer mmap.Recover(mmap.Protect(), &err)
	err = r.many(keys, found, &answered)
	return answered, err
}

// groupSize is how many keys are looked up side by side. A processor has some
// tens of reads from memory under way.
const groupSize = 32

// side is one of the lookups that go on side by side.
type side struct {
	pgno       uint32
	markedPage        // where the key should be; p is nil when that is not known
	mark       uint64 // of the key
	seen, head uint64 // first words of marks and page
	pair       int    // that may be it; -1: it is not there
	start      int    // of the pair's key on the page
	touched    byte   // read so that it is in the cache
}

func (r *Reader) many(keys [][]byte, found func(i int, value []byte) bool, answered *int) error {
	sc := r.getScratch()
	defer r.putScratch(sc)
	var group [groupSize]side
	var long []byte
	for *answered < len(keys) {
		from := *answered
		part := keys[from:min(from+groupSize, len(keys))]
		if r.data != nil && !r.customHash() {
			r.abreast(part, group[:])
		}
		for i, key := range part {
			f, ok, err := r.settle(&group[i], key, sc)
			if err != nil {
				return err
			}
			if ok && f.chain != 0 {
				if long, err = r.appendChain(long[:0], f.chain, f.total, sc); err != nil {
					return err
				}
				f.value = long
			}
			if ok && !found(from+i, f.value) {
				return nil
			}
			*answered++
		}
	}
	return nil
}

// abreast takes each step of the search for all keys before the next step, so
// that the processor fetches what the steps of the others need meanwhile.
func (r *Reader) abreast(keys [][]byte, group []side) {
	r.current(false)
	m := r.memo.Load()
	group = group[:len(keys)]
	for i, key := range keys {
		s := &group[i]
		s.p, s.pair = nil, -1
		at := place{level: leafLevel}
		if r.kind == Btree {
			at = r.descend(key)
		} else {
			at.pgno = r.bucketPage(r.bucketOf(hashKey(key)))
		}
		pgno := at.pgno
		if pgno == 0 || pgno > r.lastPgno || at.level != leafLevel || m.get(pgno)&pageMarked == 0 {
			continue
		}
		s.mark = markOf(key)
		off := int64(pgno) * int64(r.size)
		s.pgno, s.p, s.marks = pgno, r.data[off:off+int64(r.size)], m.marksOf(pgno)
	}
	// Few instructions for each key, so that the processor sees many at once.
	for i := range group {
		if s := &group[i]; s.p != nil {
			s.seen, s.head = s.marks[0].Load(), headOf(s.p)
		}
	}
	for i := range group {
		if s := &group[i]; s.p != nil {
			r.candidate(s)
		}
	}
	for i := range group {
		if s := &group[i]; s.pair >= 0 {
			s.start = r.index(s.p, 2*s.pair)
		}
	}
	// An item begins on one line of the cache and may end on the next, and the
	// value is near.
	for i, key := range keys {
		if s := &group[i]; s.pair >= 0 && s.start < len(s.p) {
			s.touched = s.p[s.start] + s.p[max(s.start-64, 0)] + s.p[min(s.start+len(key), len(s.p)-1)]
		}
	}
}

// candidate finds the first pair that has the mark.
func (r *Reader) candidate(s *side) {
	n := r.entries(s.p) / 2
	if s.seen != s.head || r.overhead+4*n > len(s.p) {
		s.p = nil
		return
	}
	for i := range (n + 7) / 8 {
		if found := matches(s.marks[1+i].Load(), s.mark); found != 0 {
			if pair := 8*i + bits.TrailingZeros64(found)/8; pair < n {
				s.pair = pair
			}
			return
		}
	}
}

// settle completes a lookup: the simple way, unless the pair is the right one, or
// it is clear that there is none.
func (r *Reader) settle(s *side, key []byte, sc *scratch) (f found, ok bool, err error) {
	switch {
	case s.p == nil, r.kind == Btree && s.p[offLevel] != leafLevel, r.kind == Hash && r.prev(s.p) != 0:
		// Not known, or damaged.
	case s.pair < 0:
		if r.kind == Btree || r.next(s.p) == 0 {
			return found{}, false, nil
		}
	default:
		k, ok := r.keyAt(s.p, s.pair)
		switch {
		case !ok || !bytes.Equal(k, key):
		case r.kind == Hash:
			return r.hashValue(s.p, s.pgno, s.pair, nil)
		case !r.deleted(s.p, s.pair):
			return r.entryValue(s.p, s.pgno, r.index(s.p, 2*s.pair+1), nil)
		}
	}
	return r.find(key, sc)
}
