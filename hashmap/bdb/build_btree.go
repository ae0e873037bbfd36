package bdb

import (
	"io"

	"github.com/postfixkit/postfixkit/internal/arena"
)

// maxEntry returns how long an item may be before it goes off a btree page.
func (l *layout) maxEntry(minKey int) int { return l.capacity()/(2*minKey) - 10 }

func align4(n int) int { return (n + 3) &^ 3 }

// leafItemSize returns the space of an item of n bytes on a leaf.
func (l *layout) leafItemSize(n int) int {
	if n > l.maxEntry(defaultMinKeys) {
		return 12
	}
	return align4(3 + n)
}

// separator is the key in front of a subtree: the first n bytes of a record's
// key, as few as tell it from the key before.
type separator struct {
	ref arena.Ref
	n   uint32
}

// treePlan is a file before it is written. Page 1 is the root, as libdb insists;
// leaves follow, then the levels above them, then everything long.
type treePlan struct {
	content
	order   []arena.Item
	records int
	leaves  []uint32    // index into order of each leaf's first record
	seps    []separator // in front of each leaf; the first is not used
	levels  [][]uint32  // above the leaves: for each page the index of its first child in the level below
	first   []uint32    // page number of each level's first page, leaves first; the root is 1
	last    uint32
}

func (b *Builder) writeBtree(w io.Writer) (int64, error) {
	pl := &treePlan{content: content{b: b}}
	if err := pl.plan(); err != nil {
		return 0, err
	}
	pw := b.writer(w)
	pl.putBtreeMeta(pw.page(0, 0, 0, 0))
	long := longItems{next: pl.treePages() + 1}
	if root := len(pl.levels) - 1; root >= 0 {
		pl.writeInternal(pw, root, 0, &long)
	}
	pw.each(len(pl.leaves), pl.anyLong, func(pw *pageWriter, from, to int) {
		for i := from; i < to; i++ {
			pl.writeLeaf(pw, i, &long)
		}
	})
	for level := range max(0, len(pl.levels)-1) {
		for i := range pl.levels[level] {
			pl.writeInternal(pw, level, i, &long)
		}
	}
	pl.writeLong(pw, &long)
	pw.flush()
	return pw.written, pw.err
}

// treePages returns how many pages the tree itself has.
func (pl *treePlan) treePages() uint32 {
	n := len(pl.leaves)
	for _, level := range pl.levels {
		n += len(level)
	}
	return uint32(n)
}

func (pl *treePlan) plan() (err error) {
	b := pl.b
	pl.order, err = b.store.Sorted(b.policy(&pl.content), b.plainSize)
	if err != nil {
		return duplicateError(err)
	}
	pl.sum, pl.records = b.sum, b.store.Len()
	if len(pl.order) < pl.records {
		pl.sum = contentSum{}
		for _, item := range pl.order {
			pl.recount(item.Ref)
		}
		pl.records = int(pl.sum.count)
	}

	// Leaves are filled to the brim, as libdb does for sorted input.
	pl.leaves = append(pl.leaves, 0)
	pl.seps = append(pl.seps, separator{})
	room := b.capacity()
	for i := range pl.order {
		ref := pl.order[i].Ref
		n := ref.Size()
		if n == notPlain || pl.repeats(ref) != nil {
			n = pl.leafSize(ref)
		}
		if n > room {
			pl.leaves = append(pl.leaves, uint32(i))
			pl.seps = append(pl.seps, pl.separate(pl.order[i-1].Ref, ref))
			room = b.capacity()
		}
		room -= n
	}
	pl.planLevels()
	pl.pages += uint64(pl.treePages())
	pl.last, err = checkPages(pl.pages)
	return err
}

// plainSize is leafSize of a record that has nothing elsewhere, or notPlain.
func (l *layout) plainSize(key, value []byte) uint16 {
	if most := l.maxEntry(defaultMinKeys); len(key) > most || len(value) > most {
		return notPlain
	}
	return uint16(4 + align4(3+len(key)) + align4(3+len(value)))
}

// leafSize returns the space of a record on its leaf, index entries included,
// and counts the pages it needs elsewhere.
func (pl *treePlan) leafSize(ref arena.Ref) int {
	l := &pl.b.layout
	key, value := pl.b.store.Record(ref)
	pl.anyLong = true
	if len(key) > l.maxEntry(defaultMinKeys) {
		pl.pages += l.chainPages(key)
	}
	n := 4 + l.leafItemSize(len(key))
	if set := pl.set(ref); set != nil {
		size, off := pl.leafSetSize(set)
		if off {
			pl.pages += pl.dupTreePages(set)
		} else {
			for _, s := range set {
				pl.countValue(s)
			}
		}
		return n + size
	}
	if len(value) > l.maxEntry(defaultMinKeys) {
		pl.pages += l.chainPages(value)
	}
	return n + l.leafItemSize(len(value))
}

// separate returns the shortest key that is above left and not above right.
func (pl *treePlan) separate(left, right arena.Ref) separator {
	a, b := pl.b.store.Key(left), pl.b.store.Key(right)
	n := 0
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return separator{right, uint32(n + 1)}
}

// internalSize returns the space of a child on its page.
func (l *layout) internalSize(n int) int {
	if n > l.maxEntry(defaultMinKeys) {
		return 2 + 24
	}
	return 2 + align4(12+n)
}

