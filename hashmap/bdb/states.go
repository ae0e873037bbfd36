package bdb

import "sync/atomic"

// pageState is what was found out about a page.
type pageState uint32

const (
	pageSound   pageState = 1 // structure and checksum are right
	pageOrdered pageState = 2 // hash: every key is on the page, in strict order
)

const (
	segmentPages = 1 << 15
	segmentWords = segmentPages / 16
)

// pageStates remembers two bits for each page of a file that stays in memory,
// so that a page is examined on first use and not at every lookup. Segments come
// into being when used: a sparse file of a terabyte costs nothing until its
// pages are looked at.
type pageStates struct {
	segments []atomic.Pointer[[segmentWords]atomic.Uint32]
}

func newPageStates(lastPgno uint32) pageStates {
	return pageStates{make([]atomic.Pointer[[segmentWords]atomic.Uint32], lastPgno/segmentPages+1)}
}

func (s *pageStates) get(pgno uint32) pageState {
	seg := s.segments[pgno/segmentPages].Load()
	if seg == nil {
		return 0
	}
	return pageState(seg[pgno%segmentPages/16].Load() >> (pgno % 16 * 2) & 3)
}

func (s *pageStates) set(pgno uint32, st pageState) {
	at := &s.segments[pgno/segmentPages]
	seg := at.Load()
	if seg == nil {
		at.CompareAndSwap(nil, new([segmentWords]atomic.Uint32))
		seg = at.Load()
	}
	seg[pgno%segmentPages/16].Or(uint32(st) << (pgno % 16 * 2))
}

// pageSet is the set of pages a walk has used, in the same lazy segments.
type pageSet struct {
	segments map[uint32]*[segmentPages / 64]uint64
}

// add reports whether pgno is new.
func (s *pageSet) add(pgno uint32) bool {
	if s.segments == nil {
		s.segments = map[uint32]*[segmentPages / 64]uint64{}
	}
	seg := s.segments[pgno/segmentPages]
	if seg == nil {
		seg = new([segmentPages / 64]uint64)
		s.segments[pgno/segmentPages] = seg
	}
	word, bit := &seg[pgno%segmentPages/64], uint64(1)<<(pgno%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

func (s *pageSet) has(pgno uint32) bool {
	seg := s.segments[pgno/segmentPages]
	return seg != nil && seg[pgno%segmentPages/64]>>(pgno%64)&1 != 0
}
