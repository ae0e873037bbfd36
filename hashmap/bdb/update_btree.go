package bdb

import (
	"bytes"
	"slices"
)

// treePair is a pair of a leaf being changed: both items as stored, padded to
// four bytes. Repeated keys share the key item of the pair before.
type treePair struct {
	key, value []byte
	shared     bool
}

func (tp *treePair) space() int {
	n := 4 + len(tp.value)
	if !tp.shared {
		n += len(tp.key)
	}
	return n
}

// treeEntry is an entry of an internal page, as stored.
type treeEntry []byte

// step is a page on the way from the root, and which of its entries led on.
type step struct {
	p  *updatePage
	at int
}

// entryItem returns the item at byte at of a leaf, with its padding.
func (u *Updater) leafItem(p []byte, at int) []byte {
	n := 12
	if p[at+2]&^entryDeleted == entryKeyData {
		n = align4(3 + u.u16(p, at))
	}
	end := min(at+n, len(p))
	item := p[at:end:end]
	if len(item) < n { // a last item without its padding
		item = append(item, make([]byte, n-len(item))...)
	}
	return item
}

// itemKey returns the bytes of a leaf item.
func (u *Updater) itemKey(item []byte) ([]byte, error) {
	if item[2]&^entryDeleted == entryKeyData {
		return item[3 : 3+u.u16(item, 0)], nil
	}
	return u.readChain(u.u32(item, 4), u.u32(item, 8))
}

// entryKey returns the key of an internal entry.
func (u *Updater) entryKey(e treeEntry) ([]byte, error) {
	if e[2]&^entryDeleted == entryKeyData {
		return e[12 : 12+u.u16(e, 0)], nil
	}
	return u.readChain(u.u32(e, 16), u.u32(e, 20))
}

func (u *Updater) leafPairs(p *updatePage) (ps []treePair) {
	n := u.entries(p.b)
	for i := 0; i < n; i += 2 {
		k := u.index(p.b, i)
		ps = append(ps, treePair{
			key:    u.leafItem(p.b, k),
			value:  u.leafItem(p.b, u.index(p.b, i+1)),
			shared: i > 0 && k == u.index(p.b, i-2),
		})
	}
	return ps
}

func (u *Updater) treeEntries(p *updatePage) (es []treeEntry) {
	for i := range u.entries(p.b) {
		at := u.index(p.b, i)
		end := min(at+align4(12+u.u16(p.b, at)), len(p.b))
		es = append(es, p.b[at:end:end])
	}
	return es
}

