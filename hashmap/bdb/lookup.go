package bdb

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// found is where a value is: on a page, or in a chain of overflow pages.
type found struct {
	value []byte
	chain uint32 // first page of the chain; 0: value has it
	total uint32 // length of the value in the chain
}

// scratch has the pages of a lookup in a file that is not in memory.
type scratch struct {
	page, chain []byte
}

// Lookup returns the value stored for key, both exactly as they are in the file:
// with Postfix's default the key given must end in a zero byte, and so does the
// value. Of repeated keys it returns the first value. A miss is not an error.
func (r *Reader) Lookup(key []byte) (value string, ok bool, err error) {
	if r.mapped {
		return r.lookupMapped(key)
	}
	return r.lookup(key)
}

func (r *Reader) lookupMapped(key []byte) (value string, ok bool, err error) {
	defer mmap.Recover(mmap.Protect(), &err)
	return r.lookup(key)
}

func (r *Reader) lookup(key []byte) (string, bool, error) {
	sc := r.getScratch()
	f, ok, err := r.find(key, sc)
	if err != nil || !ok {
		r.putScratch(sc)
		return "", false, err
	}
	if f.chain == 0 {
		value := string(f.value)
		r.putScratch(sc)
		return value, true, nil
	}
	r.putScratch(sc)
	value, err := r.chainString(f.chain, f.total)
	return value, err == nil, err
}

// AppendLookup is Lookup that appends the value to dst, and allocates nothing
// when dst has room. Without a value it returns dst as it was.
func (r *Reader) AppendLookup(dst, key []byte) (out []byte, ok bool, err error) {
	if r.mapped {
		out, ok, err = r.appendMapped(dst, key)
	} else {
		out, ok, err = r.append(dst, key)
	}
	if err != nil || !ok {
		return dst, false, err
	}
	return out, true, nil
}

func (r *Reader) appendMapped(dst, key []byte) (out []byte, ok bool, err error) {
	defer mmap.Recover(mmap.Protect(), &err)
	return r.append(dst, key)
}

func (r *Reader) append(dst, key []byte) ([]byte, bool, error) {
	sc := r.getScratch()
	f, ok, err := r.find(key, sc)
	if ok && err == nil {
		if f.chain == 0 {
			dst = append(dst, f.value...)
		} else {
			dst, err = r.appendChain(dst, f.chain, f.total, sc)
		}
	}
	r.putScratch(sc)
	return dst, ok, err
}

func (r *Reader) getScratch() *scratch {
	if r.data != nil {
		return nil
	}
	if sc, ok := r.pool.Get().(*scratch); ok {
		return sc
	}
	return &scratch{make([]byte, r.size), make([]byte, r.size)}
}

func (r *Reader) putScratch(sc *scratch) {
	if sc != nil {
		r.pool.Put(sc)
	}
}

// view returns page pgno, examined. buf is where to read it when the file is
// not in memory.
func (r *Reader) view(pgno uint32, buf []byte) (p []byte, st pageState, err error) {
	if r.data == nil {
		if err := r.readPage(buf, pgno); err != nil {
			return nil, 0, err
		}
		st, f := r.examine(buf, pgno)
		if f != nil {
			return nil, 0, r.corrupt(pgno, f.at, "%s", f.reason)
		}
		return buf, st, nil
	}
	at := int64(pgno) * int64(r.size)
	p = r.data[at : at+int64(r.size)]
	m := r.memo.Load()
	if st = m.get(pgno); st == 0 {
		var f *flaw
		if st, f = r.examine(p, pgno); f != nil {
			return nil, 0, r.corrupt(pgno, f.at, "%s", f.reason)
		}
		st = r.mark(m, p, pgno, st)
		m.set(pgno, st)
	}
	return p, st, nil
}

// buffers returns the buffers of sc, none when the file is in memory.
func (sc *scratch) buffers() (page, chain []byte) {
	if sc == nil {
		return nil, nil
	}
	return sc.page, sc.chain
}

// find believes a miss, or an error, only of what is known of the file as it
// is.
func (r *Reader) find(key []byte, sc *scratch) (found, bool, error) {
	f, ok, err := r.findOnce(key, sc)
	if !ok && !r.current(err != nil) {
		return r.findOnce(key, sc)
	}
	return f, ok, err
}

