package headercheck

import "bytes"

const (
	mimeSpecials   = "()<>@,;:\\\"/[]?=" // RFC 2045
	rfc822Specials = "()<>@,;:\\\".[]"
)

// A headerToken is a word, a quoted string or a special of a header.
type headerToken struct {
	text    string
	word    bool // neither quoted nor a special
	special byte
}

// tokenizer reads the tokens of a structured header: white space and comments
// in ( ), which nest, are skipped.
type tokenizer struct {
	text     []byte
	specials string
	end      byte // ends a list of tokens; 0: nothing does
}

// next returns the tokens up to the next end character, at most keep of them
// (the others are skipped); without an end character only keep are read. At
// the end of the text ok is false.
func (t *tokenizer) next(keep int) (all []headerToken, ok bool) {
	s := t.text
	defer func() { t.text = s }()
	add := func(tok headerToken) {
		if len(all) < keep {
			all = append(all, tok)
		}
	}
	for len(s) > 0 && (t.end != 0 || len(all) < keep) {
		c := s[0]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			s = s[1:]
		case c == t.end && t.end != 0:
			s = s[1:]
			return all, true
		case c == '(':
			s = skipComment(s[1:])
		case c == '"':
			var text string
			text, s = quoted(s[1:])
			add(headerToken{text: text})
		case bytes.IndexByte([]byte(t.specials), c) >= 0 || c < ' ' || c == 0x7f:
			add(headerToken{text: string(s[:1]), special: c})
			s = s[1:]
		default:
			n := 0
			for n < len(s) && s[n] != ' ' && s[n] >= ' ' && s[n] != 0x7f && bytes.IndexByte([]byte(t.specials), s[n]) < 0 {
				n++
			}
			add(headerToken{text: string(s[:n]), word: true})
			s = s[n:]
		}
	}
	return all, len(all) > 0 || len(s) > 0
}

func skipComment(s []byte) []byte {
	for level := 1; len(s) > 0; {
		c := s[0]
		s = s[1:]
		switch c {
		case '(':
			level++
		case ')':
			if level--; level == 0 {
				return s
			}
		case '\\':
			if len(s) > 0 {
				s = s[1:]
			}
		}
	}
	return s
}

// quoted reads a quoted string behind its first quote. A line break is taken
// out together with the white space before it.
func quoted(s []byte) (text string, rest []byte) {
	var b []byte
	for len(s) > 0 {
		c := s[0]
		s = s[1:]
		switch c {
		case '"':
			return string(b), s
		case '\n':
			b = bytes.TrimRight(b, " \t\r\n")
			continue
		case '\\':
			if len(s) == 0 {
				return string(b), s
			}
			c, s = s[0], s[1:]
		}
		b = append(b, c)
	}
	return string(b), s
}

// lower folds ASCII letters.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
