package lmdb

import (
	"encoding/binary"

	"github.com/postfixkit/postfixkit/internal/arena"
	"github.com/postfixkit/postfixkit/internal/sink"
)

// A plan says which records go to which page, before the first byte is written.
//
//	page 0, 1    the two meta pages
//	page 2       first leaf
//	             overflow pages of the values of that leaf that are too large for it
//	...          next leaf, its overflow pages, and so on
//	...          the branch pages above the leaves, those above them, ...
//	last page    root
type plan struct {
	geo      geometry
	store    *arena.Store
	order    []arena.Item
	leaves   []span
	branches [][]span // levels above the leaves, from below
	overflow int64    // pages
	pages    int64    // in the file
}

// A span is a page: which records (of a leaf) or pages of the level below (of
// a branch page) it begins with, and its number. It ends where the next begins.
type span struct {
	first int
	page  int64
}

func newPlan(g geometry, store *arena.Store, order []arena.Item) *plan {
	p := &plan{geo: g, store: store, order: order, pages: 2}
	p.planLeaves()
	for n := len(p.leaves); n > 1; {
		level := p.planBranches()
		p.branches = append(p.branches, level)
		n = len(level)
	}
	return p
}

func (p *plan) planLeaves() {
	g, room := &p.geo, 0
	for i := range p.order {
		ref := p.order[i].Ref
		need := ref.Size()
		if need > room {
			p.leaves = append(p.leaves, span{i, p.pages})
			p.pages++
			room = g.page - g.head()
		}
		room -= need
		if !isBig(ref) {
			continue
		}
		room++
		_, value := p.store.Record(ref)
		n := g.overflowPages(int64(len(value)))
		p.overflow += n
		p.pages += n
	}
}

// need returns the room a record takes on a leaf, an even number; one more when
// its value goes to overflow pages.
func (g *geometry) need(key, value []byte) uint16 {
	if n := nodeHead + len(key) + len(value); n <= g.nodeMax() {
		return uint16(even(n) + 2)
	}
	return uint16(even(nodeHead+len(key)+g.word)+2) + 1
}

// isBig reports whether the value of a record goes to overflow pages.
func isBig(r arena.Ref) bool { return r.Size()&1 != 0 }

// below returns the pages one level below branch level n.
func (p *plan) below(n int) []span {
	if n == 0 {
		return p.leaves
	}
	return p.branches[n-1]
}

// firstKey returns the first key below page i of the level below branch level n.
func (p *plan) firstKey(n, i int) []byte {
	for ; n > 0; n-- {
		i = p.branches[n-1][i].first
	}
	return p.store.Key(p.order[p.leaves[i].first].Ref)
}

// planBranches adds one level of branch pages.
func (p *plan) planBranches() (level []span) {
	n := len(p.branches)
	children, room := len(p.below(n)), 0
	for i := range children {
		need := even(nodeHead+len(p.firstKey(n, i))) + 2
		if need > room {
			level = append(level, span{i, p.pages})
			p.pages++
			room = p.geo.page - p.geo.head()
			need = nodeHead + 2 // the first node of a page has no key
		}
		room -= need
	}
	// liblmdb wants two children in a branch page. Any full page has at least
	// three, see maxKey, and gives one away.
	if last := len(level) - 1; last > 0 && level[last].first == children-1 {
		level[last].first--
	}
	return level
}

// write writes the file.
func (p *plan) write(w *sink.Writer, mapSize uint64) {
	p.writeMetas(w, mapSize)
	batch := max(1, batchSize/p.geo.page)
	for from := 0; from < len(p.leaves) && !w.Failed(); {
		to := from
		for to < len(p.leaves) && p.nextPage(to) == p.leaves[to].page+1 {
			to++
		}
		w.Parts(to-from, batch, func(buf []byte, i, end int) []byte {
			for i, end = from+i, from+end; i < end; i++ {
				buf = p.appendLeaf(buf, i)
			}
			return buf
		})
		if to < len(p.leaves) {
			w.Bytes(p.appendLeaf(nil, to))
			p.writeOverflow(w, to)
			to++
		}
		from = to
	}
	for n, level := range p.branches {
		w.Parts(len(level), batch, func(buf []byte, from, to int) []byte {
			for i := from; i < to; i++ {
				buf = p.appendBranch(buf, n, i)
			}
			return buf
		})
	}
}

// batchSize is how much of a file one goroutine makes at a time.
const batchSize = 256 << 10

