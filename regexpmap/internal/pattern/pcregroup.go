package pattern

import "strings"

type groupKind uint8

const (
	groupItem   groupKind = iota // may be repeated
	groupFixed                   // may not be repeated
	groupOption                  // options were changed; nothing to match
)

const msgMissingParen = "missing closing parenthesis"

// group reads everything that begins with '(', behind it.
func (p *pcreParser) group() (*Node, groupKind, error) {
	open := p.pos - 1
	if p.has("*") && p.pos+1 < len(p.src) && p.src[p.pos+1] != ')' {
		p.pos++
		if c := p.peek(); c >= 'a' && c <= 'z' {
			return p.alphaAssertion(open)
		}
		return p.verb(open)
	}
	if !p.take("?") {
		if p.noCapture {
			n, err := p.body(open)
			return n, groupItem, err
		}
		n, err := p.capture(open)
		return n, groupItem, err
	}
	if !p.more() {
		return nil, 0, p.fail(msgMissingParen)
	}
	item := func(n *Node, err error) (*Node, groupKind, error) { return n, groupItem, err }
	c := p.peek()
	switch c {
	case ':':
		p.pos++
		return item(p.body(open))
	case '|':
		p.pos++
		return item(p.bodyOf(open, true))
	case '>':
		p.pos++
		n, err := p.body(open)
		if err != nil {
			return nil, 0, err
		}
		return atomic(n), groupItem, nil
	case '=', '!', '*':
		p.pos++
		return item(p.look(open, &Node{Op: OpLook, Negate: c == '!', Retry: c == '*'}))
	case '<':
		p.pos++
		switch c := p.peek(); c {
		case '=', '!', '*':
			p.pos++
			return item(p.look(open, &Node{Op: OpLook, Behind: true, Negate: c == '!', Retry: c == '*'}))
		}
		return item(p.namedGroup(open, '>'))
	case '\'':
		p.pos++
		return item(p.namedGroup(open, '\''))
	case 'P':
		p.pos++
		if !p.more() {
			return nil, 0, p.fail(msgMissingParen)
		}
		switch {
		case p.take("<"):
			return item(p.namedGroup(open, '>'))
		case p.take("="):
			n, _, err := p.namedBackref(')')
			return n, groupItem, err
		case p.take(">"):
			return item(p.callByName())
		}
		return nil, 0, p.fail("unrecognized character after (?P")
	case '&':
		p.pos++
		return item(p.callByName())
	case 'R':
		p.pos++
		if p.peek() != ')' {
			return nil, 0, p.fail("(?R (recursive pattern call) must be followed by a closing parenthesis")
		}
		p.pos++
		return p.call(0, p.pos), groupItem, nil
	case 'C':
		p.pos++
		return nil, groupOption, p.callout()
	case '(':
		p.pos++
		return item(p.condition(open))
	case '+':
		if p.pos+1 >= len(p.src) || !isDigit(p.src[p.pos+1]) {
			return nil, 0, p.fail("digit expected after (?+ or (?-")
		}
	}
	n, ok, err := p.groupNumber()
	if err != nil {
		return nil, 0, err
	}
	if ok {
		offset := p.pos
		if p.peek() != ')' {
			return nil, 0, p.fail(msgMissingParen)
		}
		p.pos++
		return p.call(n, offset), groupItem, nil
	}
	return p.options(open)
}

// options reads "(?i-s)" and "(?i-s:…)".
func (p *pcreParser) options(open int) (*Node, groupKind, error) {
	before := p.PCREFlags
	on, hyphenOK := true, true
	if p.take("^") {
		p.FoldCase, p.Multiline, p.DotAll, p.Extended, p.extraSpace, p.noCapture = false, false, false, false, false, false
		hyphenOK = false
	}
	for {
		if !p.more() {
			return nil, 0, p.fail(msgMissingParen)
		}
		c := p.peek()
		if c == ')' || c == ':' {
			break
		}
		p.pos++
		switch c {
		case '-':
			if !hyphenOK {
				return nil, 0, p.failAt(p.pos-1, "invalid hyphen in option setting")
			}
			on, hyphenOK = false, false
		case 'i':
			p.FoldCase = on
		case 'm':
			p.Multiline = on
		case 's':
			p.DotAll = on
		case 'n':
			p.noCapture = on
		case 'J':
			p.dupNames = on
		case 'U':
			p.Ungreedy = on
		case 'x':
			p.Extended, p.extraSpace = on, false
			if p.take("x") {
				p.extraSpace = on
			}
		default:
			return nil, 0, p.failAt(p.pos-1, "unrecognized character after (? or (?-")
		}
	}
	if p.take(")") {
		return nil, groupOption, nil
	}
	p.pos++
	after := p.PCREFlags
	n, err := p.scoped(open, before, after, false)
	return n, groupItem, err
}

