package engine

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// A dfa runs an nfa one byte at a time and remembers what it finds out. It is
// safe for concurrent use: known transitions are read without a lock.
type dfa struct {
	nfa   *nfa
	limit int // states kept
	row   int // transitions of a state: one for each class of bytes, one for the end
	mu    sync.Mutex
	table atomic.Pointer[dfaTable]
	spent int // on finding out transitions, in states
	steps int // StateSteps; tests have less
}

// StateSteps is how many states of an nfa may be looked at for one key. What a
// transition that is known already saves does not count. Yet what was looked
// up before makes no difference: a key so long that it could get to the limit
// is matched with nothing remembered, and what it finds out is thrown away.
const StateSteps = 5 * Steps

// stepStates is how often a transition may count a state.
const stepStates = 3

// A dfaTable has the transitions between states. A state is the place of its
// first transition, or one of the special ones below. When the table is full a
// larger copy takes its place; searches go on with the one they have until
// they need a transition it lacks.
type dfaTable struct {
	next  []atomic.Uint32
	start uint32
	cache *dfaCache
}

const (
	unknown uint32 = iota // not found out yet
	matched               // whatever follows
	dead                  // can never match
	special               // the first of the other states
)

// A dfaCache has what states mean, and memory to find out more. The lock of
// the dfa is held.
type dfaCache struct {
	ids    map[string]uint32
	states []dfaState
	held   int // states in the sets
	work   []int32
	seen   []uint32
	mark   uint32
}

// maxHeld bounds the memory of a table, eight bytes for each state in a set.
const maxHeld = 1 << 20

// A dfaState is a set of nfa states, and what the byte before it was as far as
// assertions ask. Conditions are settled when the next byte is known.
type dfaState struct {
	set   []int32
	flags before
}

type before uint8

const (
	beforeStart before = 1 << iota
	beforeNewline
	beforeWord
)

func newDFA(n *nfa, limit int) *dfa {
	d := &dfa{nfa: n, limit: limit, row: len(n.sample) + 1, steps: StateSteps}
	d.table.Store(d.newTable())
	return d
}

// newTable returns a table with the start only.
func (d *dfa) newTable() *dfaTable {
	c := &dfaCache{ids: map[string]uint32{}, seen: make([]uint32, len(d.nfa.states))}
	t := &dfaTable{next: make([]atomic.Uint32, int(special)+2*d.row), cache: c}
	c.begin()
	d.visit(c, d.nfa.start, 0, false)
	t, t.start = d.intern(t, beforeStart)
	return t
}

func (c *dfaCache) begin() {
	c.mark++
	c.work = c.work[:0]
}

// after says what can be known of the byte behind a place.
type after uint8

const (
	afterEnd after = 1 << iota
	afterNewline
	afterWord
)

// visit adds state s and all it leads to without a byte. known: the byte
// before and after are given and assertions can be settled; otherwise they
// wait in the set.
func (d *dfa) visit(c *dfaCache, s int32, around uint16, known bool) {
	for {
		if c.seen[s] == c.mark {
			return
		}
		c.seen[s] = c.mark
		st := &d.nfa.states[s]
		switch st.kind {
		case nSplit:
			d.visit(c, st.out, around, known)
			s = st.alt
			continue
		case nAssert:
			if known {
				if !settled(st.at, before(around>>8), after(around)) {
					return
				}
				s = st.out
				continue
			}
		}
		c.work = append(c.work, s)
		return
	}
}

func settled(at pattern.At, b before, a after) bool {
	switch at {
	case pattern.BeginText, pattern.BeginInner:
		return b&beforeStart != 0
	case pattern.EndText, pattern.EndTextNewline, pattern.EndInner:
		return a&afterEnd != 0
	case pattern.BeginLine, pattern.BeginLineInside:
		return b&(beforeStart|beforeNewline) != 0
	case pattern.EndLine:
		return a&(afterEnd|afterNewline) != 0
	}
	wb, wa := b&beforeWord != 0, a&afterWord != 0
	switch at {
	case pattern.WordEdge:
		return wb != wa
	case pattern.NotWordEdge:
		return wb == wa
	case pattern.WordStart:
		return !wb && wa
	case pattern.WordEnd:
		return wb && !wa
	}
	return false
}

