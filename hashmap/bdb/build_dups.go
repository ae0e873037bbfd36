package bdb

import "github.com/postfixkit/postfixkit/internal/arena"

// Several values of one key: a few are kept beside the key, more than a quarter
// of a page in a tree of their own, in the order they were added.

// hashSetSize returns the space of the values on a hash page; 8 means a tree.
func (c *content) hashSetSize(set []arena.Ref) int {
	n := 1
	for _, ref := range set {
		_, value := c.b.store.Record(ref)
		n += 4 + len(value)
		if n > c.b.size/4 {
			return 8
		}
	}
	return n
}

// putHashSet puts the values of a record in front of byte top and returns where
// they begin.
func (c *content) putHashSet(p []byte, top int, ref arena.Ref, set []arena.Ref, long *longItems) int {
	l := &c.b.layout
	n := c.hashSetSize(set)
	top -= n
	if n == 8 {
		p[top] = itemOffDup
		l.put32(p, top+4, c.place(long, longItem{ref: ref, set: true}))
		return top
	}
	p[top] = itemDups
	at := top + 1
	for _, r := range set {
		_, value := c.b.store.Record(r)
		l.put16(p, at, len(value))
		at += 2 + copy(p[at+2:], value)
		l.put16(p, at, len(value))
		at += 2
	}
	return top
}

// leafSetSize returns the space of the values on a leaf, with the index entries
// of all but the first pair; off means that they go to a tree.
func (c *content) leafSetSize(set []arena.Ref) (n int, off bool) {
	for i, ref := range set {
		_, value := c.b.store.Record(ref)
		if i > 0 {
			n += 4
		}
		n += c.b.leafItemSize(len(value))
		if n > c.b.size/4 {
			return 12, true
		}
	}
	return n, false
}

func (c *content) countValue(ref arena.Ref) {
	_, value := c.b.store.Record(ref)
	if len(value) > c.b.maxEntry(defaultMinKeys) {
		c.pages += c.b.chainPages(value)
	}
}

// putLeafSet puts the values of a key, whose first index entry is written, in
// front of byte top. Further pairs share the item of the key.
func (c *content) putLeafSet(p []byte, top int, ref arena.Ref, set []arena.Ref, long *longItems, put func(int)) int {
	l := &c.b.layout
	if _, off := c.leafSetSize(set); off {
		top -= 12
		p[top+2] = entryDupTree
		l.put32(p, top+4, c.place(long, longItem{ref: ref, set: true}))
		put(top)
		return top
	}
	key := top
	for i, r := range set {
		if i > 0 {
			put(key)
		}
		_, value := c.b.store.Record(r)
		top = c.putEntry(p, top, value, long, longItem{ref: r})
		put(top)
	}
	return top
}

// dupTree is a tree of values: its root comes first, then the leaves, the levels
// between, and the chains of long values.
type dupTree struct {
	starts [][]int // for each level, leaves first: index of each page's first item, or child, below
	pages  uint64  // without chains
	chains uint64
}

func (c *content) planDupTree(set []arena.Ref) (t dupTree) {
	l := &c.b.layout
	starts, room := []int{0}, l.capacity()
	for i, ref := range set {
		_, value := c.b.store.Record(ref)
		n := 2 + l.leafItemSize(len(value))
		if len(value) > l.maxEntry(defaultMinKeys) {
			t.chains += l.chainPages(value)
		}
		if n > room {
			starts, room = append(starts, i), l.capacity()
		}
		room -= n
	}
	t.starts = append(t.starts, starts)
	t.pages = uint64(len(starts))
	for perPage := l.capacity() / 10; len(starts) > 1; {
		var above []int
		for i := 0; i < len(starts); i += perPage {
			above = append(above, i)
		}
		t.starts = append(t.starts, above)
		t.pages += uint64(len(above))
		starts = above
	}
	return t
}

func (c *content) dupTreePages(set []arena.Ref) uint64 {
	t := c.planDupTree(set)
	return t.pages + t.chains
}

func (c *content) writeDupTree(pw *pageWriter, set []arena.Ref) {
	t := c.planDupTree(set)
	root := len(t.starts) - 1
	// Page numbers: the root's is pw.pgno now.
	first := make([]uint32, len(t.starts))
	next := pw.pgno + 1
	for level := range root {
		first[level] = next
		next += uint32(len(t.starts[level]))
	}
	first[root] = pw.pgno
	chain := next

	end := func(level, i int) int { // of the items or children of a page
		if i+1 < len(t.starts[level]) {
			return t.starts[level][i+1]
		}
		if level == 0 {
			return len(set)
		}
		return len(t.starts[level-1])
	}
	var records func(level, i int) int
	records = func(level, i int) int {
		if level == 0 {
			return end(0, i) - t.starts[0][i]
		}
		n := 0
		for child := t.starts[level][i]; child < end(level, i); child++ {
			n += records(level-1, child)
		}
		return n
	}

	leaf := func(i int) {
		prev, next := uint32(0), uint32(0)
		if i > 0 {
			prev = pw.pgno - 1
		}
		if i+1 < len(t.starts[0]) {
			next = pw.pgno + 1
		}
		p := pw.page(prev, next, 1, pageRecLeaf)
		top := len(p)
		from, to := t.starts[0][i], end(0, i)
		for j, ref := range set[from:to] {
			_, value := c.b.store.Record(ref)
			if len(value) > pw.maxEntry(defaultMinKeys) {
				top -= 12
				pw.putReference(p[top:], chain, uint32(len(value)))
				chain += uint32(pw.chainPages(value))
			} else {
				top -= align4(3 + len(value))
				pw.put16(p, top, len(value))
				p[top+2] = entryKeyData
				copy(p[top+3:], value)
			}
			pw.put16(p, pw.overhead+2*j, top)
		}
		pw.put16(p, offEntries, to-from)
		pw.put16(p, offHigh, top)
		pw.sign(p, false)
	}
	internal := func(level, i int) {
		from, to := t.starts[level][i], end(level, i)
		total := uint32(0)
		if level == root {
			total = uint32(len(set)) // where other pages name the one before
		}
		p := pw.page(total, 0, byte(level+1), pageRecInternal)
		top := len(p)
		for child := from; child < to; child++ {
			top -= 8
			pw.put32(p, top, first[level-1]+uint32(child))
			pw.put32(p, top+4, uint32(records(level-1, child)))
			pw.put16(p, pw.overhead+2*(child-from), top)
		}
		pw.put16(p, offEntries, to-from)
		pw.put16(p, offHigh, top)
		pw.sign(p, false)
	}

	if root == 0 {
		leaf(0)
	} else {
		internal(root, 0)
		for i := range t.starts[0] {
			leaf(i)
		}
		for level := 1; level < root; level++ {
			for i := range t.starts[level] {
				internal(level, i)
			}
		}
	}
	for _, ref := range set {
		if _, value := c.b.store.Record(ref); len(value) > pw.maxEntry(defaultMinKeys) {
			pw.chain(value)
		}
	}
}
