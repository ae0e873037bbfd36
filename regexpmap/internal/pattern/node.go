// Package pattern parses the regular expressions of regexp_table(5) and
// pcre_table(5) into one syntax tree over sets of bytes.
//
// There are three parsers: POSIX extended and basic expressions as the GNU C
// library reads them, and PCRE2 as Postfix calls it. All of them resolve what
// depends on the dialect (flags, letter case, what '$' means, which bytes a
// class holds) so that engines see one language. Nothing is approximated: a
// pattern that cannot be expressed is an [Error] with Unsupported set.
package pattern

// An Op says what a Node matches.
type Op uint8

// The kinds of nodes.
const (
	_         Op = iota
	OpEmpty      // the empty string
	OpSet        // one byte of Set; an empty Set never matches
	OpCat        // Sub, one after the other
	OpAlt        // one of Sub, the first preferred
	OpRepeat     // Sub[0], Min to Max times; Max < 0: no limit
	OpCapture    // Sub[0], remembered as group Index
	OpAssert     // nothing, where At holds
	OpLook       // nothing, where Sub[0] matches (Behind: before here; Negate: does not match); Max alternatives
	OpAtomic     // Sub[0], never tried a second way
	OpBackref    // the text of the first set group among Groups
	OpCond       // Sub[0] if the condition holds, else Sub[1]
	OpCall       // the pattern of group Index, as a subroutine
	OpVerb       // a backtracking verb
)

// An At is a condition on a place in the text.
type At uint8

// The conditions of OpAssert. A line is ended by "\n" and by nothing else.
const (
	_               At = iota
	BeginText          // before the first byte
	EndText            // after the last byte
	EndTextNewline     // after the last byte, or before a newline that is last
	BeginLine          // BeginText, or after any newline
	BeginLineInside    // BeginText, or after a newline that is not last (PCRE)
	EndLine            // EndText, or before a newline
	WordEdge           // between a word byte and another byte or an end
	NotWordEdge        // anywhere else
	WordStart          // WordEdge with the word after it
	WordEnd            // WordEdge with the word before it
	BeginInner         // BeginText, or after a newline that is part of the match (GNU C library)
	EndInner           // EndText, or before a newline that is part of the match (GNU C library)
)

// A Mode says which repetition counts are tried first.
type Mode uint8

// The modes of OpRepeat.
const (
	Greedy Mode = iota
	Lazy
	Possessive // greedy, and never given back
)

// A Verb is a PCRE backtracking control verb.
type Verb uint8

// The verbs of OpVerb.
const (
	_ Verb = iota
	Accept
)

// A CondKind says what an OpCond asks.
type CondKind uint8

// The conditions of OpCond.
const (
	_         CondKind = iota
	CondGroup          // any of Groups is set
	CondLook           // Sub[2], an OpLook, holds
	CondInAny          // inside any subroutine call
	CondIn             // inside a call of group Index
	CondNever          // (?(DEFINE)…)
)

// A Node is a part of a pattern. Nodes are not changed after parsing.
type Node struct {
	Op       Op
	At       At
	Mode     Mode
	Verb     Verb
	Cond     CondKind
	Behind   bool
	Negate   bool
	Retry    bool // OpLook: may be matched again another way ((*napla:…))
	Group    bool // OpRepeat: of something in parentheses (PCRE)
	Fold     bool // OpBackref: ASCII letters of either case are equal
	Index    int
	Min, Max int
	Set      Set
	Groups   []int
	Sub      []*Node
	Lens     []int // OpLook with Behind: length of each alternative
}

// A Pattern is a parsed regular expression.
type Pattern struct {
	Root   *Node
	Groups int  // number of capturing groups
	Posix  bool // the longest match is wanted, not the first found
}

// An Error says why a pattern was not accepted.
type Error struct {
	Offset      int    // bytes into the pattern
	Message     string // as the C library or PCRE2 words it
	Unsupported bool   // the pattern is good, but cannot be honoured here
}

func (e *Error) Error() string { return e.Message }

func empty() *Node              { return &Node{Op: OpEmpty} }
func byteSet(s Set) *Node       { return &Node{Op: OpSet, Set: s} }
func assert(at At) *Node        { return &Node{Op: OpAssert, At: at} }
func never() *Node              { return &Node{Op: OpSet} }
func isNever(n *Node) bool      { return n.Op == OpSet && n.Set.Empty() }
func atomic(n *Node) *Node      { return &Node{Op: OpAtomic, Sub: []*Node{n}} }
func literal(text string) *Node { return literalFold(text, false) }