// writeMetas writes page 0 as liblmdb leaves it in a new file, and page 1 as
// after the first transaction.
func (p *plan) writeMetas(w *sink.Writer, mapSize uint64) {
	g := &p.geo
	empty := database{root: noRoot}
	free := database{pad: uint32(g.page), flags: freeFlags, root: noRoot}
	metas := [2]meta{
		{free: free, main: empty, mapSize: mapSize, lastPage: 1},
		{free: free, main: empty, mapSize: mapSize, lastPage: uint64(p.pages - 1), txn: 1},
	}
	if main := &metas[1].main; len(p.leaves) > 0 {
		main.depth = 1 + len(p.branches)
		main.leaf, main.overflow = uint64(len(p.leaves)), uint64(p.overflow)
		main.entries = uint64(len(p.order))
		main.root = uint64(p.leaves[0].page)
		for _, level := range p.branches {
			main.branch += uint64(len(level))
			main.root = uint64(level[0].page) // the last level has one page
		}
	}
	for i, m := range metas {
		page := make([]byte, g.page)
		g.putMeta(page, uint64(i), m)
		w.Bytes(page)
	}
}

// A filler puts nodes into a page, pointers from the front, nodes from the back.
type filler struct {
	g            *geometry
	page         []byte
	lower, upper int
}

// fill appends an empty page to buf.
func (g *geometry) fill(buf []byte, number int64, flags int) ([]byte, filler) {
	buf = append(buf, zeros[:g.page]...)
	page := buf[len(buf)-g.page:]
	g.putNum(page, uint64(number))
	g.put16(page[g.flagsAt():], flags)
	return buf, filler{g, page, g.head(), g.page}
}

var zeros [maxPage]byte

// node makes room for a node of a leaf with n bytes of key and data, and returns
// the place for them.
func (f *filler) node(keyLen, valueLen, flags, n int) []byte {
	g := f.g
	f.upper -= even(nodeHead + n)
	g.put16(f.page[f.lower:], f.upper)
	f.lower += 2
	node := f.page[f.upper:]
	if g.big {
		g.put32(node, uint32(valueLen))
		g.put16(node[4:], flags)
		g.put16(node[6:], keyLen)
	} else {
		binary.LittleEndian.PutUint64(node, uint64(keyLen)<<48|uint64(flags)<<32|uint64(uint32(valueLen)))
	}
	return node[nodeHead : nodeHead+n]
}

func (f *filler) done() {
	f.g.put16(f.page[f.g.lowerAt():], f.lower)
	f.g.put16(f.page[f.g.upperAt():], f.upper)
}

// nextPage returns the number of the first page behind leaf i and its overflow
// pages.
func (p *plan) nextPage(i int) int64 {
	switch {
	case i+1 < len(p.leaves):
		return p.leaves[i+1].page
	case len(p.branches) > 0:
		return p.branches[0][0].page
	}
	return p.pages
}

// recordsOf returns the records of leaf i.
func (p *plan) recordsOf(i int) []arena.Item {
	if i+1 < len(p.leaves) {
		return p.order[p.leaves[i].first:p.leaves[i+1].first]
	}
	return p.order[p.leaves[i].first:]
}

// appendLeaf appends leaf i.
func (p *plan) appendLeaf(buf []byte, i int) []byte {
	g, leaf, order := &p.geo, p.leaves[i], p.recordsOf(i)
	p.store.Touch(order)
	buf, f := g.fill(buf, leaf.page, pageLeaf)
	next := leaf.page + 1
	for i := range order {
		pair, keyLen := p.store.Pair(order[i].Ref)
		valueLen := len(pair) - keyLen
		if !isBig(order[i].Ref) {
			copy(f.node(keyLen, valueLen, 0, len(pair)), pair)
			continue
		}
		data := f.node(keyLen, valueLen, nodeBig, keyLen+g.word)
		g.putNum(data[copy(data, pair[:keyLen]):], uint64(next))
		next += g.overflowPages(int64(valueLen))
	}
	f.done()
	return buf
}

// writeOverflow writes the overflow pages behind leaf i.
func (p *plan) writeOverflow(w *sink.Writer, i int) {
	g, next := &p.geo, p.leaves[i].page+1
	for _, item := range p.recordsOf(i) {
		if !isBig(item.Ref) {
			continue
		}
		_, value := p.store.Record(item.Ref)
		n := g.overflowPages(int64(len(value)))
		head := make([]byte, g.head())
		g.putNum(head, uint64(next))
		g.put16(head[g.flagsAt():], pageOverflow)
		g.put32(head[g.lowerAt():], uint32(n))
		w.Bytes(head)
		w.Bytes(value)
		w.Bytes(zeros[:int(n)*g.page-len(head)-len(value)])
		next += n
	}
}

// appendBranch appends page i of branch level n.
func (p *plan) appendBranch(buf []byte, n, i int) []byte {
	level, below := p.branches[n], p.below(n)
	end := len(below)
	if i+1 < len(level) {
		end = level[i+1].first
	}
	buf, f := p.geo.fill(buf, level[i].page, pageBranch)
	for c := level[i].first; c < end; c++ {
		var key []byte
		if c > level[i].first {
			key = p.firstKey(n, c)
		}
		// The lower halves of the page number are where a leaf has the length of
		// the value, the highest where it has flags.
		page := uint64(below[c].page)
		copy(f.node(len(key), int(uint32(page)), int(page>>32), len(key)), key)
	}
	f.done()
	return buf
}