// planLevels builds upward until one page is left.
func (pl *treePlan) planLevels() {
	l := &pl.b.layout
	seps := pl.seps
	for len(seps) > 1 {
		starts := []uint32{0}
		above := []separator{seps[0]}
		room := l.capacity() - l.internalSize(0)
		for i := 1; i < len(seps); i++ {
			n := l.internalSize(int(seps[i].n))
			if n > room {
				starts, above = append(starts, uint32(i)), append(above, seps[i])
				room = l.capacity() - l.internalSize(0)
				continue
			}
			room -= n
			if int(seps[i].n) > l.maxEntry(defaultMinKeys) {
				pl.pages += l.chainPages(pl.sepBytes(seps[i]))
			}
		}
		pl.levels = append(pl.levels, starts)
		seps = above
	}
	next := uint32(1)
	if len(pl.levels) > 0 {
		next = 2
	}
	pl.first = append(pl.first, next)
	next += uint32(len(pl.leaves))
	for _, level := range pl.levels {
		pl.first = append(pl.first, next)
		next += uint32(len(level))
	}
	pl.first[len(pl.levels)] = 1
}

func (pl *treePlan) sepBytes(s separator) []byte { return pl.b.store.Key(s.ref)[:s.n] }

// leafUnder returns the leftmost leaf under page i of a level.
func (pl *treePlan) leafUnder(level, i int) int {
	for ; level >= 0; level-- {
		i = int(pl.levels[level][i])
	}
	return i
}

// writeInternal writes page i of a level.
func (pl *treePlan) writeInternal(pw *pageWriter, level, i int, long *longItems) {
	starts := pl.levels[level]
	from, to := int(starts[i]), len(pl.seps)
	if level > 0 {
		to = len(pl.levels[level-1])
	}
	if i+1 < len(starts) {
		to = int(starts[i+1])
	}
	p := pw.page(0, 0, byte(level+2), pageInternal)
	pw.put16(p, offEntries, to-from)
	top := len(p)
	for child := from; child < to; child++ {
		sep := pl.seps[pl.leafUnder(level-1, child)]
		if child == from {
			sep.n = 0 // never compared
		}
		if int(sep.n) > pw.maxEntry(defaultMinKeys) {
			top -= 24
			pw.put16(p, top, 12)
			p[top+2] = entryOverflow
			pw.putReference(p[top+12:], pl.placeKey(long, sep), sep.n)
		} else {
			top -= align4(12 + int(sep.n))
			pw.put16(p, top, int(sep.n))
			p[top+2] = entryKeyData
			if sep.n > 0 {
				copy(p[top+12:], pl.sepBytes(sep))
			}
		}
		pw.put32(p, top+4, pl.first[level]+uint32(child))
		pw.put16(p, pw.overhead+2*(child-from), top)
	}
	pw.put16(p, offHigh, top)
	pw.sign(p, false)
}

// putReference writes a leaf's reference to an overflow chain, 12 bytes.
func (l *layout) putReference(b []byte, chain, total uint32) {
	b[2] = entryOverflow
	l.put32(b, 4, chain)
	l.put32(b, 8, total)
}

// placeKey places a long separator.
func (pl *treePlan) placeKey(long *longItems, s separator) uint32 {
	return pl.place(long, longItem{ref: s.ref, key: true, cut: s.n})
}

// writeLeaf writes leaf i.
func (pl *treePlan) writeLeaf(pw *pageWriter, i int, long *longItems) {
	from, to := int(pl.leaves[i]), len(pl.order)
	prev, next := uint32(0), uint32(0)
	if i > 0 {
		prev = pl.first[0] + uint32(i) - 1
	}
	if i+1 < len(pl.leaves) {
		to = int(pl.leaves[i+1])
		next = pl.first[0] + uint32(i) + 1
	}
	p := pw.page(prev, next, 1, pageLeaf)
	top, at := len(p), pw.overhead
	put := func(offset int) {
		pw.put16(p, at, offset)
		at += 2
	}
	pl.b.store.Touch(pl.order[from:to])
	for _, item := range pl.order[from:to] {
		ref := item.Ref
		key, value := pl.b.store.Record(ref)
		top = pl.putEntry(p, top, key, long, longItem{ref: ref, key: true})
		put(top)
		set := pl.set(ref)
		if set == nil {
			top = pl.putEntry(p, top, value, long, longItem{ref: ref})
			put(top)
			continue
		}
		top = pl.putLeafSet(p, top, ref, set, long, put)
	}
	pw.put16(p, offEntries, (at-pw.overhead)/2)
	pw.put16(p, offHigh, top)
	pw.sign(p, false)
}

// putEntry puts a leaf item in front of byte top and returns where it begins.
func (c *content) putEntry(p []byte, top int, data []byte, long *longItems, it longItem) int {
	l := &c.b.layout
	if len(data) > l.maxEntry(defaultMinKeys) {
		top -= 12
		l.putReference(p[top:], c.place(long, it), uint32(len(data)))
		return top
	}
	top -= align4(3 + len(data))
	l.put16(p, top, len(data))
	p[top+2] = entryKeyData
	copy(p[top+3:], data)
	return top
}

func (pl *treePlan) putBtreeMeta(p []byte) {
	l := &pl.b.layout
	pl.putMeta(p, btreeMagic, pageBtreeMeta, pl.last)
	l.put32(p, offMinKey, defaultMinKeys)
	l.put32(p, offRePad, 0x20)
	l.put32(p, offRoot, 1)
	l.sign(p, true)
}
