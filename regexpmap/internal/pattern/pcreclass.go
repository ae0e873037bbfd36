package pattern

import (
	"strings"
	"unicode"
)

// posixSyntax looks whether "[:…:]", "[.….]" or "[=…=]" begins at the '[' at
// offset i, and returns the offset of what closes it.
func (p *pcreParser) posixSyntax(i int) (end int, ok bool) {
	i++
	if i >= len(p.src) || !strings.ContainsRune(":.=", rune(p.src[i])) {
		return 0, false
	}
	mark := p.src[i]
	for i++; len(p.src)-i >= 2; i++ {
		c, next := p.src[i], p.src[i+1]
		switch {
		case c == '\\' && (next == ']' || next == '\\'):
			i++
		case c == '[' && next == mark || c == ']':
			return 0, false
		case c == mark && next == ']':
			return i, true
		}
	}
	return 0, false
}

type rangeState uint8

const (
	rangeNo      rangeState = iota // a '-' is an ordinary byte
	rangeOK                        // a '-' begins a range
	rangeStarted                   // the upper end is expected
)

// class reads a character class behind its '['.
func (p *pcreParser) class() (*Node, error) {
	open := p.pos - 1
	if _, ok := p.posixSyntax(open); ok {
		if p.peek() == ':' {
			return nil, p.failAt(open, "POSIX named classes are supported only within a class")
		}
		return nil, p.failAt(open, "POSIX collating elements are not supported")
	}
	if p.take("[:<:]]") {
		return cat([]*Node{assert(WordEdge), {Op: OpLook, Sub: []*Node{byteSet(Word())}}}), nil
	}
	if p.take("[:>:]]") {
		return cat([]*Node{assert(WordEdge), {Op: OpLook, Behind: true, Lens: []int{1}, Sub: []*Node{byteSet(Word())}}}), nil
	}
	var set Set
	negate := false
	for {
		if p.take(`\E`) || p.take(`\Q\E`) || p.extraSpace && (p.take(" ") || p.take("\t")) {
			continue
		}
		if !negate && p.take("^") {
			negate = true
			continue
		}
		break
	}
	state, low := rangeNo, byte(0)
	add := func(c byte) error {
		if state != rangeStarted {
			set = set.Union(p.foldSet(Range(c, c)))
			state, low = rangeOK, c
			return nil
		}
		if c < low {
			return p.failAt(p.pos-1, "range out of order in character class")
		}
		set = set.Union(p.foldSet(Range(low, c)))
		state = rangeNo
		return nil
	}
	quoted := false
	for first := true; ; first = false {
		if !p.more() {
			return nil, p.fail("missing terminating ] for character class")
		}
		c := p.peek()
		if quoted {
			if p.take(`\E`) {
				quoted = false
				continue
			}
			p.pos++
			if err := add(c); err != nil {
				return nil, err
			}
			continue
		}
		p.pos++
		switch {
		case c == ']' && !first:
			if state == rangeStarted {
				set.Add('-')
			}
			if negate {
				set = set.Not()
			}
			return byteSet(set), nil
		case p.extraSpace && (c == ' ' || c == '\t'):
		case c == '[':
			if end, ok := p.posixSyntax(p.pos - 1); ok {
				if state == rangeStarted {
					return nil, p.fail("invalid range in character class")
				}
				if p.peek() != ':' {
					return nil, p.failAt(p.pos-1, "POSIX collating elements are not supported")
				}
				s, err := p.posixClass(end)
				if err != nil {
					return nil, err
				}
				set = set.Union(s)
				state = rangeNo
				if err := p.noHyphen(); err != nil {
					return nil, err
				}
				continue
			}
			if err := add(c); err != nil {
				return nil, err
			}
		case c == '-' && state == rangeOK:
			state = rangeStarted
		case c == '\\':
			if p.take("Q") {
				quoted = true
				continue
			}
			if p.take("E") {
				continue
			}
			kind, b, err := p.escape(true)
			if err != nil {
				return nil, err
			}
			if kind == 'b' {
				kind, b = 0, '\b'
			}
			if kind == 0 {
				if err := add(b); err != nil {
					return nil, err
				}
				continue
			}
			if kind == 'N' {
				return nil, p.fail(`\N is not supported in a class`)
			}
			if state == rangeStarted {
				return nil, p.fail("invalid range in character class")
			}
			s, ok := escapeClass(kind)
			if kind == 'p' || kind == 'P' {
				ok = true
				if s, err = p.property(kind == 'P'); err != nil {
					return nil, err
				}
			}
			if !ok {
				return nil, p.failAt(p.pos-1, "escape sequence is invalid in character class")
			}
			set = set.Union(s)
			state = rangeNo
			if err := p.noHyphen(); err != nil {
				return nil, err
			}
		default:
			if err := add(c); err != nil {
				return nil, err
			}
		}
	}
}

// noHyphen refuses a '-' that seems to make a range of a class.
func (p *pcreParser) noHyphen() error {
	if p.pos+1 < len(p.src) && p.src[p.pos] == '-' && p.src[p.pos+1] != ']' {
		return p.fail("invalid range in character class")
	}
	return nil
}

func (p *pcreParser) foldSet(s Set) Set {
	if p.FoldCase {
		return s.Fold()
	}
	return s
}

