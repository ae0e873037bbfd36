package lmdb

import (
	"bytes"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// attempts is how often a lookup starts anew when the table changed under it.
const attempts = 10

// Lookup returns the value of key. A miss is found == false with a nil error; an
// error means that the answer is not known. It wraps [ErrCorrupt] when the file
// is damaged and [ErrChanged] when it changes too fast to be read.
func (r *Reader) Lookup(key []byte) (value string, found bool, err error) {
	var room [256]byte
	v, found, err := r.AppendLookup(room[:0], key)
	return string(v), found, err
}

// AppendLookup is [Reader.Lookup] without an allocation: it appends the value
// to dst and returns the result, dst itself when there is none.
func (r *Reader) AppendLookup(dst, key []byte) (out []byte, found bool, err error) {
	v := r.view.Load()
	if v == nil {
		t := r.begin()
		out, found, err = t.lookup(dst, key)
		t.end()
		return out, found, err
	}
	out = dst // what a fault returns
	defer mmap.Recover(mmap.Protect(), &err)
	if v.fast {
		if out, found, ok := v.find(r.geo.page, dst, key); ok {
			return out, found, nil
		}
	}
	return r.slowly(dst, key)
}

// slowly is the general way to look a key up in a mapped file.
func (r *Reader) slowly(dst, key []byte) (out []byte, found bool, err error) {
	t := r.begin()
	out, found, err = t.lookup(dst, key)
	t.end()
	return out, found, err
}

func (t *tx) lookup(dst, key []byte) ([]byte, bool, error) {
	for range attempts {
		out, found, err := t.try(dst, key)
		if err == nil {
			changed, err := t.changed()
			if !changed || err != nil {
				return out, found && err == nil, err
			}
		} else if !mayBeChange(err) {
			return dst, false, err
		} else if changed, _ := t.changed(); !changed {
			return dst, false, err
		}
	}
	return dst, false, ErrChanged
}

// try is one walk from the root to the leaf.
func (t *tx) try(dst, key []byte) ([]byte, bool, error) {
	if err := t.start(); err != nil {
		return dst, false, err
	}
	g := &t.r.geo
	pg := t.root
	for level := t.depth; level > 0; level-- {
		p, n, err := t.load(pg, level)
		if err != nil {
			return dst, false, err
		}
		at, end, same := g.find(p, n, level, key)
		if at < 0 {
			return dst, false, t.badNode(pg, end)
		}
		if level > 1 {
			pg = g.child(p, at)
			continue
		}
		if !same {
			return dst, false, nil
		}
		v, reason := g.value(p, at, end)
		if reason != "" {
			return dst, false, t.r.corrupt(int64(pg), int64(pg)*int64(g.page)+int64(at), reason)
		}
		if v.page == 0 {
			return append(dst, v.inline...), true, nil
		}
		out, err := t.appendOverflow(dst, v)
		if err != nil {
			return dst, false, err
		}
		return out, true, nil
	}
	return dst, false, nil
}

func (t *tx) badNode(pg uint64, i int) error {
	off := int64(pg) * int64(t.r.geo.page)
	return t.r.corrupt(int64(pg), off+int64(t.r.geo.head()+2*i), "node does not lie in its page")
}

// find searches page p of n nodes. On a branch page the result is the last node
// whose key is not above key, its first node counting as below all; on a leaf
// the node with this key, if same. at is -1 when node number end is damaged.
func (g *geometry) find(p []byte, n, level int, key []byte) (at, end int, same bool) {
	lo, hi := 0, n // the first node above key is in lo..hi
	if level > 1 {
		lo = 1
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		at, k, ok := g.node(p, mid)
		if !ok {
			return -1, mid, false
		}
		switch c := bytes.Compare(k, key); {
		case c == 0:
			return at, at + nodeHead + len(k), true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	if level == 1 {
		return 0, 0, false
	}
	at, k, ok := g.node(p, lo-1)
	if !ok {
		return -1, lo - 1, false
	}
	return at, at + nodeHead + len(k), false
}
