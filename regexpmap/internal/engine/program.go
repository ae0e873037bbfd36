package engine

import "github.com/postfixkit/postfixkit/regexpmap/internal/pattern"

// A program is what the backtracking matcher runs.
type program struct {
	code   []inst
	sets   []pattern.Set
	loops  []loop
	lists  [][]int // of groups
	groups int
	inner  int32 // register of the last EndInner, or -1
	regs   int   // registers for loops and cuts
	first  pattern.Set
	anchor bool // can only match at the start of the text
	failed bool // too large to write down
}

type opcode uint8

const (
	iFail        opcode = iota
	iMatch              // the whole pattern matched
	iByte               // x: the byte
	iSet                // x: index of the set
	iRun                // greedy: set x, at least y, at most z bytes
	iRunLazy            //
	iRunAll             // possessive
	iJump               // x
	iSplit              // x, or else y
	iOpen               // group x begins; its bounds change only when it ends
	iClose              // group x ends
	iAssert             // x: place
	iMark               // register x = position
	iMoved              // jump to y if the position is still register x
	iZero               // register x = 0
	iCount              // loop x: enter the body behind the next instruction, or go to y
	iCountIn            // add 1 to register x, and note the position in register x+1
	iHeight             // register x = height of the stack, register x+1 = position
	iCut                // forget the choices since register x
	iCutBack            // the same, and return to position register x+1
	iStepBack           // return to position register x+1
	iUndo               // undo everything since register x, and go to y, or fail (y < 0)
	iBack               // step back x bytes
	iBackref            // list x
	iBackrefFold        //
	iIfGroup            // any group of list x set, else y
	iIfIn               // inside a call of a group of list x, else y; x < 0: any call
	iCall               // subroutine at x, group y; register z has the innermost call of the group
	iReturn             //
)

type inst struct {
	op      opcode
	x, y, z int32
}

// A loop is a counted repetition.
type loop struct {
	reg      int32
	min, max int32 // max < 0: no limit
	lazy     bool
	empties  bool // the body can match nothing
}

type compiler struct {
	p       *pattern.Pattern
	prog    *program
	setAt   map[pattern.Set]int
	wanted  []bool // groups whose bounds matter
	bodies  map[int]*pattern.Node
	subs    map[int]int   // group -> address of its subroutine
	pending map[int][]int // group -> calls to patch
	callers map[int]int32 // group -> register of its innermost call
	queue   []int
	open    []int // groups being matched, for (*ACCEPT)
	accept  *[]int
	nodes   int // written so far
}

// compileProgram writes the pattern as a program. Without captures only those
// groups are recorded that the pattern itself refers to.
func compileProgram(p *pattern.Pattern, captures bool) *program {
	c := &compiler{p: p, prog: &program{inner: -1}, setAt: map[pattern.Set]int{}, wanted: make([]bool, p.Groups+1),
		bodies: map[int]*pattern.Node{0: p.Root}, subs: map[int]int{}, pending: map[int][]int{}, callers: map[int]int32{}}
	c.prog.groups = p.Groups
	for i := range c.wanted {
		c.wanted[i] = captures
	}
	c.survey(p.Root)
	c.node(p.Root)
	c.emit(inst{op: iMatch})
	for len(c.queue) > 0 && !c.prog.failed {
		group := c.queue[0]
		c.queue = c.queue[1:]
		c.subs[group] = len(c.prog.code)
		open, accept := c.open, c.accept
		c.open = nil
		var exits []int
		c.accept = &exits
		c.node(c.bodies[group])
		c.open, c.accept = open, accept
		c.patch(exits)
		c.emit(inst{op: iReturn})
		for _, at := range c.pending[group] {
			c.prog.code[at].x = int32(c.subs[group])
		}
	}
	first, empty := firstSet(p.Root)
	if empty {
		first = pattern.Any()
	}
	c.prog.first = first
	c.prog.anchor = anchored(p.Root)
	return c.prog
}

// survey finds groups that are referred to and the bodies of all groups.
func (c *compiler) survey(n *pattern.Node) {
	switch n.Op {
	case pattern.OpBackref:
		for _, g := range n.Groups {
			c.wanted[g] = true
		}
	case pattern.OpCond:
		if n.Cond == pattern.CondGroup {
			for _, g := range n.Groups {
				c.wanted[g] = true
			}
		}
	case pattern.OpCapture:
		if c.bodies[n.Index] == nil {
			c.bodies[n.Index] = n
		}
	}
	for _, s := range n.Sub {
		c.survey(s)
	}
}

