package regexpmap

import (
	"fmt"
	"slices"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/literal"
	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// ShadowedRule is the Check of the findings of [Table.Shadowed].
const ShadowedRule = "shadowed-rule"

// Shadowed returns the rules that can never answer, because an earlier rule
// holds for every key they hold for. Only what can be proved is reported: an
// earlier rule that is the same, that matches everything, or that is plain
// text which every match of the later one contains.
func (t *Table) Shadowed() diag.List {
	type same struct {
		pattern, flags string
		negated        bool
	}
	var found diag.List
	first := map[same][]*Rule{} // rules without second pattern
	var everything []*Rule      // rules that hold for every key
	var plain []literal.Literal // rules that are plain text; the ID is the index
	trees := map[int32][][]pattern.Literal{}
	for _, r := range t.rules {
		p, err := compile(t.dialect, r.Pattern, r.Flags)
		if err != nil || r.never || r.If {
			continue
		}
		if r.And == nil && !r.Negated {
			if l, ok := p.Plain(); ok {
				plain = append(plain, literal.Literal{Text: l.Text, Prefix: l.Prefix, Suffix: l.Suffix, ID: r.index})
			}
		}
		if !r.Negated {
			trees[r.index] = p.Literals()
		}
	}
	var windows literal.Windows
	for _, l := range plain {
		windows.Count(l.Text)
	}
	matcher := literal.New(plain, &windows)
	for _, r := range t.rules {
		if r.never || r.If {
			continue
		}
		key := same{r.Pattern, r.Flags, r.Negated}
		by := earlier(first[key], r)
		if by == nil {
			by = earlier(everything, r)
		}
		if by == nil {
			by = t.containing(matcher, trees[r.index], r)
		}
		if by != nil {
			found = append(found, diag.Diagnostic{File: t.name, Span: r.Span, Severity: diag.Warning, Check: ShadowedRule,
				Message: fmt.Sprintf("rule can never answer: line %d holds for every key it holds for", by.Line()),
				Related: []diag.Related{{File: t.name, Span: by.Span, Message: "earlier rule"}}})
		}
		if r.And != nil {
			continue
		}
		first[key] = append(first[key], r)
		if p, err := compile(t.dialect, r.Pattern, r.Flags); err == nil && !r.Negated && p.Always() {
			everything = append(everything, r)
		}
	}
	return found
}

// earlier returns the first of the rules that is reached whenever r is.
func earlier(rules []*Rule, r *Rule) *Rule {
	for _, e := range rules {
		if e.index < r.index && reached(e, r) {
			return e
		}
	}
	return nil
}

// reached reports whether e is tried for every key that r is tried for: its
// conditions are among those of r, which they are if the innermost is.
func reached(e, r *Rule) bool {
	return len(e.Guards) == 0 || len(e.Guards) <= len(r.Guards) && r.Guards[len(e.Guards)-1] == e.Guards[len(e.Guards)-1]
}

// containing returns an earlier rule of plain text that occurs wherever r
// matches: in every literal of a set of which one must occur.
func (t *Table) containing(plain *literal.Matcher, sets [][]pattern.Literal, r *Rule) *Rule {
	for _, set := range sets {
		var common []int32
		for i, l := range set {
			// A literal somewhere in the key says nothing about its ends.
			text := l.Text
			if !l.Prefix {
				text = "\x00" + text
			}
			if !l.Suffix {
				text += "\x00"
			}
			ids := plain.Find(nil, []byte(text), false)
			slices.Sort(ids)
			ids = slices.Compact(ids)
			if i == 0 {
				common = ids
				continue
			}
			common = slices.DeleteFunc(common, func(id int32) bool { _, ok := slices.BinarySearch(ids, id); return !ok })
		}
		for _, id := range common {
			if e := t.rules[id]; e.index < r.index && reached(e, r) {
				return e
			}
		}
	}
	return nil
}
