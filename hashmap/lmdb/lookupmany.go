package lmdb

import (
	"bytes"
	"encoding/binary"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// LookupMany looks up keys, in less time than one by one in a table that is
// larger than the caches of the processor: a lookup there is mostly waiting for
// memory, and many can wait at the same time.
//
// It calls found for each key that is there, in order of the keys, until found
// returns false; value is valid until then. It returns how many keys were answered
// before that, or before the one that err is about. When the table changes
// meanwhile some answers may be from before and some from after the change.
func (r *Reader) LookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	var sides [groupSize]side
	var value []byte
	for from := 0; from < len(keys); from += groupSize {
		some := keys[from:min(from+groupSize, len(keys))]
		if value, err = r.abreast(some, sides[:len(some)], value[:0]); err != nil {
			return from, err
		}
		for i, key := range some {
			s := &sides[i]
			if s.state == notKnown {
				// Appended, as the values before are still to be given out.
				var ok bool
				s.from = len(value)
				if value, ok, err = r.AppendLookup(value, key); err != nil {
					return from + i, err
				}
				if s.to = len(value); ok {
					s.state = isThere
				}
			}
			if s.state == isThere && !found(from+i, value[s.from:s.to]) {
				return from + i, nil
			}
		}
	}
	return len(keys), nil
}

// groupSize is how many keys are looked up side by side. A processor has some
// tens of reads from memory under way.
const groupSize = 32

// side is one of the lookups that go on side by side.
type side struct {
	state    sideState
	from, to int // of the value, when isThere

	prefix     uint64 // firstEight of the key
	pg         uint64
	p          []byte // page pg
	self, head uint64 // what p begins with
	lo, hi     int    // the node is one of these
	node       int    // that is compared now
	at         int    // the node that has the key, or -1
	touched    byte   // read so that it is in the cache
}

type sideState uint8

const (
	notKnown sideState = iota // something on the way is odd: AppendLookup has to find out
	searching
	isThere
	notThere
)

// abreast looks keys up as view.find does, but each step for all of them before
// the next one, so that the processor fetches what the steps of the others need
// meanwhile. It appends the values to dst.
func (r *Reader) abreast(keys [][]byte, sides []side, dst []byte) (values []byte, err error) {
	for i := range sides {
		sides[i].state = notKnown
	}
	v := r.view.Load()
	if v == nil || !v.fast {
		return dst, nil
	}
	defer mmap.Recover(mmap.Protect(), &err)
	return v.abreast(r.geo.page, keys, sides, dst), nil
}

func (v *view) abreast(page int, keys [][]byte, sides []side, dst []byte) []byte {
	le := binary.LittleEndian
	data := v.data[:v.size]
	m, txn := newest(data, page)
	depth, root, last := le.Uint32(m[fastDepth:]), le.Uint64(m[fastRoot:]), le.Uint64(m[fastLast:])
	if depth&0xffff != 0 || depth>>16 > maxDepth || depth == 0 {
		return dst
	}
	for i, key := range keys {
		s := &sides[i]
		s.state, s.pg, s.prefix, s.at = searching, root, firstEight(key), -1
	}
	for depth >>= 16; depth > 0; depth-- {
		// Few instructions for each key in loops that read what may not be in
		// the cache, so that the processor sees many of them at once.
		for i := range sides {
			s := &sides[i]
			if s.state == searching && (s.pg < 2 || s.pg > last || s.pg >= v.pages) {
				s.state = notKnown
			}
			if s.state == searching {
				s.p = data[int(s.pg)*page:][:page:page]
				s.self, s.head = le.Uint64(s.p), le.Uint64(s.p[8:])
			}
		}
		for i := range sides {
			sides[i].begin(depth > 1)
		}
		for halve(keys, sides) {
		}
		if depth == 1 {
			break
		}
		for i := range sides {
			sides[i].descend()
		}
	}
	before := len(dst)
	for i, key := range keys {
		dst = sides[i].appendValue(dst, len(key))
	}
	// Two transactions later the pages may be in use again.
	if _, now := newest(data, page); now-txn > 1 {
		for i := range sides {
			sides[i].state = notKnown
		}
		dst = dst[:before]
	}
	return dst
}

