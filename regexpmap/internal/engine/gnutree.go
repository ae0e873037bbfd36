package engine

import "github.com/postfixkit/postfixkit/regexpmap/internal/pattern"

// The GNU C library does not answer from the pattern as it is written but from
// a graph it makes of it, and where assertions or groups are repeated the
// graph is not quite the pattern. This file makes that graph; gnu.go searches
// with it. Patterns with backreferences are not among those it is for.
//
// Nodes are numbered in the order in which the library's parser finishes them,
// which is also the order of preference where two ways are open. "X{2,4}" is
// written out as "XX((X)?X)?" before that; all but the first X are copies.
//
// What follows an assertion without a byte between them is copied once more,
// and the copies carry the assertion as a need of their own: a node is only
// entered where its needs are met. But the library does not do so when what
// follows is a copy already, so an assertion in a copied part needs nothing.
type gnu struct {
	nodes   []gnuNode
	start   int32
	groups  int
	group   []int // by group: the group whose bounds it shares, "((x))"
	plural  bool  // there is a fork
	newline bool  // REG_NEWLINE: every newline begins a line
	words   int   // of a set of nodes
	reached [][]uint64
	failed  bool // too large to write down
}

type gnuNode struct {
	kind   gnuKind
	copied bool
	option bool  // a group that is optional or repeated
	need   need  // what has to be true of the places around it
	origin int32 // of a copy made behind an assertion: the node it is a copy of
	group  int
	set    pattern.Set
	out    []int32 // where it leads: rising; none for the end
}

type gnuKind uint8

const (
	gByte gnuKind = iota
	gFork
	gOpen
	gClose
	gAssert
	gEnd
)

// A need is what an assertion asks of the bytes before and after a place.
type need uint8

const (
	prevWord need = 1 << iota
	prevOther
	prevNewline
	prevBegin
	nextWord
	nextOther
	nextNewline
	nextEnd
)

// A tree is a pattern in the shape the library's parser gives it.
type tree struct {
	kind        treeKind
	left, right *tree // of tAlt: nil is the way past it
	set         pattern.Set
	need        need
	group       int
	option      bool
	copied      bool
	first       int32 // node it is entered by
	index       int32
}

type treeKind uint8

const (
	tByte treeKind = iota
	tAssert
	tCat
	tAlt
	tStar
	tOpen
	tClose
	tEnd
)

const (
	maxGNU       = 4000    // nodes
	maxGNUVisits = 1 << 17 // of nodes, some milliseconds
)

// newGNU returns the graph of a pattern, or nil if it is too large. The
// library leaves groups out when nobody asks for them.
func newGNU(p *pattern.Pattern, groups bool) *gnu {
	g := &gnu{groups: p.Groups, group: make([]int, p.Groups+1)}
	for i := range g.group {
		g.group[i] = i
	}
	b := &treeBuilder{gnu: g, groups: groups, left: maxGNU}
	t := join(b.tree(p.Root, false), &tree{kind: tEnd})
	if b.left < 0 {
		return nil
	}
	g.number(t)
	g.link(t, -1)
	g.start = t.first
	g.inherit()
	if g.failed {
		return nil
	}
	g.reach()
	return g
}

type treeBuilder struct {
	gnu    *gnu
	groups bool
	left   int // nodes that may still be made
}

// tree gives a node its shape; nil is the empty string. copied: this is one of
// the copies the library makes when it writes a repetition out.
func (b *treeBuilder) tree(n *pattern.Node, copied bool) *tree {
	if b.left--; b.left < 0 {
		return nil
	}
	switch n.Op {
	case pattern.OpSet:
		return &tree{kind: tByte, set: n.Set, copied: copied}
	case pattern.OpAssert:
		return b.assert(n.At, copied)
	case pattern.OpCat:
		var t *tree
		for _, s := range n.Sub {
			t = join(t, b.tree(s, copied))
		}
		return t
	case pattern.OpAlt:
		t := b.tree(n.Sub[0], copied)
		for _, s := range n.Sub[1:] {
			t = &tree{kind: tAlt, left: t, right: b.tree(s, copied), copied: copied}
		}
		return t
	case pattern.OpCapture:
		return b.capture(n, copied)
	case pattern.OpRepeat:
		return b.repeat(n, copied)
	}
	return nil
}

