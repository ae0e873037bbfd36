package bdb

import (
	"bytes"
	"math"
	"math/bits"
	"slices"
)

// hashPair is a pair of a page being changed: both items as stored, and the key
// itself where that is off the page and was needed.
type hashPair struct {
	key, value []byte
	long       []byte
}

func (hp *hashPair) off() bool { return hp.key[0] != itemKeyData }

func (hp *hashPair) space() int { return len(hp.key) + len(hp.value) + 4 }

// bucketPages returns the pages of a bucket, checked. A first page that was
// never written becomes an empty one.
func (u *Updater) bucketPages(b uint32) (chain []*updatePage, err error) {
	pgno, from := u.bucketPage(b), uint32(0)
	for pgno != 0 || from == 0 {
		p, err := u.page(pgno)
		if err != nil {
			return nil, err
		}
		if from == 0 && u.neverWritten(p.b) {
			u.initPage(p.b, pgno, 0, 0, 0, pageHash) // not touched until it is used
		}
		if t := p.b[offType]; t != pageHash && t != pageHashUnsorted {
			return nil, u.r.corrupt(pgno, offType, "page type %d in a bucket", t)
		}
		if u.prev(p.b) != from {
			return nil, u.r.corrupt(pgno, offPrev, "the page follows page %d, but says page %d", from, u.prev(p.b))
		}
		chain = append(chain, p)
		from, pgno = pgno, u.next(p.b)
	}
	return chain, nil
}

// pairs returns the pairs of a page; their items alias it.
func (u *Updater) pairs(p *updatePage) (ps []hashPair) {
	end := u.size
	n := u.entries(p.b)
	ps = make([]hashPair, 0, n/2+1)
	for i := 0; i < n; i += 2 {
		k, v := u.index(p.b, i), u.index(p.b, i+1)
		ps = append(ps, hashPair{key: p.b[k:end:end], value: p.b[v:k:k]})
		end = v
	}
	return ps
}

// locate finds a key in a bucket: the page in the chain and the pair on it.
func (u *Updater) locate(chain []*updatePage, key []byte) (page, slot int, err error) {
	for page, p := range chain {
		for slot, hp := range u.pairs(p) {
			if !hp.off() {
				if bytes.Equal(hp.key[1:], key) {
					return page, slot, nil
				}
				continue
			}
			if total := u.u32(hp.key, 8); uint64(total) == uint64(len(key)) {
				long, err := u.readChain(u.u32(hp.key, 4), total)
				if err != nil {
					return 0, 0, err
				}
				if bytes.Equal(long, key) {
					return page, slot, nil
				}
			}
		}
	}
	return -1, -1, nil
}

// item makes the item that stores data, with its overflow pages.
func (u *Updater) item(data []byte) ([]byte, error) {
	if len(data) <= u.size/4 {
		return append([]byte{itemKeyData}, data...), nil
	}
	chain, err := u.writeChain(data)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 12)
	b[0] = itemOffPage
	u.put32(b, 4, chain)
	u.put32(b, 8, uint32(len(data)))
	return b, nil
}

// freeItem releases what an item has elsewhere.
func (u *Updater) freeItem(item []byte) error {
	switch item[0] {
	case itemOffPage:
		return u.freeChain(u.u32(item, 4), u.u32(item, 8))
	case itemOffDup:
		return u.freeDups(u.u32(item, 4), -1)
	}
	return nil
}

func (u *Updater) putHash(key, value []byte, replace bool) (replaced bool, err error) {
	bucket := u.bucketOf(hashKey(key))
	chain, err := u.bucketPages(bucket)
	if err != nil {
		return false, err
	}
	page, slot, err := u.locate(chain, key)
	if err != nil {
		return false, err
	}
	if page < 0 {
		k, err := u.item(key)
		if err != nil {
			return false, err
		}
		v, err := u.item(value)
		if err != nil {
			return false, err
		}
		u.elements = min(u.elements+1, math.MaxInt32)
		return false, u.addPair(bucket, chain, hashPair{key: k, value: v, long: key})
	}
	if !replace {
		return false, errExists(key)
	}
	ps := u.pairs(chain[page])
	if err := u.freeItem(ps[slot].value); err != nil {
		return false, err
	}
	v, err := u.item(value)
	if err != nil {
		return false, err
	}
	// The items alias the page, which is about to be written.
	moved := hashPair{key: slices.Clone(ps[slot].key), value: v, long: key}
	if pairsSpace(ps)-len(ps[slot].value)+len(v) <= u.capacity() {
		ps[slot] = moved
		return true, u.store(chain, page, ps)
	}
	if err := u.removePair(chain, page, slot); err != nil {
		return false, err
	}
	if chain, err = u.bucketPages(bucket); err != nil {
		return false, err
	}
	return true, u.addPair(bucket, chain, moved)
}

