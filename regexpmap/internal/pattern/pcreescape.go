package pattern

import "strings"

// escapeNode reads an escape sequence outside classes, behind its backslash.
// The second result says whether it may be repeated.
func (p *pcreParser) escapeNode() (*Node, bool, error) {
	if p.more() && p.peek() >= '1' && p.peek() <= '9' {
		if n, ok := p.backrefNumber(); ok {
			p.whenCounted(n, p.pos-1)
			return p.backref([]int{n}, p.pos-1), true, nil
		}
	}
	if p.more() {
		switch c := p.peek(); c {
		case 'g':
			p.pos++
			return p.escapeG()
		case 'k':
			p.pos++
			return p.escapeK()
		}
	}
	kind, c, err := p.escape(false)
	if err != nil {
		return nil, false, err
	}
	switch kind {
	case 0:
		return p.literal(c), true, nil
	case 'A', 'G':
		return assert(BeginText), false, nil
	case 'Z':
		return assert(EndTextNewline), false, nil
	case 'z':
		return assert(EndText), false, nil
	case 'b':
		return assert(WordEdge), false, nil
	case 'B':
		return assert(NotWordEdge), false, nil
	case 'K':
		// Moves the start of what matched, which no rule can see.
		if p.lookDepth > 0 {
			p.keepInLook = true
		}
		return empty(), false, nil
	case 'C':
		return byteSet(Any()), true, nil
	case 'N':
		s := Any()
		s.Remove('\n')
		return byteSet(s), true, nil
	case 'R':
		ends := Of("\n\v\f\r\x85")
		if p.bsrASCII {
			ends = Of("\n\r")
		}
		return atomic(alt([]*Node{literal("\r\n"), byteSet(ends)})), true, nil
	case 'X':
		// Without UTF mode no byte extends the one before, save LF after CR.
		return atomic(alt([]*Node{literal("\r\n"), byteSet(Any())})), true, nil
	case 'p', 'P':
		s, err := p.property(kind == 'P')
		return byteSet(s), true, err
	}
	if s, ok := escapeClass(kind); ok {
		return byteSet(s), true, nil
	}
	return nil, false, p.failAt(p.pos-1, "unrecognized character follows \\")
}

func (p *pcreParser) backref(groups []int, offset int) *Node {
	n := &Node{Op: OpBackref, Groups: groups, Fold: p.FoldCase}
	p.refs[n] = offset
	return n
}

// backrefNumber reads the digits of "\12" if they refer to a group: below 10,
// beginning with 8 or 9, or no more than the groups opened so far.
func (p *pcreParser) backrefNumber() (int, bool) {
	const tooBig = (1<<31-1)/10 - 1
	n, i := 0, p.pos
	for i < len(p.src) && isDigit(p.src[i]) {
		n = n*10 + int(p.src[i]-'0')
		i++
		if n > tooBig {
			return 0, false
		}
	}
	if n >= 10 && p.peek() < '8' && n > p.groups {
		return 0, false
	}
	p.pos = i
	return n, true
}

func (p *pcreParser) namedBackref(end byte) (*Node, bool, error) {
	offset := p.pos
	name, err := p.name(end)
	if err != nil {
		return nil, false, err
	}
	n := p.backref(nil, offset)
	p.whenNamed(name, offset, func(groups []int) { n.Groups = groups })
	return n, true, nil
}

// escapeG reads "\g1", "\g{-1}", "\g{name}" and the calls "\g<1>", "\g'name'".
func (p *pcreParser) escapeG() (*Node, bool, error) {
	switch c := p.peek(); {
	case c == '<' || c == '\'':
		p.pos++
		end := c
		if c == '<' {
			end = '>'
		}
		brace := p.pos - 1
		n, ok, err := p.groupNumber()
		if err != nil {
			if p.peek() == end && strings.HasPrefix(err.Error(), "reference") {
				return nil, false, p.noGroup(brace)
			}
			return nil, false, err
		}
		if ok {
			offset := p.pos
			if p.peek() != end {
				return nil, false, p.fail(`\g is not followed by a braced, angle-bracketed, or quoted name/number or by a plain number`)
			}
			p.pos++
			return p.call(n, offset), true, nil
		}
		offset := p.pos
		name, err := p.name(end)
		if err != nil {
			return nil, false, err
		}
		return p.callNamed(name, offset), true, nil
	case c == '{':
		brace := p.pos
		p.pos++
		n, ok, err := p.groupNumber()
		if err != nil {
			if strings.HasPrefix(err.Error(), "reference") {
				return nil, false, p.noGroup(brace)
			}
			return nil, false, err
		}
		if !ok {
			return p.namedBackref('}')
		}
		if p.peek() != '}' {
			return nil, false, p.fail(`\g is not followed by a braced, angle-bracketed, or quoted name/number or by a plain number`)
		}
		p.pos++
		if n == 0 {
			return nil, false, p.noGroup(p.pos)
		}
		p.whenCounted(n, p.pos-1)
		return p.backref([]int{n}, p.pos-1), true, nil
	}
	n, ok, err := p.groupNumber()
	if err != nil {
		return nil, false, err
	}
	if !ok {
		return nil, false, p.fail(`\g is not followed by a braced, angle-bracketed, or quoted name/number or by a plain number`)
	}
	if n == 0 {
		return nil, false, p.noGroup(p.pos)
	}
	p.whenCounted(n, p.pos-1)
	return p.backref([]int{n}, p.pos-1), true, nil
}

