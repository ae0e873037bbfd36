package cidrmap

import (
	"cmp"
	"math/bits"
	"slices"
)

// A span is a stretch of addresses that a rule matches, both ends included.
type span[K uint32 | uint64] struct {
	from, to K
	rule     int32
}

// A piece goes to where the next one starts. Its owner is the first rule that
// matches it, or none.
type piece[K uint32 | uint64] struct {
	start K
	owner int32
}

const none = -1

// A sweeper walks over spans in rising order and cuts the addresses into pieces.
type sweeper[K uint32 | uint64] struct {
	// open has the spans that the present address is in and that may own it or
	// one behind it, as a heap: the first of them is that of the first rule.
	// Others may have ended; they are removed when they come first.
	//
	// When spans only nest, as networks do, all of open is a chain of spans, one
	// inside the other.
	open   []span[K]
	pieces []piece[K]
	first  int // of the pieces of this walk
}

// sweep appends the pieces of all addresses to w.pieces. It sorts spans.
func (w *sweeper[K]) sweep(spans []span[K]) {
	sortSpans(spans)
	w.first = len(w.pieces)
	w.emit(0, none)
	for _, s := range spans {
		w.close(s.from)
		if len(w.open) > 0 && w.open[0].rule < s.rule && w.open[0].to >= s.to {
			continue // an earlier rule has all of it
		}
		w.push(s)
		w.emit(s.from, w.open[0].rule)
	}
	w.close(^K(0))
	w.open = w.open[:0]
}

// close removes the spans that own something and end before to.
func (w *sweeper[K]) close(to K) {
	for len(w.open) > 0 && w.open[0].to < to {
		end := w.open[0].to
		for len(w.open) > 0 && w.open[0].to <= end {
			w.pop()
		}
		next := int32(none)
		if len(w.open) > 0 {
			next = w.open[0].rule
		}
		w.emit(end+1, next)
	}
}

// emit starts a piece. The last one is replaced when it starts there, too, and
// goes on when it has the same owner.
func (w *sweeper[K]) emit(start K, owner int32) {
	if n := len(w.pieces); n > w.first && w.pieces[n-1].start == start {
		w.pieces = w.pieces[:n-1]
	}
	if n := len(w.pieces); n == w.first || w.pieces[n-1].owner != owner {
		w.pieces = append(w.pieces, piece[K]{start, owner})
	}
}

func (w *sweeper[K]) push(s span[K]) {
	h := append(w.open, s)
	i := len(h) - 1
	for i > 0 && h[(i-1)/2].rule > s.rule {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = s
	w.open = h
}

func (w *sweeper[K]) pop() {
	n := len(w.open) - 1
	h, s := w.open[:n], w.open[n]
	for i := 0; n > 0; {
		child := 2*i + 1
		if child+1 < n && h[child+1].rule < h[child].rule {
			child++
		}
		if child >= n || s.rule <= h[child].rule {
			h[i] = s
			break
		}
		h[i] = h[child]
		i = child
	}
	w.open = h
}

// sortSpans sorts by from.
func sortSpans[K uint32 | uint64](spans []span[K]) {
	byFrom := func(a, b span[K]) int { return cmp.Compare(a.from, b.from) }
	if len(spans) < 1000 {
		slices.SortFunc(spans, byFrom)
		return
	}
	// By 11 bits at a time, from the lowest to the highest in which they differ.
	var differ K
	sorted := true
	for i := 1; i < len(spans); i++ {
		differ |= spans[i].from ^ spans[0].from
		sorted = sorted && spans[i-1].from <= spans[i].from
	}
	if sorted {
		return
	}
	const digit = 11
	const mask = 1<<digit - 1
	from, to := spans, make([]span[K], len(spans))
	for shift := bits.TrailingZeros64(uint64(differ)); differ>>shift != 0; shift += digit {
		if differ>>shift&mask == 0 {
			continue
		}
		var at [1 << digit]uint32
		for i := range from {
			at[from[i].from>>shift&mask]++
		}
		sum := uint32(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for i := range from {
			d := from[i].from >> shift & mask
			to[at[d]] = from[i]
			at[d]++
		}
		from, to = to, from
	}
	if &from[0] != &spans[0] {
		copy(spans, from)
	}
}
