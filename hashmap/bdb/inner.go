package bdb

import (
	"bytes"
	"sync/atomic"
)

// The upper pages of a tree are searched by every lookup. What decides there is
// kept beside them, close together: of each key the eight bytes behind those that
// all keys of the page share.

// inner is what a Reader knows of an internal page.
type inner struct {
	pgno   uint32
	level  int
	head   uint64 // of the page, which is searched itself once it has changed
	prefix []byte // what all keys share
	words  []uint64
	child  []uint32                // one more than words: the first key stands for everything below
	kids   []atomic.Pointer[inner] // of child; none where the children are leaves
}

// opaque stands for a page of which nothing is known but itself.
var opaque = &inner{}

// worthLearning is how many lookups make it worth while to know the upper pages.
// Many programs open a table for one.
const worthLearning = 4

// place is where a search of a tree has come to.
type place struct {
	pgno  uint32
	level int // of the page, -1: any
}

// descend goes from the root down as far as inner pages are known, and makes
// those known that are not, where that is possible.
func (r *Reader) descend(key []byte) place {
	at := place{r.root, -1}
	m := r.memo.Load()
	slot := &m.top
	if slot.Load() == nil && m.asked.Add(1) < worthLearning {
		return at
	}
	for slot != nil {
		in := slot.Load()
		if in == nil {
			// In a sound file every page has one parent, and half of them are
			// leaves.
			if m.inners.Add(1) > r.lastPgno/2+2 {
				m.inners.Add(^uint32(0))
				return at
			}
			in = r.learn(at)
			slot.CompareAndSwap(nil, in)
		}
		if in == opaque {
			return at
		}
		if off := int64(in.pgno) * int64(r.size); in.head != headOf(r.data[off:off+int64(r.size)]) {
			return at
		}
		i, sure := in.search(key)
		if !sure {
			return at
		}
		pgno := in.child[i]
		if pgno == 0 || pgno > r.lastPgno {
			return at // the search of the page itself has the words for it
		}
		at, slot = place{pgno, in.level - 1}, nil
		if in.kids != nil {
			slot = &in.kids[i]
		}
	}
	return at
}

// search returns the child that may have key. It is not sure when eight bytes do
// not decide.
func (in *inner) search(key []byte) (child int, sure bool) {
	if !bytes.HasPrefix(key, in.prefix) {
		if bytes.Compare(key, in.prefix) < 0 {
			return 0, true
		}
		return len(in.words), true
	}
	want := word(key, len(in.prefix))
	words := in.words
	lo := 0
	for n := len(words); n > 0; {
		half := (n + 1) / 2
		if words[lo+half-1] < want {
			lo += half
		}
		n -= half
	}
	return lo, lo == len(words) || words[lo] != want
}

// learn makes the inner of a page. It is opaque for a leaf, for a page that is
// damaged, and for one whose keys are on other pages or not in strict order:
// there the answer depends on the way it is searched.
func (r *Reader) learn(at place) *inner {
	p, _, err := r.view(at.pgno, nil)
	if err != nil || p[offType] != pageInternal || r.levelled(p, at.pgno, at.level) != nil {
		return opaque
	}
	n := r.entries(p)
	in := &inner{pgno: at.pgno, level: int(p[offLevel]), head: headOf(p), child: make([]uint32, n), words: make([]uint64, n-1)}
	var last []byte
	same := 0
	for i := range n {
		child, key, ok := r.separator(p, i)
		if !ok || i > 1 && bytes.Compare(last, key) >= 0 {
			return opaque
		}
		switch in.child[i] = child; i {
		case 0: // has no key
		case 1:
			in.prefix, same = bytes.Clone(key), len(key)
		default:
			// In order, all share what the first and the last share.
			_, same = compareKeys(in.prefix, key)
		}
		last = key
	}
	in.prefix = in.prefix[:same]
	for i := range in.words {
		_, key, ok := r.separator(p, i+1)
		if !ok || len(key) < same {
			return opaque
		}
		in.words[i] = word(key, same)
	}
	if in.level > 2 {
		in.kids = make([]atomic.Pointer[inner], n)
	}
	return in
}

// separator returns entry i of an internal page if its key is on the page. The
// page may have changed since it was examined.
func (r *Reader) separator(p []byte, i int) (child uint32, key []byte, ok bool) {
	at := r.overhead + 2*i
	if at+2 > len(p) {
		return 0, nil, false
	}
	if at = r.u16(p, at); at+12 > len(p) {
		return 0, nil, false
	}
	end := at + 12 + r.u16(p, at)
	if p[at+2]&^entryDeleted != entryKeyData || end > len(p) {
		return 0, nil, false
	}
	return r.u32(p, at+4), p[at+12 : end], true
}