// newest returns the newer meta page and its transaction.
func newest(data []byte, page int) (meta []byte, txn uint64) {
	a, b := data[:fastTxn+8], data[page:][:fastTxn+8]
	m, n := binary.LittleEndian.Uint64(a[fastTxn:]), binary.LittleEndian.Uint64(b[fastTxn:])
	if n > m {
		return b, n
	}
	return a, m
}

// begin checks the page that the search has come to.
func (s *side) begin(branch bool) {
	s.lo, s.hi = 0, 0
	if s.state != searching {
		return
	}
	want := uint16(pageLeaf)
	if branch {
		s.lo, want = 1, pageBranch
	}
	lower, upper := int(s.head>>32&0xffff), int(s.head>>48) // after pad and flags
	if s.self != s.pg || lower < fastHead+2 || lower&1 != 0 || lower > upper || upper > len(s.p) || uint16(s.head>>16) != want {
		s.state = notKnown
		return
	}
	s.hi = (lower - fastHead) / 2
}

// halve takes one step of each search on its page. It reports whether there was
// one to take.
func halve(keys [][]byte, sides []side) (more bool) {
	for i := range sides {
		if s := &sides[i]; s.lo < s.hi {
			more = true
			s.node = int(binary.LittleEndian.Uint16(s.p[fastHead+2*(int(uint(s.lo+s.hi)/2)):]))
		}
	}
	if !more {
		return false
	}
	for i := range sides {
		if s := &sides[i]; s.lo < s.hi && s.node+nodeHead < len(s.p) {
			s.touched = s.p[s.node+nodeHead]
		}
	}
	for i, key := range keys {
		if s := &sides[i]; s.lo < s.hi {
			s.compare(key)
		}
	}
	return true
}

// compare compares the node in the middle.
func (s *side) compare(key []byte) {
	p, node := s.p, s.node
	if node < fastHead || node+16 > len(p) {
		s.state, s.hi = notKnown, 0
		return
	}
	head := p[node : node+16]
	size := int(binary.LittleEndian.Uint16(head[6:]))
	if node+nodeHead+size > len(p) {
		s.state, s.hi = notKnown, 0
		return
	}
	k := binary.BigEndian.Uint64(head[8:])
	if size < 8 {
		k &= ^uint64(0) << (64 - 8*size)
	}
	mid := int(uint(s.lo+s.hi) / 2)
	less := k < s.prefix
	if k == s.prefix {
		// As far as missing bytes read as zero they are equal.
		c := bytes.Compare(p[node+nodeHead:node+nodeHead+size], key)
		if c == 0 {
			s.at, s.lo, s.hi = node, mid+1, 0
			return
		}
		less = c < 0
	}
	if less {
		s.lo = mid + 1
	} else {
		s.hi = mid
	}
}

// descend goes on to the child that may have the key.
func (s *side) descend() {
	if s.state != searching {
		return
	}
	p := s.p
	node := int(binary.LittleEndian.Uint16(p[fastHead+2*(s.lo-1):]))
	if node < fastHead || node+nodeHead > len(p) || node+nodeHead+int(binary.LittleEndian.Uint16(p[node+6:])) > len(p) {
		s.state = notKnown
		return
	}
	// Page numbers have 48 bits, below the flags' and key size's 16.
	s.pg = binary.LittleEndian.Uint64(p[node:]) & (1<<48 - 1)
	s.at = -1
}

// appendValue appends the value when there is one.
func (s *side) appendValue(dst []byte, keySize int) []byte {
	if s.state != searching {
		return dst
	}
	if s.at < 0 {
		s.state = notThere
		return dst
	}
	n, start := int(binary.LittleEndian.Uint32(s.p[s.at:])), s.at+nodeHead+keySize
	if binary.LittleEndian.Uint16(s.p[s.at+4:]) != 0 || uint(n) > uint(len(s.p)-start) {
		s.state = notKnown // the value is on other pages
		return dst
	}
	s.state, s.from = isThere, len(dst)
	dst = append(dst, s.p[start:start+n]...)
	s.to = len(dst)
	return dst
}