// posixClass reads "[:name:]" from its first ':'; end is the second.
func (p *pcreParser) posixClass(end int) (Set, error) {
	p.pos++
	negate := p.take("^")
	name := p.src[p.pos:end]
	if p.FoldCase && (name == "upper" || name == "lower") {
		name = "alpha"
	}
	s, ok := class(name)
	switch name {
	case "word":
		s, ok = Word(), true
	case "ascii":
		s, ok = Range(0, 127), true
	}
	if !ok {
		return s, p.fail("unknown POSIX class name")
	}
	p.pos = end + 2
	if negate {
		s = s.Not()
	}
	return s, nil
}

// property reads the name of "\p" or "\P". Without UTF mode bytes are the
// first 256 characters of Unicode.
func (p *pcreParser) property(negate bool) (Set, error) {
	malformed := func() (Set, error) { return Set{}, p.fail(`malformed \P or \p sequence`) }
	if !p.more() {
		return malformed()
	}
	c := p.peek()
	p.pos++
	var name string
	switch {
	case c == '{':
		if p.take("^") {
			negate = !negate
		}
		var b strings.Builder
		for {
			if !p.more() {
				return malformed()
			}
			c := p.peek()
			p.pos++
			if c == '}' {
				break
			}
			if c == '_' || c == '-' || c == ' ' || c >= '\t' && c <= '\r' {
				continue
			}
			b.WriteByte(Lower(c))
		}
		name = b.String()
	case isLetter(c):
		name = string(Lower(c))
	default:
		return malformed()
	}
	s, ok := latin1Property(name)
	if !ok {
		if knownProperty(name) {
			p.refuse(p.pos, `\p{`+name+"} is not supported")
			return s, nil
		}
		return s, p.fail(`unknown property after \P or \p`)
	}
	if negate {
		s = s.Not()
	}
	return s, nil
}

func latin1(in func(r rune) bool) (s Set) {
	for r := rune(0); r < 256; r++ {
		if in(r) {
			s.Add(byte(r))
		}
	}
	return s
}

// latin1Property looks a name up: a general category, a script, or one of
// PCRE2's own. Names are lower case, without blanks, '_' and '-'.
func latin1Property(name string) (Set, bool) {
	table := func(t *unicode.RangeTable) (Set, bool) {
		return latin1(func(r rune) bool { return unicode.Is(t, r) }), true
	}
	switch name {
	case "any":
		return Any(), true
	case "l&", "lc":
		return latin1(func(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt) }), true
	case "xan":
		return latin1(func(r rune) bool { return unicode.In(r, unicode.L, unicode.N) }), true
	case "xwd":
		return latin1(func(r rune) bool { return r == '_' || unicode.In(r, unicode.L, unicode.N) }), true
	case "xsp", "xps":
		return latin1(func(r rune) bool { return r >= '\t' && r <= '\r' || r == 0x85 || unicode.Is(unicode.Z, r) }), true
	case "cn":
		return Set{}, true
	case "c":
		return table(unicode.C)
	}
	if head, script, ok := strings.Cut(strings.ReplaceAll(name, "=", ":"), ":"); ok {
		switch head {
		case "sc", "scx", "script", "scriptextensions":
			if len(script) > 2 {
				return latin1Property(script)
			}
		}
		return Set{}, false
	}
	if len(name) <= 2 {
		for category, t := range unicode.Categories {
			if strings.EqualFold(category, name) {
				return table(t)
			}
		}
		return Set{}, false
	}
	switch name {
	case "alphabetic", "alpha":
		return table(unicode.L)
	case "latin":
		return table(unicode.Latin)
	case "common", "zyyy":
		return Set{}, false
	case "latn":
		return table(unicode.Latin)
	}
	for script := range unicode.Scripts {
		if strings.EqualFold(strings.ReplaceAll(script, "_", ""), name) {
			return Set{}, true // no other script has characters below 256
		}
	}
	return Set{}, false
}

// knownProperty reports whether PCRE2 may know a property that is not
// supported here.
func knownProperty(name string) bool {
	if name == "common" || name == "zyyy" {
		return true
	}
	if head, _, ok := strings.Cut(strings.ReplaceAll(name, "=", ":"), ":"); ok {
		switch head {
		case "sc", "scx", "script", "scriptextensions", "bc", "bidiclass":
			return true
		}
		return false
	}
	for property := range unicode.Properties {
		if strings.EqualFold(strings.ReplaceAll(property, "_", ""), name) {
			return true
		}
	}
	switch name {
	case "alphabetic", "alpha", "lowercase", "lower", "uppercase", "upper", "cased", "math", "idstart", "ids", "idcontinue", "idc",
		"xidstart", "xids", "xidcontinue", "xidc", "ascii", "assigned", "emoji", "defaultignorablecodepoint", "di", "graphemebase", "grbase",
		"graphemeextend", "grext", "caseignorable", "ci", "changeswhencasefolded", "cwcf", "changeswhencasemapped", "cwcm",
		"changeswhenlowercased", "cwl", "changeswhentitlecased", "cwt", "changeswhenuppercased", "cwu", "extendedpictographic", "extpict",
		"emojicomponent", "ecomp", "emojimodifier", "emod", "emojimodifierbase", "ebase", "emojipresentation", "epres", "bidicontrol", "bidic", "bidimirrored", "bidim":
		return name != "assigned"
	}
	return false
}
