package pattern

import (
	"fmt"
	"slices"
	"strings"
)

// PCREFlags are the options pcre_table(5) lets a rule choose.
type PCREFlags struct {
	FoldCase   bool // PCRE2_CASELESS
	Multiline  bool // PCRE2_MULTILINE
	DotAll     bool // PCRE2_DOTALL
	Extended   bool // PCRE2_EXTENDED
	Anchored   bool // PCRE2_ANCHORED
	DollarEnd  bool // PCRE2_DOLLAR_ENDONLY
	Ungreedy   bool // PCRE2_UNGREEDY
	extraSpace bool // (?xx)
	dupNames   bool // (?J)
	noCapture  bool // (?n)
}

// The limits PCRE2 is built with.
const (
	pcreNestLimit   = 250
	pcreNameLimit   = 32
	pcreNamesLimit  = 10000
	pcreRepeatLimit = 65535
	pcreGroupLimit  = 65535
	pcreSizeLimit   = 32 << 10 // of its code; PCRE2 refuses at twice that
	pcreVersion     = 1042     // 10.42
)

// ParsePCRE reads a Perl-compatible regular expression as PCRE2 10.42 does
// without UTF mode, in the C locale.
func ParsePCRE(src string, flags PCREFlags) (*Pattern, error) {
	if i := strings.IndexByte(src, 0); i >= 0 {
		src = src[:i] // Postfix passes a C string
	}
	p := &pcreParser{src: src, PCREFlags: flags, bodies: map[int]*Node{}, refs: map[*Node]int{}, lengths: map[int]int{}}
	if err := p.startOptions(); err != nil {
		return nil, err
	}
	branches, err := p.branches(false)
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.src) {
		return nil, p.failAt(p.pos, "unmatched closing parenthesis")
	}
	root := alt(branches)
	if flags.Anchored {
		root = cat([]*Node{assert(BeginText), root})
	}
	p.bodies[0] = root
	if p.keepInLook {
		return nil, p.failAt(len(p.src), `\K is not allowed in lookarounds (but see PCRE2_EXTRA_ALLOW_LOOKAROUND_BSK)`)
	}
	for _, resolve := range p.resolvers {
		resolve()
	}
	if selfReference(root, nil, 0) {
		p.refuse(0, "PCRE2 answers an optional backreference inside an alternative of its own group wrongly")
	}
	if wrong, _ := possessiveBehindByte(root, false); wrong {
		p.refuse(0, "PCRE2 answers a possessive optional group behind a repeated byte wrongly")
	}
	for _, look := range p.looks {
		if err := p.measure(look); err != nil {
			return nil, err
		}
	}
	for _, check := range p.checks {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if codeSize(root) > pcreSizeLimit {
		p.refuse(0, "it may be too large for PCRE2")
	}
	if p.unsupported != nil {
		return nil, p.unsupported
	}
	return &Pattern{Root: root, Groups: p.groups}, nil
}

type lookbehind struct {
	node   *Node
	offset int
}

type pcreParser struct {
	PCREFlags
	src         string
	pos         int
	groups      int // opened so far
	depth       int
	lookDepth   int
	names       map[string][]int // the groups of each name, in order
	nameOf      map[int]string
	namings     int
	bodies      map[int]*Node // of groups, for calls; 0 is the whole pattern
	looks       []lookbehind
	checks      []func() error // what PCRE2 finds only when it generates code
	resolvers   []func()       // of names, before lookbehinds are measured
	keepInLook  bool
	lengths     map[int]int // of groups that have one, for lookbehinds
	badRef      int
	dupNameUsed bool
	refs        map[*Node]int // offsets of references, to groups by number or name
	bsrASCII    bool
	unsupported *Error
}

func (p *pcreParser) failAt(offset int, message string) error {
	return &Error{Offset: offset, Message: message}
}

func (p *pcreParser) fail(message string) error { return p.failAt(p.pos, message) }

// refuse remembers that the pattern, if it is good, cannot be honoured.
func (p *pcreParser) refuse(offset int, message string) {
	if p.unsupported == nil {
		p.unsupported = &Error{Offset: offset, Message: message, Unsupported: true}
	}
}

