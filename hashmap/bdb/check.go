package bdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	Page   int64 // page number
	Offset int64 // byte in the file
	Reason string
}

// Check reads every page of the file and reports all that is wrong with it:
// pages that are no such page as what leads to them says, links that do not
// agree, items that overlap or leave the page, keys out of order, twice, or
// where a lookup would not find them, long items with a wrong length, pages used
// twice or by nothing, and a damaged free list. report may be nil; when it
// returns false the check ends.
//
// The error is nil for a sound file and a *CorruptError with the first fault for
// a damaged one; otherwise it is that of ctx or of reading. Each page is read
// once; memory is a bit per page, the keys of one bucket, and two keys for each
// level of a tree.
func (r *Reader) Check(ctx context.Context, report func(Fault) bool) error {
	c := &checker{r: r, ctx: ctx, report: report}
	c.w = walk{r: r, page: make([]byte, r.size)}
	var err error
	if r.kind == Hash {
		err = c.hash()
	} else {
		err = c.btree()
	}
	if err == nil {
		err = c.freeList()
	}
	if err == nil {
		err = c.unused()
	}
	if err != nil && err != errStop {
		return err
	}
	if c.first != nil {
		return c.first
	}
	return nil
}

type checker struct {
	r      *Reader
	ctx    context.Context
	report func(Fault) bool
	first  *CorruptError
	w      walk           // has the pages used so far
	shared map[uint32]int // overflow pages that say several items refer to them: how many have

	keys  map[string]struct{} // of the bucket
	leaf  uint32              // the leaf before
	next  uint32              // what that says comes after it
	spans []span
}

// span is a run of bytes on a page.
type span struct{ from, to int }

// fault reports one fault; an error ends the check.
func (c *checker) fault(pgno uint32, at int, format string, args ...any) error {
	e := c.r.corrupt(pgno, at, format, args...).(*CorruptError)
	return c.add(e)
}

func (c *checker) add(e *CorruptError) error {
	if c.first == nil {
		c.first = e
	}
	if c.report != nil && !c.report(Fault{Page: e.Page, Offset: e.Offset, Reason: e.Reason}) {
		return errStop
	}
	return nil
}

// damage turns an error of a walk into a fault, and lets others pass.
func (c *checker) damage(err error) error {
	var e *CorruptError
	if errors.As(err, &e) {
		return c.add(e)
	}
	return err
}

// claim reads page pgno into p. ok is false when it is not fit for use, which
// has been reported.
func (c *checker) claim(p []byte, pgno uint32) (ok bool, err error) {
	if err := c.ctx.Err(); err != nil {
		return false, err
	}
	if _, err := c.r.claim(p, pgno, &c.w.used); err != nil {
		return false, c.damage(err)
	}
	return true, nil
}

