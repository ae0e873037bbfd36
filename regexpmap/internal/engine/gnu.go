package engine

import (
	"math/bits"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// A gnuSearch is one search in one text.
type gnuSearch struct {
	*gnu
	text  []byte
	asked int      // groups up to this one are wanted
	log   []uint64 // by place, from the start of the match: nodes
	from  int
	steps int // left, of StateSteps
}

// maxLog bounds the memory of one search, in words.
const maxLog = 4 << 20

// around is what is true of a place: of the byte before it, or after it.
type around uint8

const (
	aWord around = 1 << iota
	aNewline
	aEdge // there is no byte
)

// meetsPrev reports whether needs of the byte before a place are met.
func (n need) meetsPrev(a around) bool {
	return !(n&prevWord != 0 && a&aWord == 0 || n&prevOther != 0 && a&aWord != 0 ||
		n&prevNewline != 0 && a&aNewline == 0 || n&prevBegin != 0 && a&aEdge == 0)
}

func (n need) meetsNext(a around) bool {
	return !(n&nextWord != 0 && a&aWord == 0 || n&nextOther != 0 && a&aWord != 0 ||
		n&nextNewline != 0 && a&aNewline == 0 || n&nextEnd != 0 && a&aEdge == 0)
}

// at is what is true of text[i]; newline: whether newlines are special.
func (s *gnuSearch) at(i int, newline bool) around {
	if i < 0 || i >= len(s.text) {
		return aEdge | aNewline
	}
	switch c := s.text[i]; {
	case wordSet.Has(c):
		return aWord
	case c == '\n' && newline:
		return aNewline
	}
	return 0
}

// enter adds the nodes that n leads to and whose needs of the byte before are
// met to a set.
func (s *gnuSearch) enter(set []uint64, n int32, before around) {
	for w, word := range s.reached[n] {
		s.steps -= bits.OnesCount64(word)
		for ; word != 0; word &= word - 1 {
			k := w<<6 + bits.TrailingZeros64(word)
			if s.nodes[k].need.meetsPrev(before) {
				set[w] |= 1 << (k & 63)
			}
		}
	}
	s.steps -= len(set)
}

// step fills next with the nodes behind text[i] that those of set lead to.
// Newlines are special here even without REG_NEWLINE.
func (s *gnuSearch) step(next, set []uint64, i int) (some bool) {
	c, after := s.text[i], s.at(i, true)
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			n := &s.nodes[w<<6+bits.TrailingZeros64(word)]
			if n.kind == gByte && n.set.Has(c) && n.need.meetsNext(after) {
				s.enter(next, n.out[0], after)
				some = true
			}
		}
	}
	s.steps -= len(set)
	return some
}

// end returns the first node of set by which the pattern ends at i, or -1.
func (s *gnuSearch) end(set []uint64, i int) int32 {
	after := s.at(i, s.newline)
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			k := w<<6 + bits.TrailingZeros64(word)
			if n := &s.nodes[k]; n.kind == gEnd && n.need.meetsNext(after) {
				return int32(k)
			}
		}
	}
	return -1
}

// match reports whether the pattern matches somewhere. All places it may start
// at are followed at once.
func (g *gnu) match(text []byte) (bool, error) {
	s := &gnuSearch{gnu: g, text: text, steps: StateSteps}
	set, next := make([]uint64, g.words), make([]uint64, g.words)
	for i := 0; ; i++ {
		s.enter(set, g.start, s.at(i-1, g.newline))
		if s.end(set, i) >= 0 {
			return true, nil
		}
		if i == len(text) {
			return false, nil
		}
		clear(next)
		s.step(next, set, i)
		set, next = next, set
		if s.steps < 0 {
			return false, ErrLimit
		}
	}
}

// find returns the bounds of the match and of the first groups, or nil. It
// begins to look at from.
func (g *gnu) find(text []byte, from, groups int) ([]int, error) {
	s := &gnuSearch{gnu: g, text: text, asked: groups, steps: StateSteps}
	for ; from <= len(text); from++ {
		to, last := s.forward(from)
		if s.steps < 0 {
			return nil, ErrLimit
		}
		if last < 0 {
			continue
		}
		if groups == 0 {
			return []int{from, to}, nil
		}
		found := !g.plural || s.backward(to, last)
		var bounds []int
		if found && s.steps >= 0 {
			bounds = s.walk(to, last)
		}
		if s.steps < 0 {
			return nil, ErrLimit
		}
		if found {
			return bounds, nil
		}
	}
	return nil, nil
}

func (s *gnuSearch) set(i int) []uint64 {
	return s.log[(i-s.from)*s.words : (i-s.from+1)*s.words]
}