// scoped reads the rest of a group with the options inside, and restores
// those of before at its end.
func (p *pcreParser) scoped(open int, before, inside PCREFlags, reset bool) (*Node, error) {
	sub, err := p.alternatives(before, inside, reset)
	if err != nil {
		return nil, err
	}
	return alt(sub), nil
}

func (p *pcreParser) alternatives(before, inside PCREFlags, reset bool) ([]*Node, error) {
	p.PCREFlags = inside
	p.depth++
	if p.depth > pcreNestLimit {
		return nil, p.fail("parentheses are too deeply nested")
	}
	sub, err := p.branches(reset)
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, p.fail(msgMissingParen)
	}
	p.depth--
	p.PCREFlags = before
	return sub, nil
}

func (p *pcreParser) body(open int) (*Node, error) { return p.bodyOf(open, false) }

func (p *pcreParser) bodyOf(open int, reset bool) (*Node, error) {
	return p.scoped(open, p.PCREFlags, p.PCREFlags, reset)
}

func (p *pcreParser) capture(open int) (*Node, error) {
	p.groups++
	n := &Node{Op: OpCapture, Index: p.groups}
	body, err := p.body(open)
	if err != nil {
		return nil, err
	}
	n.Sub = []*Node{body}
	if _, ok := p.bodies[n.Index]; !ok {
		p.bodies[n.Index] = n
	}
	return n, nil
}

func (p *pcreParser) namedGroup(open int, end byte) (*Node, error) {
	name, err := p.name(end)
	if err != nil {
		return nil, err
	}
	if err := p.declare(name); err != nil {
		return nil, err
	}
	return p.capture(open)
}

func (p *pcreParser) look(open int, n *Node) (*Node, error) {
	if n.Behind {
		at := open
		if p.src[open+1] == '*' {
			at += 2
		}
		p.looks = append(p.looks, lookbehind{n, at})
	}
	p.lookDepth++
	sub, err := p.alternatives(p.PCREFlags, p.PCREFlags, false)
	p.lookDepth--
	if err != nil {
		return nil, err
	}
	n.Max = len(sub) // alternatives, not counting those of groups inside
	n.Sub = []*Node{alt(sub)}
	return n, nil
}

func (p *pcreParser) call(group, offset int) *Node {
	n := &Node{Op: OpCall, Index: group}
	p.refs[n] = offset
	p.whenCounted(group, offset)
	return n
}

func (p *pcreParser) callNamed(name string, offset int) *Node {
	n := &Node{Op: OpCall, Index: pcreGroupLimit + 1}
	p.refs[n] = offset
	p.whenNamed(name, offset, func(groups []int) { n.Index = groups[0] })
	return n
}

func (p *pcreParser) callByName() (*Node, error) {
	offset := p.pos
	name, err := p.name(')')
	if err != nil {
		return nil, err
	}
	return p.callNamed(name, offset), nil
}

// callout reads "(?C…)" behind the C; Postfix installs no callouts.
func (p *pcreParser) callout() error {
	if !p.more() {
		return p.fail(msgMissingParen)
	}
	if c := p.peek(); c == ')' || isDigit(c) {
		n := 0
		for isDigit(p.peek()) {
			n = n*10 + int(p.peek()-'0')
			p.pos++
			if n > 255 {
				return p.fail("number after (?C is greater than 255")
			}
		}
	} else {
		i := strings.IndexByte("`'\"^%#${", c)
		if i < 0 {
			return p.fail("unrecognized string delimiter follows (?C")
		}
		start := p.pos
		p.pos++
		end := c
		if c == '{' {
			end = '}'
		}
		for {
			if !p.more() {
				return p.failAt(start, "missing terminating delimiter for callout with string argument")
			}
			d := p.peek()
			p.pos++
			if d == end && p.peek() == end && p.more() {
				p.pos++
			} else if d == end {
				break
			}
		}
	}
	if p.peek() != ')' {
		return p.fail("closing parenthesis for (?C expected")
	}
	p.pos++
	return nil
}

