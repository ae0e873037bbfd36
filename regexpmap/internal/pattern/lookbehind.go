package pattern

// PCRE2 can look behind only by lengths it knows beforehand: each alternative
// directly inside a lookbehind has one length, and so has everything deeper.

const (
	variable  = -1 // no single length
	tooLong   = -2
	noGroup   = -3 // refers to a group that is not there; p.badRef says where
	lookLimit = 65535
)

func (p *pcreParser) measure(look lookbehind) error {
	n := look.node
	alternatives := []*Node{n.Sub[0]}
	if n.Sub[0].Op == OpAlt && n.Max > 1 {
		alternatives = n.Sub[0].Sub
	}
	n.Lens = nil
	for _, a := range alternatives {
		k := p.length(a, nil)
		switch k {
		case variable:
			return p.failAt(look.offset, "lookbehind assertion is not fixed length")
		case tooLong:
			return p.failAt(look.offset, "lookbehind assertion is too long")
		case noGroup:
			return p.noGroup(p.badRef)
		}
		n.Lens = append(n.Lens, k)
	}
	return nil
}

// length returns the number of bytes n always takes. calls are the groups
// being measured, so that recursion ends.
func (p *pcreParser) length(n *Node, calls []int) int {
	switch n.Op {
	case OpEmpty, OpAssert, OpLook, OpVerb:
		return 0
	case OpSet:
		if isNever(n) {
			return 0
		}
		return 1
	case OpCat:
		total := 0
		for _, s := range n.Sub {
			if s.Op == OpVerb || isNever(s) {
				return total // PCRE2 does not look behind (*ACCEPT) and (*FAIL)
			}
			k := p.length(s, calls)
			if k < 0 {
				return k
			}
			if total += k; total > lookLimit {
				return tooLong
			}
		}
		return total
	case OpAlt:
		return p.sameLength(n.Sub, calls)
	case OpCond:
		if n.Cond == CondNever {
			return 0
		}
		return p.sameLength(n.Sub[:2], calls)
	case OpRepeat:
		if n.Sub[0].Op == OpLook && !n.Sub[0].Behind {
			return 0
		}
		k := p.length(n.Sub[0], calls)
		if k < 0 {
			return k
		}
		if n.Min != n.Max {
			return variable
		}
		if int64(k)*int64(n.Min) > lookLimit {
			return tooLong
		}
		return k * n.Min
	case OpCapture:
		return p.length(n.Sub[0], calls)
	case OpAtomic:
		return p.length(n.Sub[0], calls)
	case OpBackref:
		if p.dupNameUsed {
			return variable
		}
		if n.Groups == nil || n.Groups[0] > p.groups {
			p.badRef = p.refs[n]
			return noGroup
		}
		return p.groupLength(n.Groups[0], calls)
	case OpCall:
		if n.Index > p.groups {
			p.badRef = p.refs[n]
			return noGroup
		}
		return p.groupLength(n.Index, calls)
	}
	return variable
}

func (p *pcreParser) groupLength(group int, calls []int) int {
	body, ok := p.bodies[group]
	if !ok || group == 0 {
		return variable
	}
	for _, c := range calls {
		if c == group {
			return variable
		}
	}
	if k, ok := p.lengths[group]; ok {
		return k
	}
	k := p.length(body, append(calls, group))
	if k >= 0 { // all others end the measuring
		p.lengths[group] = k
	}
	return k
}

func (p *pcreParser) sameLength(sub []*Node, calls []int) int {
	length := p.length(sub[0], calls)
	for _, s := range sub[1:] {
		if length < 0 {
			break // PCRE2 does not look at the others
		}
		switch k := p.length(s, calls); {
		case k < 0:
			return k
		case k != length:
			return variable
		}
	}
	return length
}
