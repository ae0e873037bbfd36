package engine

import "github.com/postfixkit/postfixkit/regexpmap/internal/pattern"

// The GNU C library finds the groups of a pattern in a way of its own. It
// first learns where the match begins and ends, then walks through the
// pattern along the text: at each fork it takes the first way that can still
// reach the end, unless it took that way since the last byte. This is that
// walk, for patterns without backreferences.
//
// Forks are ordered by the numbers of the nodes they lead to, which is the
// order in which the library's parser finished them. "X{2,4}" is written out
// as "XX((X)?X)?" before that.
type walker struct {
	nodes  []walkNode
	start  int32
	halt   int32
	groups int
	group  []int // by group: the group whose bounds it shares, "((x))"
}

type walkNode struct {
	kind   walkKind
	at     pattern.At
	set    pattern.Set
	out    [2]int32 // out[1] < 0: one way only
	group  int
	option bool // a group that is optional or repeated
}

type walkKind uint8

const (
	wByte walkKind = iota
	wFork
	wOpen
	wClose
	wAssert
	wHalt
)

// A tree is a pattern in the shape the library's parser gives it.
type tree struct {
	kind        treeKind
	left, right *tree // of wFork: nil is the way past it
	node        *pattern.Node
	group       int
	option      bool
	first       int32 // node a walk enters it by
	index       int32
}

type treeKind uint8

const (
	tLeaf treeKind = iota
	tCat
	tAlt
	tStar
	tOpen
	tClose
)

const (
	maxWalk  = 20_000  // nodes
	maxReach = 4 << 20 // words of memory for one walk
)

// newWalker returns nil if the pattern is too large when written out.
func newWalker(p *pattern.Pattern) *walker {
	w := &walker{groups: p.Groups, group: make([]int, p.Groups+1)}
	for i := range w.group {
		w.group[i] = i
	}
	left := maxWalk
	t := w.tree(p.Root, &left, false)
	if left < 0 {
		return nil
	}
	end := &tree{kind: tLeaf}
	if t == nil {
		t = end
	} else {
		t = &tree{kind: tCat, left: t, right: end}
	}
	w.number(t)
	w.halt = end.index
	w.nodes[w.halt].kind = wHalt
	w.link(t, -1)
	w.start = t.first
	return w
}

// tree gives a node its shape; nil is the empty string. copied: the library
// copies this part when it writes a repetition out, and the copy forgets which
// groups in it are optional.
func (w *walker) tree(n *pattern.Node, left *int, copied bool) *tree {
	if *left--; *left < 0 {
		return nil
	}
	switch n.Op {
	case pattern.OpSet, pattern.OpAssert:
		return &tree{kind: tLeaf, node: n}
	case pattern.OpCat:
		var t *tree
		for _, s := range n.Sub {
			t = join(t, w.tree(s, left, copied))
		}
		return t
	case pattern.OpAlt:
		t := w.tree(n.Sub[0], left, copied)
		for _, s := range n.Sub[1:] {
			t = &tree{kind: tAlt, left: t, right: w.tree(s, left, copied)}
		}
		return t
	case pattern.OpCapture:
		if body := n.Sub[0]; body.Op == pattern.OpCapture {
			w.share(body.Index, n.Index)
			for body.Sub[0].Op == pattern.OpCapture {
				body = body.Sub[0]
				w.share(body.Index, n.Index)
			}
			return w.tree(&pattern.Node{Op: pattern.OpCapture, Index: n.Index, Sub: body.Sub}, left, copied)
		}
		body := join(w.tree(n.Sub[0], left, copied), &tree{kind: tClose, group: n.Index})
		return &tree{kind: tCat, left: &tree{kind: tOpen, group: n.Index}, right: body}
	case pattern.OpRepeat:
		return w.repeat(n, left, copied)
	}
	return nil
}