// alphaAssertion reads "(*pla:…)" and its sisters behind the '*'.
func (p *pcreParser) alphaAssertion(open int) (*Node, groupKind, error) {
	start := p.pos
	for isWord(p.peek()) {
		p.pos++
	}
	name := p.src[start:p.pos]
	if p.peek() != ':' {
		return nil, 0, p.fail("(*alpha_assertion) not recognized")
	}
	item := func(n *Node, err error) (*Node, groupKind, error) { return n, groupItem, err }
	look := func(n Node) (*Node, groupKind, error) {
		p.pos++
		n.Op = OpLook
		return item(p.look(open, &n))
	}
	switch name {
	case "pla", "positive_lookahead":
		return look(Node{})
	case "nla", "negative_lookahead":
		return look(Node{Negate: true})
	case "plb", "positive_lookbehind":
		return look(Node{Behind: true})
	case "nlb", "negative_lookbehind":
		return look(Node{Behind: true, Negate: true})
	case "napla", "non_atomic_positive_lookahead":
		return look(Node{Retry: true})
	case "naplb", "non_atomic_positive_lookbehind":
		return look(Node{Behind: true, Retry: true})
	case "sr", "script_run": // always holds without UTF mode
		p.pos++
		return item(p.body(open))
	case "atomic", "asr", "atomic_script_run":
		p.pos++
		n, err := p.body(open)
		if err != nil {
			return nil, 0, err
		}
		return atomic(n), groupItem, nil
	}
	return nil, 0, p.fail("(*alpha_assertion) not recognized")
}

// verb reads "(*VERB)" and "(*VERB:NAME)" behind the '*'.
func (p *pcreParser) verb(open int) (*Node, groupKind, error) {
	const bad = "(*VERB) not recognized or malformed"
	start := p.pos
	for p.more() && isLetter(p.peek()) {
		p.pos++
	}
	name := p.src[start:p.pos]
	at := p.pos
	hasArg, arg := false, ""
	if p.take(":") {
		hasArg = true
		end := strings.IndexByte(p.src[p.pos:], ')')
		if end < 0 {
			return nil, 0, p.failAt(len(p.src), bad)
		}
		arg = p.src[p.pos : p.pos+end]
		p.pos += end
	}
	if p.peek() != ')' {
		return nil, 0, p.failAt(p.pos, bad)
	}
	p.pos++
	switch name {
	case "", "MARK":
		if arg == "" {
			if name == "" && !hasArg {
				return nil, 0, p.failAt(at, bad)
			}
			return nil, 0, p.failAt(p.pos-1, "(*MARK) must have an argument")
		}
		return empty(), groupFixed, nil
	case "ACCEPT":
		return &Node{Op: OpVerb, Verb: Accept}, groupItem, nil
	case "F", "FAIL":
		return never(), groupFixed, nil
	case "COMMIT", "PRUNE", "SKIP", "THEN":
		p.refuse(open, "(*"+name+") is not supported")
		return empty(), groupFixed, nil
	}
	return nil, 0, p.failAt(at, bad)
}