// forward finds the longest match that starts at from, and the node it ends
// by, and logs which nodes are met at each place.
func (s *gnuSearch) forward(from int) (to int, last int32) {
	s.from, s.log, last = from, s.log[:0], -1
	empty := make([]uint64, s.words)
	s.log = append(s.log, empty...)
	s.enter(s.set(from), s.start, s.at(from-1, s.newline))
	for i := from; s.steps >= 0; i++ {
		if n := s.end(s.set(i), i); n >= 0 {
			to, last = i, n
		}
		if i == len(s.text) {
			break
		}
		if len(s.log) > maxLog {
			s.steps = -1
			break
		}
		s.log = append(s.log, empty...)
		if !s.step(s.set(i+1), s.set(i), i) {
			break
		}
	}
	return to, last
}

// backward keeps those nodes of the log from which the end is reached, and
// reports whether there are such nodes at the start. It may be that there are
// none: newlines are special here only with REG_NEWLINE.
func (s *gnuSearch) backward(to int, last int32) bool {
	goal := make([]uint64, s.words)
	kept := make([]uint64, s.words)
	for i := to; i >= s.from && s.steps >= 0; i-- {
		set := s.set(i)
		clear(goal)
		if i == to {
			goal[last>>6] |= 1 << (last & 63)
		} else {
			after := s.at(i, s.newline)
			next := s.set(i + 1)
			for w, word := range set {
				for ; word != 0; word &= word - 1 {
					k := w<<6 + bits.TrailingZeros64(word)
					n := &s.nodes[k]
					if n.kind == gByte && n.set.Has(s.text[i]) && n.need.meetsNext(after) && has(next, n.out[0]) {
						goal[w] |= 1 << (k & 63)
					}
				}
			}
		}
		// All that lead to the goal without a byte.
		copy(kept, goal)
		for w, word := range set {
			for ; word != 0; word &= word - 1 {
				k := w<<6 + bits.TrailingZeros64(word)
				v := first(s.reached[k], goal)
				if v < s.words {
					kept[w] |= 1 << (k & 63)
				}
				s.steps -= v>>2 + 1
			}
		}
		copy(set, kept)
		s.steps -= 2 * len(set)
	}
	for _, word := range s.set(s.from) {
		if word != 0 {
			return true
		}
	}
	return false
}

// first returns the first word in which two sets share a node, or their length.
func first(a, b []uint64) int {
	for w := range a {
		if a[w]&b[w] != 0 {
			return w
		}
	}
	return len(a)
}

func has(set []uint64, n int32) bool { return set[n>>6]>>(n&63)&1 != 0 }

// walk goes through the pattern along the match: at each fork it takes the
// first way that can still reach the end, unless it took that way since the
// last byte. It returns nil if it does not get there.
func (s *gnuSearch) walk(to int, last int32) []int {
	bounds := make([]int, 2*(s.groups+1))
	for i := range bounds {
		bounds[i] = -1
	}
	bounds[0], bounds[1] = s.from, to
	before := append([]int(nil), bounds...)
	seen := make([]bool, len(s.nodes)) // nodes left since the last byte
	i, n := s.from, s.start
	for range (len(s.nodes) + 1) * (to - s.from + 2) {
		if s.steps--; s.steps < 0 {
			return nil
		}
		node := &s.nodes[n]
		switch g := 2 * node.group; {
		case node.group > s.asked:
		case node.kind == gOpen:
			bounds[g], bounds[g+1] = i, -1
		case node.kind == gClose:
			switch {
			case bounds[g] < i:
				bounds[g+1] = i
				copy(before, bounds)
				s.steps -= len(bounds) >> 3
			case node.option && before[g] != -1:
				copy(bounds, before)
				s.steps -= len(bounds) >> 3
			default:
				bounds[g+1] = i
			}
		}
		if i == to && n == last {
			s.finish(bounds)
			return bounds
		}
		if node.kind == gByte {
			if i >= to || !node.set.Has(s.text[i]) || !node.need.meetsNext(s.at(i, s.newline)) {
				return nil
			}
			i++
			n = node.out[0]
			clear(seen)
			s.steps -= len(seen) >> 5
			continue
		}
		seen[n] = true
		next := int32(-1)
		for _, candidate := range node.out {
			if !has(s.set(i), candidate) {
				continue
			}
			if next < 0 {
				next = candidate
				continue
			}
			if seen[next] {
				next = candidate
			}
			break
		}
		if next < 0 {
			return nil
		}
		n = next
	}
	return nil
}

// finish gives groups that share bounds theirs.
func (s *gnuSearch) finish(bounds []int) {
	for g, h := range s.group {
		if h != g {
			bounds[2*g], bounds[2*g+1] = bounds[2*h], bounds[2*h+1]
		}
		if bounds[2*g+1] < 0 {
			bounds[2*g] = -1
		}
	}
}

// asserts reports whether a pattern has assertions for which the graph of the
// GNU C library may differ from the pattern: all but '^' and '$' at its ends.
func asserts(n *pattern.Node, outer bool) bool {
	switch n.Op {
	case pattern.OpAssert:
		return !outer || n.At != pattern.BeginText && n.At != pattern.EndText
	case pattern.OpRepeat:
		outer = false
	}
	for _, s := range n.Sub {
		if asserts(s, outer) {
			return true
		}
	}
	return false
}
