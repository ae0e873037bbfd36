package mastercf

import (
	"bytes"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// A piece is the part of a physical line that is text of an entry. For a
// commented-out entry it starts behind the "#".
type piece struct {
	start, end         int // byte range in the source, without the line end
	lineStart, lineEnd int // of the physical line, with its LF when it has one
	line               int // number of the physical line
	at                 int // offset of the piece in the joined text
}

// text is the joined text of an entry, with the way back to the source.
type text struct {
	s      string
	pieces []piece
}

// joined returns the text of a Logical item.
func joined(src []byte, it cflines.Item) text {
	var t text
	var b strings.Builder
	for p := range it.Pieces(src) {
		q := piece{start: p.Start, end: p.End, lineStart: p.Start, lineEnd: min(p.End+1, len(src)), line: p.Line, at: b.Len()}
		t.pieces = append(t.pieces, q)
		b.Write(src[p.Start:p.End])
	}
	t.s = b.String()
	return t
}

// pos returns the place in the source of byte i of the text. For the end of
// the text it is just past the last byte.
func (t text) pos(i int) diag.Position {
	if len(t.pieces) == 0 {
		return diag.Position{}
	}
	p := t.pieces[t.pieceOf(i)]
	off := p.start + min(i-p.at, p.end-p.start)
	return diag.Position{Offset: off, Line: p.line, Col: off - p.lineStart + 1}
}

// endPos returns the place just past byte i-1, on the line of that byte.
func (t text) endPos(i int) diag.Position {
	if i == 0 {
		return t.pos(0)
	}
	p := t.pos(i - 1)
	p.Offset++
	p.Col++
	return p
}

func (t text) span(start, end int) diag.Span {
	if end <= start {
		return diag.Span{Start: t.pos(start), End: t.pos(start)}
	}
	return diag.Span{Start: t.pos(start), End: t.endPos(end)}
}

// pieceOf returns the index of the piece byte i of the text is in, the last
// one for the end of the text.
func (t text) pieceOf(i int) int {
	k, found := slices.BinarySearchFunc(t.pieces, i, func(p piece, i int) int { return p.at - i })
	if found {
		for k+1 < len(t.pieces) && t.pieces[k].start == t.pieces[k].end {
			k++ // an empty piece has no byte
		}
		return k
	}
	return max(k-1, 0)
}

// replace returns the edits that put repl in the place of bytes start to end
// of the text. Comments between the pieces stay; a continuation line of which
// only white space would be left goes away whole. Where start == end, repl
// goes right behind the byte before.
func (t text) replace(start, end int, repl string) []diag.Edit {
	if start == end {
		at := t.endPos(start).Offset
		return []diag.Edit{{Start: at, End: at, New: repl}}
	}
	var edits []diag.Edit
	for k := t.pieceOf(start); k < len(t.pieces) && t.pieces[k].at < end; k++ {
		p := t.pieces[k]
		at, n := p.at, p.end-p.start
		from, to := max(start-at, 0), min(end-at, n)
		here := ""
		if start >= at && start < at+n {
			here = repl
		}
		line := t.s[at : at+n]
		if from > to || from == to && here == "" {
			continue
		}
		if k > 0 && from == 0 && to < n && !cflines.IsSpace(line[to]) {
			from = min(1, to) // or the line would no longer continue the entry
		}
		e := diag.Edit{Start: p.start + from, End: p.start + to, New: here}
		if k > 0 && here == "" && blank(line[:from]) && blank(line[to:]) {
			e.Start, e.End = p.lineStart, p.lineEnd
		}
		edits = append(edits, e)
	}
	return edits
}

func blank[T string | []byte](b T) bool {
	for i := range len(b) {
		if !cflines.IsSpace(b[i]) {
			return false
		}
	}
	return true
}

// A token is a field of an entry: bytes start to end of its text.
type token struct{ start, end int }

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// tokens splits text at blanks outside { }. Nothing else is special. The text
// ends at a NUL byte, as it does for Postfix.
func tokens(s string) (all []token) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	for i := 0; i < len(s); {
		if isBlank(s[i]) {
			i++
			continue
		}
		start, level := i, 0
		for ; i < len(s); i++ {
			if s[i] == '{' {
				level++
			} else if s[i] == '}' && level > 0 {
				level--
			} else if level == 0 && isBlank(s[i]) {
				break
			}
		}
		all = append(all, token{start, i})
	}
	return all
}

// unbrace takes the text out of { }: the range inside, without blanks at its
// ends, and what is wrong with the braces ("" when nothing is). What is behind
// the closing brace is lost, as it is for Postfix.
func unbrace(s string) (start, end int, wrong string) {
	start, end = 1, len(s)
	if n := cflines.Braced(s); n == 0 {
		wrong = "missing '}'"
	} else {
		if n < len(s) {
			wrong = "text after '}'"
		}
		end = n - 1
	}
	for end > start && cflines.IsSpace(s[end-1]) {
		end--
	}
	for start < end && cflines.IsSpace(s[start]) {
		start++
	}
	return start, end, wrong
}

// nameValue splits "name = value" as Postfix does: the range of the name and
// of the value, or what is wrong.
func nameValue(s string) (nameStart, nameEnd, valueStart, valueEnd int, wrong string) {
	i := 0
	skip := func(cond func(c byte) bool) {
		for i < len(s) && cond(s[i]) {
			i++
		}
	}
	skip(cflines.IsSpace)
	nameStart = i
	skip(func(c byte) bool { return c != '=' && !cflines.IsSpace(c) })
	nameEnd = i
	if nameStart == nameEnd {
		return 0, 0, 0, 0, "missing parameter name"
	}
	skip(cflines.IsSpace)
	if i == len(s) || s[i] != '=' {
		return 0, 0, 0, 0, "missing '=' after parameter name"
	}
	i++
	skip(cflines.IsSpace)
	valueStart, valueEnd = i, len(s)
	for valueEnd > valueStart && cflines.IsSpace(s[valueEnd-1]) {
		valueEnd--
	}
	return nameStart, nameEnd, valueStart, valueEnd, ""
}

// lineEnd returns the offset just past the physical line at src[at:].
func lineEnd(src []byte, at int) int {
	if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(src)
}
