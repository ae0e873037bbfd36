// Package engine answers whether a pattern matches a text, and what its groups
// matched, the way the GNU C library (POSIX patterns) and PCRE2 do.
//
// Each pattern gets the cheapest engine that gives their answer:
//
//   - an automaton that is built while it runs, for regular patterns: linear;
//   - package regexp, for the groups of regular patterns: linear;
//   - a backtracking matcher with a step budget for everything else:
//     lookaround, backreferences, atomic groups, conditions, recursion, and
//     the few texts on which a regular pattern has to look ahead.
//
// Engines are made when they are first needed.
package engine

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// A Regexp is a pattern ready to match. It is safe for concurrent use.
type Regexp struct {
	pattern  *pattern.Pattern
	features pattern.Features
	regular  bool // the automaton and package regexp understand it

	auto     atomic.Pointer[dfa]
	verdicts atomic.Pointer[program]
	mu       sync.Mutex
	std      *standard
	stdTried bool
	full     *program

	// The GNU C library may take assertions for something else where groups
	// are asked for, and where assertions are repeated even where not. Its
	// graph of the pattern, with groups and without, gives the answers then.
	oddGroups, oddMatch bool
	captive, bare       atomic.Pointer[gnu]
}

// Compile prepares a pattern. It does little: engines come later.
func Compile(p *pattern.Pattern) *Regexp {
	r := &Regexp{pattern: p, features: p.Inspect()}
	r.regular = regular(r.features)
	r.oddGroups = r.regular && p.Posix && asserts(p.Root, true)
	r.oddMatch = r.oddGroups && repeats(p.Root, pattern.OpAssert, false)
	return r
}

// NumGroups returns the number of groups of the pattern.
func (r *Regexp) NumGroups() int { return r.pattern.Groups }

// statesKept is how many automaton states a pattern may hold at a time.
const statesKept = 400

var machines = sync.Pool{New: func() any { return new(machine) }}

// needsBacktracker reports whether the regular engines would be wrong about
// this text: some assertions ask what follows a newline.
func (r *Regexp) needsBacktracker(text []byte) bool {
	if !r.regular {
		return true
	}
	if r.features.NewlineEnd && len(text) > 0 && text[len(text)-1] == '\n' {
		return true
	}
	return r.features.NewlineIn && bytes.IndexByte(text, '\n') >= 0
}

// Match reports whether the pattern matches text, for somebody who wants to
// know what the first groups matched: there are patterns for which that
// changes the answer of the GNU C library. The error is [ErrLimit] or
// [ErrRecursion].
func (r *Regexp) Match(text []byte, groups int) (bool, error) {
	switch {
	case r.oddGroups && groups > 0:
		_, ok, err := r.Groups(text, groups)
		return ok, err
	case r.oddMatch:
		g := r.graph(&r.bare, false)
		if g.failed {
			return false, ErrLimit
		}
		return g.match(text)
	}
	if !r.needsBacktracker(text) {
		d := r.auto.Load()
		if d == nil {
			d = r.newAutomaton()
		}
		return d.match(text)
	}
	prog := r.verdicts.Load()
	if prog == nil {
		prog = compileProgram(r.pattern, false)
		r.verdicts.Store(prog)
	}
	m := machines.Get().(*machine)
	defer m.release()
	return m.run(prog, text, false, Steps)
}

func (r *Regexp) newAutomaton() *dfa {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.auto.Load(); d != nil {
		return d
	}
	d := newDFA(newNFA(r.pattern.Root), statesKept)
	r.auto.Store(d)
	return d
}

// Groups returns the bounds of the match and of its groups, as
// [regexp.Regexp.FindSubmatchIndex] does; ok is false if there is no match.
// Only the first groups are asked for, but there may be more.
func (r *Regexp) Groups(text []byte, groups int) (bounds []int, ok bool, err error) {
	if r.oddGroups {
		bounds, err = r.findGNU(text, 0, groups)
		return bounds, bounds != nil, err
	}
	if !r.needsBacktracker(text) {
		if s := r.standard(); s != nil {
			if r.pattern.Posix && groups > 0 {
				if bounds = s.match(text); bounds != nil {
					bounds, err = r.findGNU(text, bounds[0], groups)
				}
			} else {
				bounds = s.groups(text)
			}
			if err != nil {
				return nil, false, err
			}
			return bounds, bounds != nil, nil
		}
	}
	r.mu.Lock()
	if r.full == nil {
		r.full = compileProgram(r.pattern, true)
	}
	prog := r.full
	r.mu.Unlock()
	m := machines.Get().(*machine)
	defer m.release()
	ok, err = m.run(prog, text, r.pattern.Posix, Steps)
	if !ok || err != nil {
		return nil, false, err
	}
	found := m.slots[:2*(r.pattern.Groups+1)]
	if r.pattern.Posix {
		found = m.best
	}
	bounds = make([]int, len(found))
	for i, v := range found {
		bounds[i] = int(v)
	}
	return bounds, true, nil
}

// findGNU asks the graph with groups. Nobody needs that for a verdict, or for
// a result, if it is too large: [Unsure] knows. But all groups of any pattern
// may be asked for.
func (r *Regexp) findGNU(text []byte, from, groups int) (bounds []int, err error) {
	g := r.graph(&r.captive, true)
	if g.failed {
		return nil, ErrLimit
	}
	return g.find(text, from, groups)
}

// graph makes a graph when it is first asked for; it is a failed one if it
// would be too large.
func (r *Regexp) graph(g *atomic.Pointer[gnu], groups bool) *gnu {
	if made := g.Load(); made != nil {
		return made
	}
	made := newGNU(r.pattern, groups)
	if made == nil {
		made = &gnu{failed: true}
	}
	g.CompareAndSwap(nil, made)
	return g.Load()
}

// standard returns package regexp's form of the pattern if that finds the
// same groups. It does not where PCRE2 lets a group in a loop end empty, or
// gives two groups one number.
func (r *Regexp) standard() *standard {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stdTried {
		r.stdTried = true
		if f := r.features; r.regular && !f.BranchReset && (r.pattern.Posix || !f.EmptyLoop) {
			r.std = newStandard(r.pattern)
		}
	}
	return r.std
}

// Engine names the engine that gives verdicts, for tests and explanations.
func (r *Regexp) Engine() string {
	if r.regular {
		return "automaton"
	}
	return "backtracking"
}