func (b *treeBuilder) assert(at pattern.At, copied bool) *tree {
	one := func(n need) *tree { return &tree{kind: tAssert, need: n, copied: copied} }
	either := func(n, m need) *tree { return &tree{kind: tAlt, left: one(n), right: one(m), copied: copied} }
	switch at {
	case pattern.BeginText:
		return one(prevBegin)
	case pattern.EndText:
		return one(nextEnd)
	case pattern.BeginLine, pattern.EndLine:
		b.gnu.newline = true
		if at == pattern.EndLine {
			return one(nextNewline)
		}
		return one(prevNewline)
	case pattern.BeginInner:
		return one(prevNewline)
	case pattern.EndInner:
		return one(nextNewline)
	case pattern.WordStart:
		return one(prevOther | nextWord)
	case pattern.WordEnd:
		return one(prevWord | nextOther)
	case pattern.WordEdge:
		return either(prevOther|nextWord, prevWord|nextOther)
	}
	return either(prevWord|nextWord, prevOther|nextOther) // NotWordEdge
}

func (b *treeBuilder) capture(n *pattern.Node, copied bool) *tree {
	body, index := n.Sub[0], n.Index
	for body.Op == pattern.OpCapture {
		b.gnu.share(body.Index, index)
		body = body.Sub[0]
	}
	t := b.tree(body, copied)
	if !b.groups && t != nil {
		return t
	}
	t = join(t, &tree{kind: tClose, group: index})
	return &tree{kind: tCat, left: &tree{kind: tOpen, group: index}, right: t}
}

func (g *gnu) share(inner, outer int) {
	for i, k := range g.group {
		if k == inner {
			g.group[i] = outer
		}
	}
}

func join(a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &tree{kind: tCat, left: a, right: b}
}

func (b *treeBuilder) repeat(n *pattern.Node, copied bool) *tree {
	sub := n.Sub[0]
	var t *tree
	for i := range n.Min {
		t = join(t, b.tree(sub, copied || i > 0))
		if b.left < 0 {
			return nil
		}
	}
	if n.Min == n.Max {
		return t
	}
	optional := b.tree(sub, copied || n.Min > 0)
	if optional == nil {
		return t // nothing, any number of times
	}
	if sub.Op == pattern.OpCapture && !copied {
		markOptional(optional, sub.Index)
	}
	kind := tAlt
	if n.Max < 0 {
		kind = tStar
	}
	more := &tree{kind: kind, left: optional, copied: copied}
	for i := n.Min + 2; i <= n.Max && b.left >= 0; i++ {
		more = &tree{kind: tAlt, left: join(more, b.tree(sub, true)), copied: copied}
	}
	return join(t, more)
}

func markOptional(t *tree, group int) {
	if t == nil {
		return
	}
	if t.kind == tClose && t.group == group {
		t.option = true
	}
	markOptional(t.left, group)
	markOptional(t.right, group)
}

// number makes the nodes, children before parents.
func (g *gnu) number(t *tree) {
	if t == nil {
		return
	}
	g.number(t.left)
	g.number(t.right)
	if t.kind == tCat {
		t.first = t.left.first
		return
	}
	t.index = int32(len(g.nodes))
	t.first = t.index
	n := gnuNode{group: t.group, option: t.option, need: t.need, set: t.set, copied: t.copied, origin: -1}
	switch t.kind {
	case tAssert:
		n.kind = gAssert
	case tAlt, tStar:
		n.kind = gFork
		g.plural = true
	case tOpen:
		n.kind = gOpen
	case tClose:
		n.kind = gClose
	case tEnd:
		n.kind = gEnd
	}
	g.nodes = append(g.nodes, n)
}

// link connects the nodes of t; next is where its end leads.
func (g *gnu) link(t *tree, next int32) {
	switch t.kind {
	case tCat:
		g.link(t.left, t.right.first)
		g.link(t.right, next)
		return
	case tStar:
		g.link(t.left, t.index)
		g.nodes[t.index].out = rising(t.left.first, next)
		return
	case tAlt:
		left, right := next, next
		if t.left != nil {
			g.link(t.left, next)
			left = t.left.first
		}
		if t.right != nil {
			g.link(t.right, next)
			right = t.right.first
		}
		g.nodes[t.index].out = rising(left, right)
		return
	}
	if next >= 0 {
		g.nodes[t.index].out = []int32{next}
	}
}

