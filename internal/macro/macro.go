// Package macro is the $name language of Postfix: main.cf values are written in
// it (postconf(5)), and the results of regexp and pcre tables in its simplest
// part.
//
//	$name ${name} $(name)      the value of name
//	${name?text} ${name?{text}}  text when name is not empty
//	${name:text} ${name:{text}}  text when name is empty or unknown
//	${name?{text1}:{text2}}    one or the other
//	${{text1}==text2 …}        see below
//	$$                         a dollar sign
//
// "${{a} == {b} ? {c} : {d}}" compares; the operators are == != < <= >= >, as
// numbers when both sides are all digits and by bytes otherwise. An operator
// followed by "level" compares compatibility levels. "${function{text}}" calls
// a function. All of it nests.
//
// [Split] does the first step, which is enough for table results; [Expander]
// does everything; [Names] lists what a text refers to.
package macro

import (
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/internal/cflines"
)

// A Piece is a part of a text.
type Piece struct {
	Ref        bool   // a reference; otherwise text to be taken as it is
	Text       string // the text, or what is between the braces of a reference
	Start, End int    // the place in the text, "$" and braces included
}

// An Error is a text that is not in the language, or asks for too much. The
// message is the one Postfix logs.
type Error struct {
	Message string
	Offset  int  // where in the text given to Append, Split or Names, or -1
	Fatal   bool // Postfix stops right there, with this message
}

// Error returns the message, with "?" for control characters, as Postfix does.
func (e *Error) Error() string {
	b := []byte(e.Message)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}

// Split cuts text into pieces. After an error, which comes with an empty Piece,
// the sequence ends.
func Split(text string) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		for at := 0; at < len(text); {
			p, err := next(text, at)
			if !yield(p, err) || err != nil {
				return
			}
			at = p.End
		}
	}
}

// next returns the piece at text[at:], which is not empty.
func next(text string, at int) (Piece, error) {
	if text[at] != '$' {
		end := strings.IndexByte(text[at:], '$')
		if end < 0 {
			end = len(text) - at
		}
		return Piece{Text: text[at : at+end], Start: at, End: at + end}, nil
	}
	if at+1 < len(text) && text[at+1] == '$' {
		return Piece{Text: "$", Start: at, End: at + 2}, nil
	}
	p := Piece{Ref: true, Start: at}
	at++
	if at < len(text) && (text[at] == '{' || text[at] == '(') {
		open, shut := text[at], byte('}')
		if open == '(' {
			shut = ')'
		}
		at++
		level := 1
		for p.End = at; level > 0; p.End++ {
			if p.End == len(text) {
				return Piece{}, &Error{Message: fmt.Sprintf("truncated macro reference: \"%s\"", text), Offset: p.Start}
			}
			switch text[p.End] {
			case open:
				level++
			case shut:
				level--
			}
		}
		p.Text = text[at : p.End-1]
	} else {
		for p.End = at; p.End < len(text) && isName(text[p.End]); p.End++ {
		}
		p.Text = text[at:p.End]
	}
	if p.Text == "" {
		return Piece{}, &Error{Message: fmt.Sprintf("empty macro name: \"%s\"", text), Offset: p.Start}
	}
	return p, nil
}

// first20 is the beginning of a text for a message.
func first20(s string) string { return s[:min(len(s), 20)] }

