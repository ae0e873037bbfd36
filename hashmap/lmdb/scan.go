package lmdb

import (
	"bytes"
	"fmt"
	"iter"
)

// A Record is one key with its value. Its slices are valid until the next step
// of the iteration and must not be written to.
type Record struct{ Key, Value []byte }

// All iterates over the records in the order of their keys (unsigned bytes),
// which is the order of postmap -s. It gives the table as it was when the
// iteration began. It ends after an error: [ErrChanged] when another process
// has changed the table so often meanwhile that its pages may be in use again,
// or one wrapping [ErrCorrupt].
func (r *Reader) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		t := r.begin()
		defer t.end()
		w := walk{t: &t}
		if err := t.guarded(w.start); err != nil {
			yield(Record{}, err)
			return
		}
		for {
			rec, ok, err := w.next()
			if err != nil {
				t.guarded(func() error {
					if changed, _ := t.changed(); changed {
						err = ErrChanged
					}
					return nil
				})
				yield(Record{}, err)
				return
			}
			if !ok || !yield(rec, nil) {
				return
			}
		}
	}
}

// A walk goes through a tree in key order. Pages are copied, so that the caller
// may look at a record without being guarded against faults of the mapping.
type walk struct {
	t       *tx
	stack   []frame // from the root down
	seen    bitmap  // pages met; no page may be met twice
	last    []byte  // previous key
	big     []byte  // value from overflow pages
	entries uint64  // what the meta page promises
	n       uint64
}

type frame struct {
	page   uint64
	p      []byte
	nodes  int
	next   int // node to go to
	branch bool
}

// A bitmap has a bit for every page of the file.
type bitmap []uint64

// add sets n bits from pg on and reports whether all were clear. The pages are
// known to be in the file, which bounds the memory.
func (b *bitmap) add(pg, n uint64) bool {
	for uint64(len(*b)) <= (pg+n)/64 {
		*b = append(*b, 0)
	}
	fresh := true
	for i := pg; i < pg+n; i++ {
		fresh = fresh && !b.has(i)
		(*b)[i/64] |= 1 << (i % 64)
	}
	return fresh
}

func (b bitmap) has(pg uint64) bool { return pg/64 < uint64(len(b)) && b[pg/64]>>(pg%64)&1 != 0 }

func (w *walk) start() error {
	t := w.t
	if err := t.start(); err != nil {
		return err
	}
	m, err := t.meta()
	if err != nil {
		return err
	}
	w.entries = m.main.entries
	if t.depth == 0 {
		return nil
	}
	return w.push(t.root, t.depth)
}

// push loads a page of the given level and makes it the current one.
func (w *walk) push(pg uint64, level int) error {
	p, n, err := w.t.load(pg, level)
	if err != nil {
		return err
	}
	if !w.seen.add(pg, 1) {
		return w.t.r.corrupt(int64(pg), int64(pg)*int64(w.t.r.geo.page), "page is in the tree twice")
	}
	depth := len(w.stack)
	if depth < cap(w.stack) {
		w.stack = w.stack[:depth+1]
	} else {
		w.stack = append(w.stack, frame{})
	}
	f := &w.stack[depth]
	*f = frame{page: pg, p: append(f.p[:0], p...), nodes: n, branch: level > 1}
	return nil
}

// next returns the next record, ok false at the end.
func (w *walk) next() (rec Record, ok bool, err error) {
	g := &w.t.r.geo
	for len(w.stack) > 0 {
		f := &w.stack[len(w.stack)-1]
		if f.next == f.nodes {
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		at, key, ok := g.node(f.p, f.next)
		if !ok {
			return rec, false, w.t.badNode(f.page, f.next)
		}
		f.next++
		if f.branch {
			level := w.t.depth - len(w.stack)
			if err := w.t.guarded(func() error { return w.turn(g.child(f.p, at), level) }); err != nil {
				return rec, false, err
			}
			continue
		}
		if rec.Value, err = w.value(f, at, key); err != nil {
			return rec, false, err
		}
		if w.n > 0 && bytes.Compare(w.last, key) >= 0 {
			return rec, false, w.t.r.corrupt(int64(f.page), int64(f.page)*int64(g.page)+int64(at), "keys are not in order")
		}
		w.last = append(w.last[:0], key...)
		w.n++
		rec.Key = key
		return rec, true, nil
	}
	if w.n != w.entries {
		return rec, false, w.t.r.corrupt(0, 0, fmt.Sprintf("table has %d records, its meta page says %d", w.n, w.entries))
	}
	return rec, false, nil
}

// turn goes down to a child page. Only here can the tx have become too old:
// everything else happens in copies.
func (w *walk) turn(pg uint64, level int) error {
	err := w.push(pg, level)
	if changed, e := w.t.changed(); changed || e != nil {
		if changed {
			return ErrChanged
		}
		return e
	}
	return err
}

// value returns the value of a leaf node.
func (w *walk) value(f *frame, at int, key []byte) ([]byte, error) {
	t, g := w.t, &w.t.r.geo
	v, reason := g.value(f.p, at, at+nodeHead+len(key))
	if reason != "" {
		return nil, t.r.corrupt(int64(f.page), int64(f.page)*int64(g.page)+int64(at), reason)
	}
	if v.page == 0 {
		return v.inline, nil
	}
	err := t.guarded(func() (err error) {
		if err := t.reach(v.page, uint64(g.overflowPages(v.size))); err != nil {
			return err
		}
		if !w.seen.add(v.page, uint64(g.overflowPages(v.size))) {
			return t.r.corrupt(int64(v.page), int64(v.page)*int64(g.page), "overflow page is in use twice")
		}
		w.big, err = t.appendOverflow(w.big[:0], v)
		if changed, e := t.changed(); changed && e == nil {
			return ErrChanged
		}
		return err
	})
	return w.big, err
}
