package lmdb

import (
	"errors"
	"fmt"
	"sync"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// A tx reads the table as one finished transaction left it. It needs no lock:
// liblmdb writes only pages that neither meta page reaches, so that the pages
// of transaction N stay as they are until the writing of N+2 begins.
type tx struct {
	r     *Reader
	data  []byte  // the mapping; nil when pages are read into buf
	size  int64   // of the file
	buf   *buffer // nil when mapped
	txn   uint64
	last  uint64 // highest page number in use
	root  uint64
	depth int
}

// A buffer is the memory of a tx that reads: the page it is at.
type buffer struct {
	page [maxPage]byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// begin prepares a tx, which start makes usable.
func (r *Reader) begin() tx {
	t := tx{r: r}
	if v := r.view.Load(); v != nil {
		t.data, t.size = v.data, v.size
	} else {
		t.size, t.buf = r.size.Load(), buffers.Get().(*buffer)
	}
	return t
}

// end gives the buffer back.
func (t *tx) end() {
	if t.buf != nil {
		buffers.Put(t.buf)
		t.buf = nil
	}
}

// bytes returns n bytes of the file, n at most a page.
func (t *tx) bytes(off int64, n int) ([]byte, error) {
	if t.data != nil {
		return t.data[off:][:n:n], nil
	}
	b := t.buf.page[:n]
	return b, t.r.readAt(b, off)
}

// newest returns the number of the last finished transaction and in which meta
// page it is described.
func (t *tx) newest() (txn uint64, page int64, err error) {
	g := &t.r.geo
	var txns [2]uint64
	for i := range txns {
		b, err := t.bytes(int64(i*g.page+g.txnAt()), g.word)
		if err != nil {
			return 0, 0, err
		}
		txns[i] = g.num(b)
	}
	if txns[1] > txns[0] {
		return txns[1], 1, nil
	}
	return txns[0], 0, nil
}

// start begins from the newest meta page.
func (t *tx) start() error {
	txn, page, err := t.newest()
	if err != nil {
		return err
	}
	g := &t.r.geo
	b, err := t.bytes(page*int64(g.page), g.metaSize())
	if err != nil {
		return err
	}
	d := b[g.databaseAt(1):]
	flags, depth := g.u16(d[4:]), g.u16(d[6:])
	t.txn, t.depth, t.root, t.last = txn, depth, g.num(d[8+4*g.word:]), g.num(b[g.lastPageAt():])
	switch {
	case flags != 0:
		return fmt.Errorf("%w: %sthe database has flags %#x, only plain ones are read", ErrUnsupported, t.r.prefix(), flags)
	case depth > maxDepth:
		return t.r.corrupt(page, page*int64(g.page), fmt.Sprintf("tree of depth %d, the limit is %d", depth, maxDepth))
	case (depth == 0) != (t.root == noRoot):
		return t.r.corrupt(page, page*int64(g.page), fmt.Sprintf("tree of depth %d with its root in page %d", depth, t.root))
	}
	return nil
}

// meta returns all of the newest meta page.
func (t *tx) meta() (meta, error) {
	g := &t.r.geo
	_, page, err := t.newest()
	if err != nil {
		return meta{}, err
	}
	b, err := t.bytes(page*int64(g.page), g.metaSize())
	if err != nil {
		return meta{}, err
	}
	return g.meta(b), nil
}

// changed reports whether pages of this tx may have been written to since.
func (t *tx) changed() (bool, error) {
	txn, _, err := t.newest()
	return txn > t.txn+1 || txn < t.txn, err
}

// load returns page pg, which must be a branch page above level 1 and a leaf
// at level 1, and how many nodes it has. Where those are is not checked yet.
func (t *tx) load(pg uint64, level int) (p []byte, nodes int, err error) {
	if err := t.reach(pg, 1); err != nil {
		return nil, 0, err
	}
	g := &t.r.geo
	p, err = t.bytes(int64(pg)*int64(g.page), g.page)
	if err != nil {
		return nil, 0, err
	}
	if reason, n := g.badPage(p, pg, level); reason == "" {
		return p, n, nil
	} else {
		return nil, 0, t.r.corrupt(int64(pg), int64(pg)*int64(g.page), reason)
	}
}

// badPage checks the header of a tree page and returns how many nodes it has.
func (g *geometry) badPage(p []byte, pg uint64, level int) (reason string, nodes int) {
	flags, lower, upper := g.u16(p[g.flagsAt():])&^pageDirty, g.u16(p[g.lowerAt():]), g.u16(p[g.upperAt():])
	want := pageBranch
	if level == 1 {
		want = pageLeaf
	}
	head := g.head()
	switch {
	case g.num(p) != pg:
		return fmt.Sprintf("page carries the number %d", g.num(p)), 0
	case flags != want:
		return fmt.Sprintf("page has flags %#x at level %d of the tree, want %#x", flags, level, want), 0
	case lower < head+2 || lower > upper || upper > g.page || (lower-head)%2 != 0:
		return fmt.Sprintf("page with bounds %d and %d", lower, upper), 0
	}
	return "", (lower - head) / 2
}

// reach makes sure that n pages, at least one, from pg on are in the table and
// in the file.
func (t *tx) reach(pg, n uint64) error {
	pages := uint64(t.size) / uint64(t.r.geo.page)
	if pg >= 2 && pg <= t.last && n-1 <= t.last-pg && pg < pages && n <= pages-pg {
		return nil
	}
	return t.reachSlowly(pg, n)
}

// reachSlowly asks whether the file has grown since it was mapped.
func (t *tx) reachSlowly(pg, n uint64) error {
	r, size := t.r, int64(t.r.geo.page)
	if pg < 2 || pg > t.last || n-1 > t.last-pg {
		return r.corrupt(int64(pg), 0, fmt.Sprintf("%d pages from %d are not between 2 and %d, the last page", n, pg, t.last))
	}
	grown := r.grown()
	if pages := uint64(grown / size); pg >= pages || n > pages-pg {
		return r.corrupt(int64(pg), grown, fmt.Sprintf("%d pages from %d reach past the end of the file", n, pg))
	}
	t.size = grown
	if t.data == nil {
		return nil
	}
	v, err := r.remap(grown)
	if err != nil {
		return err
	}
	if v == nil {
		return fmt.Errorf("lmdb: %sfile of %d bytes no longer fits the address space", r.prefix(), grown)
	}
	t.data, t.size = v.data, v.size
	return nil
}

// node returns where node i of page p begins and its key; ok is false when they
// do not lie in the page.
func (g *geometry) node(p []byte, i int) (at int, key []byte, ok bool) {
	at = g.u16(p[g.head()+2*i:])
	if at < g.head() || at+nodeHead > len(p) {
		return at, nil, false
	}
	end := at + nodeHead + g.u16(p[at+6:])
	if end > len(p) {
		return at, nil, false
	}
	return at, p[at+nodeHead : end], true
}

// child returns the page number in the branch node at offset at.
func (g *geometry) child(p []byte, at int) uint64 {
	pg := uint64(g.u32(p[at:]))
	if g.word == 8 {
		pg |= uint64(g.u16(p[at+4:])) << 32
	}
	return pg
}

// A value is where the value of a leaf node is.
type value struct {
	inline []byte
	page   uint64 // of the first overflow page, 0: inline
	size   int64
}

// value returns the value of the leaf node at offset at with its key ending at
// offset end; reason says why that cannot be.
func (g *geometry) value(p []byte, at, end int) (v value, reason string) {
	v.size = int64(g.u32(p[at:]))
	switch flags := g.u16(p[at+4:]); flags {
	case 0:
		if v.size > int64(len(p)-end) {
			return v, fmt.Sprintf("value of %d bytes reaches past the end of the page", v.size)
		}
		v.inline = p[end:][:v.size:v.size]
	case nodeBig:
		if end+g.word > len(p) {
			return v, "page number of a value reaches past the end of the page"
		}
		if v.page = g.num(p[end:]); v.page == 0 {
			return v, "value in overflow page 0"
		}
	default:
		return v, fmt.Sprintf("node has flags %#x: named databases and several values for one key are not read", flags)
	}
	return v, ""
}

// appendOverflow appends a value that is in overflow pages. Memory grows with
// what could be read.
func (t *tx) appendOverflow(dst []byte, v value) ([]byte, error) {
	g := &t.r.geo
	n := g.overflowPages(v.size)
	if err := t.reach(v.page, uint64(n)); err != nil {
		return dst, err
	}
	off := int64(v.page) * int64(g.page)
	h, err := t.bytes(off, g.head())
	if err != nil {
		return dst, err
	}
	if reason := g.badOverflow(h, v.page, n); reason != "" {
		return dst, t.r.corrupt(int64(v.page), off, reason)
	}
	for off, left := off+int64(g.head()), v.size; left > 0; {
		part, err := t.bytes(off, int(min(left, int64(g.page))))
		if err != nil {
			return dst, err
		}
		dst = append(dst, part...)
		off, left = off+int64(len(part)), left-int64(len(part))
	}
	return dst, nil
}

// badOverflow checks the header of a run of n overflow pages.
func (g *geometry) badOverflow(h []byte, pg uint64, n int64) string {
	switch flags, pages := g.u16(h[g.flagsAt():])&^pageDirty, int64(g.u32(h[g.lowerAt():])); {
	case g.num(h) != pg:
		return fmt.Sprintf("overflow page carries the number %d", g.num(h))
	case flags != pageOverflow:
		return fmt.Sprintf("page has flags %#x where a value is, want %#x", flags, pageOverflow)
	case pages != n:
		return fmt.Sprintf("value in %d overflow pages, its size needs %d", pages, n)
	}
	return ""
}

// guarded runs f, with faults of the mapping as errors.
func (t *tx) guarded(f func() error) (err error) {
	if t.data != nil {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	return f()
}

// mayBeChange reports an error that pages give while they are written.
func mayBeChange(err error) bool { return errors.Is(err, ErrCorrupt) }