func literalFold(text string, fold bool) *Node {
	var sub []*Node
	for i := 0; i < len(text); i++ {
		s := Of(text[i : i+1])
		if fold {
			s = s.Fold()
		}
		sub = append(sub, byteSet(s))
	}
	return cat(sub)
}

// cat joins nodes, taking nested sequences and empty ones apart.
func cat(sub []*Node) *Node {
	flat := true
	for _, n := range sub {
		if n.Op == OpCat || n.Op == OpEmpty {
			flat = false
		}
	}
	if !flat {
		var out []*Node
		for _, n := range sub {
			switch n.Op {
			case OpCat:
				out = append(out, n.Sub...)
			case OpEmpty:
			default:
				out = append(out, n)
			}
		}
		sub = out
	}
	switch len(sub) {
	case 0:
		return empty()
	case 1:
		return sub[0]
	}
	return &Node{Op: OpCat, Sub: sub}
}

// alt makes one node of alternatives. Neighbouring single bytes become one set:
// which of them matched cannot be told from outside.
func alt(sub []*Node) *Node {
	var out []*Node
	for _, n := range sub {
		if k := len(out) - 1; n.Op == OpSet && k >= 0 && out[k].Op == OpSet {
			out[k] = byteSet(out[k].Set.Union(n.Set))
			continue
		}
		out = append(out, n)
	}
	if len(out) == 1 {
		return out[0]
	}
	return &Node{Op: OpAlt, Sub: out}
}

// Features is what a pattern contains, for choosing an engine.
type Features struct {
	Backtrack   bool // lookaround, backreferences, atomic groups, conditions, calls, verbs
	Backref     bool
	NewlineEnd  bool // a newline that ends the text is special
	NewlineIn   bool // BeginInner or EndInner: newlines in the text are special
	EmptyLoop   bool // a loop whose body can match nothing: where it ends is told differently by package regexp
	Cells       int  // nodes after writing out all counted repetitions, and forks: no automaton has more states; capped
	BranchReset bool
}

// Inspect walks the pattern.
func (p *Pattern) Inspect() Features {
	var f Features
	seen := make([]bool, p.Groups+1)
	f.Cells = f.inspect(p.Root, seen)
	return f
}

const maxCells = 1 << 28 // the sum of two, and three, is an int of 32 bits

func (f *Features) inspect(n *Node, seen []bool) int {
	cells := 1
	switch n.Op {
	case OpAssert:
		switch n.At {
		case BeginLineInside, EndTextNewline:
			f.NewlineEnd = true
		case BeginInner, EndInner:
			f.NewlineIn = true
		}
	case OpLook, OpAtomic, OpCond, OpVerb, OpCall:
		f.Backtrack = true
	case OpBackref:
		f.Backtrack, f.Backref = true, true
	case OpCapture:
		if seen[n.Index] {
			f.BranchReset = true
		}
		seen[n.Index] = true
	case OpAlt:
		cells = len(n.Sub)
	case OpRepeat:
		if n.Mode == Possessive {
			f.Backtrack = true
		}
		if (n.Max < 0 || n.Max > 1) && MinLen(n.Sub[0]) == 0 {
			f.EmptyLoop = true
		}
	}
	for _, s := range n.Sub {
		cells = min(maxCells, cells+f.inspect(s, seen))
	}
	if n.Op == OpRepeat {
		times := max(n.Min, n.Max, 1)
		if int64(cells)*int64(times) > maxCells {
			return maxCells
		}
		cells *= times
	}
	return cells
}

// MinLen returns a lower bound of the number of bytes the node takes.
func MinLen(n *Node) int {
	switch n.Op {
	case OpSet:
		return 1
	case OpCat:
		total := 0
		for _, s := range n.Sub {
			total = min(maxCells, total+MinLen(s))
		}
		return total
	case OpAlt:
		least := maxCells
		for _, s := range n.Sub {
			least = min(least, MinLen(s))
		}
		return least
	case OpRepeat:
		k := int64(MinLen(n.Sub[0])) * int64(n.Min)
		return int(min(k, maxCells))
	case OpCapture, OpAtomic:
		return MinLen(n.Sub[0])
	case OpCond:
		if n.Cond == CondNever {
			return 0
		}
		return min(MinLen(n.Sub[0]), MinLen(n.Sub[1]))
	}
	return 0
}