func (c *compiler) emit(i inst) int {
	if len(c.prog.code) >= maxProgram {
		c.prog.failed = true
		return 0
	}
	c.prog.code = append(c.prog.code, i)
	return len(c.prog.code) - 1
}

func (c *compiler) here() int32 { return int32(len(c.prog.code)) }

// patch makes jumps lead here.
func (c *compiler) patch(jumps []int) {
	for _, at := range jumps {
		c.prog.code[at].x = c.here()
	}
}

func (c *compiler) set(s pattern.Set) int32 {
	k, ok := c.setAt[s]
	if !ok {
		k = len(c.prog.sets)
		c.prog.sets = append(c.prog.sets, s)
		c.setAt[s] = k
	}
	return int32(k)
}

func (c *compiler) list(groups []int) int32 {
	c.prog.lists = append(c.prog.lists, groups)
	return int32(len(c.prog.lists) - 1)
}

func (c *compiler) register(n int) int32 {
	r := c.prog.regs
	c.prog.regs += n
	return int32(r)
}

func (c *compiler) node(n *pattern.Node) {
	if c.nodes++; c.nodes > maxProgram { // nothing, three times three times over, takes time, too
		c.prog.failed = true
	}
	if c.prog.failed {
		return
	}
	switch n.Op {
	case pattern.OpEmpty:
	case pattern.OpSet:
		switch b, single := n.Set.Single(); {
		case n.Set.Empty():
			c.emit(inst{op: iFail})
		case single:
			c.emit(inst{op: iByte, x: int32(b)})
		default:
			c.emit(inst{op: iSet, x: c.set(n.Set)})
		}
	case pattern.OpCat:
		for _, s := range n.Sub {
			c.node(s)
		}
	case pattern.OpAlt:
		var out []int
		for i, s := range n.Sub {
			if i == len(n.Sub)-1 {
				c.node(s)
				break
			}
			split := c.emit(inst{op: iSplit, x: c.here() + 1})
			c.node(s)
			out = append(out, c.emit(inst{op: iJump}))
			c.prog.code[split].y = c.here()
		}
		c.patch(out)
	case pattern.OpCapture:
		keep := c.wanted[n.Index]
		if keep {
			c.emit(inst{op: iOpen, x: int32(n.Index)})
		}
		c.open = append(c.open, n.Index)
		c.node(n.Sub[0])
		c.open = c.open[:len(c.open)-1]
		if keep {
			c.emit(inst{op: iClose, x: int32(n.Index)})
		}
	case pattern.OpAssert:
		if n.At == pattern.EndInner && c.prog.inner < 0 {
			c.prog.inner = c.register(1)
		}
		c.emit(inst{op: iAssert, x: int32(n.At)})
	case pattern.OpRepeat:
		c.repeat(n)
	case pattern.OpAtomic:
		r := c.register(2)
		c.emit(inst{op: iHeight, x: r})
		c.node(n.Sub[0])
		c.emit(inst{op: iCut, x: r})
	case pattern.OpLook:
		c.look(n, -1)
	case pattern.OpBackref:
		op := iBackref
		if n.Fold {
			op = iBackrefFold
		}
		c.emit(inst{op: op, x: c.list(n.Groups)})
	case pattern.OpCond:
		c.condition(n)
	case pattern.OpCall:
		if _, ok := c.pending[n.Index]; !ok {
			c.queue = append(c.queue, n.Index)
			c.callers[n.Index] = c.register(1)
		}
		at := c.emit(inst{op: iCall, y: int32(n.Index), z: c.callers[n.Index]})
		c.pending[n.Index] = append(c.pending[n.Index], at)
		if address, ok := c.subs[n.Index]; ok && !c.prog.failed {
			c.prog.code[at].x = int32(address)
		}
	case pattern.OpVerb: // (*ACCEPT)
		for i := len(c.open) - 1; i >= 0; i-- {
			if c.wanted[c.open[i]] {
				c.emit(inst{op: iClose, x: int32(c.open[i])})
			}
		}
		if c.accept == nil {
			c.emit(inst{op: iMatch})
		} else {
			*c.accept = append(*c.accept, c.emit(inst{op: iJump}))
		}
	}
}

