package pattern

import "strings"

// PosixFlags are the choices regcomp(3) offers and regexp_table(5) uses.
type PosixFlags struct {
	Basic    bool // basic instead of extended syntax
	FoldCase bool
	Newline  bool // '^' and '$' work at newlines, '.' and "[^…]" do not match them
}

// The messages of regerror(3) in the GNU C library.
const (
	msgBadPattern    = "Invalid regular expression"
	msgCollate       = "Invalid collation character"
	msgClassName     = "Invalid character class name"
	msgTrailing      = "Trailing backslash"
	msgBackref       = "Invalid back reference"
	msgBracket       = "Unmatched [, [^, [:, [., or [="
	msgParen         = "Unmatched ( or \\("
	msgBrace         = "Unmatched \\{"
	msgBadBrace      = "Invalid content of \\{\\}"
	msgRange         = "Invalid range end"
	msgBadRepeat     = "Invalid preceding regular expression"
	msgTooBig        = "Regular expression too big"
	posixRepeatLimit = 32767
	posixDepthLimit  = 2000
	posixStackLimit  = 200
)

// ParsePosix reads an extended or basic POSIX regular expression the way
// regcomp(3) of the GNU C library does in the C locale, its extensions
// included.
//
// With FoldCase the library compares capitals: it changes the pattern and the
// text to upper case. That is why a range such as [Z-a] is refused, why [A-z]
// does not match '_', and why an escaped small letter matches nothing at all.
func ParsePosix(src string, flags PosixFlags) (*Pattern, error) {
	if i := strings.IndexByte(src, 0); i >= 0 {
		src = src[:i] // regcomp takes a C string
	}
	p := &posixParser{src: src, PosixFlags: flags}
	p.next(true)
	root, err := p.alternatives(0)
	if err != nil {
		return nil, err
	}
	plainAnchors(root, true, true)
	return &Pattern{Root: root, Groups: p.groups, Posix: true}, nil
}

// plainAnchors replaces BeginInner and EndInner where nothing before or after
// them can be part of the match. first: nothing before n takes bytes; last:
// nothing after it.
func plainAnchors(n *Node, first, last bool) {
	switch n.Op {
	case OpAssert:
		if n.At == BeginInner && first {
			n.At = BeginText
		}
		if n.At == EndInner && last {
			n.At = EndText
		}
	case OpCat:
		tail := len(n.Sub)
		for tail > 0 && takesNothing(n.Sub[tail-1]) {
			tail--
		}
		for i, s := range n.Sub {
			plainAnchors(s, first, last && i >= tail-1)
			first = first && takesNothing(s)
		}
	case OpAlt, OpCapture:
		for _, s := range n.Sub {
			plainAnchors(s, first, last)
		}
	case OpRepeat:
		once := n.Max == 0 || n.Max == 1 || takesNothing(n.Sub[0])
		plainAnchors(n.Sub[0], first && once, last && once)
	}
}

// takesNothing reports whether n can only match the empty string.
func takesNothing(n *Node) bool {
	switch n.Op {
	case OpEmpty, OpAssert:
		return true
	case OpRepeat:
		return n.Max == 0 || takesNothing(n.Sub[0])
	case OpCat, OpAlt, OpCapture:
		for _, s := range n.Sub {
			if !takesNothing(s) {
				return false
			}
		}
		return true
	}
	return false
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokByte
	tokEscaped // a byte after a backslash that gives it no meaning
	tokAlt
	tokOpen
	tokClose
	tokStar
	tokPlus
	tokQuestion
	tokOpenDup
	tokCloseDup
	tokBracket
	tokAny
	tokBackref
	tokAssert
	tokSet
	tokTrailing // backslash at the end
)

type posixParser struct {
	PosixFlags
	src     string
	pos     int // behind the current token
	start   int // of the current token
	kind    tokenKind
	c       byte // of tokByte, tokEscaped, tokBackref
	at      At
	set     Set
	groups  int
	closed  uint16 // groups 1..9 that may be referred to, as bits
	stacked int    // repetitions of repetitions
}

func (p *posixParser) fail(message string) error {
	return &Error{Offset: p.start, Message: message}
}

// next reads a token. caret: a '^' here is an anchor in basic syntax.
func (p *posixParser) next(caret bool) {
	p.start = p.pos
	p.kind = p.token(caret)
}