func rising(a, b int32) []int32 {
	switch {
	case a == b:
		return []int32{a}
	case a > b:
		a, b = b, a
	}
	return []int32{a, b}
}

// inherit copies what follows assertions. The order in which nodes are
// visited gives the copies their numbers: from the first node on, each with
// what it leads to, but a node that led back to one being visited is visited
// again when its turn comes. In loops within loops that is once for every way
// through them, too many soon to follow.
func (g *gnu) inherit() {
	const busy, done = 1, 2
	var state []uint8
	visits := 0
	var visit func(n int32, top bool)
	visit = func(n int32, top bool) {
		if visits++; visits > maxGNUVisits {
			g.failed = true
			return
		}
		state[n] = busy
		// out changes below; what it refers to is what it is then.
		if node := &g.nodes[n]; node.need != 0 && len(node.out) > 0 && node.kind != gByte && !g.nodes[node.out[0]].copied {
			g.copyBehind(n, n, n, node.need)
			state = append(state, make([]uint8, len(g.nodes)-len(state))...)
		}
		back := false
		if g.nodes[n].kind != gByte {
			for _, o := range g.nodes[n].out {
				if state[o] == 0 && !g.failed {
					visit(o, false)
				}
				back = back || state[o] != done
			}
		}
		state[n] = done
		if back && !top {
			state[n] = 0
		}
	}
	state = make([]uint8, len(g.nodes))
	for n := 0; n < len(g.nodes) && !g.failed; n++ {
		if state[n] == 0 {
			visit(int32(n), true)
		}
	}
}

// copyBehind gives a copy of node from, itself a copy of its way on, with
// needs. The way ends at a byte, and where it comes back to root.
func (g *gnu) copyBehind(from, to, root int32, needs need) {
	for !g.failed {
		out := g.nodes[from].out
		if g.nodes[from].kind == gByte || len(out) == 0 {
			g.nodes[to].out = out
			return
		}
		if len(out) == 1 {
			if from == root && to != from {
				g.nodes[to].out = out
				return
			}
			needs |= g.nodes[from].need
			copied := g.copyNode(out[0], needs)
			g.nodes[to].out = []int32{copied}
			from, to = out[0], copied
			continue
		}
		// The first way of a fork may have been copied with these needs.
		first := g.findCopy(out[0], needs)
		if first < 0 {
			first = g.copyNode(out[0], needs)
			g.nodes[to].out = []int32{first}
			g.copyBehind(out[0], first, root, needs)
		}
		second := g.copyNode(out[1], needs)
		g.nodes[to].out = rising(first, second)
		from, to = out[1], second
	}
}

func (g *gnu) copyNode(n int32, needs need) int32 {
	if len(g.nodes) >= maxGNU {
		g.failed = true
		return n
	}
	c := g.nodes[n]
	c.need |= needs
	c.copied, c.origin = true, n
	g.nodes = append(g.nodes, c)
	return int32(len(g.nodes) - 1)
}

// findCopy returns the last copy of a node with exactly these needs, or -1.
func (g *gnu) findCopy(n int32, needs need) int32 {
	for i := len(g.nodes) - 1; i > 0 && g.nodes[i].copied; i-- {
		if g.nodes[i].origin == n && g.nodes[i].need == needs {
			return int32(i)
		}
	}
	return -1
}

// reach finds, for every node, the nodes it leads to without a byte.
func (g *gnu) reach() {
	g.words = (len(g.nodes) + 63) / 64
	g.reached = make([][]uint64, len(g.nodes))
	all := make([]uint64, g.words*len(g.nodes))
	var todo []int32
	for n := range g.nodes {
		set := all[n*g.words : (n+1)*g.words]
		g.reached[n] = set
		todo = append(todo[:0], int32(n))
		for len(todo) > 0 {
			k := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if set[k>>6]>>(k&63)&1 != 0 {
				continue
			}
			set[k>>6] |= 1 << (k & 63)
			if g.nodes[k].kind != gByte {
				todo = append(todo, g.nodes[k].out...)
			}
		}
	}
}