func (r *Reader) findOnce(key []byte, sc *scratch) (found, bool, error) {
	switch {
	case r.kind == Btree:
		return r.findBtree(key, sc)
	case r.customHash():
		return r.findAnywhere(key)
	}
	return r.findHash(key, sc)
}

// findHash walks the pages of the key's bucket.
func (r *Reader) findHash(key []byte, sc *scratch) (found, bool, error) {
	page, chain := sc.buffers()
	b := r.bucketOf(hashKey(key))
	pgno, from := r.bucketPage(b), uint32(0)
	if pgno == 0 || pgno > r.lastPgno {
		return found{}, false, r.corrupt(0, offSpares+4*bits.Len32(b), "bucket %d is on page %d, the last page is %d", b, pgno, r.lastPgno)
	}
	mark := uint64(0)
	for steps := uint32(0); ; steps++ {
		p, st, err := r.view(pgno, page)
		if err != nil {
			return found{}, false, err
		}
		if from == 0 && r.neverWritten(p) {
			return found{}, false, nil
		}
		if err := r.chained(p, pgno, from, steps); err != nil {
			return found{}, false, err
		}
		slot, sure := -1, false
		if st&pageMarked != 0 {
			if mark == 0 {
				mark = markOf(key)
			}
			slot, sure = r.searchMarked(markedPage{p, r.memo.Load().marksOf(pgno)}, key, mark)
		}
		switch {
		case sure:
		case st&pageOrdered != 0:
			slot = r.searchOrdered(p, key)
		default:
			if slot, err = r.searchAny(p, pgno, key, chain); err != nil {
				return found{}, false, err
			}
		}
		if slot >= 0 {
			return r.hashValue(p, pgno, slot, page)
		}
		from, pgno = pgno, r.next(p)
		if pgno == 0 {
			return found{}, false, nil
		}
		if pgno > r.lastPgno {
			return found{}, false, r.corrupt(from, offNext, "the next page is %d, the last is %d", pgno, r.lastPgno)
		}
	}
}

// chained checks that p is a hash page and follows page from. As each page
// knows the one before, a chain cannot lead back into itself unnoticed; steps
// bounds the walk even if the file changes meanwhile.
func (r *Reader) chained(p []byte, pgno, from, steps uint32) error {
	switch t := p[offType]; {
	case t != pageHash && t != pageHashUnsorted:
		return r.corrupt(pgno, offType, "page type %d in a bucket", t)
	case r.prev(p) != from:
		return r.corrupt(pgno, offPrev, "the page follows page %d, but says page %d", from, r.prev(p))
	case steps > r.lastPgno:
		return r.corrupt(pgno, offNext, "the bucket's pages form a loop")
	}
	return nil
}

