package regexpmap

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/postfixkit/postfixkit/internal/literal"
	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// A prefilter finds the rules that may answer a key without trying the others.
//
// For most patterns there is a set of strings of which one must be in the key.
// All strings of all rules are looked for in one pass. A rule whose strings
// are not there is known not to match; only the rules that are marked, and
// those without strings, are tried, in file order. Conditions are tried when a
// rule inside them is reached, once for a key.
//
// Strings and key are compared in ASCII lower case, whatever the flags of a
// rule: that they occur is necessary for a match, never enough.
type prefilter struct {
	rules   []*Rule
	matcher *literal.Matcher
	known   []bool       // by rule: unmarked means that its pattern does not match
	and     []bool       // by rule: unmarked means that its second pattern does not match
	plain   []bool       // by rule: marked means that its pattern matches, if the key does not end in a newline
	always  []int32      // rules to try for every key
	also    [][][]needed // by rule: other sets its pattern needs, looked for before it is tried
	ends    []int32      // by rule: the rule behind a condition's block
	guards  bool         // there are conditions
	pool    sync.Pool
}

// scratch is the state of one lookup.
type scratch struct {
	lower  []byte // the key in lower case, once it is needed
	anyEnd bool   // '$' of PCRE also holds before the newline that ends the key
	marked []int32
	guards []guardState // by rule; made when there are conditions
	run    uint32
}

type guardState struct {
	run   uint32 // of the lookup that found out
	holds bool
}

// needed is a string of a set that is only looked for if another set of the
// rule is there.
type needed struct {
	text           []byte
	prefix, suffix bool
}

// maxShare is the share of texts a set of strings may be expected in before
// looking for it is not worth while.
const maxShare = 0.7

// share estimates the share of keys that have a string of the set.
func share(set []pattern.Literal, w *literal.Windows) float64 {
	total := 0.0
	for _, l := range set {
		cost := w.Cost(l.Text)
		if l.Prefix || l.Suffix {
			cost /= 2
		}
		if name, rest, ok := strings.Cut(l.Text, ":"); ok && l.Prefix {
			cost = headerShare(name)
			if rest = strings.TrimLeft(rest, " "); len(rest) > 3 {
				cost *= w.Cost(rest)
			}
		}
		total += cost
	}
	return total
}

// headerShare is about how many of all headers have a name: letters tell
// little about that.
func headerShare(name string) float64 {
	switch {
	case name == "received":
		return 0.2
	case strings.HasPrefix(name, "x-"):
		return 0.01
	}
	return 0.05
}

// choose picks the set of strings that is expected in the fewest keys, and
// other sets that tell something, too.
func choose(sets [][]pattern.Literal, w *literal.Windows) (best []pattern.Literal, also [][]needed) {
	least := maxShare
	at := -1
	for i, set := range sets {
		if s := share(set, w); s < least {
			least, at = s, i
		}
	}
	if at < 0 {
		return nil, nil
	}
	for i, set := range sets {
		if i != at && len(also) < 3 && len(set) <= 4 && share(set, w) < 0.4 {
			one := make([]needed, len(set))
			for k, l := range set {
				one[k] = needed{[]byte(l.Text), l.Prefix, l.Suffix}
			}
			also = append(also, one)
		}
	}
	return sets[at], also
}

// newPrefilter makes the filter of a table; required has the sets of strings
// of each rule's pattern, and of its second pattern.
func newPrefilter(t *Table, required []requiredStrings) *prefilter {
	n := len(t.rules)
	f := &prefilter{rules: t.rules, known: make([]bool, n), and: make([]bool, n), plain: make([]bool, n), also: make([][][]needed, n), ends: make([]int32, n)}
	var windows literal.Windows
	for _, q := range required {
		for _, sets := range [][][]pattern.Literal{q.pattern, q.and} {
			for _, set := range sets {
				for _, l := range set {
					windows.Count(l.Text)
				}
			}
		}
	}
	var lits []literal.Literal
	for i, r := range t.rules {
		f.guards = f.guards || r.If
		f.ends[i] = int32(n)
		set, also := choose(required[i].pattern, &windows)
		f.known[i], f.also[i] = set != nil, also
		f.plain[i] = len(set) == 1 && set[0] == required[i].plain
		if r.And != nil && !r.And.Negated && (set == nil || r.Negated) {
			if s, _ := choose(required[i].and, &windows); s != nil {
				set, f.known[i], f.and[i], f.also[i] = s, false, true, nil
			}
		}
		for _, l := range set {
			lits = append(lits, literal.Literal{Text: l.Text, Prefix: l.Prefix, Suffix: l.Suffix, ID: int32(i)})
		}
		if filtered := f.and[i] || f.known[i] && !r.Negated; !r.If && !filtered {
			f.always = append(f.always, int32(i))
		}
	}
	// A condition's block ends at the first later rule that it does not enclose.
	var open []int32
	for i, r := range t.rules {
		for len(open) > 0 && open[len(open)-1] != r.guard {
			f.ends[open[len(open)-1]] = int32(i)
			open = open[:len(open)-1]
		}
		if r.If {
			open = append(open, int32(i))
		}
	}
	f.matcher = literal.New(lits, &windows)
	f.pool.New = func() any {
		s := new(scratch)
		if f.guards {
			s.guards = make([]guardState, n)
		}
		return s
	}
	return f
}

