package bdb

import (
	"bytes"
	"fmt"
)

// flaw is a structural fault of a page, at byte at.
type flaw struct {
	at     int
	reason string
}

func flawf(at int, format string, args ...any) *flaw {
	return &flaw{at, fmt.Sprintf(format, args...)}
}

// examine checks the structure of a page by itself: that everything a reader
// will touch lies inside. Types other than those a reader follows are flaws.
func (l *layout) examine(p []byte, pgno uint32) (pageState, *flaw) {
	if l.neverWritten(p) {
		return pageSound, nil
	}
	if l.sums {
		if got, want := l.u32(p, offPageSum), pageSum(p, false); got != want {
			return 0, flawf(offPageSum, "checksum %#08x, want %#08x", got, want)
		}
	}
	if n := l.pgno(p); n != pgno {
		return 0, flawf(offPgno, "the page says it is page %d", n)
	}
	switch p[offType] {
	case pageHash, pageHashUnsorted:
		return l.examineHash(p)
	case pageLeaf, pageInternal, pageDupLeaf, pageRecLeaf, pageRecInternal:
		return pageSound, l.examineTree(p)
	case pageOverflow:
		if n := l.u16(p, offHigh); n > l.capacity() {
			return 0, flawf(offHigh, "an overflow page with %d bytes, at most %d fit", n, l.capacity())
		}
		return pageSound, nil
	}
	return 0, flawf(offType, "page type %d", p[offType])
}

// examineHash checks a hash page. Items are packed from the end of the page and
// have no length of their own: it is the distance to the item before.
func (l *layout) examineHash(p []byte) (pageState, *flaw) {
	n := l.entries(p)
	low := l.overhead + 2*n
	if n%2 != 0 {
		return 0, flawf(offEntries, "%d index entries, want pairs", n)
	}
	if low > l.size {
		return 0, flawf(offEntries, "%d index entries do not fit the page", n)
	}
	ordered := p[offType] == pageHash
	var before []byte
	end := l.size
	for i := range n {
		at := l.overhead + 2*i
		start := l.u16(p, at)
		if start < low || start >= end {
			return 0, flawf(at, "item %d begins at %d, want a byte from %d to %d", i, start, low, end-1)
		}
		item := p[start:end]
		if f := l.examineHashItem(item, start, i%2 == 0); f != nil {
			return 0, f
		}
		if ordered && i%2 == 0 {
			key := item[1:]
			ordered = item[0] == itemKeyData && (i == 0 || compareOnPage(before, key) < 0)
			before = key
		}
		end = start
	}
	if ordered {
		return pageSound | pageOrdered, nil
	}
	return pageSound, nil
}

func (l *layout) examineHashItem(item []byte, at int, isKey bool) *flaw {
	switch t := item[0]; {
	case t == itemKeyData:
	case t == itemOffPage:
		if len(item) != 12 {
			return flawf(at, "a reference to an overflow page of %d bytes, want 12", len(item))
		}
	case t == itemOffDup && !isKey:
		if len(item) != 8 {
			return flawf(at, "a reference to a duplicate tree of %d bytes, want 8", len(item))
		}
	case t == itemDups && !isKey:
		for b := item[1:]; len(b) > 0; {
			_, rest, ok := l.nextDup(b)
			if !ok {
				return flawf(at+len(item)-len(b), "the lengths around a duplicate do not fit")
			}
			b = rest
		}
		if len(item) == 1 {
			return flawf(at, "an empty set of duplicates")
		}
	case t == itemBlob:
		return flawf(at, "the value is in another file (a blob)")
	default:
		return flawf(at, "item type %d", t)
	}
	return nil
}

// nextDup splits the first of some on-page duplicates from the rest.
func (l *layout) nextDup(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := l.u16(b, 0)
	if n+4 > len(b) || l.u16(b, 2+n) != n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[4+n:], true
}

// examineTree checks a page of a btree or of a duplicate tree.
func (l *layout) examineTree(p []byte) *flaw {
	n := l.entries(p)
	typ := p[offType]
	low := l.overhead + 2*n
	switch internal := typ == pageInternal || typ == pageRecInternal; {
	case low > l.size:
		return flawf(offEntries, "%d index entries do not fit the page", n)
	case typ == pageLeaf && n%2 != 0:
		return flawf(offEntries, "%d index entries, want pairs", n)
	case internal && n == 0:
		return flawf(offEntries, "an internal page without entries")
	case internal != (p[offLevel] > 1):
		return flawf(offLevel, "page type %d at level %d of the tree", typ, p[offLevel])
	}
	space := 0
	for i := range n {
		at := l.overhead + 2*i
		start := l.u16(p, at)
		if start < low || start >= l.size {
			return flawf(at, "item %d begins at %d, want a byte from %d to %d", i, start, low, l.size-1)
		}
		if f := l.examineEntry(p, start, typ, i%2 == 0); f != nil {
			return f
		}
		if typ == pageLeaf && i%2 == 0 && i > 0 && start == l.index(p, i-2) {
			continue // repeated keys share one item
		}
		// Overlapping items could make a small page very long to read.
		if space += l.entrySize(p, start); space > l.size-low {
			return flawf(at, "the items are longer than the page")
		}
	}
	return nil
}

func (l *layout) examineEntry(p []byte, at int, typ byte, even bool) *flaw {
	room := l.size - at
	outside := func(n int) *flaw { return flawf(at, "an item of %d bytes, %d are left on the page", n, room) }
	switch typ {
	case pageRecInternal:
		if room < 8 {
			return outside(8)
		}
		return nil
	case pageInternal:
		if room < 12 {
			return outside(12)
		}
		n := l.u16(p, at)
		switch p[at+2] &^ entryDeleted {
		case entryKeyData:
		case entryOverflow:
			if n != 12 {
				return flawf(at, "a reference to an overflow page of %d bytes, want 12", n)
			}
		default:
			return flawf(at+2, "item type %d", p[at+2])
		}
		if 12+n > room {
			return outside(12 + n)
		}
		return nil
	}
	if room < 3 {
		return outside(3)
	}
	switch t := p[at+2] &^ entryDeleted; {
	case t == entryKeyData:
		if n := 3 + l.u16(p, at); n > room {
			return outside(n)
		}
	case t == entryOverflow, t == entryDupTree && typ == pageLeaf && !even:
		if room < 12 {
			return outside(12)
		}
	default:
		return flawf(at+2, "item type %d", p[at+2])
	}
	return nil
}

// compareOnPage orders keys as libdb orders those on one hash page: unsigned
// bytes, but what extends a key sorts before it ("abc" before "ab").
func compareOnPage(a, b []byte) int {
	n := min(len(a), len(b))
	if c := bytes.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	return len(b) - len(a)
}