func (u *Updater) deleteHash(key []byte) (bool, error) {
	chain, err := u.bucketPages(u.bucketOf(hashKey(key)))
	if err != nil {
		return false, err
	}
	page, slot, err := u.locate(chain, key)
	if err != nil || page < 0 {
		return false, err
	}
	hp := u.pairs(chain[page])[slot]
	for _, item := range [][]byte{hp.key, hp.value} {
		if err := u.freeItem(item); err != nil {
			return false, err
		}
	}
	if u.elements > 0 {
		u.elements--
	}
	return true, u.removePair(chain, page, slot)
}

func pairsSpace(ps []hashPair) (n int) {
	for i := range ps {
		n += ps[i].space()
	}
	return n
}

// store writes a page of a bucket anew. Where libdb has mixed keys on and off the
// page, whose order there is not safe to keep, the bucket is laid out anew.
func (u *Updater) store(chain []*updatePage, page int, ps []hashPair) error {
	if len(chain) == 1 && len(ps) == 0 || len(ps) > 0 && !mixed(ps) {
		return u.storePairs(chain[page], ps)
	}
	for i, p := range chain {
		if i != page {
			ps = append(ps, u.pairs(p)...)
		}
	}
	return u.layOut(chain, ps)
}

func mixed(ps []hashPair) bool {
	for i := range ps {
		if ps[i].off() != ps[0].off() {
			return true
		}
	}
	return false
}

// storePairs writes a page anew. Its links stay.
func (u *Updater) storePairs(p *updatePage, ps []hashPair) error {
	if err := u.sortPairs(ps); err != nil {
		return err
	}
	b := make([]byte, u.size) // ps aliases the old one
	u.initPage(b, p.pgno, u.prev(p.b), u.next(p.b), 0, pageHash)
	copy(b[:offPgno], p.b[:offPgno])
	top := len(b)
	for i, hp := range ps {
		top -= len(hp.key)
		copy(b[top:], hp.key)
		u.put16(b, u.overhead+4*i, top)
		top -= len(hp.value)
		copy(b[top:], hp.value)
		u.put16(b, u.overhead+4*i+2, top)
	}
	u.put16(b, offEntries, 2*len(ps))
	u.put16(b, offHigh, top)
	p.b = b
	u.touch(p)
	return nil
}

// sortPairs puts pairs in the order libdb searches: see hashPlan.sortUnits.
func (u *Updater) sortPairs(ps []hashPair) (err error) {
	for i := range ps {
		if hp := &ps[i]; hp.off() && hp.long == nil {
			if hp.long, err = u.readChain(u.u32(hp.key, 4), u.u32(hp.key, 8)); err != nil {
				return err
			}
		}
	}
	slices.SortStableFunc(ps, func(a, b hashPair) int {
		switch {
		case a.off() && b.off():
			return bytes.Compare(a.long, b.long)
		case a.off():
			return 1
		case b.off():
			return -1
		}
		return compareOnPage(a.key[1:], b.key[1:])
	})
	return nil
}

// removePair takes a pair from its page. An empty page leaves the chain, unless
// it is the bucket's only one.
func (u *Updater) removePair(chain []*updatePage, page, slot int) error {
	p := chain[page]
	ps := slices.Delete(u.pairs(p), slot, slot+1)
	if len(ps) > 0 || len(chain) == 1 {
		return u.store(chain, page, ps)
	}
	// The first page has its fixed place: it takes over what the second has.
	if page == 0 {
		ps := u.pairs(chain[1])
		if mixed(ps) {
			return u.store(chain, 0, nil)
		}
		if err := u.storePairs(p, ps); err != nil {
			return err
		}
		page = 1
	}
	before, gone := chain[page-1], chain[page]
	next := u.next(gone.b)
	u.put32(before.b, offNext, next)
	u.touch(before)
	if page+1 < len(chain) {
		u.put32(chain[page+1].b, offPrev, before.pgno)
		u.touch(chain[page+1])
	}
	u.release(gone)
	return nil
}