// condition reads "(?(" … behind those three bytes.
func (p *pcreParser) condition(open int) (*Node, error) {
	n := &Node{Op: OpCond}
	always, never := false, false
	nameAt := 0
	if !p.more() {
		return nil, p.fail(msgMissingParen)
	}
	inner := p.pos - 1
	number, isNumber := 0, false
	if c := p.peek(); c != '?' && c != '*' {
		var err error
		if number, isNumber, err = p.groupNumber(); err != nil {
			return nil, err
		}
	}
	closeCondition := func() error {
		if p.peek() != ')' {
			return p.fail("missing closing parenthesis for condition")
		}
		p.pos++
		return nil
	}
	var look *Node
	switch {
	case p.peek() == '?' || p.peek() == '*':
		var err error
		if look, err = p.conditionLook(inner); err != nil {
			return nil, err
		}
		n.Cond = CondLook
	case isNumber:
		n.Cond, n.Groups = CondGroup, []int{number}
		if number == 0 {
			return nil, p.noGroup(p.pos)
		}
		p.whenCounted(number, p.pos-2)
		if err := closeCondition(); err != nil {
			return nil, err
		}
	case p.has("VERSION>") || p.has("VERSION="):
		ok, err := p.versionCondition()
		if err != nil {
			return nil, err
		}
		always, never = ok, !ok
	case p.has("R&"):
		p.pos += 2
		offset := p.pos
		name, err := p.name(')')
		if err != nil {
			return nil, err
		}
		n.Cond = CondIn
		p.whenNamed(name, offset, func(groups []int) { n.Groups = groups })
	case p.peek() == '<' || p.peek() == '\'':
		end := p.peek()
		if end == '<' {
			end = '>'
		}
		p.pos++
		offset := p.pos
		nameAt = offset
		name, err := p.name(end)
		if err != nil {
			return nil, err
		}
		if err := closeCondition(); err != nil {
			return nil, err
		}
		n.Cond = CondGroup
		p.whenNamed(name, offset, func(groups []int) { n.Groups = groups })
	default:
		offset := p.pos
		nameAt = offset
		name, err := p.name(')')
		if err != nil {
			return nil, err
		}
		if name == "DEFINE" {
			n.Cond = CondNever
			break
		}
		p.checks = append(p.checks, func() error {
			if groups := p.named(name); groups != nil {
				n.Cond, n.Groups = CondGroup, groups
				return nil
			}
			if name == "R" {
				n.Cond = CondInAny
				return nil
			}
			if name[0] == 'R' {
				k := 0
				for i := 1; i < len(name); i++ {
					if !isDigit(name[i]) || k > pcreGroupLimit {
						return p.noGroup(offset)
					}
					k = k*10 + int(name[i]-'0')
				}
				if k <= p.groups {
					n.Cond, n.Groups = CondIn, []int{k}
					return nil
				}
			}
			return p.noGroup(offset)
		})
	}
	sub, err := p.alternatives(p.PCREFlags, p.PCREFlags, false)
	if err != nil {
		return nil, err
	}
	if n.Cond == CondNever && len(sub) > 1 {
		p.checks = append(p.checks, func() error {
			return p.failAt(open+3, "DEFINE subpattern contains more than one branch")
		})
	}
	if len(sub) > 2 {
		at := open
		if !isNumber {
			at = nameAt
		}
		p.checks = append(p.checks, func() error {
			return p.failAt(at, "conditional subpattern contains more than two branches")
		})
	}
	if len(sub) == 1 {
		sub = append(sub, empty())
	}
	switch {
	case always:
		return sub[0], nil
	case never:
		return sub[1], nil
	}
	n.Sub = sub[:2:2]
	if look != nil {
		n.Sub = append(n.Sub, look)
	}
	return n, nil
}

// conditionLook reads an assertion that is a condition, from behind its '('.
func (p *pcreParser) conditionLook(inner int) (*Node, error) {
	const expected = "assertion expected after (?( or (?(?C)"
	if p.has("?C") {
		p.pos += 2
		if err := p.callout(); err != nil {
			return nil, err
		}
		inner = p.pos
		if !p.take("(") {
			return nil, p.failAt(inner, expected)
		}
	}
	ok := false
	for _, start := range []string{"?=", "?!", "?<=", "?<!", "*pla:", "*plb:", "*nla:", "*nlb:", "*positive_look", "*negative_look"} {
		ok = ok || p.has(start)
	}
	if !ok {
		for _, start := range []string{"?*", "?<*", "*napla:", "*naplb:", "*non_atomic_positive"} {
			if p.has(start) {
				return nil, p.failAt(inner, "atomic assertion expected after (?( or (?(?C)")
			}
		}
		return nil, p.failAt(inner, expected)
	}
	n, _, err := p.group()
	return n, err
}

// versionCondition reads "VERSION>=10.4)".
func (p *pcreParser) versionCondition() (bool, error) {
	const bad = "syntax error or number too big in (?(VERSION condition"
	p.pos += len("VERSION")
	atLeast := p.take(">")
	if !p.take("=") {
		return false, p.fail(bad)
	}
	digits := func(limit int) (n, count int) {
		for isDigit(p.peek()) && count < limit {
			n = n*10 + int(p.peek()-'0')
			p.pos++
			count++
		}
		return n, count
	}
	major, count := digits(4)
	if count == 0 || major > 1000 {
		return false, p.fail(bad)
	}
	minor := 0
	if p.take(".") {
		n, count := digits(2)
		if count == 0 {
			return false, p.fail(bad)
		}
		if count == 1 {
			n *= 10
		}
		minor = n
	}
	if p.peek() != ')' {
		return false, p.fail(bad)
	}
	p.pos++
	wanted := major*100 + minor
	if atLeast {
		return pcreVersion >= wanted, nil
	}
	return pcreVersion == wanted, nil
}