func (p *pcreParser) more() bool           { return p.pos < len(p.src) }
func (p *pcreParser) has(text string) bool { return strings.HasPrefix(p.src[p.pos:], text) }
func (p *pcreParser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

// take skips text if it comes next.
func (p *pcreParser) take(text string) bool {
	if p.has(text) {
		p.pos += len(text)
		return true
	}
	return false
}

// startOptions reads the "(*NAME)" settings that may begin a pattern.
func (p *pcreParser) startOptions() error {
	for p.has("(*") {
		rest := p.src[p.pos+2:]
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return nil
		}
		name := rest[:end]
		switch name {
		case "NO_AUTO_POSSESS", "NO_DOTSTAR_ANCHOR", "NO_JIT", "NO_START_OPT", "LF", "BSR_UNICODE":
			// They change how fast the answer is found, or name the default.
		case "BSR_ANYCRLF":
			p.bsrASCII = true
		case "UTF", "UTF8", "UCP": // everything that follows means something else
			return &Error{Offset: p.pos, Message: "(*" + name + ") is not supported", Unsupported: true}
		case "CR", "CRLF", "ANY", "ANYCRLF", "NUL", "NOTEMPTY", "NOTEMPTY_ATSTART":
			p.refuse(p.pos, "(*"+name+") is not supported")
		default:
			key, digits, ok := strings.Cut(name, "=")
			if !ok || key != "LIMIT_HEAP" && key != "LIMIT_MATCH" && key != "LIMIT_DEPTH" && key != "LIMIT_RECURSION" {
				return nil
			}
			for i := 0; i <= len(digits); i++ {
				if i == len(digits) && i > 0 {
					break
				}
				if i == len(digits) || digits[i] < '0' || digits[i] > '9' {
					return p.failAt(p.pos+2+len(key)+1+i, "(*VERB) not recognized or malformed")
				}
			}
			p.refuse(p.pos, "(*"+key+"=) is not supported")
		}
		p.pos += 2 + end + 1
	}
	return nil
}

// branches reads alternatives up to the end or a ')' which is left in place.
// In a branch-reset group every alternative counts its groups from the start.
func (p *pcreParser) branches(reset bool) ([]*Node, error) {
	var out []*Node
	first, most := p.groups, p.groups
	for {
		b, err := p.branch()
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		most = max(most, p.groups)
		if !p.take("|") {
			break
		}
		if reset {
			p.groups = first
		}
	}
	p.groups = most
	return out, nil
}

// skipComments skips comments and what the x option makes invisible.
func (p *pcreParser) skipComments() error {
	for {
		p.skipBlank()
		if !p.has("(?#") {
			return nil
		}
		end := strings.IndexByte(p.src[p.pos:], ')')
		if end < 0 {
			return p.failAt(len(p.src), "missing ) after (?# comment")
		}
		p.pos += end + 1
	}
}

func (p *pcreParser) skipBlank() {
	for p.Extended && p.more() {
		switch c := p.peek(); {
		case c == ' ' || c >= '\t' && c <= '\r':
			p.pos++
		case c == '#':
			if end := strings.IndexByte(p.src[p.pos:], '\n'); end >= 0 {
				p.pos += end + 1
			} else {
				p.pos = len(p.src)
			}
		default:
			return
		}
	}
}

func (p *pcreParser) literal(c byte) *Node {
	var s Set
	s.Add(c)
	if p.FoldCase {
		s = s.Fold()
	}
	return byteSet(s)
}

// branch reads one alternative.
func (p *pcreParser) branch() (*Node, error) {
	var sub []*Node
	repeatable := false // the last of sub may be repeated
	bracket := false    // and it is a group
	add := func(n *Node, ok bool) {
		sub = append(sub, n)
		repeatable, bracket = ok, false
	}
	for {
		if err := p.skipComments(); err != nil {
			return nil, err
		}
		if !p.more() {
			break
		}
		c := p.peek()
		if c == '|' || c == ')' {
			break
		}
		start := p.pos
		p.pos++
		switch c {
		case '\\':
			if p.take("Q") {
				text, _, closed := strings.Cut(p.src[p.pos:], `\E`)
				p.pos += len(text)
				if closed {
					p.pos += 2
				}
				for i := 0; i < len(text); i++ {
					add(p.literal(text[i]), true)
				}
				continue
			}
			if p.take("E") {
				continue
			}
			n, ok, err := p.escapeNode()
			if err != nil {
				return nil, err
			}
			add(n, ok)
		case '^':
			at := BeginText
			if p.Multiline {
				at = BeginLineInside
			}
			add(assert(at), false)
		case '$':
			at := EndTextNewline
			if p.Multiline {
				at = EndLine
			} else if p.DollarEnd {
				at = EndText
			}
			add(assert(at), false)
		case '.':
			s := Any()
			if !p.DotAll {
				s.Remove('\n')
			}
			add(byteSet(s), true)
		case '[':
			n, err := p.class()
			if err != nil {
				return nil, err
			}
			// [[:<:]] and [[:>:]] are assertions in disguise.
			add(n, n.Op == OpSet)
		case '(':
			n, kind, err := p.group()
			if err != nil {
				return nil, err
			}
			switch kind {
			case groupOption:
				repeatable = false
			case groupItem:
				add(n, true)
				bracket = true
			case groupFixed:
				add(n, false)
			}
		case '*', '+', '?', '{':
			lo, hi := 0, -1
			switch c {
			case '+':
				lo = 1
			case '?':
				hi = 1
			case '{':
				var ok bool
				var err error
				if lo, hi, ok, err = p.counts(); err != nil {
					return nil, err
				} else if !ok {
					p.pos = start + 1
					add(p.literal('{'), true)
					continue
				}
			}
			if !repeatable {
				return nil, p.failAt(p.pos-1, "quantifier does not follow a repeatable item")
			}
			mode := Greedy
			if p.Ungreedy {
				mode = Lazy
			}
			if err := p.skipComments(); err != nil {
				return nil, err
			}
			if p.take("+") {
				mode = Possessive
			} else if p.take("?") {
				mode = Lazy
				if p.Ungreedy {
					mode = Greedy
				}
			}
			k := len(sub) - 1
			sub[k] = repeat(sub[k], lo, hi, mode)
			sub[k].Group = bracket
			repeatable = false
		default:
			add(p.literal(c), true)
		}
	}
	return cat(sub), nil
}

