package engine

import "github.com/postfixkit/postfixkit/regexpmap/internal/pattern"

// maxProgram bounds a program, and the steps to write it.
const maxProgram = 200_000

// TooLarge reports whether a pattern needs the backtracking matcher and its
// program would be too large. It is cheap: nothing is written.
func TooLarge(p *pattern.Pattern) bool {
	return programSize(p) > maxProgram && !regular(p.Inspect())
}

// regular reports whether the automaton and package regexp understand a
// pattern. A program of one is never too large: it has a few instructions for
// each of the automaton's states.
func regular(f pattern.Features) bool { return !f.Backtrack && f.Cells <= maxCells }

// A sizer adds up the instructions of a program.
type sizer struct {
	calls  bool
	called map[int]bool // nil: not asked for
	bodies map[int]int  // by group: instructions of its subroutine, were it called
}

const hugeProgram = 1 << 28 // three times this is an int of 32 bits

// programSize returns a number that the program of a pattern has no more
// instructions than, nor the compiler more nodes to visit.
func programSize(p *pattern.Pattern) int {
	var z sizer
	total := z.size(p.Root, 0)
	if z.calls { // every group that is called is a subroutine, too
		z.called, z.bodies = map[int]bool{}, map[int]int{}
		z.bodies[0] = z.size(p.Root, 0)
		for g := range z.called {
			total = min(hugeProgram, total+z.bodies[g]+1)
		}
	}
	return total + 1
}

// size counts the instructions of n; open: groups around it.
func (z *sizer) size(n *pattern.Node, open int) int {
	total := 1
	switch n.Op {
	case pattern.OpSet:
		return 1
	case pattern.OpRepeat:
		return z.repeat(n, open)
	case pattern.OpAlt:
		total += 2 * len(n.Sub)
	case pattern.OpCapture:
		open++
		total += 2
	case pattern.OpAtomic, pattern.OpCond:
		total += 2
	case pattern.OpLook:
		total += 4 + 3*len(n.Lens)
	case pattern.OpVerb:
		total += open + 1
	case pattern.OpCall:
		if z.calls = true; z.called != nil {
			z.called[n.Index] = true
		}
	}
	for _, s := range n.Sub {
		total = min(hugeProgram, total+z.size(s, open))
	}
	if n.Op == pattern.OpCapture && z.bodies != nil {
		z.bodies[n.Index] = max(z.bodies[n.Index], total)
	}
	return total
}

// repeat counts the instructions of a repetition, which has up to
// maxCopies copies of what is repeated.
func (z *sizer) repeat(n *pattern.Node, open int) int {
	sub := z.size(n.Sub[0], open)
	switch {
	case n.Max == 0:
		return 1
	case n.Sub[0].Op == pattern.OpSet:
		return 4
	}
	copies := 1
	if k := max(n.Min, n.Max); k <= maxCopies {
		copies = max(k, 1)
	}
	return min(hugeProgram, 8+copies*(sub+1))
}