// addPair puts a pair on the first page of the bucket that has room for it, or on
// a new one; then, as libdb does, the table grows by one bucket.
func (u *Updater) addPair(bucket uint32, chain []*updatePage, hp hashPair) error {
	anyMixed := false
	for _, p := range chain {
		ps := u.pairs(p)
		same := 0 // keys off the page keep to themselves: see hashPlan.sortUnits
		for i := range ps {
			if ps[i].off() == hp.off() {
				same++
			}
		}
		switch {
		case same == len(ps) && pairsSpace(ps)+hp.space() <= u.capacity():
			if err := u.storePairs(p, append(ps, hp)); err != nil {
				return err
			}
			if u.fillFactor != 0 && len(ps)+1 > int(u.fillFactor) {
				return u.splitBucket()
			}
			return nil
		case same > 0 && same < len(ps):
			anyMixed = true
		}
	}
	if anyMixed { // libdb's doing; put the bucket in order
		ps := []hashPair{hp}
		for _, p := range chain {
			ps = append(ps, u.pairs(p)...)
		}
		return u.layOut(chain, ps)
	}
	last := chain[len(chain)-1]
	p, err := u.allocate(pageHash, 0)
	if err != nil {
		return err
	}
	u.put32(last.b, offNext, p.pgno)
	u.touch(last)
	u.put32(p.b, offPrev, last.pgno)
	if err := u.storePairs(p, []hashPair{hp}); err != nil {
		return err
	}
	return u.splitBucket()
}

// layOut distributes pairs over the pages of a bucket, of which more are
// allocated or some released as needed.
func (u *Updater) layOut(chain []*updatePage, ps []hashPair) error {
	if err := u.sortPairs(ps); err != nil {
		return err
	}
	var pages [][]hashPair
	start, room := 0, u.capacity()
	for i := range ps {
		n := ps[i].space()
		if i > start && (n > room || ps[i].off() != ps[i-1].off()) {
			pages = append(pages, ps[start:i])
			start, room = i, u.capacity()
		}
		room -= n
	}
	pages = append(pages, ps[start:])
	for len(chain) < len(pages) {
		p, err := u.allocate(pageHash, 0)
		if err != nil {
			return err
		}
		chain = append(chain, p)
	}
	for i, ps := range pages { // items still alias the pages: write copies, then link
		prev, next := uint32(0), uint32(0)
		if i > 0 {
			prev = chain[i-1].pgno
		}
		if i+1 < len(pages) {
			next = chain[i+1].pgno
		}
		if err := u.storePairs(chain[i], ps); err != nil {
			return err
		}
		u.put32(chain[i].b, offPrev, prev)
		u.put32(chain[i].b, offNext, next)
	}
	for _, p := range chain[len(pages):] {
		u.release(p)
	}
	return nil
}

// splitBucket adds one bucket to the table and moves the pairs that now belong
// there. When the buckets have doubled, pages for the next doubling are reserved
// in one run: only its last page is written, the rest stays zero.
func (u *Updater) splitBucket() error {
	bucket := u.maxBucket + 1
	old := bucket & u.lowMask
	group := bits.Len32(bucket)
	if bucket > u.highMask {
		if group >= numSpares {
			return nil
		}
		if u.spares[group] == 0 {
			if uint64(u.lastPgno)+uint64(bucket) > math.MaxUint32 {
				return nil
			}
			u.spares[group] = u.lastPgno + 1 - bucket
			u.lastPgno += bucket
			p, err := u.page(u.lastPgno)
			if err != nil {
				return err
			}
			u.reset(p, pageHash, 0)
		}
		u.lowMask = u.highMask
		u.highMask = bucket | u.lowMask
	}
	u.maxBucket = bucket
	from, err := u.bucketPages(old)
	if err != nil {
		return err
	}
	to, err := u.bucketPages(bucket)
	if err != nil {
		return err
	}
	if len(to) > 1 || u.entries(to[0].b) > 0 {
		return u.r.corrupt(to[0].pgno, 0, "the page reserved for bucket %d is in use", bucket)
	}
	var stay, move []hashPair
	for _, p := range from {
		for _, hp := range u.pairs(p) {
			key := hp.key[1:]
			if hp.off() {
				if hp.long, err = u.readChain(u.u32(hp.key, 4), u.u32(hp.key, 8)); err != nil {
					return err
				}
				key = hp.long
			}
			if u.bucketOf(hashKey(key)) == bucket {
				move = append(move, hp)
			} else {
				stay = append(stay, hp)
			}
		}
	}
	if err := u.layOut(to, move); err != nil {
		return err
	}
	return u.layOut(from, stay)
}