func repeat(n *Node, lo, hi int, mode Mode) *Node {
	if n.Op == OpLook && hi < 0 {
		hi = lo + 1 // PCRE2 tries an assertion only once more
	}
	if n.Op == OpVerb {
		// A verb has nothing to repeat; only "zero times" makes a difference.
		if lo > 0 {
			return n
		}
		hi = min(1, max(hi, -hi))
	}
	return &Node{Op: OpRepeat, Min: lo, Max: hi, Mode: mode, Sub: []*Node{n}}
}

// counts reads "n}", "n,}" or "n,m}" behind a '{'; ok is false if there is
// something else, which makes the brace an ordinary byte.
func (p *pcreParser) counts() (lo, hi int, ok bool, err error) {
	i := p.pos
	digits := func() bool {
		from := i
		for i < len(p.src) && p.src[i] >= '0' && p.src[i] <= '9' {
			i++
		}
		return i > from
	}
	if !digits() {
		return 0, 0, false, nil
	}
	if i < len(p.src) && p.src[i] == ',' {
		i++
		digits()
	}
	if i >= len(p.src) || p.src[i] != '}' {
		return 0, 0, false, nil
	}
	number := func() (int, error) {
		n := 0
		for p.more() && p.peek() >= '0' && p.peek() <= '9' {
			n = n*10 + int(p.peek()-'0')
			p.pos++
			if n > pcreRepeatLimit {
				return 0, p.fail("number too big in {} quantifier")
			}
		}
		return n, nil
	}
	if lo, err = number(); err != nil {
		return 0, 0, false, err
	}
	hi = lo
	if p.take(",") {
		hi = -1
		if p.peek() != '}' {
			if hi, err = number(); err != nil {
				return 0, 0, false, err
			}
			if hi < lo {
				return 0, 0, false, p.fail("numbers out of order in {} quantifier")
			}
		}
	}
	p.pos++ // the '}'
	return lo, hi, true, nil
}

// declare gives the group about to be opened a name.
func (p *pcreParser) declare(name string) error {
	group := p.groups + 1
	for _, g := range p.names[name] {
		switch {
		case g == group: // by a sister in a branch-reset group
			return nil
		case !p.dupNames:
			return p.fail("two named subpatterns have the same name (PCRE2_DUPNAMES not set)")
		}
		p.dupNameUsed = true
	}
	if _, other := p.nameOf[group]; other {
		return p.fail("different names for subpatterns of the same number are not allowed")
	}
	if p.namings++; p.namings > pcreNamesLimit {
		return p.fail("too many named subpatterns (maximum 10000)")
	}
	if p.names == nil {
		p.names, p.nameOf = map[string][]int{}, map[int]string{}
	}
	p.names[name], p.nameOf[group] = append(p.names[name], group), name
	return nil
}

// named returns the groups of a name, in order.
func (p *pcreParser) named(name string) []int { return p.names[name] }

// whenNamed arranges for set to be called once all names are known.
func (p *pcreParser) whenNamed(name string, offset int, set func(groups []int)) {
	p.resolvers = append(p.resolvers, func() {
		if groups := p.named(name); groups != nil {
			set(groups)
		}
	})
	p.checks = append(p.checks, func() error {
		if p.named(name) == nil {
			return p.noGroup(offset)
		}
		return nil
	})
}

func (p *pcreParser) noGroup(offset int) error {
	return p.failAt(offset, "reference to non-existent subpattern")
}

