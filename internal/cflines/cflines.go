// Package cflines cuts the text of a Postfix configuration file or map source
// into logical lines, with the place of every byte. It is the one place that
// decides what a comment, a blank line and a continuation line is.
//
// The rules are those of every Postfix reader (postconf(5), "configuration
// file format"; postmap(1)):
//
//   - A physical line ends at LF or at the end of the file.
//   - A physical line that is empty, all white space, or whose first byte that
//     is not white space is "#", is dropped wherever it stands. It does not
//     end a logical line: a value may have comments and blank lines inside.
//   - A physical line that starts with white space continues the logical line
//     before it. Its text is appended as it is, white space included.
//   - Any other physical line starts a logical line.
//
// White space is space, TAB, LF, VT, FF and CR, so a line of a CRLF file that
// looks empty is empty, and the CR at the end of a data line is trailing white
// space. There is no limit on the length of a line. NUL bytes are data here;
// Postfix handles a logical line as a C string afterwards, see [CutNUL].
//
// [Split] works on a file in memory and tells where everything is, comments
// included. [Reader] streams logical lines from sources of any size.
package cflines

import (
	"bytes"
	"iter"
	"slices"

	"github.com/postfixkit/postfixkit/diag"
)

// IsSpace reports whether c is white space for Postfix.
func IsSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// Braced returns the length of the text in { } at the start of s, the braces
// included, and 0 when they are not balanced.
func Braced(s string) int {
	level := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			level++
		case '}':
			if level--; level == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// Trim returns b without white space at its ends.
func Trim(b []byte) []byte { return TrimRight(TrimLeft(b)) }

// TrimLeft returns b without leading white space.
func TrimLeft(b []byte) []byte {
	for len(b) > 0 && IsSpace(b[0]) {
		b = b[1:]
	}
	return b
}

// TrimRight returns b without trailing white space.
func TrimRight(b []byte) []byte {
	for len(b) > 0 && IsSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// CutNUL returns what Postfix sees of a logical line: the text before the
// first NUL byte. cut reports whether there was one.
func CutNUL(text []byte) (before []byte, cut bool) {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return text[:i], true
	}
	return text, false
}

// Kind says what an [Item] is. The zero Kind is invalid.
type Kind uint8

// The kinds of items.
const (
	_       Kind = iota
	Blank        // one physical line with nothing but white space
	Comment      // one physical line whose first text is "#"
	Logical      // a logical line, with the comments and blank lines inside it
)

// An Item is a stretch of a source. The items of a source follow each other
// without gaps, from its first byte to its last.
type Item struct {
	Kind       Kind
	Start, End int // byte range, the final LF included when there is one
	Line       int // number of the first physical line, from 1
}

// Pos returns the position of the item's first byte.
func (it Item) Pos() diag.Position { return diag.Position{Offset: it.Start, Line: it.Line, Col: 1} }

// Split returns the items of src in order.
//
// A Logical item runs from its first physical line to its last data line; a
// comment or blank line between the two is inside it, one after the last is an
// item of its own. An item that starts with white space can only be the first
// Logical one of a file: Postfix refuses it (nothing to continue).
func Split(src []byte) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		line := 1
		for at := 0; at < len(src); {
			it := Item{Start: at, Line: line}
			var lines int
			it.Kind, it.End, lines = next(src, at)
			if !yield(it) {
				return
			}
			at, line = it.End, line+lines
		}
	}
}

// next returns kind, end and number of physical lines of the item at src[at:].
func next(src []byte, at int) (kind Kind, end, lines int) {
	end = lineEnd(src, at)
	if kind = classify(src[at:end]); kind != Logical {
		return kind, end, 1
	}
	lines = 1
	// Look ahead over comments and blank lines for one more continuation.
	for ahead, n := end, 1; ahead < len(src); n++ {
		stop := lineEnd(src, ahead)
		if classify(src[ahead:stop]) == Logical {
			if !IsSpace(src[ahead]) {
				break
			}
			end, lines = stop, n+1
		}
		ahead = stop
	}
	return Logical, end, lines
}

// lineEnd returns the offset just past the physical line at src[at:].
func lineEnd(src []byte, at int) int {
	if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(src)
}

// classify says what one physical line is, on its own.
func classify(line []byte) Kind {
	for _, c := range line {
		if !IsSpace(c) {
			if c == '#' {
				return Comment
			}
			return Logical
		}
	}
	return Blank
}

// A Piece is a data line of a logical line: one that contributes text.
type Piece struct {
	Start, End int // byte range in the source, without the LF
	Line       int // number of the physical line
}

// Pieces returns the data lines of a Logical item of src, in order. Joined
// without anything between them they are the text of the logical line.
func (it Item) Pieces(src []byte) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		line := it.Line
		for at := it.Start; at < it.End; line++ {
			end := lineEnd(src[:it.End], at)
			if classify(src[at:end]) == Logical {
				p := Piece{Start: at, End: end, Line: line}
				if src[end-1] == '\n' {
					p.End--
				}
				if !yield(p) {
					return
				}
			}
			at = end
		}
	}
}

// A Text is the joined text of a logical line that remembers where its bytes
// come from.
type Text struct {
	Bytes  []byte        // aliases the source when there is only one piece
	pieces []placedPiece // in order
	first  Piece         // used instead of pieces when there is only one
}

// A placedPiece is a Piece, which is not empty, with its place in the joined
// text.
type placedPiece struct {
	Piece
	at int
}

// Text returns the joined text of a Logical item of src.
func (it Item) Text(src []byte) Text {
	var t Text
	n := 0
	for p := range it.Pieces(src) {
		switch n++; n {
		case 1:
			t.first, t.Bytes = p, src[p.Start:p.End:p.End]
			continue
		case 2:
			t.pieces = append(t.pieces, placedPiece{t.first, 0})
		}
		t.pieces = append(t.pieces, placedPiece{p, len(t.Bytes)})
		t.Bytes = append(t.Bytes, src[p.Start:p.End]...)
	}
	return t
}

// LastLine returns the number of the last physical line of the text.
func (t Text) LastLine() int {
	if len(t.pieces) > 0 {
		return t.pieces[len(t.pieces)-1].Line
	}
	return t.first.Line
}

// Pos returns the position in the source of byte i of the joined text. For
// i == len(t.Bytes) it is the place just past the last byte.
func (t Text) Pos(i int) diag.Position {
	p := t.first
	if len(t.pieces) > 0 {
		k, found := slices.BinarySearchFunc(t.pieces, i, func(p placedPiece, i int) int { return p.at - i })
		if !found {
			k = max(k-1, 0)
		}
		p, i = t.pieces[k].Piece, i-t.pieces[k].at
	}
	return diag.Position{Offset: p.Start + i, Line: p.Line, Col: i + 1}
}

// Span returns the place in the source of bytes start to end of the joined
// text. The end is just past the last byte, on its line.
func (t Text) Span(start, end int) diag.Span {
	s := diag.Span{Start: t.Pos(start)}
	if end <= start {
		s.End = s.Start
		return s
	}
	s.End = t.Pos(end - 1)
	s.End.Offset++
	s.End.Col++
	return s
}