func isName(c byte) bool {
	return c == '_' || isAlnum(c)
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// skipSpace returns the index of the first byte of s[i:] that is no white space.
func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// atBrace returns the index of a "{" that only white space precedes.
func atBrace(s string, i int) (brace int, ok bool) {
	brace = skipSpace(s, i)
	return brace, brace < len(s) && s[brace] == '{'
}

// payload returns what is inside the braces that open at s[i], and the index of
// the first byte behind them that is no white space.
func payload(s string, i int) (inside string, after int, err error) {
	if n := cflines.Braced(s[i:]); n > 0 {
		return s[i+1 : i+n-1], skipSpace(s, i+n), nil
	}
	return "", 0, &Error{Message: fmt.Sprintf("unbalanced {} in attribute expression: \"%s\"", s[i:]), Offset: -1}
}

// expression is a reference, parsed: a name, a comparison or a function call,
// and what to put in its place.
type expression struct {
	name  string
	rel   *relation
	call  bool   // name is a function
	arg   string // its argument
	test  bool   // something follows, which should be "?" or ":"
	rest  string // from there on
	yes   string // the text after "?"
	no    string // the text after ":"
	isYes bool   // there is a "?"
	isNo  bool   // there is a ":"

	braced bool // one of the texts is in braces
}

type relation struct {
	left, right string
	op          string
	suffix      string // "level"
}

const relationChars = "<>!=?+-*/~&|%"

// parse reads s up to the "?" or ":". What is behind it is read by branches,
// after Postfix has looked at the name or the comparison.
func parse(s string, functions bool) (x expression, err error) {
	i, isRel := atBrace(s, 0)
	if !isRel {
		i, err = x.parseName(s, i, functions)
	} else if x.rel, i, err = parseRelation(s, i); err == nil {
		x.test = i < len(s)
	}
	x.rest = s[min(i, len(s)):]
	return x, err
}

// branches reads the texts of x.
func (x *expression) branches() (err error) {
	if !x.test {
		return nil
	}
	s, i := x.rest, 1
	switch s[0] {
	case '?':
		x.isYes = true
		if x.yes, i, err = x.operand(s, i); err != nil || i == len(s) {
			return err
		}
		if s[i] != ':' {
			return &Error{Message: fmt.Sprintf("\":\" expected at: \"...%s}>>>%s\"", x.yes, first20(s[i:])), Offset: -1}
		}
		i++
	case ':':
	default:
		return &Error{Message: fmt.Sprintf("\"?\" or \":\" expected at: \"...}>>>%s\"", first20(s)), Offset: -1}
	}
	x.isNo = true
	if x.no, i, err = x.operand(s, i); err == nil && i < len(s) {
		err = &Error{Message: fmt.Sprintf("unexpected input at: \"...%s}>>>%s\"", x.no, first20(s[i:])), Offset: -1}
	}
	return err
}

// operand reads "{text}", or else all that is left.
func (x *expression) operand(s string, i int) (text string, after int, err error) {
	if brace, ok := atBrace(s, i); ok {
		x.braced = true
		return payload(s, brace)
	}
	return s[i:], len(s), nil
}

// parseName reads a name or a function call. The result is the index of "?" or
// ":" when x.test is set.
func (x *expression) parseName(s string, i int, functions bool) (int, error) {
	for k := i; ; k++ {
		after := skipSpace(s, k)
		if after == len(s) {
			x.name = s[i:k]
			return after, nil
		}
		switch {
		case s[after] == '?' || s[after] == ':':
			x.name, x.test = s[i:k], true
			return after, nil
		case s[after] == '{' && functions:
			inside, end, err := payload(s, after)
			if err == nil && end < len(s) {
				err = &Error{Message: fmt.Sprintf("unexpected input at: \"...%s}>>>%s\"", inside, first20(s[end:])), Offset: -1}
			}
			x.name, x.call, x.arg = s[i:k], true, strings.Trim(inside, " \t\r\n")
			return end, err
		}
		if !isName(s[k]) {
			return 0, &Error{Message: fmt.Sprintf("attribute name syntax error at: \"...%s>>>%s\"", s[:k], first20(s[k:])), Offset: -1}
		}
	}
}

func parseRelation(s string, i int) (r *relation, after int, err error) {
	r = &relation{}
	if r.left, i, err = payload(s, i); err != nil {
		return nil, 0, err
	}
	n := 0
	for i+n < len(s) && strings.IndexByte(relationChars, s[i+n]) >= 0 {
		n++
	}
	r.op = s[i : i+n]
	switch r.op {
	case "==", "!=", "<", "<=", ">=", ">":
	default:
		return nil, 0, &Error{Message: fmt.Sprintf(`"==" or "!="" or "<"" or "<="" or ">="" or ">" expected at: "...%s}>>>%s"`, r.left, first20(s[i:])), Offset: -1}
	}
	i += n
	for n = 0; i+n < len(s) && isAlnum(s[i+n]); n++ {
	}
	if r.suffix = s[i : i+n]; r.suffix != "" && r.suffix != "level" {
		return nil, 0, &Error{Message: fmt.Sprintf("bad operator suffix at: \"...%s>>>%s\"", r.op, r.suffix), Offset: -1}
	}
	i += n
	brace, ok := atBrace(s, i)
	if !ok {
		return nil, 0, &Error{Message: fmt.Sprintf("\"{expression}\" expected at: \"...{%s} %s>>>%s\"", r.left, r.op, first20(s[i:])), Offset: -1}
	}
	r.right, after, err = payload(s, brace)
	return r, after, err
}

// compare gives the value of a comparison.
func (r *relation) compare(left, right string) (bool, error) {
	var delta int
	switch {
	case r.suffix != "":
		l, err := Level(left)
		if err != nil {
			return false, err
		}
		m, err := Level(right)
		if err != nil {
			return false, err
		}
		delta = int(l - m)
	case allDigits(left) && allDigits(right):
		l, lerr := strconv.ParseInt(left, 10, 64)
		m, merr := strconv.ParseInt(right, 10, 64)
		switch {
		case lerr != nil:
			return false, badConversion(left)
		case merr != nil:
			return false, badConversion(right)
		}
		switch {
		case l < m:
			delta = -1
		case l > m:
			delta = 1
		}
	default:
		delta = strings.Compare(left, right)
	}
	switch r.op {
	case "==":
		return delta == 0, nil
	case "!=":
		return delta != 0, nil
	case "<":
		return delta < 0, nil
	case "<=":
		return delta <= 0, nil
	case ">=":
		return delta >= 0, nil
	}
	return delta > 0, nil
}

func badConversion(number string) error {
	return &Error{Message: "mac_exp_eval: bad conversion: " + number, Offset: -1, Fatal: true}
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Level returns a compatibility level, "major[.minor[.patch]]", as a number
// that orders levels.
func Level(text string) (int32, error) {
	parts := strings.Split(text, ".")
	var level int32
	for i := range 3 {
		level <<= 10
		if i >= len(parts) {
			continue
		}
		n, err := strconv.ParseInt(parts[i], 10, 32)
		if err != nil || !allDigits(parts[i]) || n > 1023 || len(parts) > 3 {
			return 0, &Error{Message: fmt.Sprintf("malformed compatibility level syntax: \"%s\"", text), Offset: -1}
		}
		level += int32(n)
	}
	return level, nil
}