func (p *pcreParser) escapeK() (*Node, bool, error) {
	var end byte
	switch p.peek() {
	case '{':
		end = '}'
	case '<':
		end = '>'
	case '\'':
		end = '\''
	default:
		return nil, false, p.fail(`\k is not followed by a braced, angle-bracketed, or quoted name`)
	}
	p.pos++
	return p.namedBackref(end)
}

// escapeClass returns the bytes of "\d" and its sisters.
func escapeClass(kind byte) (s Set, ok bool) {
	switch kind | 0x20 {
	case 'd':
		s = Range('0', '9')
	case 's':
		s = space()
	case 'w':
		s = Word()
	case 'h':
		s = Of("\t \xa0")
	case 'v':
		s = Of("\n\v\f\r\x85")
	default:
		return s, false
	}
	if kind&0x20 == 0 {
		s = s.Not()
	}
	return s, true
}

// escape reads what follows a backslash, except references. kind 0 means that
// it stands for the byte c; otherwise kind is the letter.
func (p *pcreParser) escape(inClass bool) (kind, c byte, err error) {
	fail := func(at int, message string) (byte, byte, error) { return 0, 0, p.failAt(at, message) }
	if !p.more() {
		return fail(p.pos, `\ at end of pattern`)
	}
	c = p.peek()
	p.pos++
	if !isDigit(c) && !isLetter(c) {
		return 0, c, nil
	}
	switch c {
	case 'a':
		return 0, 7, nil
	case 'e':
		return 0, 27, nil
	case 'f':
		return 0, '\f', nil
	case 'n':
		return 0, '\n', nil
	case 'r':
		return 0, '\r', nil
	case 't':
		return 0, '\t', nil
	case 'A', 'B', 'b', 'C', 'D', 'd', 'G', 'H', 'h', 'K', 'k', 'P', 'p', 'R', 'S', 's', 'V', 'v', 'W', 'w', 'X', 'Z', 'z', 'E', 'Q':
		return c, 0, nil
	case 'g':
		return 0, 'g', nil // in a class
	case 'N':
		if !inClass && p.has("{") {
			save := p.pos
			p.pos++
			if _, _, ok, err := p.counts(); !ok || err != nil {
				p.pos = save
				if p.has("{U+") {
					return fail(p.pos, `\N{U+dddd} is supported only in Unicode (UTF) mode`)
				}
				return fail(p.pos, `PCRE2 does not support \F, \L, \l, \N{name}, \U, or \u`)
			}
			p.pos = save
		}
		return c, 0, nil
	case 'F', 'L', 'l', 'U', 'u':
		return fail(p.pos, `PCRE2 does not support \F, \L, \l, \N{name}, \U, or \u`)
	case 'c':
		if !p.more() {
			return fail(p.pos, `\c at end of pattern`)
		}
		c = p.peek()
		if c < ' ' || c > '~' {
			return fail(p.pos, `\c must be followed by a printable ASCII character`)
		}
		p.pos++
		return 0, Upper(c) ^ 0x40, nil
	case 'x':
		if !p.take("{") {
			n := 0
			for i := 0; i < 2 && p.more() && hexValue(p.peek()) >= 0; i++ {
				n = n<<4 | hexValue(p.peek())
				p.pos++
			}
			return 0, byte(n), nil
		}
		return p.bracedNumber(4, `non-hex character in \x{} (closing brace missing?)`)
	case 'o':
		if !p.more() {
			return fail(p.pos-1, `missing opening brace after \o`)
		}
		if !p.take("{") {
			return fail(p.pos, `missing opening brace after \o`)
		}
		return p.bracedNumber(3, `non-octal character in \o{} (closing brace missing?)`)
	case '8', '9':
		return 0, c, nil
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n := int(c - '0')
		for i := 0; i < 2 && p.more() && p.peek() >= '0' && p.peek() <= '7'; i++ {
			n = n<<3 | int(p.peek()-'0')
			p.pos++
		}
		if n > 255 {
			return fail(p.pos, `octal value is greater than \377 in 8-bit non-UTF-8 mode`)
		}
		return 0, byte(n), nil
	}
	return fail(p.pos-1, `unrecognized character follows \`)
}

func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// bracedNumber reads the digits and the '}' of "\x{…}" (4 bits a digit) or
// "\o{…}" (3 bits).
func (p *pcreParser) bracedNumber(bits int, badDigit string) (kind, c byte, err error) {
	if !p.more() || p.peek() == '}' {
		return 0, 0, p.fail(`digits missing in \x{} or \o{} or \N{U+}`)
	}
	n := 0
	for p.more() {
		v := hexValue(p.peek())
		if v < 0 || v >= 1<<bits {
			break
		}
		n = min(n<<bits|v, 1<<20)
		p.pos++
	}
	if n > 255 {
		return 0, 0, p.fail(`character code point value in \x{} or \o{} is too large`)
	}
	if !p.more() {
		return 0, 0, p.failAt(p.pos-1, badDigit)
	}
	if p.peek() != '}' {
		return 0, 0, p.fail(badDigit)
	}
	p.pos++
	return 0, byte(n), nil
}
