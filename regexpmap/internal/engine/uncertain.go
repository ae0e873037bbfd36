package engine

import (
	"slices"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// Unsure says why nobody can be told what the GNU C library answers for a
// pattern, or for its groups; "" if it can be told. Where a backreference
// meets a choice it has errors that depend on which of its internal copies of
// a node comes first, and patterns like that are told apart here.
func Unsure(p *pattern.Pattern, groups bool) string {
	if !p.Posix {
		return ""
	}
	f := p.Inspect()
	if !f.Backref {
		if (asserts(p.Root, true) || groups && p.Groups > 0) && (newGNU(p, true) == nil || newGNU(p, false) == nil) {
			return "it is too large for the graph the C library would make"
		}
		return ""
	}
	// The backreference, or the group it refers to, may be inside a repetition
	// or an alternative; then even the verdict is not certain.
	referred := map[int]bool{}
	collect(p.Root, referred)
	if choiceAround(p.Root, referred, false) {
		return "a backreference beside a choice depends on errors of the C library"
	}
	if groups && (f.NewlineIn || choices(p.Root)) {
		return "what groups beside a backreference match depends on errors of the C library"
	}
	return ""
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

// choices reports whether n can match in more than one way.
func choices(n *pattern.Node) bool {
	if n.Op == pattern.OpAlt || n.Op == pattern.OpRepeat && n.Min != n.Max {
		return true
	}
	return slices.ContainsFunc(n.Sub, choices)
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
