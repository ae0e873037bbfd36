package pattern

// bracket reads a bracket expression; p.pos is behind its '['.
func (p *posixParser) bracket() (*Node, error) {
	b := bracketParser{posixParser: p}
	s, err := b.parse()
	if err != nil {
		return nil, err
	}
	return byteSet(s), nil
}

type bracketParser struct {
	*posixParser
}

type elementKind uint8

const (
	elemByte elementKind = iota
	elemSymbol
	elemEquivalence
	elemClass
)

type element struct {
	kind elementKind
	c    byte
	name string
}

// peek looks at the next bracket token: its length, and for "[.", "[=", "[:"
// the byte that tells them apart.
func (b *bracketParser) peek() (c byte, open bool, length int) {
	if b.pos >= len(b.src) {
		return 0, false, 0
	}
	c = b.src[b.pos]
	if c == '[' && b.pos+1 < len(b.src) {
		switch d := b.src[b.pos+1]; d {
		case '.', '=', ':':
			return d, true, 2
		}
	}
	return c, false, 1
}

func (b *bracketParser) parse() (Set, error) {
	var s Set
	fail := func(message string) (Set, error) { return Set{}, b.fail(message) }
	if b.pos >= len(b.src) {
		return fail(msgBadPattern)
	}
	negate := false
	if b.src[b.pos] == '^' {
		negate = true
		if b.Newline {
			s.Add('\n')
		}
		b.pos++
		if b.pos >= len(b.src) {
			return fail(msgBadPattern)
		}
	}
	for first := true; ; first = false {
		if c, open, n := b.peek(); !first && n == 1 && !open && c == ']' {
			b.pos++
			break
		} else if n == 0 {
			return fail(msgBracket)
		}
		from, err := b.element(first)
		if err != nil {
			return Set{}, err
		}
		isRange := false
		if from.kind == elemByte || from.kind == elemSymbol {
			c, open, n := b.peek()
			if n == 0 {
				return fail(msgBracket)
			}
			if c == '-' && !open {
				b.pos++
				c2, open2, n2 := b.peek()
				switch {
				case n2 == 0:
					return fail(msgBracket)
				case c2 == ']' && !open2:
					b.pos-- // the last '-' is an ordinary byte
					s.Add('-')
					b.pos++
				default:
					isRange = true
				}
			}
		}
		if !isRange {
			if err := b.add(&s, from); err != nil {
				return Set{}, err
			}
			continue
		}
		to, err := b.element(true)
		if err != nil {
			return Set{}, err
		}
		if to.kind == elemClass || to.kind == elemEquivalence {
			return fail(msgRange)
		}
		lo, err := b.value(from)
		if err != nil {
			return Set{}, err
		}
		hi, err := b.value(to)
		if err != nil {
			return Set{}, err
		}
		if lo > hi {
			return fail(msgRange)
		}
		s.AddRange(lo, hi)
	}
	if negate {
		s = s.Not()
	}
	return b.fold(s), nil
}

// element reads one element; hyphen: a '-' may stand for itself.
func (b *bracketParser) element(hyphen bool) (element, error) {
	c, open, n := b.peek()
	b.pos += n
	if open {
		return b.symbol(c)
	}
	if c == '-' && !hyphen {
		if next, open, n := b.peek(); n == 0 || open || next != ']' {
			return element{}, b.fail(msgRange)
		}
	}
	if b.FoldCase {
		c = Upper(c)
	}
	return element{kind: elemByte, c: c}, nil
}

// symbol reads the name of "[:name:]" and its sisters.
func (b *bracketParser) symbol(delim byte) (element, error) {
	const longest = 32
	start := b.pos
	for i := start; ; i++ {
		if i-start >= longest || i+1 >= len(b.src) {
			return element{}, b.fail(msgBracket)
		}
		if b.src[i] != delim || b.src[i+1] != ']' {
			continue
		}
		b.pos = i + 2
		e := element{name: b.src[start:i]}
		switch delim {
		case ':':
			e.kind = elemClass
		case '=':
			e.kind = elemEquivalence
		case '.':
			e.kind = elemSymbol
		}
		return e, nil
	}
}

// value returns the byte an end of a range stands for.
func (b *bracketParser) value(e element) (byte, error) {
	c := e.c
	if e.kind != elemByte {
		if len(e.name) != 1 {
			return 0, b.fail(msgCollate)
		}
		c = e.name[0]
	}
	if b.FoldCase {
		c = Upper(c)
	}
	return c, nil
}

func (b *bracketParser) add(s *Set, e element) error {
	if e.kind == elemClass {
		name := e.name
		if b.FoldCase && (name == "upper" || name == "lower") {
			name = "alpha"
		}
		c, ok := class(name)
		if !ok {
			return b.fail(msgClassName)
		}
		*s = s.Union(c)
		return nil
	}
	c, err := b.value(e)
	if err != nil {
		return err
	}
	s.Add(c)
	return nil
}
