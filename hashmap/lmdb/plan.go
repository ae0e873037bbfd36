package lmdb

import "github.com/postfixkit/postfixkit/internal/arena"

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
	order    []uint32 // sequence numbers by key
	leaves   []span
	branches [][]span // levels above the leaves, from below
	overflow int64    // pages
	pages    int64    // in the file
	recs     []Record // of the leaf that is being written
}

// A span is a page: which records (of a leaf) or pages of the level below (of
// a branch page) it begins with, and its number. It ends where the next begins.
type span struct {
	first int
	page  int64
}

func newPlan(g geometry, store *arena.Store, order []uint32) *plan {
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
	g, room, nodeMax := &p.geo, 0, p.geo.nodeMax()
	for i, seq := range p.order {
		key, value := p.store.Record(int(seq))
		size := nodeHead + len(key) + len(value)
		big := size > nodeMax
		if big {
			size = nodeHead + len(key) + g.word
		}
		need := even(size) + 2
		if need > room {
			p.leaves = append(p.leaves, span{i, p.pages})
			p.pages++
			room = g.page - g.head()
		}
		room -= need
		if big {
			n := g.overflowPages(int64(len(value)))
			p.overflow += n
			p.pages += n
		}
	}
}

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
	return p.store.Key(int(p.order[p.leaves[i].first]))
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
func (p *plan) write(w *writer, mapSize uint64) {
	p.writeMetas(w, mapSize)
	page := make([]byte, p.geo.page)
	for i := range p.leaves {
		p.writeLeaf(w, page, i)
	}
	for n, level := range p.branches {
		for i := range level {
			p.writeBranch(w, page, n, i)
		}
	}
}

// writeMetas writes page 0 as liblmdb leaves it in a new file, and page 1 as
// after the first transaction.
func (p *plan) writeMetas(w *writer, mapSize uint64) {
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
		w.bytes(page)
	}
}

// A filler puts nodes into a page, pointers from the front, nodes from the back.
type filler struct {
	g            *geometry
	page         []byte
	lower, upper int
}

func (g *geometry) fill(page []byte, number int64, flags int) filler {
	clear(page)
	g.putNum(page, uint64(number))
	g.put16(page[g.flagsAt():], flags)
	return filler{g, page, g.head(), g.page}
}

// node makes room for a node with this key and n bytes of data and returns the
// node and its data.
func (f *filler) node(key []byte, n int) (node, data []byte) {
	f.upper -= even(nodeHead + len(key) + n)
	f.g.put16(f.page[f.lower:], f.upper)
	f.lower += 2
	node = f.page[f.upper:]
	f.g.put16(node[6:], len(key))
	copy(node[nodeHead:], key)
	return node, node[nodeHead+len(key):]
}

func (f *filler) done() {
	f.g.put16(f.page[f.g.lowerAt():], f.lower)
	f.g.put16(f.page[f.g.upperAt():], f.upper)
}

func (p *plan) writeLeaf(w *writer, page []byte, i int) {
	g, leaf, end := &p.geo, p.leaves[i], len(p.order)
	if i+1 < len(p.leaves) {
		end = p.leaves[i+1].first
	}
	// The records are all over the store. Finding them before any is copied
	// lets the processor fetch many at once.
	p.recs = p.recs[:0]
	for _, seq := range p.order[leaf.first:end] {
		key, value := p.store.Record(int(seq))
		p.recs = append(p.recs, Record{key, value})
	}
	f := g.fill(page, leaf.page, pageLeaf)
	next := leaf.page + 1
	for _, r := range p.recs {
		n, big := len(r.Value), g.isBig(r)
		if big {
			n = g.word
		}
		node, data := f.node(r.Key, n)
		g.put32(node, uint32(len(r.Value)))
		if big {
			g.put16(node[4:], nodeBig)
			g.putNum(data, uint64(next))
			next += g.overflowPages(int64(len(r.Value)))
		} else {
			copy(data, r.Value)
		}
	}
	f.done()
	w.bytes(page)
	if next == leaf.page+1 {
		return
	}
	next = leaf.page + 1
	for _, r := range p.recs {
		if g.isBig(r) {
			next += p.writeOverflow(w, page, next, r.Value)
		}
	}
}

// isBig reports whether the value of a record goes to overflow pages.
func (g *geometry) isBig(r Record) bool { return nodeHead+len(r.Key)+len(r.Value) > g.nodeMax() }

// writeOverflow writes a value to overflow pages and returns how many.
func (p *plan) writeOverflow(w *writer, page []byte, number int64, value []byte) int64 {
	g := &p.geo
	n := g.overflowPages(int64(len(value)))
	head := page[:g.head()]
	clear(head)
	g.putNum(head, uint64(number))
	g.put16(head[g.flagsAt():], pageOverflow)
	g.put32(head[g.lowerAt():], uint32(n))
	w.bytes(head)
	w.bytes(value)
	clear(page)
	w.bytes(page[:n*int64(g.page)-int64(g.head())-int64(len(value))])
	return n
}

func (p *plan) writeBranch(w *writer, page []byte, n, i int) {
	level, below := p.branches[n], p.below(n)
	end := len(below)
	if i+1 < len(level) {
		end = level[i+1].first
	}
	f := p.geo.fill(page, level[i].page, pageBranch)
	for c := level[i].first; c < end; c++ {
		var key []byte
		if c > level[i].first {
			key = p.firstKey(n, c)
		}
		node, _ := f.node(key, 0)
		p.geo.put32(node, uint32(below[c].page))
		if p.geo.word == 8 {
			p.geo.put16(node[4:], int(below[c].page>>32))
		}
	}
	f.done()
	w.bytes(page)
}