// look writes an assertion. no is the address to go to when it does not hold,
// or -1 to fail.
func (c *compiler) look(n *pattern.Node, no int) (fails []int) {
	r := c.register(2)
	open, accept := c.open, c.accept
	c.open = nil
	var exits []int
	c.accept = &exits
	body := func() {
		if !n.Behind {
			c.node(n.Sub[0])
			return
		}
		alternatives := []*pattern.Node{n.Sub[0]}
		if n.Sub[0].Op == pattern.OpAlt && n.Max > 1 {
			alternatives = n.Sub[0].Sub
		}
		var out []int
		for i, s := range alternatives {
			split := -1
			if i < len(alternatives)-1 {
				split = c.emit(inst{op: iSplit, x: c.here() + 1})
			}
			c.emit(inst{op: iBack, x: int32(n.Lens[i])})
			c.node(s)
			if split >= 0 {
				out = append(out, c.emit(inst{op: iJump}))
				c.prog.code[split].y = c.here()
			}
		}
		c.patch(out)
	}
	c.emit(inst{op: iHeight, x: r})
	switch {
	case n.Negate:
		split := c.emit(inst{op: iSplit, x: c.here() + 1})
		body()
		c.patch(exits)
		at := c.emit(inst{op: iUndo, x: r, y: -1})
		if no >= 0 {
			fails = append(fails, at)
		}
		c.prog.code[split].y = c.here()
	case no >= 0:
		split := c.emit(inst{op: iSplit, x: c.here() + 1})
		body()
		c.patch(exits)
		c.emit(inst{op: iCutBack, x: r})
		fails = append(fails, split)
	default:
		body()
		c.patch(exits)
		if n.Retry {
			c.emit(inst{op: iStepBack, x: r})
		} else {
			c.emit(inst{op: iCutBack, x: r})
		}
	}
	c.open, c.accept = open, accept
	return fails
}

func (c *compiler) condition(n *pattern.Node) {
	var fails []int // instructions whose y is the address of the second branch
	switch n.Cond {
	case pattern.CondNever:
		fails = append(fails, c.emit(inst{op: iIfGroup, x: c.list(nil)}))
	case pattern.CondGroup:
		fails = append(fails, c.emit(inst{op: iIfGroup, x: c.list(n.Groups)}))
	case pattern.CondInAny:
		fails = append(fails, c.emit(inst{op: iIfIn, x: -1}))
	case pattern.CondIn:
		fails = append(fails, c.emit(inst{op: iIfIn, x: c.list(n.Groups)}))
	case pattern.CondLook:
		fails = c.look(n.Sub[2], 0)
	}
	c.node(n.Sub[0])
	end := c.emit(inst{op: iJump})
	for _, at := range fails {
		c.prog.code[at].y = c.here()
	}
	c.node(n.Sub[1])
	c.patch([]int{end})
}

// maxCopies is how often what is repeated is written out; more repetitions
// are counted.
const maxCopies = 3

func (c *compiler) repeat(n *pattern.Node) {
	if n.Max == 0 {
		return // its groups can still be called
	}
	n = flatten(n)
	sub := n.Sub[0]
	if sub.Op == pattern.OpSet && !sub.Set.Empty() {
		most := int32(n.Max)
		if n.Max < 0 {
			most = 1<<31 - 1
		}
		op := [...]opcode{pattern.Greedy: iRun, pattern.Lazy: iRunLazy, pattern.Possessive: iRunAll}[n.Mode]
		c.emit(inst{op: op, x: c.set(sub.Set), y: int32(n.Min), z: most})
		return
	}
	if n.Mode == pattern.Possessive {
		greedy := *n
		greedy.Mode = pattern.Greedy
		c.node(&pattern.Node{Op: pattern.OpAtomic, Sub: []*pattern.Node{&greedy}})
		return
	}
	lazy := n.Mode == pattern.Lazy
	switch {
	case n.Max < 0 && n.Min <= maxCopies:
		for i := 1; i < n.Min; i++ {
			c.node(sub)
		}
		if n.Min > 0 {
			c.plus(sub, lazy)
		} else {
			c.star(sub, lazy)
		}
	case n.Max >= 0 && n.Max <= maxCopies:
		for i := 0; i < n.Min; i++ {
			c.node(sub)
		}
		var splits []int
		for i := n.Min; i < n.Max; i++ {
			splits = append(splits, c.emit(inst{op: iSplit}))
			c.node(sub)
		}
		for _, at := range splits {
			c.loopSplit(at, lazy)
		}
	default:
		r := c.register(2)
		c.emit(inst{op: iZero, x: r})
		l := loop{reg: r, min: int32(n.Min), max: int32(n.Max), lazy: lazy, empties: pattern.MinLen(sub) == 0}
		c.prog.loops = append(c.prog.loops, l)
		count := c.emit(inst{op: iCount, x: int32(len(c.prog.loops) - 1)})
		c.emit(inst{op: iCountIn, x: r})
		c.node(sub)
		c.emit(inst{op: iJump, x: int32(count)})
		c.prog.code[count].y = c.here()
	}
}