func (p *posixParser) token(caret bool) tokenKind {
	if p.pos >= len(p.src) {
		return tokEnd
	}
	c := p.src[p.pos]
	p.pos++
	p.c = c
	if c == '\\' {
		return p.escape()
	}
	extended := !p.Basic
	switch c {
	case '|':
		if extended {
			return tokAlt
		}
	case '*':
		return tokStar
	case '+':
		if extended {
			return tokPlus
		}
	case '?':
		if extended {
			return tokQuestion
		}
	case '{':
		if extended {
			return tokOpenDup
		}
	case '}':
		if extended {
			return tokCloseDup
		}
	case '(':
		if extended {
			return tokOpen
		}
	case ')':
		if extended {
			return tokClose
		}
	case '[':
		return tokBracket
	case '.':
		return tokAny
	case '^':
		if extended || caret || p.start == 0 {
			p.at = BeginInner
			if p.Newline {
				p.at = BeginLine
			}
			return tokAssert
		}
	case '$':
		if extended || p.pos == len(p.src) || strings.HasPrefix(p.src[p.pos:], `\)`) || strings.HasPrefix(p.src[p.pos:], `\|`) {
			p.at = EndInner
			if p.Newline {
				p.at = EndLine
			}
			return tokAssert
		}
	}
	return tokByte
}

func (p *posixParser) escape() tokenKind {
	if p.pos >= len(p.src) {
		return tokTrailing
	}
	c := p.src[p.pos]
	p.pos++
	p.c = c
	assert := func(at At) tokenKind { p.at = at; return tokAssert }
	set := func(s Set) tokenKind { p.set = s; return tokSet }
	switch c {
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return tokBackref
	case '<':
		return assert(WordStart)
	case '>':
		return assert(WordEnd)
	case 'b':
		return assert(WordEdge)
	case 'B':
		return assert(NotWordEdge)
	case '`':
		return assert(BeginText)
	case '\'':
		return assert(EndText)
	case 'w':
		return set(Word())
	case 'W':
		return set(Word().Not())
	case 's':
		return set(space())
	case 'S':
		return set(space().Not())
	}
	if p.Basic {
		switch c {
		case '|':
			return tokAlt
		case '(':
			return tokOpen
		case ')':
			return tokClose
		case '+':
			return tokPlus
		case '?':
			return tokQuestion
		case '{':
			return tokOpenDup
		case '}':
			return tokCloseDup
		}
	}
	return tokEscaped
}

// alternatives reads branches up to the end or the ')' of the group.
func (p *posixParser) alternatives(depth int) (*Node, error) {
	if depth > posixDepthLimit {
		return nil, &Error{Offset: p.start, Message: "groups are nested too deeply", Unsupported: true}
	}
	// A branch may refer to groups before the alternation, not to those of
	// its sister branches.
	before := p.closed
	first, err := p.branch(depth)
	if err != nil {
		return nil, err
	}
	branches := []*Node{first}
	for p.kind == tokAlt {
		p.next(true)
		if p.kind == tokAlt || p.branchEnds(depth) {
			branches = append(branches, empty())
			continue
		}
		closed := p.closed
		p.closed = before
		b, err := p.branch(depth)
		if err != nil {
			return nil, err
		}
		p.closed |= closed
		branches = append(branches, b)
	}
	return alt(branches), nil
}

func (p *posixParser) branchEnds(depth int) bool {
	return p.kind == tokAlt || p.kind == tokEnd || depth > 0 && p.kind == tokClose
}

func (p *posixParser) branch(depth int) (*Node, error) {
	var sub []*Node
	for !p.branchEnds(depth) {
		n, err := p.piece(depth)
		if err != nil {
			return nil, err
		}
		sub = append(sub, n)
	}
	return cat(sub), nil
}

// fold returns the set of bytes whose upper-case form is in s.
func (p *posixParser) fold(s Set) Set {
	if !p.FoldCase {
		return s
	}
	for c := byte('a'); c <= 'z'; c++ {
		if s.Has(Upper(c)) {
			s.Add(c)
		} else {
			s.Remove(c)
		}
	}
	return s
}

func (p *posixParser) single(c byte, escaped bool) *Node {
	var s Set
	if p.FoldCase && !escaped {
		c = Upper(c)
	}
	s.Add(c)
	return byteSet(p.fold(s))
}

