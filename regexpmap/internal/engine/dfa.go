package engine

import (
	"encoding/binary"
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
	cache atomic.Pointer[dfaCache]
}

type dfaCache struct {
	mu     sync.Mutex
	states map[string]*dfaState
	start  *dfaState
	full   bool
	work   []int32
	seen   []uint32
	mark   uint32
}

// A dfaState is a set of nfa states, and what the byte before it was as far as
// assertions ask. Conditions are settled when the next byte is known.
type dfaState struct {
	set   []int32
	flags before
	match bool // matched, whatever follows
	dead  bool // can never match
	next  []atomic.Pointer[dfaState]
}

type before uint8

const (
	beforeStart before = 1 << iota
	beforeNewline
	beforeWord
)

func newDFA(n *nfa, limit int) *dfa {
	d := &dfa{nfa: n, limit: limit}
	d.cache.Store(d.newCache())
	return d
}

func (d *dfa) newCache() *dfaCache {
	c := &dfaCache{states: map[string]*dfaState{}, seen: make([]uint32, len(d.nfa.states))}
	c.begin()
	d.visit(c, d.nfa.start, 0, false)
	c.start = d.intern(c, beforeStart)
	return c
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

// intern finds or makes the state of c.work.
func (d *dfa) intern(c *dfaCache, flags before) *dfaState {
	match, asserts := false, false
	for _, s := range c.work {
		switch d.nfa.states[s].kind {
		case nMatch:
			match = true
		case nAssert:
			asserts = true
		}
	}
	if match {
		c.work = c.work[:0]
	}
	if !asserts || match {
		// Nothing asks what came before; but at the start of the text the
		// unanchored search and an anchored one differ in their sets only.
		flags = 0
	}
	slices.Sort(c.work)
	key := make([]byte, 0, 4*len(c.work)+2)
	for _, s := range c.work {
		key = binary.LittleEndian.AppendUint32(key, uint32(s))
	}
	key = append(key, byte(flags))
	if match {
		key = append(key, 1)
	}
	if s := c.states[string(key)]; s != nil {
		return s
	}
	s := &dfaState{set: slices.Clone(c.work), flags: flags, match: match}
	s.dead = !match && len(s.set) == 0 && d.nfa.anchor
	s.next = make([]atomic.Pointer[dfaState], len(d.nfa.sample)+1)
	c.states[string(key)] = s
	c.full = len(c.states) >= d.limit
	return s
}

// step works out a transition; class len(sample) is the end of the text.
func (d *dfa) step(c *dfaCache, from *dfaState, class int) (*dfaCache, *dfaState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := from.next[class].Load(); s != nil {
		return c, s
	}
	if c.full {
		// Start afresh. Searches that still use the old states go on with
		// them; the new cache takes over from the state reached here.
		fresh := d.newCache()
		d.cache.Store(fresh)
		fresh.mu.Lock()
		defer fresh.mu.Unlock()
		fresh.begin()
		fresh.work = append(fresh.work, from.set...)
		c, from = fresh, d.intern(fresh, from.flags)
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
	// Settle the assertions of this state.
	c.begin()
	around := uint16(from.flags)<<8 | uint16(a)
	for _, s := range from.set {
		d.visit(c, s, around, true)
	}
	now := slices.Clone(c.work)
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
	to := d.intern(c, flags)
	from.next[class].Store(to)
	return c, to
}

// match reports whether text has a match.
func (d *dfa) match(text []byte) bool {
	c := d.cache.Load()
	s := c.start
	class := &d.nfa.class
	for i := 0; i < len(text); i++ {
		if s.match {
			return true
		}
		if s.dead {
			return false
		}
		k := int(class[text[i]])
		next := s.next[k].Load()
		if next == nil {
			c, next = d.step(c, s, k)
		}
		s = next
	}
	if s.match || s.dead {
		return s.match
	}
	k := len(d.nfa.sample)
	next := s.next[k].Load()
	if next == nil {
		_, next = d.step(c, s, k)
	}
	return next.match
}