// flatten makes one repetition of a byte of two, "a**": trying all ways to
// divide the bytes between them would take for ever.
func flatten(n *pattern.Node) *pattern.Node {
	star := func(n *pattern.Node) bool {
		return n.Op == pattern.OpRepeat && n.Mode == pattern.Greedy && n.Min <= 1 && n.Max < 0
	}
	least, inner := 1, n
	for star(inner) {
		least *= inner.Min
		inner = inner.Sub[0]
	}
	if inner == n || inner.Op != pattern.OpSet {
		return n
	}
	return &pattern.Node{Op: pattern.OpRepeat, Min: least, Max: -1, Sub: []*pattern.Node{inner}}
}

// star writes sub*: an iteration that matches nothing ends the loop.
func (c *compiler) star(sub *pattern.Node, lazy bool) {
	at := c.emit(inst{op: iSplit})
	if pattern.MinLen(sub) > 0 {
		c.node(sub)
		c.emit(inst{op: iJump, x: int32(at)})
		c.loopSplit(at, lazy)
		return
	}
	r := c.register(1)
	c.emit(inst{op: iMark, x: r})
	c.node(sub)
	moved := c.emit(inst{op: iMoved, x: r})
	c.emit(inst{op: iJump, x: int32(at)})
	c.prog.code[moved].y = c.here()
	c.loopSplit(at, lazy)
}

// plus writes sub+: an iteration that matches nothing ends the loop, even the
// first.
func (c *compiler) plus(sub *pattern.Node, lazy bool) {
	start, moved := c.here(), -1
	if pattern.MinLen(sub) == 0 {
		r := c.register(1)
		c.emit(inst{op: iMark, x: r})
		c.node(sub)
		moved = c.emit(inst{op: iMoved, x: r})
	} else {
		c.node(sub)
	}
	at := c.emit(inst{op: iSplit})
	c.emit(inst{op: iJump, x: start})
	c.loopSplit(at, lazy)
	if moved >= 0 {
		c.prog.code[moved].y = c.here()
	}
}

// loopSplit completes the split at an optional part that ends here.
func (c *compiler) loopSplit(at int, lazy bool) {
	in, out := int32(at+1), c.here()
	if lazy {
		in, out = out, in
	}
	c.prog.code[at].x, c.prog.code[at].y = in, out
}

// anchored reports whether n can only match at the start of the text.
func anchored(n *pattern.Node) bool {
	switch n.Op {
	case pattern.OpAssert:
		return n.At == pattern.BeginText
	case pattern.OpCat, pattern.OpCapture, pattern.OpAtomic:
		for _, s := range n.Sub {
			if anchored(s) {
				return true
			}
			if s.Op != pattern.OpAssert {
				return false
			}
		}
	case pattern.OpAlt:
		for _, s := range n.Sub {
			if !anchored(s) {
				return false
			}
		}
		return true
	case pattern.OpRepeat:
		return n.Min > 0 && anchored(n.Sub[0])
	}
	return false
}

// firstSet returns the bytes n can begin with, and whether it can be empty.
func firstSet(n *pattern.Node) (s pattern.Set, empty bool) {
	switch n.Op {
	case pattern.OpSet:
		return n.Set, false
	case pattern.OpCat:
		for _, sub := range n.Sub {
			t, e := firstSet(sub)
			s = s.Union(t)
			if !e {
				return s, false
			}
		}
		return s, true
	case pattern.OpAlt:
		for _, sub := range n.Sub {
			t, e := firstSet(sub)
			s = s.Union(t)
			empty = empty || e
		}
		return s, empty
	case pattern.OpRepeat:
		s, empty = firstSet(n.Sub[0])
		return s, empty || n.Min == 0
	case pattern.OpCapture, pattern.OpAtomic:
		return firstSet(n.Sub[0])
	case pattern.OpBackref, pattern.OpCall, pattern.OpCond, pattern.OpVerb:
		// (*ACCEPT): what follows need not be there.
		return pattern.Any(), true
	}
	return s, true
}
