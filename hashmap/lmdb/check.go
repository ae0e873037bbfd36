package lmdb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/postfixkit/postfixkit/internal/arena"
)

// A Fault is one thing that is wrong with a file.
type Fault struct {
	Page   int64
	Offset int64 // in the file
	Reason string
}

// Check reads every page in use and reports all that is wrong: pages and nodes
// that do not lie where they can, keys out of order, pages that are used twice
// or are in use and listed as free, counts that do not agree. report may be
// nil; when it returns false the check ends.
//
// The error is nil for a sound file and a [*CorruptError] with the first fault
// for a damaged one; otherwise it is that of ctx or of reading, or [ErrChanged].
// Every page is looked at once; memory is two bits per page.
func (r *Reader) Check(ctx context.Context, report func(Fault) bool) error {
	t := r.begin()
	defer t.end()
	c := checker{t: &t, g: &r.geo, ctx: ctx, report: report}
	if err := t.guarded(c.run); err != nil {
		return err
	}
	return c.first
}

type checker struct {
	t            *tx
	g            *geometry
	ctx          context.Context
	report       func(Fault) bool
	first        error
	seen, listed bitmap // pages in use, pages listed as free
	pages        int    // for asking ctx now and then
	buf          []byte
}

// errEnough ends a check whose report has had enough.
var errEnough = errors.New("enough")

func (c *checker) fault(pg uint64, at int, format string, args ...any) error {
	// What looks like damage may be another process at work.
	if changed, err := c.t.changed(); changed || err != nil {
		return cmp.Or(err, ErrChanged)
	}
	f := Fault{Page: int64(pg), Offset: int64(pg)*int64(c.g.page) + int64(at), Reason: fmt.Sprintf(format, args...)}
	if c.first == nil {
		c.first = c.t.r.corrupt(f.Page, f.Offset, f.Reason)
	}
	if c.report != nil && !c.report(f) {
		return errEnough
	}
	return nil
}

// take turns an error about the content into a fault.
func (c *checker) take(err error) error {
	var e *CorruptError
	if errors.As(err, &e) {
		return c.fault(uint64(e.Page), int(e.Offset-e.Page*int64(c.g.page)), "%s", e.Reason)
	}
	return err
}

func (c *checker) run() error {
	err := c.take(c.t.start())
	if err == nil && c.first == nil {
		err = c.trees()
	}
	if err == errEnough {
		return nil
	}
	if changed, e := c.t.changed(); e == nil && changed && err == nil {
		return ErrChanged
	}
	return err
}