func (c *checker) hash() error {
	r := c.r
	for i, s := range r.spares {
		if used := i <= bits.Len32(r.highMask); !used && s != 0 {
			if err := c.fault(0, offSpares+4*i, "group %d of buckets has pages, but only %d buckets are in use", i, r.maxBucket+1); err != nil {
				return err
			}
		}
	}
	if n := r.elements; n > 1<<31 {
		if err := c.fault(0, offElements, "the file says it has %d records", n); err != nil {
			return err
		}
	}
	for b := uint32(0); b <= r.maxBucket; b++ {
		if err := c.bucket(b); err != nil {
			return err
		}
	}
	// Pages for the buckets of the current doubling are there in advance.
	for b := r.maxBucket + 1; b <= r.highMask; b++ {
		if err := c.reserved(b); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) bucket(b uint32) error {
	r, p := c.r, c.w.page
	pgno, from := r.bucketPage(b), uint32(0)
	if pgno == 0 || pgno > r.lastPgno {
		return c.fault(0, offSpares+4*bits.Len32(b), "bucket %d is on page %d, the last page is %d", b, pgno, r.lastPgno)
	}
	c.keys = map[string]struct{}{}
	for steps := uint32(0); pgno != 0; steps++ {
		if pgno > r.lastPgno {
			return c.fault(from, offNext, "the next page is %d, the last is %d", pgno, r.lastPgno)
		}
		if ok, err := c.claim(p, pgno); err != nil || !ok {
			return err
		}
		if from == 0 && r.neverWritten(p) {
			return nil
		}
		if err := r.chained(p, pgno, from, steps); err != nil {
			return c.damage(err)
		}
		if err := c.hashPage(pgno, b); err != nil {
			return err
		}
		from, pgno = pgno, r.next(p)
	}
	return nil
}

func (c *checker) reserved(b uint32) error {
	r, p := c.r, c.w.page
	pgno := r.bucketPage(b)
	if pgno == 0 || pgno > r.lastPgno {
		return c.fault(0, offSpares+4*bits.Len32(b), "page %d, reserved for bucket %d, is not in the file", pgno, b)
	}
	ok, err := c.claim(p, pgno)
	if err != nil || !ok || r.neverWritten(p) {
		return err
	}
	if t := p[offType]; t != pageHash && t != pageHashUnsorted || r.entries(p) != 0 || r.next(p) != 0 {
		return c.fault(pgno, offType, "the page is reserved for bucket %d, but in use", b)
	}
	return nil
}

// hashPage checks the content of c.w.page, whose structure is right.
func (c *checker) hashPage(pgno, bucket uint32) error {
	r, p := c.r, c.w.page
	n := r.entries(p)
	low := r.size
	if n > 0 {
		low = r.index(p, n-1)
	}
	if h := r.high(p); h != low {
		if err := c.fault(pgno, offHigh, "the item area begins at %d, the lowest item at %d", h, low); err != nil {
			return err
		}
	}
	if p[offLevel] != 0 {
		if err := c.fault(pgno, offLevel, "a hash page at level %d", p[offLevel]); err != nil {
			return err
		}
	}
	var before []byte
	end, mixed := r.size, hashMixed(r, p)
	for i := 0; i < n; i += 2 {
		keyAt, valueAt := r.index(p, i), r.index(p, i+1)
		item := p[keyAt:end]
		key, err := c.w.hashItem(item, pgno, keyAt, &c.w.key)
		if err != nil {
			if err = c.damage(err); err != nil {
				return err
			}
			before = nil
		} else if err := c.hashKey(pgno, bucket, keyAt, item, key, before, mixed); err != nil {
			return err
		} else {
			before = append(before[:0], key...)
		}
		if err := c.hashValue(pgno, valueAt, p[valueAt:keyAt]); err != nil {
			return err
		}
		end = valueAt
	}
	return nil
}

// hashMixed reports whether keys on and off the page meet on it. libdb has no
// consistent order for those.
func hashMixed(r *Reader, p []byte) bool {
	on, off := false, false
	for i := 0; i < r.entries(p); i += 2 {
		if p[r.index(p, i)] == itemKeyData {
			on = true
		} else {
			off = true
		}
	}
	return on && off
}

func (c *checker) hashKey(pgno, bucket uint32, at int, item, key, before []byte, mixed bool) error {
	r := c.r
	if !r.customHash() {
		if b := r.bucketOf(hashKey(key)); b != bucket {
			if err := c.fault(pgno, at, "key %.60q is in bucket %d, lookups look in bucket %d", key, bucket, b); err != nil {
				return err
			}
		}
	}
	if _, twice := c.keys[string(key)]; twice {
		if err := c.fault(pgno, at, "key %.60q is there twice", key); err != nil {
			return err
		}
	}
	c.keys[string(key)] = struct{}{}
	if before == nil || mixed || c.w.page[offType] != pageHash {
		return nil
	}
	order := compareOnPage(before, key)
	if item[0] != itemKeyData {
		order = bytes.Compare(before, key)
	}
	if order > 0 {
		return c.fault(pgno, at, "key %.60q is out of order", key)
	}
	return nil
}

func (c *checker) hashValue(pgno uint32, at int, item []byte) error {
	r := c.r
	if t := item[0]; (t == itemDups || t == itemOffDup) && !r.dups() {
		if err := c.fault(pgno, at, "several values in a file whose keys have one"); err != nil {
			return err
		}
	}
	switch item[0] {
	case itemOffPage:
		_, err := c.w.hashItem(item, pgno, at, &c.w.value)
		return c.damage(err)
	case itemOffDup:
		_, err := c.dupTree(r.u32(item, 4), -1, pgno, at)
		return err
	}
	return nil
}

// dupTree checks a tree of duplicates and returns how many values it has.
func (c *checker) dupTree(root uint32, level int, from uint32, at int) (count int, err error) {
	r := c.r
	if root == 0 || root > r.lastPgno {
		return 0, c.fault(from, at, "duplicates on page %d, the last page is %d", root, r.lastPgno)
	}
	p := levelBuffer(&c.w.dups, level, r.size)
	if ok, err := c.claim(p, root); err != nil || !ok {
		return 0, err
	}
	have, typ := int(p[offLevel]), p[offType]
	if level >= 0 && have != level {
		return 0, c.fault(root, offLevel, "the page is at level %d of a duplicate tree, want %d", have, level)
	}
	switch typ {
	case pageDupLeaf, pageRecLeaf, pageInternal, pageRecInternal:
	default:
		return 0, c.fault(root, offType, "page type %d in a duplicate tree", typ)
	}
	if err := c.spacing(p, root); err != nil {
		return 0, err
	}
	for i := range r.entries(p) {
		at := r.index(p, i)
		switch typ {
		case pageDupLeaf, pageRecLeaf:
			count++
			if p[at+2]&^entryDeleted == entryOverflow {
				_, err = c.w.treeItem(p, root, at, &c.w.value)
				err = c.damage(err)
			}
		case pageInternal:
			var n int
			n, err = c.dupTree(r.u32(p, at+4), have-1, root, at)
			count += n
			if err == nil && p[at+2]&^entryDeleted == entryOverflow {
				err = c.sharedChain(r.u32(p, at+16), r.u32(p, at+20), root, at)
			}
		case pageRecInternal:
			var n int
			n, err = c.dupTree(r.u32(p, at), have-1, root, at)
			count += n
			if err == nil && uint32(n) != r.u32(p, at+4) {
				err = c.fault(root, at, "page %d has %d values below it, the entry says %d", r.u32(p, at), n, r.u32(p, at+4))
			}
		}
		if err != nil {
			return count, err
		}
	}
	return count, nil
}

// freeList follows the list of free pages.
func (c *checker) freeList() error {
	r, p := c.r, c.w.page
	from := uint32(0)
	for pgno := r.free; pgno != 0; {
		if pgno > r.lastPgno {
			return c.fault(from, offNext, "the free list goes on at page %d, the last page is %d", pgno, r.lastPgno)
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if !c.w.used.add(pgno) {
			return c.fault(pgno, 0, "the page is in the free list and in use")
		}
		if err := r.readPage(p, pgno); err != nil {
			return err
		}
		if p[offType] != pageFree || r.pgno(p) != pgno {
			return c.fault(pgno, offType, "page type %d, number %d in the free list", p[offType], r.pgno(p))
		}
		from, pgno = pgno, r.next(p)
	}
	return nil
}

// unused reports pages that nothing leads to.
func (c *checker) unused() error {
	c.w.used.add(0)
	for pgno := uint32(1); pgno <= c.r.lastPgno && pgno != 0; pgno++ {
		if !c.w.used.has(pgno) {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			if err := c.fault(pgno, 0, "nothing leads to the page"); err != nil {
				return err
			}
		}
	}
	for pgno, n := range c.shared {
		if n != 0 {
			if err := c.fault(pgno, offEntries, "the overflow page counts %d references more than there are", n); err != nil {
				return err
			}
		}
	}
	return nil
}

// spacing checks that the items of a tree page do not overlap.
func (c *checker) spacing(p []byte, pgno uint32) error {
	r := c.r
	c.spans = c.spans[:0]
	low := r.size
	for i := range r.entries(p) {
		at := r.index(p, i)
		low = min(low, at)
		if p[offType] == pageLeaf && i%2 == 0 && i > 0 && at == r.index(p, i-2) {
			continue // repeated keys share one item
		}
		c.spans = append(c.spans, span{at, at + r.entrySize(p, at)})
	}
	if h := r.high(p); h != low {
		if err := c.fault(pgno, offHigh, "the item area begins at %d, the lowest item at %d", h, low); err != nil {
			return err
		}
	}
	slices.SortFunc(c.spans, func(a, b span) int { return a.from - b.from })
	for i := 1; i < len(c.spans); i++ {
		a, b := c.spans[i-1], c.spans[i]
		if a.to > b.from {
			if err := c.fault(pgno, b.from, "two items overlap"); err != nil {
				return err
			}
		}
	}
	return nil
}

// entrySize returns the space of an item of a tree page, without padding.
func (l *layout) entrySize(p []byte, at int) int {
	switch typ := p[offType]; {
	case typ == pageRecInternal:
		return 8
	case typ == pageInternal:
		return 12 + l.u16(p, at)
	case p[at+2]&^entryDeleted == entryKeyData:
		return 3 + l.u16(p, at)
	}
	return 12
}

// maxShared is how many items may refer to one chain: one in a leaf and, by libdb
// before 4.3, one in each level above. More would make reading it expensive.
const maxShared = 16

// sharedChain checks the chain of an item of a tree. libdb before 4.3 let the key
// of an internal page be that of the leaf; the first page then counts its
// references.
func (c *checker) sharedChain(chain, total, pgno uint32, at int) error {
	r := c.r
	if chain == 0 || chain > r.lastPgno {
		return c.fault(pgno, at, "a key on overflow page %d, the last page is %d", chain, r.lastPgno)
	}
	var p [offType + 1]byte
	if err := r.readAt(p[:], int64(chain)*int64(r.size)); err != nil {
		return named(r.path, err)
	}
	if n := r.entries(p[:]); p[offType] == pageOverflow && n > 1 {
		if c.shared == nil {
			c.shared = map[uint32]int{}
		}
		if n > maxShared {
			return c.fault(chain, offEntries, "%d items refer to the overflow page, at most %d can", n, maxShared)
		}
		if _, ok := c.shared[chain]; !ok {
			c.shared[chain] = n
		}
		c.shared[chain]--
		if c.shared[chain] < 0 {
			return c.fault(chain, offEntries, "more items refer to the overflow page than its %d", n)
		}
		if c.w.used.has(chain) {
			return nil
		}
	}
	_, err := c.w.collect(chain, total, pgno, at, &c.w.value)
	return c.damage(err)
}

// btree checks a tree from its root.
func (c *checker) btree() error {
	r := c.r
	if r.root != 1 {
		if err := c.fault(0, offRoot, "the root is page %d, want 1", r.root); err != nil {
			return err
		}
	}
	if _, err := c.tree(r.root, -1, nil, nil); err != nil {
		return err
	}
	if c.next != 0 {
		return c.fault(c.leaf, offNext, "the last leaf goes on at page %d", c.next)
	}
	return nil
}

// tree checks page pgno, whose keys are from low up to, not including, high
// (nil: no limit), and what is below it. It returns the number of records.
func (c *checker) tree(pgno uint32, level int, low, high []byte) (count int, err error) {
	r := c.r
	p := levelBuffer(&c.w.levels, level, r.size)
	if ok, err := c.claim(p, pgno); err != nil || !ok {
		return 0, err
	}
	if err := r.levelled(p, pgno, level); err != nil {
		return 0, c.damage(err)
	}
	if err := c.spacing(p, pgno); err != nil {
		return 0, err
	}
	if p[offType] == pageLeaf {
		return c.treeLeaf(p, pgno, low, high)
	}

	from := low
	n := r.entries(p)
	for i := range n {
		at := r.index(p, i)
		child := r.u32(p, at+4)
		to := high
		if i+1 < n {
			to, err = c.separator(p, pgno, r.index(p, i+1))
			if err != nil {
				return count, err
			}
			if to != nil && from != nil && bytes.Compare(from, to) >= 0 || to != nil && high != nil && bytes.Compare(to, high) >= 0 {
				if err := c.fault(pgno, r.index(p, i+1), "key %.60q is out of order", to); err != nil {
					return count, err
				}
			}
		}
		if child == 0 || child > r.lastPgno {
			if err := c.fault(pgno, at, "the child is page %d, the last page is %d", child, r.lastPgno); err != nil {
				return count, err
			}
			continue
		}
		below, err := c.tree(child, int(p[offLevel])-1, from, to)
		if err != nil {
			return count, err
		}
		count += below
		if r.flags&btreeRecNum != 0 && uint32(below) != r.u32(p, at+8) {
			if err := c.fault(pgno, at+8, "page %d has %d records below it, the entry says %d", child, below, r.u32(p, at+8)); err != nil {
				return count, err
			}
		}
		from = to
	}
	return count, nil
}

// separator returns a copy of the key of an internal entry, nil when it cannot
// be read.
func (c *checker) separator(p []byte, pgno uint32, at int) ([]byte, error) {
	r := c.r
	if p[at+2]&^entryDeleted == entryKeyData {
		return append([]byte{}, p[at+12:at+12+r.u16(p, at)]...), nil
	}
	return c.longKey(r.u32(p, at+16), r.u32(p, at+20), pgno, at)
}

// longKey checks the chain of a key and returns its bytes, nil when they cannot
// be read.
func (c *checker) longKey(chain, total, pgno uint32, at int) ([]byte, error) {
	faults := c.first
	if err := c.sharedChain(chain, total, pgno, at); err != nil {
		return nil, err
	}
	var again pageSet // the pages are claimed above
	key := []byte{}
	err := c.r.eachChunk(chain, total, make([]byte, c.r.size), &again, func(chunk []byte) bool {
		key = append(key, chunk...)
		return true
	})
	if err == nil {
		return key, nil
	}
	if c.first == faults { // not reported with the first reference
		return nil, c.damage(err)
	}
	return nil, nil
}

func (c *checker) treeLeaf(p []byte, pgno uint32, low, high []byte) (count int, err error) {
	r := c.r
	if r.prev(p) != c.leaf {
		if err := c.fault(pgno, offPrev, "the leaf follows page %d, but says page %d", c.leaf, r.prev(p)); err != nil {
			return 0, err
		}
	}
	if c.leaf != 0 && c.next != pgno {
		if err := c.fault(c.leaf, offNext, "page %d follows the leaf, but it says page %d", pgno, c.next); err != nil {
			return 0, err
		}
	}
	c.leaf, c.next = pgno, r.next(p)

	var before []byte
	keyFrom := -1
	for i := 0; i < r.entries(p); i += 2 {
		keyAt, valueAt := r.index(p, i), r.index(p, i+1)
		if keyAt == keyFrom && !r.dups() {
			if err := c.fault(pgno, keyAt, "two records share a key in a file whose keys have one value"); err != nil {
				return count, err
			}
		}
		if keyAt != keyFrom {
			keyFrom = keyAt
			key, err := c.leafBytes(p, pgno, keyAt)
			if err != nil {
				return count, err
			}
			if key == nil {
				before = nil
			} else {
				if err := c.leafKey(pgno, keyAt, key, before, low, high); err != nil {
					return count, err
				}
				if before == nil {
					before = []byte{}
				}
				before = append(before[:0], key...)
			}
		}
		if p[valueAt+2]&entryDeleted == 0 {
			count++
		}
		switch p[valueAt+2] &^ entryDeleted {
		case entryOverflow:
			err = c.sharedChain(r.u32(p, valueAt+4), r.u32(p, valueAt+8), pgno, valueAt)
		case entryDupTree:
			if !r.dups() {
				if err := c.fault(pgno, valueAt, "several values in a file whose keys have one"); err != nil {
					return count, err
				}
			}
			_, err = c.dupTree(r.u32(p, valueAt+4), -1, pgno, valueAt)
		}
		if err != nil {
			return count, err
		}
	}
	return count, nil
}

// leafBytes returns the bytes of a leaf's key, nil when they cannot be read.
func (c *checker) leafBytes(p []byte, pgno uint32, at int) ([]byte, error) {
	if p[at+2]&^entryDeleted == entryOverflow {
		return c.longKey(c.r.u32(p, at+4), c.r.u32(p, at+8), pgno, at)
	}
	return p[at+3 : at+3+c.r.u16(p, at)], nil
}

func (c *checker) leafKey(pgno uint32, at int, key, before, low, high []byte) error {
	reason := ""
	switch {
	case low != nil && bytes.Compare(key, low) < 0:
		reason = fmt.Sprintf("key %.60q belongs to an earlier page", key)
	case high != nil && bytes.Compare(key, high) >= 0:
		reason = fmt.Sprintf("key %.60q belongs to a later page", key)
	case before == nil:
	case bytes.Equal(before, key) && !c.r.dups():
		reason = fmt.Sprintf("key %.60q is there twice", key)
	case bytes.Compare(before, key) > 0:
		reason = fmt.Sprintf("key %.60q is out of order", key)
	}
	if reason == "" {
		return nil
	}
	return c.fault(pgno, at, "%s", reason)
}
