package pattern

// Plain returns the literal a pattern consists of, in lower case, if it is
// nothing but one: then the pattern matches exactly the texts that contain it
// in any case of its letters.
func (p *Pattern) Plain() (l Literal, ok bool) {
	nodes := []*Node{p.Root}
	if p.Root.Op == OpCat {
		nodes = p.Root.Sub
	}
	var text []byte
	for i, n := range nodes {
		for n.Op == OpCapture {
			n = n.Sub[0]
		}
		switch {
		case n.Op == OpAssert && n.At == BeginText && i == 0:
			l.Prefix = true
		case n.Op == OpAssert && i == len(nodes)-1 && (n.At == EndTextNewline || n.At == EndText && p.Posix):
			l.Suffix = true
		case n.Op == OpSet:
			c, folds := n.Set.Folded()
			if !folds || isLetter(c) && n.Set.Len() != 2 {
				return Literal{}, false
			}
			text = append(text, c)
		default:
			return Literal{}, false
		}
	}
	l.Text = string(text)
	return l, l.Text != ""
}

// Always reports whether the pattern certainly matches every text: it can
// match nothing, anywhere, without looking around.
func (p *Pattern) Always() bool { return nothingAnywhere(p.Root) }

func nothingAnywhere(n *Node) bool {
	switch n.Op {
	case OpEmpty:
		return true
	case OpAssert:
		// A text has one beginning and one end, and the search visits both.
		return n.At == BeginText || n.At == BeginLine || n.At == BeginLineInside
	case OpCat:
		for _, s := range n.Sub {
			if !nothingAnywhere(s) {
				return false
			}
		}
		return true
	case OpAlt:
		for _, s := range n.Sub {
			if nothingAnywhere(s) {
				return true
			}
		}
	case OpRepeat:
		return n.Min == 0 || nothingAnywhere(n.Sub[0])
	case OpCapture:
		return nothingAnywhere(n.Sub[0])
	}
	return false
}