func (c *checker) trees() error {
	m, err := c.t.meta()
	if err != nil {
		return err
	}
	metaPage := m.txn & 1
	main := tree{checker: c, name: "table", compare: bytes.Compare}
	if err := main.check(metaPage, m.main); err != nil {
		return err
	}
	free := tree{checker: c, name: "free list", compare: c.compareNumbers, free: true}
	if m.free.depth > maxDepth || (m.free.depth == 0) != (m.free.root == noRoot) {
		return c.fault(metaPage, 0, "free list of depth %d with its root in page %d", m.free.depth, m.free.root)
	}
	if err := free.check(metaPage, m.free); err != nil {
		return err
	}
	for i, bits := range c.listed {
		if i >= len(c.seen) || bits&c.seen[i] == 0 {
			continue
		}
		for k := range uint64(64) {
			if bits&c.seen[i]>>k&1 != 0 {
				if err := c.fault(uint64(i)*64+k, 0, "page is in use and in the free list"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// compareNumbers orders the keys of the free list, which are transactions.
func (c *checker) compareNumbers(a, b []byte) int {
	if len(a) != c.g.word || len(b) != c.g.word {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(c.g.num(a), c.g.num(b))
}

// A tree checks one of the two databases.
type tree struct {
	*checker
	name    string
	compare func(a, b []byte) int
	free    bool
	found   database // what was counted
}

func (tr *tree) check(metaPage uint64, d database) error {
	if d.depth > 0 {
		if err := tr.page(d.root, d.depth, nil, nil); err != nil {
			return err
		}
	}
	for _, n := range []struct {
		what      string
		got, want uint64
	}{
		{"branch pages", tr.found.branch, d.branch}, {"leaf pages", tr.found.leaf, d.leaf},
		{"overflow pages", tr.found.overflow, d.overflow}, {"records", tr.found.entries, d.entries},
	} {
		if n.got != n.want {
			if err := tr.fault(metaPage, 0, "%s has %d %s, the meta page says %d", tr.name, n.got, n.what, n.want); err != nil {
				return err
			}
		}
	}
	return nil
}

// page checks a page and all below it. Its keys are at least from and below to,
// where these are not nil.
func (tr *tree) page(pg uint64, level int, from, to []byte) error {
	if tr.pages++; tr.pages%256 == 0 && tr.ctx.Err() != nil {
		return tr.ctx.Err()
	}
	p, n, err := tr.t.load(pg, level)
	if err != nil {
		return tr.take(err)
	}
	if !tr.seen.add(pg, 1) {
		return tr.fault(pg, 0, "page is in use twice")
	}
	p = bytes.Clone(p) // children need the memory it was read into
	if level > 1 {
		tr.found.branch++
	} else {
		tr.found.leaf++
		tr.found.entries += uint64(n)
	}
	if err := tr.places(p, pg, n, level); err != nil {
		return err
	}
	var last []byte
	for i := range n {
		at, key, ok := tr.g.node(p, i)
		if !ok {
			continue // reported by places
		}
		if level > 1 && i == 0 {
			key = from // the first key of a branch page is not used
		} else if last != nil && tr.compare(last, key) >= 0 || from != nil && tr.compare(key, from) < 0 || to != nil && tr.compare(key, to) >= 0 {
			if err := tr.fault(pg, at, "key %s is not in order", arena.Quoted(key)); err != nil {
				return err
			}
		}
		if level == 1 {
			err = tr.leaf(p, pg, at, key)
		} else {
			upTo := to
			if i+1 < n {
				if _, next, ok := tr.g.node(p, i+1); ok {
					upTo = next
				}
			}
			err = tr.page(tr.g.child(p, at), level-1, key, upTo)
		}
		if err != nil {
			return err
		}
		if level == 1 || i > 0 {
			last = key
		}
	}
	return nil
}

// places checks that the nodes of a page lie in it without overlap.
func (tr *tree) places(p []byte, pg uint64, n, level int) error {
	g := tr.g
	type place struct{ from, to int }
	nodes := make([]place, 0, n)
	for i := range n {
		at, key, ok := g.node(p, i)
		end := at + nodeHead + len(key)
		if ok && level == 1 {
			v, reason := g.value(p, at, end)
			ok = reason == ""
			end += len(v.inline)
			if v.page != 0 {
				end += g.word
			}
			if reason != "" {
				if err := tr.fault(pg, at, "%s", reason); err != nil {
					return err
				}
				continue
			}
		}
		if !ok || at < g.u16(p[g.upperAt():]) || at%2 != 0 {
			if err := tr.fault(pg, g.head()+2*i, "node does not lie in its page"); err != nil {
				return err
			}
			continue
		}
		nodes = append(nodes, place{at, end})
	}
	slices.SortFunc(nodes, func(a, b place) int { return a.from - b.from })
	for i := 1; i < len(nodes); i++ {
		if nodes[i].from < nodes[i-1].to {
			return tr.fault(pg, nodes[i].from, "nodes overlap")
		}
	}
	return nil
}

// leaf checks the value of a node, and what a free list record lists.
func (tr *tree) leaf(p []byte, pg uint64, at int, key []byte) error {
	v, reason := tr.g.value(p, at, at+nodeHead+len(key))
	if reason != "" {
		return nil // reported by places
	}
	data := v.inline
	if v.page != 0 {
		n := uint64(tr.g.overflowPages(v.size))
		if err := tr.t.reach(v.page, n); err != nil {
			return tr.take(err)
		}
		if !tr.seen.add(v.page, n) {
			return tr.fault(v.page, 0, "overflow page is in use twice")
		}
		tr.found.overflow += n
		h, err := tr.t.bytes(int64(v.page)*int64(tr.g.page), tr.g.head())
		if err != nil {
			return tr.take(err)
		}
		if reason := tr.g.badOverflow(h, v.page, int64(n)); reason != "" {
			return tr.fault(v.page, 0, "%s", reason)
		}
		if tr.free {
			if tr.buf, err = tr.t.appendOverflow(tr.buf[:0], v); err != nil {
				return tr.take(err)
			}
			data = tr.buf
		}
	}
	if tr.free {
		return tr.freeRecord(data, pg, at, key)
	}
	return nil
}

// freeRecord checks one record of the free list: how many pages, and which, in
// descending order.
func (tr *tree) freeRecord(data []byte, pg uint64, at int, key []byte) error {
	g := tr.g
	if len(key) != g.word {
		return tr.fault(pg, at, "free list record with a key of %d bytes", len(key))
	}
	if len(data) < g.word || g.num(data) > uint64(len(data)/g.word-1) {
		return tr.fault(pg, at, "free list record of %d bytes, too few for what it lists", len(data))
	}
	data = data[:(g.num(data)+1)*uint64(g.word)]
	inFile := uint64(tr.t.r.grown()) / uint64(g.page)
	last := noRoot
	for data = data[g.word:]; len(data) >= g.word; data = data[g.word:] {
		free := g.num(data)
		if free < 2 || free > tr.t.last || free >= last {
			return tr.fault(pg, at, "free list names page %d after page %d; pages are 2 to %d, in descending order", free, last, tr.t.last)
		}
		last = free
		// Free pages at the end of the table need not be in the file.
		if free < inFile && !tr.listed.add(free, 1) {
			return tr.fault(free, 0, "page is in the free list twice")
		}
	}
	return nil
}

// unaccounted counts the pages that are neither in use nor listed as free,
// which liblmdb never leaves behind. Harmless to readers, so no fault.
func (c *checker) unaccounted() (n int) {
	for pg := uint64(2); pg <= c.t.last; pg++ {
		if !c.seen.has(pg) && !c.listed.has(pg) {
			n++
		}
	}
	return n
}