// searchOrdered finds key on a page in strict order of keys, by halving, and
// returns its index or -1. The first eight bytes decide most comparisons.
func (r *Reader) searchOrdered(p, key []byte) int {
	n := r.entries(p) / 2
	idx := p[r.overhead:]
	if len(idx) < 4*n {
		return -1 // the file changed after the page was examined
	}
	var want uint64
	long := len(key) >= 8
	if long {
		want = binary.BigEndian.Uint64(key)
	}
	lo, hi := 0, n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		start, end := r.u16(idx, 4*mid)+1, r.size
		if mid > 0 {
			end = r.u16(idx, 4*mid-2)
		}
		if start > end || end > len(p) {
			return -1
		}
		item := p[start:end]
		if long && len(item) >= 8 {
			if have := binary.BigEndian.Uint64(item); have != want {
				if have < want {
					lo = mid + 1
				} else {
					hi = mid
				}
				continue
			}
		}
		switch c := compareOnPage(item, key); {
		case c == 0:
			return mid
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return -1
}

// searchAny looks at every key of a page: libdb itself loses keys where long
// and short ones mix on a page, and old pages are in order of arrival.
func (r *Reader) searchAny(p []byte, pgno uint32, key, chain []byte) (slot int, err error) {
	end := r.size
	for i := range r.entries(p) / 2 {
		start := r.index(p, 2*i)
		if start >= end || end > len(p) {
			break // the file changed after the page was examined
		}
		item := p[start:end]
		switch {
		case item[0] == itemKeyData:
			if bytes.Equal(item[1:], key) {
				return i, nil
			}
		case len(item) == 12 && r.u32(item, 8) == uint32(len(key)) && uint64(len(key)) < 1<<32:
			c, err := r.compareChain(r.u32(item, 4), uint32(len(key)), key, chain)
			if err != nil {
				return -1, err
			}
			if c == 0 {
				return i, nil
			}
		}
		end = r.index(p, 2*i+1)
	}
	return -1, nil
}

// hashValue returns the value of pair slot. buf may be overwritten.
func (r *Reader) hashValue(p []byte, pgno uint32, slot int, buf []byte) (found, bool, error) {
	start, end := r.index(p, 2*slot+1), r.index(p, 2*slot)
	if start >= end || end > len(p) {
		return found{}, false, r.corrupt(pgno, r.overhead+4*slot, "the page changed while it was read")
	}
	switch item := p[start:end]; {
	case item[0] == itemKeyData:
		return found{value: item[1:]}, true, nil
	case item[0] == itemOffPage && len(item) == 12:
		return r.inChain(r.u32(item, 4), r.u32(item, 8), pgno, start)
	case item[0] == itemOffDup && len(item) == 8:
		return r.firstDup(r.u32(item, 4), pgno, start, buf)
	case item[0] == itemDups:
		if value, _, ok := r.nextDup(item[1:]); ok {
			return found{value: value}, true, nil
		}
	}
	return found{}, false, r.corrupt(pgno, start, "item type %d", p[start])
}

// inChain is a value in overflow pages.
func (r *Reader) inChain(chain, total, pgno uint32, at int) (found, bool, error) {
	if chain == 0 || chain > r.lastPgno {
		return found{}, false, r.corrupt(pgno, at, "a value on overflow page %d, the last page is %d", chain, r.lastPgno)
	}
	return found{chain: chain, total: total}, true, nil
}

// findBtree descends from the root.
func (r *Reader) findBtree(key []byte, sc *scratch) (found, bool, error) {
	page, chain := sc.buffers()
	pgno, level := r.root, -1
	if r.data != nil {
		at := r.descend(key)
		pgno, level = at.pgno, at.level
	}
	for {
		p, st, err := r.view(pgno, page)
		if err != nil {
			return found{}, false, err
		}
		if err := r.levelled(p, pgno, level); err != nil {
			return found{}, false, err
		}
		level = int(p[offLevel]) - 1
		if p[offType] == pageLeaf {
			if st&pageMarked != 0 {
				m := markedPage{p, r.memo.Load().marksOf(pgno)}
				if pair, sure := r.searchMarked(m, key, markOf(key)); sure {
					if pair < 0 {
						return found{}, false, nil
					}
					return r.entryValue(p, pgno, r.index(p, 2*pair+1), page)
				}
			}
			return r.searchLeaf(p, pgno, key, page, chain)
		}
		child, at, err := r.searchInternal(p, pgno, key, chain)
		if err != nil {
			return found{}, false, err
		}
		if child == 0 || child > r.lastPgno {
			return found{}, false, r.corrupt(pgno, at, "the child is page %d, the last page is %d", child, r.lastPgno)
		}
		pgno = child
	}
}

// levelled checks that p is a page of the tree at the wanted level (-1: any).
// Levels only fall, so a descent ends.
func (r *Reader) levelled(p []byte, pgno uint32, level int) error {
	have := int(p[offLevel])
	if level >= 0 && have != level {
		return r.corrupt(pgno, offLevel, "the page is at level %d of the tree, want %d", have, level)
	}
	want := byte(pageInternal)
	if have == 1 {
		want = pageLeaf
	}
	if p[offType] != want || have == 0 {
		return r.corrupt(pgno, offType, "page type %d at level %d of the tree", p[offType], have)
	}
	return nil
}

// searchInternal returns the child that may have key: the last one whose key is
// not above it. The key of entry 0 stands for "everything below".
func (r *Reader) searchInternal(p []byte, pgno uint32, key, chain []byte) (child uint32, at int, err error) {
	pos, exact, err := r.halve(p, pgno, key, chain, 1, r.entries(p), 12)
	if err != nil {
		return 0, 0, err
	}
	if !exact {
		pos--
	}
	at = r.index(p, pos)
	if at+12 > len(p) {
		return 0, 0, r.corrupt(pgno, at, "the page changed while it was read")
	}
	return r.u32(p, at+4), at, nil
}

// searchLeaf finds the first pair with key that is not deleted.
func (r *Reader) searchLeaf(p []byte, pgno uint32, key, page, chain []byte) (found, bool, error) {
	n := r.entries(p) / 2
	pos, exact, err := r.halve(p, pgno, key, chain, 0, n, 3)
	if err != nil || !exact {
		return found{}, false, err
	}
	for ; pos < n; pos++ {
		at := r.index(p, 2*pos+1)
		if at+3 > len(p) {
			break
		}
		if p[at+2]&entryDeleted == 0 {
			return r.entryValue(p, pgno, at, page)
		}
		if pos+1 < n {
			c, _, err := r.compareEntry(p, pgno, r.index(p, 2*pos+2), 3, key, chain)
			if err != nil || c != 0 {
				return found{}, false, err
			}
		}
	}
	return found{}, false, nil
}

// halve finds the first of entries lo to hi-1 of a tree page whose key is not
// below the one wanted, and tells whether it is equal. The bytes of a key begin
// 3 bytes into an item of a leaf (whose every second item is a key), 12 into one
// of an internal page.
//
// Neighbours in a tree share long prefixes. What key shares with the entries on
// both sides of the range, it shares with all between; the eight bytes behind
// that decide nearly every comparison.
func (r *Reader) halve(p []byte, pgno uint32, key, chain []byte, lo, hi, body int) (pos int, exact bool, err error) {
	stride := 2
	if body == 3 {
		stride = 4
	}
	idx := p[r.overhead:]
	if stride*hi > len(idx) {
		return 0, false, r.corrupt(pgno, offEntries, "the page changed while it was read")
	}
	dups := r.dups()
	below, above, from := 0, 0, 0
	want := word(key, 0)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		at := r.u16(idx, stride*mid)
		start := at + body + from
		same := 0
		if start+8 <= len(p) && p[at+2]&^entryDeleted == entryKeyData {
			have := binary.BigEndian.Uint64(p[start:])
			if n := r.u16(p, at) - from; n < 8 {
				have &^= ^uint64(0) >> (8 * uint(max(n, 0))) // bytes of other items
			}
			if have != want {
				same = from + bits.LeadingZeros64(have^want)/8
				if have < want {
					lo, below = mid+1, same
				} else {
					hi, above = mid, same
				}
				if same = min(below, above, len(key)); same != from {
					from, want = same, word(key, same)
				}
				continue
			}
		}
		c, same, err := r.compareEntry(p, pgno, at, body, key, chain)
		switch {
		case err != nil:
			return 0, false, err
		case c == 0:
			if exact = true; !dups {
				return mid, true, nil
			}
			hi, above = mid, same
		case c < 0:
			lo, below = mid+1, same
		default:
			hi, above = mid, same
		}
		if same = min(below, above, len(key)); same != from {
			from, want = same, word(key, same)
		}
	}
	return lo, exact, nil
}

