package cflines

import (
	"bytes"
	"errors"
	"io"
)

// ErrTooLong is the error of a [Reader] for a logical line longer than its
// MaxLine.
var ErrTooLong = errors.New("logical line is too long")

// A Line is a logical line as [Reader] returns it.
type Line struct {
	Text     []byte // joined data lines without LF; valid until the next call
	Offset   int64  // of the first byte in the source
	First    int    // number of the first physical line with data, from 1
	Last     int    // number of the last physical line with data
	Indented bool   // starts with white space: nothing to continue, Postfix refuses it
}

// A Reader streams the logical lines of a source. It needs memory for the
// longest logical line and a buffer of fixed size. Not safe for concurrent
// use.
type Reader struct {
	// MaxLine, when positive, bounds the bytes of a logical line, and with them
	// the memory for a source that never ends one. Physical lines that are
	// dropped count each for itself.
	MaxLine int

	src    io.Reader
	buf    []byte
	at     int   // start of what has not been returned yet: buf[at:]
	base   int64 // offset in the source of buf[0]
	line   int   // number of the physical line at buf[at:]
	err    error // from src; io.EOF when all is in buf
	joined []byte
	size   int // of the first buffer; tests make it small
}

// bufferSize is large enough that refilling costs nothing beside parsing.
const bufferSize = 256 << 10

// NewReader returns a Reader of src.
func NewReader(src io.Reader) *Reader { return &Reader{src: src, line: 1, size: bufferSize} }

// Resume returns a Reader that goes on in the middle of a source, at physical
// line number line at offset: with text, which is read where it is, and then with
// src, or when err is not nil with that error. io.EOF ends the last line of text.
func Resume(text []byte, line int, offset int64, src io.Reader, err error) *Reader {
	return &Reader{src: src, buf: text, line: line, base: offset, err: err, size: bufferSize}
}

// Complete returns how much of src is certainly made of whole logical lines,
// whatever comes after it: src up to the last physical line that begins one. It
// is 0 when that is the first line of src or there is none.
func Complete(src []byte) int {
	for end := len(src); end > 0; {
		end = bytes.LastIndexByte(src[:end], '\n')
		if end+1 < len(src) && end >= 0 && src[end+1] != '#' && !IsSpace(src[end+1]) {
			return end + 1
		}
	}
	return 0
}

// Next returns the next logical line. At the end it returns io.EOF. Another
// error is that of the source; lines before it have been returned, and an
// incomplete one is not.
func (r *Reader) Next() (Line, error) {
	var l Line
	for {
		phys, err := r.physical()
		if err != nil {
			if err == io.EOF && l.First > 0 {
				return l, nil
			}
			return Line{}, err
		}
		kind := Logical
		if len(phys) == 0 || phys[0] <= ' ' || phys[0] == '#' {
			kind = classify(phys)
		}
		switch {
		case kind != Logical:
			// dropped, wherever it stands
		case l.First == 0:
			l = Line{Text: phys, Offset: r.base + int64(r.at), First: r.line, Last: r.line, Indented: IsSpace(phys[0])}
		default:
			if l.First == l.Last {
				r.joined = append(r.joined[:0], l.Text...)
			}
			r.joined = append(r.joined, phys...)
			l.Text, l.Last = r.joined, r.line
		}
		if r.MaxLine > 0 && len(l.Text) > r.MaxLine {
			r.err = ErrTooLong
			return Line{}, r.err
		}
		next, err := r.advance(len(phys))
		if err != nil && err != io.EOF {
			return Line{}, err
		}
		if l.First == 0 {
			continue
		}
		if err == io.EOF || next != '#' && !IsSpace(next) {
			return l, nil
		}
		// The line may go on, and reading on may move the buffer.
		if l.First == l.Last {
			r.joined = append(r.joined[:0], l.Text...)
			l.Text = r.joined
		}
	}
}

// Buffered returns what has been read of the source and not been returned by
// Next. It is valid until the next call of Next.
func (r *Reader) Buffered() []byte { return r.buf[r.at:] }

// Skip steps over a logical line that the caller took from Buffered: n bytes
// that are one physical line with its LF, and what follows it there begins
// another logical line. It returns the line's number and offset.
func (r *Reader) Skip(n int) (line int, offset int64) {
	line, offset = r.line, r.base+int64(r.at)
	r.at += n
	r.line++
	return line, offset
}

// physical returns the physical line at r.at without its LF.
func (r *Reader) physical() ([]byte, error) {
	for seen := 0; ; {
		if i := bytes.IndexByte(r.buf[r.at+seen:], '\n'); i >= 0 {
			return r.buf[r.at : r.at+seen+i], nil
		}
		seen = len(r.buf) - r.at
		if r.err != nil {
			if r.err == io.EOF && seen > 0 {
				return r.buf[r.at:], nil
			}
			return nil, r.err
		}
		if r.MaxLine > 0 && seen > r.MaxLine {
			r.err = ErrTooLong
			return nil, r.err
		}
		r.fill()
	}
}

// advance steps over a physical line of n bytes and its LF, and returns the
// byte after it. The line stays in the buffer.
func (r *Reader) advance(n int) (next byte, err error) {
	if r.at+n == len(r.buf) { // the last line, without LF
		r.at += n
		r.line++
		return 0, io.EOF
	}
	for r.at+n+1 == len(r.buf) && r.err == nil {
		r.fillKeeping()
	}
	r.at += n + 1
	r.line++
	if r.at < len(r.buf) {
		return r.buf[r.at], nil
	}
	return 0, r.err
}

// fill reads more, moving what is left to the front of the buffer when that
// makes the room.
func (r *Reader) fill() {
	if r.at > 0 && len(r.buf) == cap(r.buf) {
		n := copy(r.buf, r.buf[r.at:])
		r.buf, r.base, r.at = r.buf[:n], r.base+int64(r.at), 0
	}
	r.fillKeeping()
}

// fillKeeping reads more without moving anything that was returned: a full
// buffer is left to whoever holds a slice of it, and a new one is made.
func (r *Reader) fillKeeping() {
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf)-r.at, max(r.size, 2*(len(r.buf)-r.at)))
		copy(grown, r.buf[r.at:])
		r.buf, r.base, r.at = grown, r.base+int64(r.at), 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf, r.err = r.buf[:len(r.buf)+n], err
		if n > 0 || err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}
