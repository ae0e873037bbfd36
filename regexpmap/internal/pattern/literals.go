package pattern

// A Literal is a string that a matching text contains, in lower case.
type Literal struct {
	Text   string
	Prefix bool // the text begins with it
	Suffix bool // the text ends with it, or with it and one more newline
}

const (
	maxStrings    = 16 // strings of one run
	maxAlternates = 64 // literals of one set
	maxRun        = 64 // bytes of one literal
)

// Literals returns sets of literals such that in every text the pattern
// matches, once that is in ASCII lower case, some literal of each set occurs.
// There may be none.
func (p *Pattern) Literals() [][]Literal {
	if hasVerb(p.Root) {
		return nil
	}
	var w literalWalker
	w.start(true)
	w.walk(p.Root)
	w.flush(false)
	return w.sets
}

func hasVerb(n *Node) bool {
	if n.Op == OpVerb {
		return true
	}
	for _, s := range n.Sub {
		if hasVerb(s) {
			return true
		}
	}
	return false
}

// A literalWalker goes along a pattern and keeps the strings that the bytes
// passed since the last gap can be.
type literalWalker struct {
	run    []string // nil: nothing yet
	prefix bool     // the run began at the start of the text
	origin bool     // nothing was passed yet
	sets   [][]Literal
}

func (w *literalWalker) start(origin bool) {
	w.run, w.prefix, w.origin = []string{""}, false, origin
}

// flush ends a run; suffix: the text ends here.
func (w *literalWalker) flush(suffix bool) {
	set := make([]Literal, 0, len(w.run))
	for _, s := range w.run {
		if s == "" {
			set = nil
			break
		}
		set = append(set, Literal{Text: s, Prefix: w.prefix, Suffix: suffix})
	}
	if len(set) > 0 {
		w.sets = append(w.sets, set)
	}
	w.start(false)
}

// gap notes that any bytes may come now.
func (w *literalWalker) gap() {
	w.flush(false)
	w.origin = false
}

// append adds one of texts to the run, or ends the run where it would grow
// too large.
func (w *literalWalker) append(texts []string) {
	if len(w.run)*len(texts) > maxStrings || len(w.run[0])+len(texts[0]) > maxRun {
		w.flush(false)
	}
	out := make([]string, 0, len(w.run)*len(texts))
	for _, a := range w.run {
		for _, b := range texts {
			out = append(out, a+b)
		}
	}
	w.run = out
	w.origin = false
}

func (w *literalWalker) walk(n *Node) {
	switch n.Op {
	case OpEmpty, OpLook:
		return
	case OpAssert:
		switch n.At {
		case BeginText:
			if w.origin {
				w.prefix = true
			}
		case EndText, EndTextNewline:
			w.flush(true)
			w.origin = false
		}
		return
	case OpCat:
		for _, s := range n.Sub {
			w.walk(s)
		}
		return
	case OpCapture, OpAtomic:
		w.walk(n.Sub[0])
		return
	}
	if texts := exact(n); texts != nil {
		w.append(texts)
		return
	}
	w.gapAround(n)
}

// gapAround passes a node that is not a few strings.
func (w *literalWalker) gapAround(n *Node) {
	switch n.Op {
	case OpAlt:
		w.alternatives(n)
	case OpRepeat:
		if n.Min == 0 {
			w.gap()
			return
		}
		// The first copy follows what came before, the last comes before
		// what follows.
		w.walk(n.Sub[0])
		if n.Min != 1 || n.Max != 1 {
			w.gap()
		}
	default:
		w.gap()
	}
}

// alternatives adds a set with the best literals of every branch.
func (w *literalWalker) alternatives(n *Node) {
	origin, prefix := w.origin, w.prefix
	w.gap()
	var all []Literal
	for _, s := range n.Sub {
		var sub literalWalker
		sub.start(origin)
		sub.prefix = prefix && origin
		sub.walk(s)
		sub.flush(false)
		best := longest(sub.sets)
		if best == nil || len(all)+len(best) > maxAlternates {
			return
		}
		all = append(all, best...)
	}
	w.sets = append(w.sets, all)
}

// longest returns the set whose shortest literal is longest.
func longest(sets [][]Literal) (best []Literal) {
	most := 0
	for _, set := range sets {
		shortest := maxCells
		for _, l := range set {
			shortest = min(shortest, len(l.Text))
		}
		if shortest > most {
			most, best = shortest, set
		}
	}
	return best
}

// exact returns the strings n matches if they are few and not empty.
func exact(n *Node) []string {
	switch n.Op {
	case OpSet:
		if c, ok := n.Set.Folded(); ok {
			return []string{lowerString[c]}
		}
		if n.Set.Len() > 2*maxStrings {
			return nil
		}
		var seen Set
		var out []string
		for c := 0; c < 256; c++ {
			if b := Lower(byte(c)); n.Set.Has(byte(c)) && !seen.Has(b) {
				seen.Add(b)
				out = append(out, lowerString[b])
			}
		}
		if len(out) == 0 || len(out) > 4 {
			return nil
		}
		return out
	case OpCapture, OpAtomic:
		return exact(n.Sub[0])
	case OpCat:
		out := []string{""}
		for _, s := range n.Sub {
			if s.Op == OpAssert || s.Op == OpLook {
				return nil
			}
			texts := exact(s)
			if texts == nil || len(out)*len(texts) > maxStrings || len(out[0])+len(texts[0]) > maxRun {
				return nil
			}
			var next []string
			for _, a := range out {
				for _, b := range texts {
					next = append(next, a+b)
				}
			}
			out = next
		}
		return out
	case OpAlt:
		var out []string
		for _, s := range n.Sub {
			texts := exact(s)
			if texts == nil || len(out)+len(texts) > maxStrings {
				return nil
			}
			out = append(out, texts...)
		}
		return out
	case OpRepeat:
		switch {
		case n.Min == 0 && n.Max == 1:
			texts := exact(n.Sub[0])
			if texts == nil || len(texts) >= maxStrings {
				return nil
			}
			return append([]string{""}, texts...)
		case n.Min == n.Max && n.Min <= 4 && n.Min > 0:
			sub := make([]*Node, n.Min)
			for i := range sub {
				sub[i] = n.Sub[0]
			}
			return exact(&Node{Op: OpCat, Sub: sub})
		}
	}
	return nil
}

// lowerString has the strings of one byte.
var lowerString = func() (out [256]string) {
	for i := range out {
		out[i] = string([]byte{byte(i)})
	}
	return out
}()
