// Package mailaddr reads mail addresses the way Postfix does: as tokens of
// RFC 822 with the operators of older mail systems added. It quotes and
// unquotes local parts and splits addresses into user, extension and domain.
//
// An address has two forms. The internal form is what people mean,
// "two words@example.com"; the external form is what may stand in a message or
// in an alias file, "\"two words\"@example.com". Tables other than aliases(5)
// are asked with one or the other, see [Quote] and [Unquote].
//
//	toks := mailaddr.Scan(nil, src)        // tokens, comments among them
//	toks = mailaddr.WithoutComments(toks)
//	for _, a := range mailaddr.Addresses(toks) {
//		addr := mailaddr.AppendInternal(nil, src, toks[a.Start:a.End])
//	}
//
// Text is bytes: a NUL ends it, as it ends a C string, and bytes above 127 are
// letters. Everything here is a function of its arguments; nothing allocates
// more than a small multiple of its input.
package mailaddr

import "bytes"

// Kind is the kind of a token. The zero Kind is invalid.
type Kind uint8

// The kinds of tokens.
const (
	_        Kind = iota
	Operator      // one of |%!()<>@,;:\". and the brackets, see Token.Op
	Atom          // letters, digits and whatever else is no operator
	Quoted        // text in double quotes, or an atom that needs them because of its backslashes
	Comment       // text in parentheses, which may nest
	Literal       // a domain literal: text in square brackets
)

// A Token is a stretch of a source: src[Start:End], quotes, brackets and
// backslashes included.
type Token struct {
	Kind       Kind
	Op         byte // the operator; 0 for other kinds
	escaped    bool // its text is not its source: backslashes or line ends inside
	closed     bool // has its closing quote or bracket
	Start, End int
}

// Closed reports whether a quoted string, comment or literal has its end.
// Postfix takes the end of the line for a missing one and says nothing.
func (t Token) Closed() bool { return t.closed }

const operators = `|%!()<>@,;:\".[]`

// class of a byte: space and tab and line ends separate tokens, operators are
// tokens.
const (
	letter = iota
	space
	operator
	control // a letter that makes an atom need quotes
)

var class = func() (c [256]uint8) {
	for i := range 0x20 {
		c[i] = control
	}
	c[0x7f] = control
	for _, b := range []byte(" \t\r\n") {
		c[b] = space
	}
	for _, b := range []byte(operators) {
		c[b] = operator
	}
	return c
}()

// Scan appends the tokens of src to dst. Everything but white space between
// tokens is part of one. An unterminated quoted string, comment or literal
// ends with the source; a backslash at the very end is dropped.
func Scan(dst []Token, src []byte) []Token {
	if i := bytes.IndexByte(src, 0); i >= 0 {
		src = src[:i]
	}
	if dst == nil {
		dst = make([]Token, 0, 8+len(src)/8)
	}
	for at := 0; at < len(src); {
		c := src[at]
		t := Token{Start: at}
		switch {
		case class[c] == space:
			at++
			continue
		case c == '(':
			t.Kind = Comment
			t.End, t.closed = commentEnd(src, at)
		case c == '[':
			t.Kind = Literal
			t.End, t.escaped, t.closed = delimitedEnd(src, at+1, ']')
		case c == '"':
			t.Kind = Quoted
			t.End, t.escaped, t.closed = delimitedEnd(src, at+1, '"')
		case class[c] == operator && c != '\\':
			t.Kind, t.Op, t.End = Operator, c, at+1
		default:
			t.Kind = Atom
			var quotes bool
			if t.End, t.escaped, quotes = atomEnd(src, at); quotes {
				t.Kind = Quoted
			}
		}
		at = t.End
		dst = append(dst, t)
	}
	return dst
}

// commentEnd returns the end of the comment that starts at src[at].
func commentEnd(src []byte, at int) (end int, closed bool) {
	level := 0
	for i := at; i < len(src); i++ {
		switch src[i] {
		case '(':
			level++
		case ')':
			if level--; level == 0 {
				return i + 1, true
			}
		case '\\':
			i++
		}
	}
	return len(src), false
}