// word returns the eight bytes of key at byte n, padded with zeros.
func word(key []byte, n int) uint64 {
	key = key[n:]
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var w uint64
	for i, c := range key {
		w |= uint64(c) << (56 - 8*i)
	}
	return w
}

// compareEntry compares the key of the item at byte at, all of it, with the one
// wanted, and returns how many bytes they share (0 for a key off the page).
func (r *Reader) compareEntry(p []byte, pgno uint32, at, body int, key, chain []byte) (c, same int, err error) {
	if at+body <= len(p) {
		end := at + body + r.u16(p, at)
		switch {
		case p[at+2]&^entryDeleted != entryOverflow:
			if end <= len(p) {
				c, same = compareKeys(p[at+body:end], key)
				return c, same, nil
			}
		case body == 12:
			at += 12 // the reference is inside the entry
			fallthrough
		default:
			if at+12 <= len(p) {
				c, err = r.compareChain(r.u32(p, at+4), r.u32(p, at+8), key, chain)
				return c, 0, err
			}
		}
	}
	return 0, 0, r.corrupt(pgno, at, "the page changed while it was read")
}

// compareKeys is bytes.Compare that also says in how many bytes a and b agree.
func compareKeys(a, b []byte) (c, same int) {
	n := min(len(a), len(b))
	for same+8 <= n {
		if x := binary.BigEndian.Uint64(a[same:]) ^ binary.BigEndian.Uint64(b[same:]); x != 0 {
			same += bits.LeadingZeros64(x) / 8
			break
		}
		same += 8
	}
	for same < n && a[same] == b[same] {
		same++
	}
	return bytes.Compare(a[same:], b[same:]), same
}

