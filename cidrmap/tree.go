package cidrmap

import "math/bits"

// A tree is what the rules of an address family come to: whose an address is.
type tree[K uint32 | uint64] struct {
	index index
	texts string
	few   *[128]text // by code, if the table has few different texts; the first is empty
	// By piece: where it starts, the first at 0; and a rule, or none. Of tree6 it
	// may also be a run, as -2 - its number.
	starts []K
	owner  []int32
}

// text is a part of a string.
type text struct{ start, len uint32 }

func (x text) of(s string) string { return s[x.start:][:x.len] }

// A tree6 is a tree of the upper halves of IPv6 addresses. The pieces for which
// the lower half matters, too, have runs instead of owners.
type tree6 struct {
	tree[uint64]
	runs []run
}

// A run is pieces of the lower half of the addresses whose upper half is the
// same, from..to-1. They are behind those of the index.
type run struct{ from, to uint32 }

// value returns the result for k. If ok is false, the index does not know it.
func (t *tree[K]) value(k K) (value string, ok bool) {
	l, n := t.find(k)
	code := l.code(n) &^ more
	// What is nearly always the same comes first: a branch that the processor
	// guesses wrong would wait for the line.
	if le.Uint32(l[:])&special != 0 && code == 0 {
		return "", false
	}
	if t.few != nil {
		return t.few[code].of(t.texts), true
	}
	start := le.Uint32(l[textsAt:]) + n*uint32(l[strideAt])
	return t.texts[start:][:code], true
}

// ownerOf returns the owner of an address, none or a rule.
func (t *tree[K]) ownerOf(k K) int32 {
	l, n := t.find(k)
	return t.owner[l.piece(n)]
}

func (t *tree6) ownerOf(k key) int32 {
	l, n := t.find(k.hi)
	return t.ownerIn(l.piece(n), k.lo)
}

// ownerIn returns the owner of the address in a piece whose lower half is lo.
func (t *tree6) ownerIn(piece uint32, lo uint64) int32 {
	owner := t.owner[piece]
	if owner >= none {
		return owner
	}
	r := t.runs[-2-owner]
	// The last that does not start behind lo.
	for r.to-r.from > 1 {
		if mid := r.from + (r.to-r.from)/2; t.starts[mid] <= lo {
			r.from = mid
		} else {
			r.to = mid
		}
	}
	return t.owner[r.from]
}

// A planter makes a tree of pieces.
type planter[K uint32 | uint64] struct {
	tree[K]
	*builder
	texts   []byte
	budget  int  // bytes that texts of lines may have
	touched byte // keeps reads that are for the cache only
}

// plant makes a tree of pieces, the first n of which are for its index. Without
// any, the tree knows nothing.
func plant[K uint32 | uint64](b *builder, is4 bool, pieces []piece[K], n int) tree[K] {
	p := planter[K]{builder: b, budget: 2 * len(b.src)}
	p.starts, p.owner = make([]K, len(pieces)), make([]int32, len(pieces))
	for i, piece := range pieces {
		p.starts[i], p.owner[i] = piece.start, piece.owner
		if piece.owner >= 0 {
			b.t.used[piece.owner] = true
		}
	}
	if rules := len(b.t.rules); rules > 0 {
		mine := min(len(b.v4), rules)
		if !is4 {
			mine = rules - mine
		}
		p.texts = make([]byte, 0, int(uint64(len(b.src))*uint64(mine)/uint64(rules))) // about what they need
	}
	if b.codes != nil {
		p.few = new([128]text)
		for s, code := range b.codes {
			p.few[code] = p.add([]byte(s))
		}
	}
	if n > 1 {
		p.index.lines = make([]line, 0, n/9+4)
		p.index.root = p.directory(1, n)
	} else { // all addresses but one are before or after it
		p.index.root = directory{shift: 1}
		p.index.parts = []uint32{0}
		p.index.lines = []line{{3: special >> 24}, {3: special >> 24}}
		for i := range 2 * n {
			p.leaf(&p.index.lines[i], 0, 1, 0, 1)
		}
	}
	// The rules refer to these texts, too, and not to the source.
	rules := b.t.rules
	for i := range rules {
		if r := &rules[i]; r.is4 == is4 && !r.isIf {
			switch {
			case p.few != nil:
				r.result = p.few[b.places[i]]
			case b.places[i] > 0:
				r.result.start = b.places[i] - 1
			default:
				r.result = p.add(b.source(r.result))
			}
		}
	}
	p.tree.texts = string(p.texts)
	return p.tree
}

func (p *planter[K]) add(s []byte) text {
	x := text{uint32(len(p.texts)), uint32(len(s))}
	p.texts = append(p.texts, s...)
	return x
}

