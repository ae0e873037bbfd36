package cidrmap

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// key is an address as a number of 128 bits. IPv4 is in the upper 32.
type key struct{ hi, lo uint64 }

var lastKey = key{^uint64(0), ^uint64(0)}

func (k key) less(l key) bool { return k.hi < l.hi || k.hi == l.hi && k.lo < l.lo }

func (k key) compare(l key) int {
	switch {
	case k == l:
		return 0
	case k.less(l):
		return -1
	}
	return 1
}

// next returns k+1; 0 after the last one.
func (k key) next() key {
	k.lo++
	if k.lo == 0 {
		k.hi++
	}
	return k
}

func keyOf(addr netip.Addr) key {
	if addr.Is4() {
		b := addr.As4()
		return key{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := addr.As16()
	return key{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

// span is a stretch of addresses, both ends included.
type span struct{ from, to key }

func spanOf(p netip.Prefix) span {
	from := keyOf(p.Addr())
	return span{from, from.last(p.Bits())} // IPv4 goes on below its 32 bits
}

// last returns the last key whose first n bits are those of k.
func (k key) last(n int) key {
	if n < 64 {
		return key{k.hi | ^uint64(0)>>n, ^uint64(0)}
	} else if n < 128 {
		k.lo |= ^uint64(0) >> (n - 64)
	}
	return k
}

// A set is a list of spans in rising order.
type set []span

var everything = set{{key{}, lastKey}}

// and returns the part of s that a rule matches.
func (s set) and(r *rule) set {
	p := spanOf(r.prefix)
	if !r.negated {
		return s.within(p)
	}
	var out set
	if p.from != (key{}) {
		out = s.within(span{key{}, before(p.from)})
	}
	if p.to != lastKey {
		out = append(out, s.within(span{p.to.next(), lastKey})...)
	}
	return out
}

func before(k key) key {
	if k.lo == 0 {
		k.hi--
	}
	k.lo--
	return k
}

// within returns the part of s inside p.
func (s set) within(p span) set {
	i, _ := slices.BinarySearchFunc(s, p.from, func(e span, k key) int { return e.to.compare(k) })
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

// build makes the trees. The addresses of each family are cut at the ends of
// all networks; then the rules, from the first to the last, take the pieces
// they match that no earlier one has.
func (t *Table) build() {
	t.used = make([]bool, len(t.rules))
	// Blocks of "if !" cut what is around them into pieces, and one inside the
	// other many times. A source made for it could make that quadratic.
	budget := 64*len(t.rules) + 1<<16
	for _, is4 := range []bool{true, false} {
		p := newPainter(t.rules, is4)
		if budget = p.paint(t.rules, t.used, is4, budget); budget < 0 {
			t.plain = true
			t.v4, t.v6 = index[uint32]{}, tree6{}
			t.markUsed()
			return
		}
		p.join()
		if is4 {
			t.v4 = newTree4(p.starts, p.owner)
		} else {
			t.v6 = newTree6(p.starts, p.owner)
		}
	}
}

// markUsed is for a table that is too odd to know which rules can match.
func (t *Table) markUsed() {
	for i := range t.used {
		t.used[i] = true
	}
}

// A painter gives pieces of the addresses to rules.
type painter struct {
	starts []key    // where the pieces start, the first at 0
	owner  []int32  // the rule that has the piece, -1 for none
	free   []uint32 // the next piece from here without owner, as far as known (union-find)
}

func newPainter(rules []rule, is4 bool) *painter {
	p := &painter{starts: make([]key, 1, 2*len(rules)+1)}
	for i := range rules {
		if r := &rules[i]; r.prefix.Addr().Is4() == is4 {
			s := spanOf(r.prefix)
			p.starts = append(p.starts, s.from)
			if s.to != lastKey {
				p.starts = append(p.starts, s.to.next())
			}
		}
	}
	slices.SortFunc(p.starts, key.compare)
	p.starts = slices.Clip(slices.Compact(p.starts))
	p.owner = make([]int32, len(p.starts))
	p.free = make([]uint32, len(p.starts)+1)
	for i := range p.owner {
		p.owner[i] = -1
	}
	for i := range p.free {
		p.free[i] = uint32(i)
	}
	return p
}

// piece returns the piece that starts at k.
func (p *painter) piece(k key) int {
	i, _ := slices.BinarySearchFunc(p.starts, k, key.compare)
	return i
}

func (p *painter) nextFree(i int) int {
	for p.free[i] != uint32(i) {
		p.free[i] = p.free[p.free[i]]
		i = int(p.free[i])
	}
	return i
}

// paint goes through the rules and returns what is left of the budget, which
// is counted in spans.
func (p *painter) paint(rules []rule, used []bool, is4 bool, budget int) int {
	type block struct {
		end   int
		where set
	}
	blocks := []block{{len(rules), everything}}
	for i := 0; i < len(rules) && budget >= 0; i++ {
		for i >= blocks[len(blocks)-1].end && len(blocks) > 1 {
			blocks = blocks[:len(blocks)-1]
		}
		around := blocks[len(blocks)-1].where
		r := &rules[i]
		if r.prefix.Addr().Is4() != is4 {
			if r.isIf {
				i = int(r.end) - 1
			}
			continue
		}
		if !r.isIf && !r.negated && len(blocks) == 1 { // nearly every rule of nearly every table
			p.give(spanOf(r.prefix), i, used)
			continue
		}
		where := around.and(r)
		budget -= len(where)
		if r.isIf {
			blocks = append(blocks, block{int(r.end), where})
			continue
		}
		for _, s := range where {
			p.give(s, i, used)
		}
	}
	return budget
}

// give gives the pieces of s without owner to rule i.
func (p *painter) give(s span, i int, used []bool) {
	end := len(p.starts)
	if s.to != lastKey {
		end = p.piece(s.to.next())
	}
	for at := p.nextFree(p.piece(s.from)); at < end; at = p.nextFree(at) {
		p.owner[at], p.free[at] = int32(i), uint32(at+1)
		used[i] = true
	}
}

// join makes one piece of neighbours of the same owner.
func (p *painter) join() {
	n := 0
	for i := range p.owner {
		if i == 0 || p.owner[i] != p.owner[n-1] {
			p.starts[n], p.owner[n] = p.starts[i], p.owner[i]
			n++
		}
	}
	p.starts, p.owner = p.starts[:n], p.owner[:n]
}