// intern finds or makes the state of c.work. It returns the table that has it.
func (d *dfa) intern(t *dfaTable, flags before) (*dfaTable, uint32) {
	c := t.cache
	asserts := false
	for _, s := range c.work {
		switch d.nfa.states[s].kind {
		case nMatch:
			return t, matched
		case nAssert:
			asserts = true
		}
	}
	if len(c.work) == 0 && d.nfa.anchor {
		return t, dead
	}
	if !asserts {
		// Nothing asks what came before; but at the start of the text the
		// unanchored search and an anchored one differ in their sets only.
		flags = 0
	}
	d.sort(c)
	key := make([]byte, 0, 4*len(c.work)+1)
	for _, s := range c.work {
		key = binary.LittleEndian.AppendUint32(key, uint32(s))
	}
	key = append(key, byte(flags))
	if id, ok := c.ids[string(key)]; ok {
		return t, id
	}
	id := special + uint32(len(c.states)*d.row)
	c.held += len(c.work)
	c.states = append(c.states, dfaState{set: slices.Clone(c.work), flags: flags})
	c.ids[string(key)] = id
	if need := int(id) + d.row; need > len(t.next) {
		larger := &dfaTable{next: make([]atomic.Uint32, max(need, 2*len(t.next))), start: t.start, cache: c}
		for i := range t.next {
			larger.next[i].Store(t.next[i].Load())
		}
		d.table.Store(larger)
		t = larger
	}
	return t, id
}

// sort puts c.work in order, which its states are marked seen in.
func (d *dfa) sort(c *dfaCache) {
	if len(c.work) < len(c.seen)/8 {
		slices.Sort(c.work)
		return
	}
	c.work = c.work[:0]
	for s, mark := range c.seen {
		if mark == c.mark && d.nfa.states[s].kind != nSplit {
			c.work = append(c.work, int32(s))
		}
	}
}

// step works out a transition; the class behind the last one is the end of the
// text. It returns the table to go on with.
func (d *dfa) step(old *dfaTable, from uint32, class int) (*dfaTable, uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.table.Load()
	state := old.cache.states[int(from-special)/d.row]
	if t.cache == old.cache && (len(t.cache.states) >= d.limit || t.cache.held > maxHeld) {
		// Start afresh.
		t = d.newTable()
		d.table.Store(t)
	}
	c := t.cache
	if c != old.cache {
		c.begin()
		c.work = append(c.work, state.set...)
		t, from = d.intern(t, state.flags)
	}
	if to := t.next[int(from)+class].Load(); to != unknown {
		return t, to
	}
	n := d.nfa
	end := class == len(n.sample)
	var b byte
	var a after
	var flags before
	if end {
		a = afterEnd
	} else {
		b = n.sample[class]
		if b == '\n' {
			a |= afterNewline
			flags |= beforeNewline
		}
		if wordSet.Has(b) {
			a |= afterWord
			flags |= beforeWord
		}
	}
	now := state.set
	if n.words || n.lines { // settle the assertions of this state
		c.begin()
		around := uint16(state.flags)<<8 | uint16(a)
		for _, s := range state.set {
			d.visit(c, s, around, true)
		}
		now = slices.Clone(c.work)
	}
	c.begin()
	for _, s := range now {
		st := &n.states[s]
		switch {
		case st.kind == nMatch:
			d.visit(c, s, 0, false)
		case !end && st.kind == nSet && st.set.Has(b):
			d.visit(c, st.out, 0, false)
		}
	}
	if !n.anchor && !end {
		d.visit(c, n.start, 0, false) // a match may begin behind any byte
	}
	d.spent += len(state.set) + len(now) + len(c.work)
	t, to := d.intern(t, flags)
	t.next[int(from)+class].Store(to)
	return t, to
}

// match reports whether text has a match. The error is [ErrLimit].
func (d *dfa) match(text []byte) (bool, error) {
	if len(text) > d.steps/stepStates/len(d.nfa.states) {
		afresh := newDFA(d.nfa, d.limit)
		return afresh.run(text, d.steps)
	}
	return d.run(text, math.MaxInt)
}

// run is match. It gives up when the transitions this dfa has found out, all
// lookups together, have cost more than the budget.
func (d *dfa) run(text []byte, budget int) (bool, error) {
	t := d.table.Load()
	s := t.start
	if s < special {
		return s == matched, nil
	}
	class := &d.nfa.class
	next := t.next
	for _, c := range text {
		k := int(class[c])
		to := next[int(s)+k].Load()
		if to < special {
			if to == unknown {
				if t, to = d.step(t, s, k); budget < math.MaxInt && d.spent > budget {
					return false, ErrLimit
				}
				next = t.next
			}
			if to < special {
				return to == matched, nil
			}
		}
		s = to
	}
	k := len(d.nfa.sample)
	to := next[int(s)+k].Load()
	if to == unknown {
		_, to = d.step(t, s, k)
	}
	return to == matched, nil
}
