package cidrmap

import (
	"slices"
	"sync"
)

// A set is a list of stretches of addresses in rising order.
type set []keys

// keys are the addresses from..to, both included.
type keys struct{ from, to key }

var everything = set{{key{}, lastKey}}

// and returns the part of s that a rule matches.
func (s set) and(r *rule) set {
	p := r.keys()
	if !r.negated {
		return s.within(p)
	}
	var out set
	if p.from != (key{}) {
		out = s.within(keys{key{}, p.from.before()})
	}
	if p.to != lastKey {
		out = append(out, s.within(keys{p.to.next(), lastKey})...)
	}
	return out
}

// within returns the part of s inside p.
func (s set) within(p keys) set {
	i, _ := slices.BinarySearchFunc(s, p.from, func(e keys, k key) int { return e.to.compare(k) })
	var out set
	for ; i < len(s) && !p.to.less(s[i].from); i++ {
		e := s[i]
		if e.from.less(p.from) {
			e.from = p.from
		}
		if p.to.less(e.to) {
			e.to = p.to
		}
		out = append(out, e)
	}
	return out
}

// build makes the trees, one for each family, of what the rules match.
func (b *builder) build() {
	t := b.t
	t.used = make([]bool, len(t.rules))
	n4 := 0
	for i := range t.rules {
		if t.rules[i].is4 {
			n4++
		}
	}
	b.places = make([]uint32, len(t.rules))
	if b.codes != nil {
		var last []byte
		code := uint8(0)
		for i := range t.rules {
			if s := b.source(t.rules[i].result); string(s) != string(last) {
				last, code = s, b.codes[string(s)]
			}
			b.places[i] = uint32(code)
		}
	}
	b.v4, b.v6 = make([]span[uint32], 0, n4), make([]span[uint64], 0, len(t.rules)-n4)
	if !b.spans() {
		t.plain = true
		for i := range t.used {
			t.used[i] = true // for all that is known
		}
		t.v4, t.v6.tree = plant[uint32](b, true, nil, 0), plant[uint64](b, false, nil, 0)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { t.v6 = b.tree6() }) // no rule is in both trees
	t.v4 = b.tree4()
	both.Wait()
}

// A builder makes the trees of a table.
type builder struct {
	t *Table
	// The results of the rules, which are parts of these two.
	src, more []byte
	codes     map[string]uint8 // of the different results, from 1; nil if they are many
	// What the rules match, each for itself. Of IPv6 it is the upper half of the
	// addresses, if it is all addresses that have it.
	v4     []span[uint32]
	v6     []span[uint64]
	parts  []part
	places []uint32 // by rule: the code of its result; without codes where it is in the texts of its tree + 1, or 0
}

// source returns a result.
func (b *builder) source(x text) []byte {
	if n := uint32(len(b.src)); x.start >= n {
		return b.more[x.start-n:][:x.len]
	}
	return b.src[x.start:][:x.len]
}

// A part is a stretch of IPv6 addresses whose upper half is the same.
type part struct {
	hi uint64
	lo span[uint64]
}

// spans collects what the rules match. It gives up when that is too much: blocks of
// "if !" cut what is around them into pieces, and one inside the other many
// times. A source made for it could make that quadratic.
func (b *builder) spans() bool {
	rules := b.t.rules
	budget := 64*len(rules) + 1<<16 // stretches
	type block struct {
		end   int
		where [2]set // of IPv4 and of IPv6
	}
	blocks := []block{{len(rules), [2]set{everything, everything}}}
	for i := 0; i < len(rules); i++ {
		for i >= blocks[len(blocks)-1].end && len(blocks) > 1 {
			blocks = blocks[:len(blocks)-1]
		}
		r := &rules[i]
		if !r.isIf && !r.negated && len(blocks) == 1 { // nearly every rule of nearly every table
			b.add(r.keys(), r.is4, int32(i))
			continue
		}
		family := 0
		if !r.is4 {
			family = 1
		}
		where := blocks[len(blocks)-1].where[family].and(r)
		if budget -= len(where); budget < 0 {
			return false
		}
		if r.isIf {
			inside := block{end: int(b.t.nesting[i].end)}
			inside.where[family] = where
			blocks = append(blocks, inside)
			continue
		}
		for _, s := range where {
			b.add(s, r.is4, int32(i))
		}
	}
	return true
}

func (b *builder) add(s keys, is4 bool, rule int32) {
	if is4 {
		b.v4 = append(b.v4, span[uint32]{uint32(s.from.hi >> 32), uint32(s.to.hi >> 32), rule})
		return
	}
	from, to, last := s.from.hi, s.to.hi, ^uint64(0)
	switch {
	case s.from.lo == 0 && s.to.lo == last:
		b.v6 = append(b.v6, span[uint64]{from, to, rule})
	case from == to:
		b.parts = append(b.parts, part{from, span[uint64]{s.from.lo, s.to.lo, rule}})
	default:
		if s.from.lo != 0 {
			b.parts = append(b.parts, part{from, span[uint64]{s.from.lo, last, rule}})
			from++
		}
		if s.to.lo != last {
			b.parts = append(b.parts, part{to, span[uint64]{0, s.to.lo, rule}})
			to--
		}
		if from <= to {
			b.v6 = append(b.v6, span[uint64]{from, to, rule})
		}
	}
}