// entryValue returns the value in the leaf item at byte at. buf may be
// overwritten.
func (r *Reader) entryValue(p []byte, pgno uint32, at int, buf []byte) (found, bool, error) {
	typ := p[at+2] &^ entryDeleted
	if typ == entryKeyData {
		end := at + 3 + r.u16(p, at)
		if end > len(p) {
			return found{}, false, r.corrupt(pgno, at, "the page changed while it was read")
		}
		return found{value: p[at+3 : end]}, true, nil
	}
	if at+12 > len(p) {
		return found{}, false, r.corrupt(pgno, at, "the page changed while it was read")
	}
	switch typ {
	case entryOverflow:
		return r.inChain(r.u32(p, at+4), r.u32(p, at+8), pgno, at)
	case entryDupTree:
		return r.firstDup(r.u32(p, at+4), pgno, at, buf)
	}
	return found{}, false, r.corrupt(pgno, at+2, "item type %d", typ)
}

// firstDup returns the first value of a duplicate tree, whose root is page root
// as byte at of page pgno says.
func (r *Reader) firstDup(root, pgno uint32, at int, buf []byte) (found, bool, error) {
	if root == 0 || root > r.lastPgno {
		return found{}, false, r.corrupt(pgno, at, "duplicates on page %d, the last page is %d", root, r.lastPgno)
	}
	pgno, level := root, -1
	for {
		p, _, err := r.view(pgno, buf)
		if err != nil {
			return found{}, false, err
		}
		have, typ := int(p[offLevel]), p[offType]
		if level >= 0 && have != level {
			return found{}, false, r.corrupt(pgno, offLevel, "the page is at level %d of a duplicate tree, want %d", have, level)
		}
		if typ == pageDupLeaf || typ == pageRecLeaf {
			return r.firstInLeaf(p, pgno, buf)
		}
		if typ != pageInternal && typ != pageRecInternal {
			return found{}, false, r.corrupt(pgno, offType, "page type %d in a duplicate tree", typ)
		}
		level = have - 1
		item := r.index(p, 0)
		child := uint32(0)
		switch {
		case typ == pageInternal && item+8 <= len(p):
			child = r.u32(p, item+4)
		case typ == pageRecInternal && item+4 <= len(p):
			child = r.u32(p, item)
		}
		if child == 0 || child > r.lastPgno {
			return found{}, false, r.corrupt(pgno, item, "the child is page %d, the last page is %d", child, r.lastPgno)
		}
		pgno = child
	}
}

// firstInLeaf goes on to the next leaves while all items are deleted.
func (r *Reader) firstInLeaf(p []byte, pgno uint32, buf []byte) (found, bool, error) {
	for steps := uint32(0); ; steps++ {
		for i := range r.entries(p) {
			if at := r.index(p, i); at+3 <= len(p) && p[at+2]&entryDeleted == 0 {
				return r.entryValue(p, pgno, at, buf)
			}
		}
		from := pgno
		if pgno = r.next(p); pgno == 0 {
			return found{}, false, nil
		}
		if pgno > r.lastPgno || steps > r.lastPgno {
			return found{}, false, r.corrupt(from, offNext, "the next page is %d, the last is %d", pgno, r.lastPgno)
		}
		var err error
		if p, _, err = r.view(pgno, buf); err != nil {
			return found{}, false, err
		}
		if t := p[offType]; t != pageDupLeaf && t != pageRecLeaf || r.prev(p) != from {
			return found{}, false, r.corrupt(pgno, offType, "the page is not the leaf after page %d", from)
		}
	}
}

// findAnywhere looks through the whole file: its buckets were chosen by a hash
// function we do not know.
func (r *Reader) findAnywhere(key []byte) (f found, ok bool, err error) {
	for rec, err := range r.All() {
		if err != nil {
			return found{}, false, err
		}
		if bytes.Equal(rec.Key, key) {
			return found{value: bytes.Clone(rec.Value)}, true, nil
		}
	}
	return found{}, false, nil
}