// descend returns the way to the leaf that has, or should have, a key.
func (u *Updater) descend(key []byte) (path []step, err error) {
	pgno, level := u.root, -1
	for {
		p, err := u.page(pgno)
		if err != nil {
			return nil, err
		}
		if err := u.r.levelled(p.b, pgno, level); err != nil {
			return nil, err
		}
		level = int(p.b[offLevel]) - 1
		if p.b[offType] == pageLeaf {
			return append(path, step{p: p}), nil
		}
		lo, hi := 1, u.entries(p.b)
		for lo < hi {
			mid := (lo + hi) / 2
			at := u.index(p.b, mid)
			have, err := u.entryKey(p.b[at:])
			if err != nil {
				return nil, err
			}
			if bytes.Compare(have, key) <= 0 {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		path = append(path, step{p, lo - 1})
		pgno = u.u32(p.b, u.index(p.b, lo-1)+4)
	}
}

// span returns the pairs of a leaf that have the key: ps[from:to].
func (u *Updater) span(ps []treePair, key []byte) (from, to int, err error) {
	compare := func(i int) int {
		have, e := u.itemKey(ps[i].key)
		if e != nil {
			err = e
		}
		return bytes.Compare(have, key)
	}
	lo, hi := 0, len(ps)
	for lo < hi {
		mid := (lo + hi) / 2
		if compare(mid) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for hi = lo; hi < len(ps) && compare(hi) == 0; {
		hi++
	}
	return lo, hi, err
}

// purge drops the pairs that libdb has marked as deleted.
func (u *Updater) purge(ps []treePair) (kept []treePair, err error) {
	for i := 0; i < len(ps); {
		j := i + 1
		for j < len(ps) && ps[j].shared {
			j++
		}
		first := len(kept)
		for _, tp := range ps[i:j] {
			if tp.value[2]&entryDeleted != 0 {
				if err := u.freeEntry(tp.value); err != nil {
					return nil, err
				}
				continue
			}
			tp.shared = len(kept) > first
			kept = append(kept, tp)
		}
		if len(kept) == first {
			if err := u.freeEntry(ps[i].key); err != nil {
				return nil, err
			}
		}
		i = j
	}
	return kept, nil
}

// freeEntry releases what a leaf item has elsewhere.
func (u *Updater) freeEntry(item []byte) error {
	switch item[2] &^ entryDeleted {
	case entryOverflow:
		return u.freeChain(u.u32(item, 4), u.u32(item, 8))
	case entryDupTree:
		return u.freeDups(u.u32(item, 4), -1)
	}
	return nil
}

// newEntry makes the leaf item that stores data, with its overflow pages.
func (u *Updater) newEntry(data []byte) ([]byte, error) {
	if len(data) > u.maxEntry(int(u.minKey)) {
		chain, err := u.writeChain(data)
		if err != nil {
			return nil, err
		}
		b := make([]byte, 12)
		u.putReference(b, chain, uint32(len(data)))
		return b, nil
	}
	b := make([]byte, align4(3+len(data)))
	u.put16(b, 0, len(data))
	b[2] = entryKeyData
	copy(b[3:], data)
	return b, nil
}

func (u *Updater) putBtree(key, value []byte, replace bool) (replaced bool, err error) {
	path, err := u.descend(key)
	if err != nil {
		return false, err
	}
	leaf := path[len(path)-1].p
	ps := u.leafPairs(leaf)
	from, to, err := u.span(ps, key)
	if err != nil {
		return false, err
	}
	there := false
	for _, tp := range ps[from:to] {
		there = there || tp.value[2]&entryDeleted == 0
	}
	if there && !replace {
		return false, errExists(key)
	}
	var tp treePair
	if there {
		tp.key = slices.Clone(ps[from].key)
		for _, old := range ps[from:to] {
			if err := u.freeEntry(old.value); err != nil {
				return false, err
			}
		}
		ps = slices.Delete(ps, from, to)
	} else {
		if ps, err = u.purge(ps); err != nil {
			return false, err
		}
		if from, _, err = u.span(ps, key); err != nil {
			return false, err
		}
		if tp.key, err = u.newEntry(key); err != nil {
			return false, err
		}
	}
	if tp.value, err = u.newEntry(value); err != nil {
		return false, err
	}
	return there, u.storeLeaf(path, slices.Insert(ps, from, tp), from)
}

func (u *Updater) deleteBtree(key []byte) (found bool, err error) {
	path, err := u.descend(key)
	if err != nil {
		return false, err
	}
	leaf := path[len(path)-1].p
	ps := u.leafPairs(leaf)
	from, to, err := u.span(ps, key)
	if err != nil {
		return false, err
	}
	for _, tp := range ps[from:to] {
		found = found || tp.value[2]&entryDeleted == 0
	}
	if !found {
		return false, nil
	}
	for i := from; i < to; i++ {
		ps[i].value = slices.Clone(ps[i].value)
		ps[i].value[2] |= entryDeleted
	}
	if ps, err = u.purge(ps); err != nil {
		return false, err
	}
	if len(ps) > 0 || len(path) == 1 {
		u.putLeaf(leaf, ps)
		return true, nil
	}
	if err := u.unlink(leaf); err != nil {
		return false, err
	}
	u.release(leaf)
	return true, u.removeChild(path[:len(path)-1])
}

// unlink takes a leaf out of the chain of leaves.
func (u *Updater) unlink(p *updatePage) error {
	prev, next := u.prev(p.b), u.next(p.b)
	if prev != 0 {
		q, err := u.leaf(prev)
		if err != nil {
			return err
		}
		u.put32(q.b, offNext, next)
		u.touch(q)
	}
	if next != 0 {
		q, err := u.leaf(next)
		if err != nil {
			return err
		}
		u.put32(q.b, offPrev, prev)
		u.touch(q)
	}
	return nil
}

// leaf returns a page that has to be a leaf.
func (u *Updater) leaf(pgno uint32) (*updatePage, error) {
	p, err := u.page(pgno)
	if err == nil && p.b[offType] != pageLeaf {
		return nil, u.r.corrupt(pgno, offType, "page type %d among the leaves", p.b[offType])
	}
	return p, err
}

// removeChild takes the entry at the end of path, whose page is gone, from its
// page. A page without entries goes too; the root becomes an empty leaf.
func (u *Updater) removeChild(path []step) error {
	st := path[len(path)-1]
	es := u.treeEntries(st.p)
	if err := u.freeEntryKey(es[st.at]); err != nil {
		return err
	}
	es = slices.Delete(es, st.at, st.at+1)
	if len(es) == 0 {
		if len(path) == 1 {
			u.reset(st.p, pageLeaf, 1)
			return nil
		}
		u.release(st.p)
		return u.removeChild(path[:len(path)-1])
	}
	if st.at == 0 {
		if err := u.freeEntryKey(es[0]); err != nil {
			return err
		}
		es[0] = u.emptied(es[0])
	}
	u.putInternal(st.p, es)
	return nil
}

func (u *Updater) freeEntryKey(e treeEntry) error {
	if e[2]&^entryDeleted == entryOverflow {
		return u.freeChain(u.u32(e, 16), u.u32(e, 20))
	}
	return nil
}

// newInternal makes an internal entry.
func (u *Updater) newInternal(key []byte, child uint32) (treeEntry, error) {
	if len(key) > u.maxEntry(int(u.minKey)) {
		chain, err := u.writeChain(key)
		if err != nil {
			return nil, err
		}
		e := make(treeEntry, 24)
		u.put16(e, 0, 12)
		e[2] = entryOverflow
		u.put32(e, 4, child)
		u.putReference(e[12:], chain, uint32(len(key)))
		return e, nil
	}
	e := make(treeEntry, align4(12+len(key)))
	u.put16(e, 0, len(key))
	e[2] = entryKeyData
	u.put32(e, 4, child)
	copy(e[12:], key)
	return e, nil
}

// emptied returns an entry without its key, as the first of a page has none.
func (u *Updater) emptied(e treeEntry) treeEntry {
	b := make(treeEntry, 12)
	b[2] = entryKeyData
	copy(b[4:], e[4:8])
	return b
}

// putLeaf writes a leaf anew; its links and level stay.
func (u *Updater) putLeaf(p *updatePage, ps []treePair) {
	b := u.blank(p)
	top, key := len(b), 0
	for i, tp := range ps {
		if !tp.shared {
			top -= len(tp.key)
			copy(b[top:], tp.key)
			key = top
		}
		u.put16(b, u.overhead+4*i, key)
		top -= len(tp.value)
		copy(b[top:], tp.value)
		u.put16(b, u.overhead+4*i+2, top)
	}
	u.put16(b, offEntries, 2*len(ps))
	u.put16(b, offHigh, top)
	p.b = b
	u.touch(p)
}

// putInternal writes an internal page anew.
func (u *Updater) putInternal(p *updatePage, es []treeEntry) {
	b := u.blank(p)
	top := len(b)
	for i, e := range es {
		top -= align4(len(e))
		copy(b[top:], e)
		u.put16(b, u.overhead+2*i, top)
	}
	u.put16(b, offEntries, len(es))
	u.put16(b, offHigh, top)
	p.b = b
	u.touch(p)
}

// blank returns an empty page with the header of p; items of p may still be in
// use.
func (u *Updater) blank(p *updatePage) []byte {
	b := make([]byte, u.size)
	u.initPage(b, p.pgno, u.prev(p.b), u.next(p.b), p.b[offLevel], p.b[offType])
	copy(b[:offPgno], p.b[:offPgno])
	return b
}

// storeLeaf writes the pairs of the leaf at the end of path, on two pages when
// one is too small. at is the pair that is new.
func (u *Updater) storeLeaf(path []step, ps []treePair, at int) error {
	p := path[len(path)-1].p
	space := 0
	for i := range ps {
		space += ps[i].space()
	}
	if space <= u.capacity() {
		u.putLeaf(p, ps)
		return nil
	}
	cut, err := u.cutLeaf(p, ps, at, space)
	if err != nil {
		return err
	}
	left, right := ps[:cut], ps[cut:]

	// The separator: as much of the key on the right as tells it from the left.
	a, err := u.itemKey(left[len(left)-1].key)
	if err != nil {
		return err
	}
	b, err := u.itemKey(right[0].key)
	if err != nil {
		return err
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	sep := slices.Clone(b[:min(n+1, len(b))])

	q, err := u.allocate(pageLeaf, 1)
	if err != nil {
		return err
	}
	next := u.next(p.b)
	if p.pgno == u.root { // stays where it is, one level up
		if p, err = u.pushDown(p); err != nil {
			return err
		}
		path = []step{{u.pages[u.root], 0}, {p, 0}}
	} else if next != 0 {
		np, err := u.leaf(next)
		if err != nil {
			return err
		}
		u.put32(np.b, offPrev, q.pgno)
		u.touch(np)
	}
	u.put32(p.b, offNext, q.pgno)
	u.put32(q.b, offPrev, p.pgno)
	u.put32(q.b, offNext, next)
	u.putLeaf(p, left)
	u.putLeaf(q, right)
	return u.addChild(path[:len(path)-1], sep, q.pgno)
}

// cutLeaf returns where to divide pairs that need more than a page: in the
// middle, or, when keys arrive in order, at the end where they arrive, which
// leaves full pages behind. Repeated keys are not torn apart.
func (u *Updater) cutLeaf(p *updatePage, ps []treePair, at, space int) (int, error) {
	fits := func(cut int) bool {
		if cut <= 0 || cut >= len(ps) || ps[cut].shared {
			return false
		}
		left := 0
		for i := range ps[:cut] {
			left += ps[i].space()
		}
		return left <= u.capacity() && space-left <= u.capacity()
	}
	if at == len(ps)-1 && u.next(p.b) == 0 && fits(at) {
		return at, nil
	}
	if at == 0 && u.prev(p.b) == 0 && fits(1) {
		return 1, nil
	}
	best, bestLoad := -1, 0
	left := 0
	for i := range ps {
		if i > 0 && !ps[i].shared {
			if load := max(left, space-left); load <= u.capacity() && (best < 0 || load < bestLoad) {
				best, bestLoad = i, load
			}
		}
		left += ps[i].space()
	}
	if best < 0 {
		return 0, u.r.corrupt(p.pgno, 0, "the leaf cannot be divided into two pages")
	}
	return best, nil
}

// pushDown moves the content of the root to a new page, of which the root
// becomes the parent.
func (u *Updater) pushDown(root *updatePage) (*updatePage, error) {
	level := root.b[offLevel]
	if level == 255 {
		return nil, u.r.corrupt(root.pgno, offLevel, "the tree has 255 levels")
	}
	p, err := u.allocate(root.b[offType], level)
	if err != nil {
		return nil, err
	}
	pgno := p.pgno
	copy(p.b, root.b)
	u.put32(p.b, offPgno, pgno)
	b := make([]byte, u.size) // items of the root are still in use
	u.initPage(b, root.pgno, 0, 0, level+1, pageInternal)
	root.b = b
	u.touch(root)
	e, err := u.newInternal(nil, pgno)
	if err != nil {
		return nil, err
	}
	u.putInternal(root, []treeEntry{e})
	return p, nil
}

// addChild adds a page to the one at the end of path, behind the entry that led
// on, and divides that page when it is full.
func (u *Updater) addChild(path []step, sep []byte, child uint32) error {
	st := path[len(path)-1]
	e, err := u.newInternal(sep, child)
	if err != nil {
		return err
	}
	es := slices.Insert(u.treeEntries(st.p), st.at+1, e)
	space := 0
	for _, e := range es {
		space += 2 + align4(len(e))
	}
	if space <= u.capacity() {
		u.putInternal(st.p, es)
		return nil
	}
	p := st.p
	q, err := u.allocate(pageInternal, p.b[offLevel])
	if err != nil {
		return err
	}
	if p.pgno == u.root {
		if p, err = u.pushDown(p); err != nil {
			return err
		}
		path = []step{{u.pages[u.root], 0}, {p, 0}}
	}
	cut, left := 1, 2+align4(len(es[0]))
	for cut < len(es)-1 && left < space/2 {
		left += 2 + align4(len(es[cut]))
		cut++
	}
	// The key between the halves moves up; the right one begins without a key.
	up := es[cut]
	right := slices.Clone(es[cut:])
	right[0] = u.emptied(up)
	u.putInternal(p, es[:cut])
	u.putInternal(q, right)
	key, err := u.entryKey(up)
	if err != nil {
		return err
	}
	key = slices.Clone(key)
	if err := u.freeEntryKey(up); err != nil {
		return err
	}
	return u.addChild(path[:len(path)-1], key, q.pgno)
}
