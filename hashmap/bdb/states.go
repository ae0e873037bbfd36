package bdb

import "sync/atomic"

// pageState is what was found out about a page.
type pageState uint32

const (
	pageSound   pageState = 1 // structure and checksum are right
	pageOrdered pageState = 2 // hash: every key is on the page, in strict order
	pageMarked  pageState = 4 // pageStates has marks for the keys
)

const (
	segmentPages = 1 << 13
	segmentWords = segmentPages / 8
	markPages    = 1 << 5 // pages whose marks are in one piece
)

// pageStates remembers four bits for each page of a file that stays in memory,
// so that a page is examined on first use and not at every lookup, and marks for
// the keys of pages; see marks.go. Segments come into being when used: a sparse
// file of a terabyte costs nothing until its pages are looked at.
type pageStates struct {
	segments []atomic.Pointer[segment]
	perPage  uint32 // words of marks
}

type segment struct {
	states [segmentWords]atomic.Uint32
	marks  [segmentPages / markPages]atomic.Pointer[[]atomic.Uint64]
}

func newPageStates(lastPgno uint32, pageSize int) pageStates {
	return pageStates{make([]atomic.Pointer[segment], lastPgno/segmentPages+1), uint32(pageSize / pagePerMark)}
}

func (s *pageStates) get(pgno uint32) pageState {
	seg := s.segments[pgno/segmentPages].Load()
	if seg == nil {
		return 0
	}
	return pageState(seg.states[pgno%segmentPages/8].Load() >> (pgno % 8 * 4) & 15)
}

func (s *pageStates) set(pgno uint32, st pageState) {
	s.segment(pgno).states[pgno%segmentPages/8].Or(uint32(st) << (pgno % 8 * 4))
}

// segment returns the segment of a page, made when it is not there.
func (s *pageStates) segment(pgno uint32) *segment {
	at := &s.segments[pgno/segmentPages]
	if seg := at.Load(); seg != nil {
		return seg
	}
	at.CompareAndSwap(nil, new(segment))
	return at.Load()
}

// marksOf returns the marks of a page, nil if there are none for it and its
// neighbours.
func (s *pageStates) marksOf(pgno uint32) []atomic.Uint64 {
	seg := s.segments[pgno/segmentPages].Load()
	if seg == nil {
		return nil
	}
	piece := seg.marks[pgno%segmentPages/markPages].Load()
	if piece == nil {
		return nil
	}
	at := pgno % markPages * s.perPage
	return (*piece)[at : at+s.perPage]
}

// newMarks returns room for the marks of a page.
func (s *pageStates) newMarks(pgno uint32) []atomic.Uint64 {
	at := &s.segment(pgno).marks[pgno%segmentPages/markPages]
	if at.Load() == nil {
		piece := make([]atomic.Uint64, markPages*s.perPage)
		at.CompareAndSwap(nil, &piece)
	}
	return s.marksOf(pgno)
}

// pageSet is the set of pages a walk has used, in lazy segments, too.
type pageSet struct {
	segments map[uint32]*[setPages / 64]uint64
}

const setPages = 1 << 15

// add reports whether pgno is new.
func (s *pageSet) add(pgno uint32) bool {
	if s.segments == nil {
		s.segments = map[uint32]*[setPages / 64]uint64{}
	}
	seg := s.segments[pgno/setPages]
	if seg == nil {
		seg = new([setPages / 64]uint64)
		s.segments[pgno/setPages] = seg
	}
	word, bit := &seg[pgno%setPages/64], uint64(1)<<(pgno%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

func (s *pageSet) has(pgno uint32) bool {
	seg := s.segments[pgno/setPages]
	return seg != nil && seg[pgno%setPages/64]>>(pgno%64)&1 != 0
}
