package bdb

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// A search that halves a page of a large file waits for memory at nearly every
// step, as each step looks at another part of the page. So what was examined
// leaves marks: one byte of a hash for each key of the page, in the order of the
// index, side by side. They are compared eight at a time, and only a key whose
// mark is the right one is looked at.
//
// The first word of the marks is the header of the page as it was. When somebody
// changes the file in place the two nearly always differ, and the page is searched
// without marks; see memo for the rest.

// pagePerMark is how many bytes of a page have one word of marks.
const pagePerMark = 128

// A marked page and its marks.
type markedPage struct {
	p     []byte
	marks []atomic.Uint64
}

// beingMarked is no head of a page, which has a type.
const beingMarked = 1

// headOf is the part of a page's header that every change of its keys changes:
// half of the next page's number, entries, item area, level and type.
func headOf(p []byte) uint64 { return binary.LittleEndian.Uint64(p[offEntries-2:]) }

// markOf is the mark of a key. It is never 0, which is that of no key.
func markOf(key []byte) uint64 {
	const k = 0x9e3779b97f4a7c15
	h := uint64(len(key)) + k
	for len(key) > 8 {
		hi, lo := bits.Mul64(h^binary.LittleEndian.Uint64(key), k)
		h = hi ^ lo
		key = key[8:]
	}
	hi, lo := bits.Mul64(h^word(key, 0), k)
	return max((hi^lo)&0xff, 1)
}

const (
	eachByte = 0x0101010101010101
	topBits  = 0x8080808080808080
)

// matches has the top bit set in each byte of marks that may equal mark.
func matches(marks, mark uint64) uint64 {
	x := marks ^ mark*eachByte
	return (x - eachByte) &^ x & topBits
}

// mark notes the marks of a sound page, if it is one where they serve: hash pages
// and leaves with all keys on the page, in strict order, none twice or deleted.
// Otherwise the answer would depend on the way the page is searched.
func (r *Reader) mark(m *memo, p []byte, pgno uint32, st pageState) pageState {
	n := r.entries(p) / 2
	if n == 0 || n > 8*(r.size/pagePerMark-1) {
		return st
	}
	leaf := p[offType] == pageLeaf
	if !leaf && st&pageOrdered == 0 || leaf && (r.kind != Btree || r.dups()) {
		return st
	}
	marks := m.newMarks(pgno)
	if !marks[0].CompareAndSwap(0, beingMarked) {
		return st // by another goroutine
	}
	var word uint64
	var before []byte
	for i := range n {
		key, ok := r.keyAt(p, i)
		if !ok || leaf && (i > 0 && bytes.Compare(before, key) >= 0 || r.deleted(p, i)) {
			return st
		}
		before = key
		if word |= markOf(key) << (i % 8 * 8); i%8 == 7 || i == n-1 {
			marks[1+i/8].Store(word)
			word = 0
		}
	}
	marks[0].Store(headOf(p))
	return st | pageMarked
}

// keyAt returns the key of pair i if it is one that marks are for. The page may
// have changed since it was examined.
func (r *Reader) keyAt(p []byte, i int) (key []byte, ok bool) {
	idx := p[r.overhead:]
	if 4*i+2 > len(idx) {
		return nil, false
	}
	at := r.u16(idx, 4*i)
	if p[offType] == pageLeaf {
		if at+3 > len(p) || p[at+2] != entryKeyData || at+3+r.u16(p, at) > len(p) {
			return nil, false
		}
		return p[at+3:][:r.u16(p, at)], true
	}
	end := len(p)
	if i > 0 {
		end = r.u16(idx, 4*i-2)
	}
	if at >= end || end > len(p) || p[at] != itemKeyData {
		return nil, false
	}
	return p[at+1 : end], true
}

// deleted reports whether pair i of a leaf is deleted, or not to be read.
func (r *Reader) deleted(p []byte, i int) bool {
	at := r.index(p, 2*i+1)
	return at+3 > len(p) || p[at+2]&entryDeleted != 0
}

// searchMarked finds key on a page with marks and returns the number of its pair,
// or -1. sure is false when the marks are of another time than the page.
func (r *Reader) searchMarked(m markedPage, key []byte, mark uint64) (pair int, sure bool) {
	if len(m.marks) == 0 || m.marks[0].Load() != headOf(m.p) {
		return 0, false
	}
	n := r.entries(m.p) / 2
	for i := range (n + 7) / 8 {
		for found := matches(m.marks[1+i].Load(), mark); found != 0; found &= found - 1 {
			pair := 8*i + bits.TrailingZeros64(found)/8
			if pair >= n {
				break
			}
			k, ok := r.keyAt(m.p, pair)
			if !ok {
				return 0, false
			}
			if bytes.Equal(k, key) {
				return pair, m.p[offType] != pageLeaf || !r.deleted(m.p, pair)
			}
		}
	}
	return -1, true
}