// delimitedEnd returns the end of the quoted string or literal whose text
// starts at src[at].
func delimitedEnd(src []byte, at int, delimiter byte) (end int, escaped, closed bool) {
	for i := at; i < len(src); i++ {
		switch c := src[i]; {
		case c == delimiter:
			return i + 1, escaped, true
		case c == '\\':
			escaped = true
			i++
		case class[c] == space && c != ' ':
			escaped = true
		}
	}
	return len(src), escaped, false
}

// atomEnd returns the end of the atom at src[at], and whether it contains
// something that can only stand between quotes.
func atomEnd(src []byte, at int) (end int, escaped, quotes bool) {
	for i := at; i < len(src); i++ {
		c := src[i]
		if c == '\\' {
			escaped = true
			if i++; i == len(src) {
				break
			}
			if class[src[i]] != letter {
				quotes = true
			}
			continue
		}
		switch class[c] {
		case control:
			quotes = true
		case space, operator:
			return i, escaped, quotes
		}
	}
	return len(src), escaped, quotes
}

// AppendText appends the text of the token: an operator or a comment as it
// stands, anything else without its quotes, brackets and backslashes.
func AppendText(dst, src []byte, t Token) []byte {
	text := src[t.Start:t.End]
	switch {
	case t.Kind == Operator || t.Kind == Comment:
		return append(dst, text...)
	case t.Kind == Literal || t.Kind == Quoted && text[0] == '"':
		text = text[1:]
		if t.closed {
			text = text[:len(text)-1]
		}
	}
	if !t.escaped {
		return append(dst, text...)
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			if i++; i == len(text) {
				break
			}
			c = text[i]
		}
		if class[c] == space {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

// AppendInternal appends the tokens without quotes: what an address is when it
// is looked up. Tokens of one address, see [Addresses], stand side by side;
// AppendInternalList puts the white space of a list between them.
func AppendInternal(dst, src []byte, toks []Token) []byte {
	for _, t := range toks {
		dst = appendInternal(dst, src, t)
	}
	return dst
}

// AppendInternalList appends the tokens without quotes, with one space where
// words would run together, after a comma that is not the last token, and
// before a "<".
func AppendInternalList(dst, src []byte, toks []Token) []byte {
	for i, t := range toks {
		dst = appendInternal(dst, src, t)
		if i+1 < len(toks) && spaceBetween(t, toks[i+1]) {
			dst = append(dst, ' ')
		}
	}
	return dst
}

func appendInternal(dst, src []byte, t Token) []byte {
	if t.Kind != Literal {
		return AppendText(dst, src, t)
	}
	return append(AppendText(append(dst, '['), src, t), ']')
}

// AppendExternal appends the tokens in the form in which they can be read
// again: quoted where they have to be, with one space where words would run
// together, after every comma, and before a "<". Like Postfix it leaves a "]"
// inside a domain literal alone, so that such a literal reads differently the
// second time.
func AppendExternal(dst, src []byte, toks []Token) []byte {
	for i, t := range toks {
		switch t.Kind {
		case Quoted:
			dst = appendEscaped(append(dst, '"'), src, t, '"')
			dst = append(dst, '"')
		case Literal:
			dst = appendEscaped(append(dst, '['), src, t, '\\')
			dst = append(dst, ']')
		default:
			dst = AppendText(dst, src, t)
		}
		if t.Op == ',' || i+1 < len(toks) && spaceBetween(t, toks[i+1]) {
			dst = append(dst, ' ')
		}
	}
	return dst
}

// appendEscaped appends the text of t with a backslash before every backslash
// and every also.
func appendEscaped(dst, src []byte, t Token, also byte) []byte {
	if !t.escaped {
		return AppendText(dst, src, t) // has neither
	}
	start := len(dst)
	dst = AppendText(dst, src, t)
	text := bytes.Clone(dst[start:])
	dst = dst[:start]
	for _, c := range text {
		if c == '\\' || c == also {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}

func spaceBetween(t, next Token) bool {
	return t.Op == ',' || next.Op == '<' || t.Kind != Operator && next.Kind != Operator
}
