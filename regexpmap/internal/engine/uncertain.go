package engine

import "github.com/postfixkit/postfixkit/regexpmap/internal/pattern"

// The GNU C library has errors of its own where a backreference meets a
// choice, and where groups meet assertions: the answer then depends on which
// of its internal copies of a node comes first. Such patterns are told apart
// here, so that nobody is given a guess.

// UncertainMatch reports whether even the verdict is not certain: a POSIX
// pattern with a backreference, or the group it refers to, inside a repetition
// or an alternative.
func UncertainMatch(p *pattern.Pattern) bool {
	if !p.Posix || !p.Inspect().Backref {
		return false
	}
	referred := map[int]bool{}
	collect(p.Root, referred)
	return choiceAround(p.Root, referred, false)
}

func collect(n *pattern.Node, referred map[int]bool) {
	for _, g := range n.Groups {
		referred[g] = true
	}
	for _, s := range n.Sub {
		collect(s, referred)
	}
}

func choiceAround(n *pattern.Node, referred map[int]bool, choice bool) bool {
	if choice && (n.Op == pattern.OpBackref || n.Op == pattern.OpCapture && referred[n.Index]) {
		return true
	}
	choice = choice || n.Op == pattern.OpAlt || n.Op == pattern.OpRepeat
	for _, s := range n.Sub {
		if choiceAround(s, referred, choice) {
			return true
		}
	}
	return false
}

// UncertainGroups reports whether the bounds of the groups of a POSIX pattern
// are not certain: backreferences beside repeated groups, repeated assertions,
// '^' and '$' inside the pattern, assertions about words beside repeated
// groups.
func UncertainGroups(p *pattern.Pattern) bool {
	if !p.Posix || p.Groups == 0 {
		return false
	}
	f := p.Inspect()
	repeated := repeats(p.Root, pattern.OpCapture, false)
	return f.NewlineIn || (f.Words || f.Backref) && repeated || repeats(p.Root, pattern.OpAssert, false)
}

// repeats reports whether a node of the kind is inside a repetition.
func repeats(n *pattern.Node, kind pattern.Op, repeated bool) bool {
	if n.Op == kind && repeated {
		return true
	}
	repeated = repeated || n.Op == pattern.OpRepeat && n.Max != 1
	for _, s := range n.Sub {
		if repeats(s, kind, repeated) {
			return true
		}
	}
	return false
}
