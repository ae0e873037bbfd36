package mastercf

import (
	"bytes"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// A remark is a comment line taken apart.
type remark struct {
	start, end   int // the line, with its LF
	mark, hashes int // offset and number of "#"
	body, stop   int // text behind the "#" and white space, without the line end
	line         int
}

func (r remark) bare() bool { return r.body == r.stop }

// newRemark takes the physical line at src[at:] apart; false: no comment.
func newRemark(src []byte, at, line int) (remark, bool) {
	r := remark{start: at, end: lineEnd(src, at), line: line}
	r.stop = r.end
	for r.stop > at && cflines.IsSpace(src[r.stop-1]) {
		r.stop--
	}
	i := at
	for i < r.stop && cflines.IsSpace(src[i]) {
		i++
	}
	r.mark = i
	for i < r.stop && src[i] == '#' {
		i++
	}
	r.hashes = i - r.mark
	for i < r.stop && cflines.IsSpace(src[i]) {
		i++
	}
	r.body = i
	return r, r.hashes > 0
}

// deeper is a line inside a commented-out service that was a comment before:
// its first "#", and whether it is the first line of a service itself.
type deeper struct {
	mark   int
	header bool
}

// findDisabled finds the commented-out services of f.src.
//
// Blocks nest by the number of "#": what is marked deeper than the service
// around it was a comment when that service was in force.
func (f *File) findDisabled() (all []*Service) {
	var open []*Service // with rising numbers of "#"
	gap := false        // since the last line of a block
	cut := func(hashes int) {
		for len(open) > 0 && open[len(open)-1].hashes > hashes {
			open = open[:len(open)-1]
		}
	}
	var data []int // offsets of the lines that are no comments
	line := 1
	for at := 0; at < len(f.src); line++ {
		r, isComment := newRemark(f.src, at, line)
		at = r.end
		switch {
		case !isComment && !blank(f.src[r.start:r.end]):
			data, open = append(data, r.start), nil
			continue
		case !isComment || r.bare():
			gap = true
			continue
		}
		// A header is eight valid columns; nothing shorter is worth splitting.
		if s := f.header(r); s != nil {
			cut(r.hashes - 1)
			for _, outer := range open {
				outer.deeper = append(outer.deeper, deeper{r.mark, true})
			}
			open, all, gap = append(open, s), append(all, s), false
			continue
		}
		cut(r.hashes)
		if len(open) == 0 || !likeArgs(f.src[r.body:r.stop]) {
			if gap {
				open = nil
			}
			continue
		}
		gap = false
		for _, s := range open {
			if s.hashes == r.hashes {
				s.addLine(r)
			} else {
				s.deeper = append(s.deeper, deeper{r.mark, false})
			}
		}
	}
	for _, s := range all {
		s.finish(data)
	}
	return all
}

// header returns the service a comment line is the first line of, or nil.
func (f *File) header(r remark) *Service {
	if r.stop-r.body < 2*columns-1 || !secondIsType(f.src[r.body:r.stop]) {
		return nil
	}
	s := &Service{file: f, disabled: true}
	s.text = text{s: string(f.src[r.body:r.stop]), pieces: []piece{{r.body, r.stop, r.start, r.end, r.line, 0}}}
	if !s.split() {
		return nil
	}
	for c := FieldService; c <= FieldCommand; c++ {
		if wrongField(c, s.Field(c)) != "" {
			return nil
		}
	}
	s.marks, s.hashes = []span{{r.start, r.body}}, r.hashes
	return s
}

// secondIsType is what tells prose from a service at once.
func secondIsType(line []byte) bool {
	i := bytes.IndexAny(line, " \t\r")
	if i < 0 {
		return false
	}
	line = bytes.TrimLeft(line[i:], " \t\r")
	if i = bytes.IndexAny(line, " \t\r"); i < 0 {
		return false
	}
	return Type(line[:i]).Valid()
}

// addLine adds a line of arguments to a commented-out service.
func (s *Service) addLine(r remark) {
	s.marks = append(s.marks, span{r.mark, r.mark + r.hashes})
	s.text.pieces = append(s.text.pieces, piece{r.mark + r.hashes, r.stop, r.start, r.end, r.line, 0})
}

// finish completes a commented-out service whose lines are known. data has the
// offsets of all lines of the file that are no comments.
func (s *Service) finish(data []int) {
	src := s.file.src
	var b strings.Builder
	for k, p := range s.text.pieces {
		s.text.pieces[k].at = b.Len()
		if k > 0 && !cflines.IsSpace(src[p.start]) {
			// "#-o name=value": as if a blank were there; enabling puts one.
			p.start--
			s.text.pieces[k].start = p.start
			b.WriteByte(' ')
			b.Write(src[p.start+1 : p.end])
			continue
		}
		b.Write(src[p.start:p.end])
	}
	s.text.s = b.String()
	s.split()
	first, lastPiece := s.text.pieces[0], s.text.pieces[len(s.text.pieces)-1]
	s.raw = string(src[first.lineStart:lastPiece.lineEnd])
	s.span.Start = diag.Position{Offset: first.lineStart, Line: first.line, Col: 1}
	s.span.End = diag.Position{Offset: lastPiece.lineEnd, Line: lastPiece.line + 1, Col: 1}
	if src[lastPiece.lineEnd-1] != '\n' {
		s.span.End.Line, s.span.End.Col = lastPiece.line, lastPiece.lineEnd-lastPiece.lineStart+1
	}
	for i, d := range s.deeper {
		// Behind the block only arguments were marked with it: a service
		// there ends it.
		if d.header && d.mark > lastPiece.start {
			s.deeper = s.deeper[:i]
			break
		}
	}
	next, _ := slices.BinarySearch(data, lastPiece.lineEnd)
	s.stray = next < len(data) && cflines.IsSpace(src[data[next]])
}

// likeArgs reports whether a comment line reads as arguments rather than
// prose: it starts with an option, a name=value, text in braces, a $name or a
// path.
func likeArgs(line []byte) bool {
	word := line
	for i, c := range line {
		if isBlank(c) {
			word = line[:i]
			break
		}
	}
	switch c := word[0]; {
	case c == '-':
		return len(word) > 1 && letter(word[1])
	case c == '{' || c == '$' || c == '/':
		return len(line) > 1
	}
	for i, c := range word {
		if c == '=' {
			return i > 0
		}
		if !letter(c) && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return false
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
