package engine

import "github.com/postfixkit/postfixkit/regexpmap/internal/pattern"

// An nfa is a regular pattern as a graph of states. Groups and the order in
// which alternatives are tried are gone: it answers only whether there is a
// match.
type nfa struct {
	states []nfaState
	start  int32
	anchor bool // can only match at the start of the text
	words  bool // has assertions about words
	lines  bool // has assertions about lines or the end of the text
	class  [256]uint8
	sample []byte // one byte of each class
}

type nfaKind uint8

const (
	nSet nfaKind = iota // a byte of set leads to out
	nSplit
	nAssert
	nMatch
)

type nfaState struct {
	kind     nfaKind
	at       pattern.At
	out, alt int32
	set      pattern.Set
}

// maxCells bounds an nfa; larger patterns go to the backtracking matcher.
const maxCells = 25_000

// newNFA returns the graph of a pattern without backtracking features.
func newNFA(root *pattern.Node) *nfa {
	b := &nfa{anchor: anchored(root)}
	match := b.add(nfaState{kind: nMatch})
	b.start = b.build(root, match)
	b.classes()
	return b
}

func (b *nfa) add(s nfaState) int32 {
	b.states = append(b.states, s)
	return int32(len(b.states) - 1)
}

// build writes n so that next follows it, and returns its first state.
func (b *nfa) build(n *pattern.Node, next int32) int32 {
	switch n.Op {
	case pattern.OpSet:
		return b.add(nfaState{kind: nSet, set: n.Set, out: next})
	case pattern.OpCat:
		for i := len(n.Sub) - 1; i >= 0; i-- {
			next = b.build(n.Sub[i], next)
		}
		return next
	case pattern.OpAlt:
		first := b.build(n.Sub[len(n.Sub)-1], next)
		for i := len(n.Sub) - 2; i >= 0; i-- {
			s := b.build(n.Sub[i], next)
			first = b.add(nfaState{kind: nSplit, out: s, alt: first})
		}
		return first
	case pattern.OpCapture:
		return b.build(n.Sub[0], next)
	case pattern.OpAssert:
		switch n.At {
		case pattern.WordEdge, pattern.NotWordEdge, pattern.WordStart, pattern.WordEnd:
			b.words = true
		default:
			b.lines = true
		}
		return b.add(nfaState{kind: nAssert, at: n.At, out: next})
	case pattern.OpRepeat:
		sub, least := n.Sub[0], n.Min
		if n.Max < 0 {
			loop := b.add(nfaState{kind: nSplit, alt: next})
			first := b.build(sub, loop)
			b.states[loop].out = first
			next = loop
			if least > 0 { // the copy in the loop is the last that has to be there
				next = first
				least--
			}
		}
		for i := n.Min; i < n.Max; i++ {
			s := b.build(sub, next)
			// Leaving out the rest is the same as leaving out this copy.
			next = b.add(nfaState{kind: nSplit, out: s, alt: next})
		}
		for range least {
			next = b.build(sub, next)
		}
		return next
	}
	return next
}

// classes sorts bytes into classes that no state tells apart.
func (b *nfa) classes() {
	sets := map[pattern.Set]bool{}
	for _, s := range b.states {
		if s.kind == nSet {
			sets[s.set] = true
		}
	}
	if b.words {
		sets[wordSet] = true
	}
	if b.lines {
		sets[pattern.Of("\n")] = true
	}
	count := 1
	for s := range sets {
		var split [256]int    // class -> class of its bytes in s, plus 1
		var outside [256]bool // classes with bytes that are not in s
		for c := 0; c < 256; c++ {
			if !s.Has(byte(c)) {
				outside[b.class[c]] = true
			}
		}
		for c := 0; c < 256; c++ {
			k := b.class[c]
			if !s.Has(byte(c)) || !outside[k] {
				continue
			}
			if split[k] == 0 {
				count++
				split[k] = count
			}
			b.class[c] = uint8(split[k] - 1)
		}
	}
	b.sample = make([]byte, count)
	for c := 255; c >= 0; c-- {
		b.sample[b.class[c]] = byte(c)
	}
}