// whenCounted checks a group number once all groups are known.
func (p *pcreParser) whenCounted(group, offset int) {
	p.checks = append(p.checks, func() error {
		if group > p.groups {
			return p.noGroup(offset)
		}
		return nil
	})
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

// name reads a group name and, unless it is 0, the byte that ends it.
func (p *pcreParser) name(end byte) (string, error) {
	start := p.pos
	if !p.more() {
		return "", p.fail("subpattern name expected")
	}
	if isDigit(p.peek()) {
		return "", p.fail("subpattern name must start with a non-digit")
	}
	for p.more() && isWord(p.peek()) {
		p.pos++
	}
	name := p.src[start:p.pos]
	if len(name) > pcreNameLimit {
		return "", p.fail(fmt.Sprintf("subpattern name is too long (maximum %d code units)", pcreNameLimit))
	}
	if end != 0 {
		if name == "" {
			return "", p.fail("subpattern name expected")
		}
		if p.peek() != end {
			return "", p.fail("syntax error in subpattern name (missing terminator?)")
		}
		p.pos++
	}
	return name, nil
}

// groupNumber reads an optionally signed group number. ok is false if there
// is none.
func (p *pcreParser) groupNumber() (n int, ok bool, err error) {
	i := p.pos
	sign := byte(0)
	if i < len(p.src) && (p.src[i] == '+' || p.src[i] == '-') {
		sign = p.src[i]
		i++
	}
	if i >= len(p.src) || !isDigit(p.src[i]) {
		return 0, false, nil
	}
	for i < len(p.src) && isDigit(p.src[i]) {
		n = n*10 + int(p.src[i]-'0')
		i++
		if n > pcreGroupLimit {
			return 0, false, p.failAt(i, "subpattern number is too big")
		}
	}
	p.pos = i
	switch {
	case sign != 0 && n == 0:
		return 0, false, p.fail("a relative value of zero is not allowed")
	case sign == '-':
		if n > p.groups {
			return 0, false, p.noGroup(p.pos)
		}
		n = p.groups - n + 1
	case sign == '+':
		n += p.groups
	}
	return n, true, nil
}

// selfReference reports whether a backreference that may be left out is inside
// an alternative of the group it refers to: PCRE2 leaves such an alternative
// out when it works out how long a match has to be. open has the groups around
// n, and chosen says from where on in it there has been an alternative since.
func selfReference(n *Node, open []int, chosen int) bool {
	switch n.Op {
	case OpRepeat:
		if ref := n.Sub[0]; ref.Op == OpBackref && n.Min == 0 {
			for _, g := range open[:chosen] {
				if slices.Contains(ref.Groups, g) {
					return true
				}
			}
		}
	case OpAlt, OpCond:
		chosen = len(open)
	case OpCapture:
		open = append(open[:len(open):len(open)], n.Index)
	}
	for _, s := range n.Sub {
		if selfReference(s, open, chosen) {
			return true
		}
	}
	return false
}

// possessiveBehindByte reports whether a possessive group that may be left out
// comes behind a repeated byte. PCRE2 makes the repetition of the byte
// possessive, too, as if the group were always there. before: such a byte may
// be what comes before n; after: it may be the last thing in n.
func possessiveBehindByte(n *Node, before bool) (wrong, after bool) {
	switch n.Op {
	case OpSet, OpBackref:
		return false, false
	case OpCat:
		after = before
		for _, s := range n.Sub {
			if wrong, after = possessiveBehindByte(s, after); wrong {
				return true, false
			}
		}
		return false, after
	case OpRepeat:
		if n.Sub[0].Op == OpSet && !n.Group {
			return false, n.Min != n.Max || before && n.Min == 0
		}
		if n.Mode == Possessive && n.Min == 0 && n.Group && before {
			return true, false
		}
		wrong, after = possessiveBehindByte(n.Sub[0], before)
		if !wrong && after && !before && n.Max != 1 { // it comes behind itself
			wrong, _ = possessiveBehindByte(n.Sub[0], true)
		}
		return wrong, after || before && n.Min == 0
	case OpAlt, OpCond, OpCapture, OpAtomic, OpLook:
		after = n.Op == OpLook && before
		for _, s := range n.Sub {
			w, a := possessiveBehindByte(s, before)
			if w {
				return true, false
			}
			after = after || a
		}
		return false, after
	}
	return false, before
}

// codeSize estimates the length of the code PCRE2 makes of n.
func codeSize(n *Node) int {
	const group, single, set = 8, 2, 33
	switch n.Op {
	case OpSet:
		if _, ok := n.Set.Folded(); ok || n.Set == all {
			return single
		}
		return set
	case OpRepeat:
		size := codeSize(n.Sub[0])
		if n.Sub[0].Op == OpSet {
			return 2*size + 8
		}
		times := max(1, n.Min, n.Max)
		return min(maxCells, int(min(int64(times)*int64(size+group), maxCells)))
	}
	size := single
	if n.Op != OpCat {
		size = group
	}
	for _, s := range n.Sub {
		size = min(maxCells, size+codeSize(s)+3)
	}
	return size
}