func (w *walker) share(inner, outer int) {
	for i, g := range w.group {
		if g == inner {
			w.group[i] = outer
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

func (w *walker) repeat(n *pattern.Node, left *int, copied bool) *tree {
	sub := n.Sub[0]
	var t *tree
	for i := range n.Min {
		t = join(t, w.tree(sub, left, copied || i > 0))
		if *left < 0 {
			return nil
		}
	}
	if n.Min == n.Max {
		return t
	}
	optional := w.tree(sub, left, copied || n.Min > 0)
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
	more := &tree{kind: kind, left: optional}
	for i := n.Min + 2; i <= n.Max && *left >= 0; i++ {
		more = &tree{kind: tAlt, left: join(more, w.tree(sub, left, true))}
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
func (w *walker) number(t *tree) {
	if t == nil {
		return
	}
	w.number(t.left)
	w.number(t.right)
	if t.kind == tCat {
		t.first, t.index = t.left.first, t.left.index
		return
	}
	t.index = int32(len(w.nodes))
	t.first = t.index
	n := walkNode{group: t.group, option: t.option, out: [2]int32{-1, -1}}
	switch t.kind {
	case tLeaf:
		if t.node != nil && t.node.Op == pattern.OpAssert {
			n.kind, n.at = wAssert, t.node.At
		} else if t.node != nil {
			n.set = t.node.Set
		}
	case tAlt, tStar:
		n.kind = wFork
	case tOpen:
		n.kind = wOpen
	case tClose:
		n.kind = wClose
	}
	w.nodes = append(w.nodes, n)
}

// link connects the nodes of t; next is where its end leads.
func (w *walker) link(t *tree, next int32) {
	switch t.kind {
	case tCat:
		w.link(t.left, t.right.first)
		w.link(t.right, next)
		return
	case tStar:
		w.link(t.left, t.index)
		w.nodes[t.index].out = sorted(t.left.first, next)
		return
	case tAlt:
		left, right := next, next
		if t.left != nil {
			w.link(t.left, next)
			left = t.left.first
		}
		if t.right != nil {
			w.link(t.right, next)
			right = t.right.first
		}
		w.nodes[t.index].out = sorted(left, right)
		return
	}
	w.nodes[t.index].out[0] = next
}

func sorted(a, b int32) [2]int32 {
	switch {
	case a == b:
		return [2]int32{a, -1}
	case a > b:
		a, b = b, a
	}
	return [2]int32{a, b}
}

// find fills in the bounds of the groups of the match from..to. ok is false
// if the walk does not get there.
//
// The library has one end of the pattern for each set of assertions that lead
// to it, and prefers the one without.
func (w *walker) find(text []byte, from, to int) (bounds []int, ok bool) {
	if bounds, ok = w.walk(text, from, to, false); !ok {
		bounds, ok = w.walk(text, from, to, true)
	}
	return bounds, ok
}

// walk is find; asserted: the end may be reached through assertions.
func (w *walker) walk(text []byte, from, to int, asserted bool) (bounds []int, ok bool) {
	// reach has, for every place, the nodes from which the end is reached.
	words := (len(w.nodes) + 63) / 64
	if words*(to-from+1) > maxReach {
		return nil, false
	}
	reach := make([]uint64, words*(to-from+1))
	has := func(i int, n int32) bool { return reach[(i-from)*words+int(n>>6)]>>(n&63)&1 != 0 }
	for i := to; i >= from; i-- {
		row := reach[(i-from)*words : (i-from+1)*words]
		if i == to {
			row[w.halt>>6] |= 1 << (w.halt & 63)
		}
		for changed := true; changed; {
			changed = false
			for n := int32(len(w.nodes) - 1); n >= 0; n-- {
				if row[n>>6]>>(n&63)&1 != 0 {
					continue
				}
				node := &w.nodes[n]
				good := false
				switch node.kind {
				case wByte:
					good = i < to && node.set.Has(text[i]) && node.out[0] >= 0 && has(i+1, node.out[0])
				case wAssert:
					good = (asserted || i < to) && assertHolds(node.at, text, i, from) && has(i, node.out[0])
				case wFork:
					good = has(i, node.out[0]) || node.out[1] >= 0 && has(i, node.out[1])
				case wOpen, wClose:
					good = has(i, node.out[0])
				}
				if good {
					row[n>>6] |= 1 << (n & 63)
					changed = true
				}
			}
		}
	}
	if !has(from, w.start) {
		return nil, false
	}
	bounds = make([]int, 2*(w.groups+1))
	for i := range bounds {
		bounds[i] = -1
	}
	bounds[0], bounds[1] = from, to
	before := append([]int(nil), bounds...)
	seen := make([]bool, len(w.nodes)) // forks since the last byte
	i, n := from, w.start
	for steps := 0; steps < (len(w.nodes)+1)*(to-from+2); steps++ {
		node := &w.nodes[n]
		switch node.kind {
		case wOpen:
			bounds[2*node.group], bounds[2*node.group+1] = i, -1
		case wClose:
			switch g := 2 * node.group; {
			case bounds[g] < i:
				bounds[g+1] = i
				copy(before, bounds)
			case node.option && before[g] != -1:
				copy(bounds, before)
			default:
				bounds[g+1] = i
			}
		case wHalt:
			if i == to {
				w.finish(bounds)
				return bounds, true
			}
			return nil, false
		}
		if node.kind == wByte {
			i++
			n = node.out[0]
			clear(seen)
			continue
		}
		seen[n] = true
		next := int32(-1)
		for _, candidate := range node.out {
			if candidate < 0 || !has(i, candidate) {
				continue
			}
			if next < 0 {
				next = candidate
				continue
			}
			if seen[next] {
				next = candidate
			}
			break
		}
		if next < 0 {
			return nil, false
		}
		n = next
	}
	return nil, false
}

// finish gives groups that share bounds theirs.
func (w *walker) finish(bounds []int) {
	for g := range w.group {
		if h := w.group[g]; h != g {
			bounds[2*g], bounds[2*g+1] = bounds[2*h], bounds[2*h+1]
		}
		if bounds[2*g+1] < 0 {
			bounds[2*g] = -1
		}
	}
}

func assertHolds(at pattern.At, text []byte, i, from int) bool {
	switch at {
	case pattern.BeginInner:
		return i == 0 || text[i-1] == '\n' && i > from
	case pattern.EndInner:
		return i == len(text) || text[i] == '\n'
	}
	return holds(at, text, i)
}