// piece reads one expression and the repetitions after it.
func (p *posixParser) piece(depth int) (*Node, error) {
	var n *Node
	switch p.kind {
	case tokByte:
		n = p.single(p.c, false)
	case tokEscaped:
		n = p.single(p.c, true)
	case tokOpen:
		group, err := p.group(depth)
		if err != nil {
			return nil, err
		}
		n = group
	case tokBracket:
		b, err := p.bracket()
		if err != nil {
			return nil, err
		}
		n = b
	case tokBackref:
		k := int(p.c - '0')
		if p.closed&(1<<k) == 0 {
			return nil, p.fail(msgBackref)
		}
		n = &Node{Op: OpBackref, Groups: []int{k}, Fold: p.FoldCase}
	case tokOpenDup, tokStar, tokPlus, tokQuestion:
		if !p.Basic || p.kind == tokOpenDup {
			return nil, p.fail(msgBadRepeat)
		}
		n = p.single(p.c, false)
	case tokClose:
		if p.Basic {
			return nil, p.fail(msgParen)
		}
		n = p.single(p.c, false)
	case tokCloseDup:
		n = p.single(p.c, false)
	case tokAssert:
		// Repetitions never follow an anchor: "^*" is an error, or a literal
		// '*' in basic syntax.
		n = assert(p.at)
		p.next(false)
		return n, nil
	case tokAny:
		s := Any()
		s.Remove(0)
		if p.Newline {
			s.Remove('\n')
		}
		n = byteSet(s)
	case tokSet:
		n = byteSet(p.set)
	case tokTrailing:
		return nil, p.fail(msgTrailing)
	}
	p.next(false)
	for first := true; ; first = false {
		if !first {
			if p.kind != tokStar && p.kind != tokPlus && p.kind != tokQuestion && p.kind != tokOpenDup {
				return n, nil
			}
			if p.stacked++; p.stacked > posixStackLimit {
				return nil, &Error{Offset: p.start, Message: "too many repetitions of repetitions", Unsupported: true}
			}
		}
		switch p.kind {
		case tokStar, tokPlus, tokQuestion:
			lo, hi := 0, -1
			if p.kind == tokPlus {
				lo = 1
			}
			if p.kind == tokQuestion {
				hi = 1
			}
			n = &Node{Op: OpRepeat, Min: lo, Max: hi, Sub: []*Node{n}}
			p.next(false)
		case tokOpenDup:
			var err error
			if n, err = p.interval(n); err != nil {
				return nil, err
			}
		default:
			return n, nil
		}
		if p.Basic && (p.kind == tokStar || p.kind == tokOpenDup) {
			return nil, p.fail(msgBadRepeat)
		}
	}
}

func (p *posixParser) group(depth int) (*Node, error) {
	p.groups++
	index := p.groups
	p.next(true)
	body := empty()
	if p.kind != tokClose {
		var err error
		if body, err = p.alternatives(depth + 1); err != nil {
			return nil, err
		}
		if p.kind != tokClose {
			return nil, p.fail(msgParen)
		}
	}
	if index <= 9 {
		p.closed |= 1 << index
	}
	return &Node{Op: OpCapture, Index: index, Sub: []*Node{body}}, nil
}

const (
	noNumber  = -1
	badNumber = -2
)

// number reads digits up to ',' or the end of the interval.
func (p *posixParser) number() int {
	n := noNumber
	for {
		p.next(false)
		switch {
		case p.kind == tokEnd:
			return badNumber
		case p.kind == tokCloseDup || p.c == ',':
			return n
		case p.kind != tokByte && p.kind != tokEscaped || p.c < '0' || p.c > '9' || n == badNumber:
			n = badNumber
		case n == noNumber:
			n = int(p.c - '0')
		default:
			n = min(posixRepeatLimit+1, n*10+int(p.c-'0'))
		}
	}
}

func (p *posixParser) interval(n *Node) (*Node, error) {
	comma := func() bool { return (p.kind == tokByte || p.kind == tokEscaped) && p.c == ',' }
	lo, hi := p.number(), 0
	if lo == noNumber {
		if !comma() {
			return nil, p.fail(msgBadBrace)
		}
		lo = 0 // "{,m}" is "{0,m}"
	}
	if lo != badNumber {
		switch {
		case p.kind == tokCloseDup:
			hi = lo
		case comma():
			hi = p.number()
		default:
			hi = badNumber
		}
	}
	if lo == badNumber || hi == badNumber {
		if p.kind == tokEnd {
			return nil, p.fail(msgBrace)
		}
		return nil, p.fail(msgBadBrace)
	}
	if hi != noNumber && lo > hi || p.kind != tokCloseDup {
		return nil, p.fail(msgBadBrace)
	}
	if lo > posixRepeatLimit || hi > posixRepeatLimit {
		return nil, p.fail(msgTooBig)
	}
	p.next(false)
	return &Node{Op: OpRepeat, Min: lo, Max: hi, Sub: []*Node{n}}, nil
}