// find returns the first rule that holds for key, or nil.
func (f *prefilter) find(key []byte) *Rule {
	// Most keys end here, without any memory from the pool.
	var buffer [32]int32
	anyEnd := len(key) > 0 && key[len(key)-1] == '\n'
	marked := f.matcher.Find(buffer[:0], key, anyEnd)
	if len(marked) == 0 && len(f.always) == 0 {
		return nil
	}
	s := f.pool.Get().(*scratch)
	s.marked = append(s.marked[:0], marked...)
	s.lower, s.anyEnd = s.lower[:0], anyEnd
	r := f.search(s, key)
	f.pool.Put(s)
	return r
}

// search tries the rules that s marks and those that are always tried.
func (f *prefilter) search(s *scratch, key []byte) *Rule {
	if len(s.marked) > 1 {
		slices.Sort(s.marked)
		s.marked = slices.Compact(s.marked)
	}
	if s.run++; s.run == 0 {
		clear(s.guards)
		s.run = 1
	}
	marked, always := s.marked, f.always
	for len(marked) > 0 || len(always) > 0 {
		var i int32
		if len(always) == 0 || len(marked) > 0 && marked[0] <= always[0] {
			i, marked = marked[0], marked[1:]
			if len(always) > 0 && always[0] == i {
				always = always[1:]
			}
		} else {
			i, always = always[0], always[1:]
		}
		r := f.rules[i]
		if r.If {
			continue // asked when a rule inside is reached
		}
		if g := f.falseGuard(s, r.guard, key); g >= 0 {
			// Nothing up to the end of the block can answer.
			end := f.ends[g]
			skip, _ := slices.BinarySearch(marked, end)
			marked = marked[skip:]
			skip, _ = slices.BinarySearch(always, end)
			always = always[skip:]
			continue
		}
		if f.holds(s, r, key) {
			return r
		}
	}
	return nil
}

// falseGuard returns the outermost condition around a rule that does not hold,
// or -1.
func (f *prefilter) falseGuard(s *scratch, guard int32, key []byte) int32 {
	if guard < 0 {
		return -1
	}
	r := f.rules[guard]
	if g := f.falseGuard(s, r.guard, key); g >= 0 {
		return g
	}
	state := &s.guards[guard]
	if state.run != s.run {
		*state = guardState{s.run, f.holds(s, r, key)}
	}
	if !state.holds {
		return guard
	}
	return -1
}

// holds is Rule.holds, with what the strings in the key tell.
func (f *prefilter) holds(s *scratch, r *Rule, key []byte) bool {
	if !f.known[r.index] {
		return r.holds(key)
	}
	if _, marked := slices.BinarySearch(s.marked, r.index); marked && s.has(f.also[r.index], key) {
		if f.plain[r.index] && !s.anyEnd {
			return !r.Negated && (r.And == nil || r.And.holds(key))
		}
		return r.holds(key)
	}
	return r.Negated && !r.never && (r.And == nil || r.And.holds(key))
}

// has reports whether the key has a string of each set.
func (s *scratch) has(sets [][]needed, key []byte) bool {
	if len(sets) == 0 {
		return true
	}
	if len(s.lower) == 0 {
		s.lower = literal.AppendLower(s.lower, key)
	}
	for _, set := range sets {
		if !s.hasOne(set) {
			return false
		}
	}
	return true
}

func (s *scratch) hasOne(set []needed) bool {
	for i := range set {
		l := &set[i]
		var ok bool
		switch {
		case l.prefix:
			ok = bytes.HasPrefix(s.lower, l.text)
		case l.suffix:
			ok = bytes.HasSuffix(s.lower, l.text) || s.anyEnd && bytes.HasSuffix(s.lower[:len(s.lower)-1], l.text)
		default:
			ok = bytes.Contains(s.lower, l.text)
		}
		if ok {
			return true
		}
	}
	return false
}

// requiredStrings are the sets of strings of a rule's patterns, and the string
// that its pattern is if it is nothing else.
type requiredStrings struct {
	pattern, and [][]pattern.Literal
	plain        pattern.Literal
}