// directory makes a directory for the starts from..to-1.
func (p *planter[K]) directory(from, to int) directory {
	x := &p.index
	lowest, highest := uint64(p.starts[from]), uint64(p.starts[to-1])
	size := max(1, bits.Len64(lowest^highest)) // bits in which the starts differ
	wide := min(size-1, max(1, bits.Len(uint(to-from))-4))
	d := directory{first: lowest >> size << size, size: 1<<size - 1, shift: uint8(size - wide),
		parts: uint32(len(x.parts)), before: uint32(len(x.lines))}
	x.parts = append(x.parts, make([]uint32, 1<<wide)...)
	x.lines = append(x.lines, line{}, line{})
	p.leaf(&x.lines[d.before], from-1, from, 0, 1)
	for i := range 1 << wide {
		begin := d.first + uint64(i)<<d.shift
		next := p.behind(from, to, begin, int(d.shift))
		power := p.power(from, next, begin, int(d.shift))
		at := len(x.lines)
		x.parts[int(d.parts)+i] = uint32(at) | uint32(power)<<powerAt
		x.lines = append(x.lines, make([]line, 1<<power)...)
		shift := int(d.shift) - power
		for j := range 1 << power {
			begin := begin + uint64(j)<<shift
			end := p.behind(from, next, begin, shift)
			if from < end && uint64(p.starts[from]) == begin {
				from++
			}
			if end-from > lanes {
				inner := p.directory(from, end)
				le.PutUint32(x.lines[at+j][:], deeper|uint32(len(x.inner)))
				x.inner = append(x.inner, inner)
			} else {
				p.leaf(&x.lines[at+j], from-1, end, begin, shift)
			}
			from = end
		}
	}
	p.leaf(&x.lines[d.before+1], to-1, to, 0, 1)
	return d
}

// behind returns the first of the starts from..to-1 behind the part of 1<<shift
// addresses that starts at begin.
func (p *planter[K]) behind(from, to int, begin uint64, shift int) int {
	for last := begin + (1<<shift - 1); from < to && uint64(p.starts[from]) <= last; {
		from++
	}
	return from
}

// power returns how often a part is halved so that its starts fit into lines. It
// is 0 when that would leave many lines empty.
func (p *planter[K]) power(from, to int, begin uint64, shift int) int {
	for power := 0; power <= min(shift, 5) && (to-from)>>power >= lanes/4; power++ {
		fits := true
		for i, from := 0, from; i < 1<<power && fits; i++ {
			begin := begin + uint64(i)<<(shift-power)
			end := p.behind(from, to, begin, shift-power)
			fits = end-from <= lanes
			from = end
		}
		if fits {
			return power
		}
	}
	return 0
}

// leaf makes the line of a part that starts at begin, in piece from, and in which
// those behind it, up to to-1, start.
func (p *planter[K]) leaf(l *line, from, to int, begin uint64, shift int) {
	marks := uint32(from)
	for lane := range lanes {
		value := uint64(laneTop)
		if i := from + 1 + lane; i < to {
			at := (uint64(p.starts[i]) - begin) << (64 - shift)
			value = at >> (64 - laneBits)
			if at<<laneBits != 0 {
				l[codesAt+1+lane] = more
			}
		}
		le.PutUint16(l[lanesAt+2*lane:], uint16(value))
	}
	stride := 0
	if p.few == nil {
		stride = p.stride(p.owner[from:to])
	}
	le.PutUint32(l[textsAt:], uint32(len(p.texts)))
	l[strideAt] = uint8(stride)
	for i, owner := range p.owner[from:to] {
		begin := len(p.texts)
		switch {
		case owner == none:
		case owner < none:
			marks |= special
		case p.few != nil:
			l[codesAt+i] |= uint8(p.places[owner])
		case int(p.t.rules[owner].result.len) > stride:
			marks |= special
		default:
			p.places[owner] = uint32(begin) + 1
			l[codesAt+i] |= uint8(p.add(p.source(p.t.rules[owner].result)).len)
		}
		p.texts = append(p.texts, blank[:stride-(len(p.texts)-begin)]...)
	}
	le.PutUint32(l[:], marks)
}

var blank [longest]byte

// stride returns how far from each other the texts of the owners of a line are.
// Longer ones have no code: a few long ones would make all of it large.
func (p *planter[K]) stride(owners []int32) int {
	for limit := longest; limit > 0; {
		stride, sum := 0, 0
		for _, owner := range owners {
			if owner >= 0 {
				x := p.t.rules[owner].result
				if n := int(x.len); n <= limit {
					stride, sum = max(stride, n), sum+n
					// They are all over the source. The processor fetches them while
					// it goes on, which it would not while they are copied.
					p.touched += p.source(x)[0]
				}
			}
		}
		if size := stride * len(owners); size > 4*sum {
			limit = stride - 1
		} else if size <= p.budget {
			p.budget -= size
			return stride
		} else {
			return 0
		}
	}
	return 0
}
