package cflines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readPostfix is the simple version: byte by byte, the way the rules read. It
// returns the texts of the logical lines with the numbers of their first and
// last data lines.
func readPostfix(src []byte) (out []string) {
	var text []byte
	first, last, line := 0, 0, 0
	flush := func() {
		if first > 0 {
			out = append(out, fmt.Sprintf("%d-%d %q", first, last, text))
		}
		text, first = nil, 0
	}
	for len(src) > 0 {
		line++
		phys, rest, _ := bytes.Cut(src, []byte("\n"))
		src = rest
		data := strings.TrimLeft(string(phys), " \t\n\v\f\r")
		if data == "" || data[0] == '#' {
			continue
		}
		if !strings.ContainsRune(" \t\n\v\f\r", rune(phys[0])) {
			flush()
		}
		if first == 0 {
			first = line
		}
		last = line
		text = append(text, phys...)
	}
	flush()
	return out
}

func fromSplit(t *testing.T, src []byte) (out []string) {
	t.Helper()
	var whole []byte
	for it := range Split(src) {
		if it.Start != len(whole) || it.End <= it.Start {
			t.Fatalf("item %+v does not follow %d bytes", it, len(whole))
		}
		if n := 1 + bytes.Count(src[:it.Start], []byte("\n")); it.Line != n {
			t.Fatalf("item %+v: line is %d", it, n)
		}
		whole = append(whole, src[it.Start:it.End]...)
		if it.Kind != Logical {
			continue
		}
		text := it.Text(src)
		out = append(out, fmt.Sprintf("%d-%d %q", text.Pos(0).Line, text.LastLine(), text.Bytes))
		for i, c := range text.Bytes {
			p := text.Pos(i)
			lineStart := bytes.LastIndexByte(src[:p.Offset], '\n') + 1
			if src[p.Offset] != c || p.Col != p.Offset-lineStart+1 || p.Line != 1+bytes.Count(src[:p.Offset], []byte("\n")) {
				t.Fatalf("byte %d (%q) of %q: position %v, offset %d", i, c, text.Bytes, p, p.Offset)
			}
		}
	}
	if !bytes.Equal(whole, src) {
		t.Fatalf("items give %q, want %q", whole, src)
	}
	return out
}

// reader has a buffer so small that short sources cross its border.
func reader(src io.Reader, size int) *Reader {
	r := NewReader(src)
	if size < 1<<12 {
		r.size = 7
	}
	return r
}

func fromReader(t *testing.T, r io.Reader, src []byte) (out []string) {
	t.Helper()
	for lr := reader(r, len(src)); ; {
		l, err := lr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if at := src[l.Offset:]; at[0] != l.Text[0] || l.Indented != IsSpace(at[0]) {
			t.Fatalf("line %q: offset %d is at %.20q", l.Text, l.Offset, at)
		}
		out = append(out, fmt.Sprintf("%d-%d %q", l.First, l.Last, l.Text))
	}
}

var cases = []string{
	"", "\n", "a", "a\n", "a b\n", "a\n b\n", "a\n\n b\nc", "a\n# x\n b\n#y\n\nc d\n",
	"  indented\n more\na b\n", "a\r\n\r\n b\r\nc\r\n", "a\x00b c\n \x00d\n", "#only", " # x\n\t#y\n",
	"a\n  # c\n\v\n\fb", "a\n#\n#\n#\nb\n c\n\n\n", " \n a\n", "d 4\n\n  five\n",
}

func check(t *testing.T, src []byte) {
	t.Helper()
	want := readPostfix(src)
	if got := fromSplit(t, src); !slices.Equal(got, want) {
		t.Fatalf("Split(%q):\n got %v\nwant %v", src, got, want)
	}
	if got := fromReader(t, bytes.NewReader(src), src); !slices.Equal(got, want) {
		t.Fatalf("Reader(%q):\n got %v\nwant %v", src, got, want)
	}
	if got := fromReader(t, iotest.OneByteReader(bytes.NewReader(src)), src); !slices.Equal(got, want) {
		t.Fatalf("Reader(%q), one byte at a time:\n got %v\nwant %v", src, got, want)
	}
}

func TestLines(t *testing.T) {
	for _, c := range cases {
		check(t, []byte(c))
	}
}

// Buffer borders fall on every place of a line: lines and continuations of
// many lengths, more than a buffer in all.
func TestReaderAcrossBuffers(t *testing.T) {
	var src []byte
	for i := range 9000 {
		src = fmt.Appendf(src, "key%d %s\n", i, strings.Repeat("v", i%211))
		if i%7 == 0 {
			src = fmt.Appendf(src, "# %s\n", strings.Repeat("c", i%97))
		}
		if i%11 == 0 {
			src = append(src, "\n  more\n\n"...)
		}
	}
	src = append(src, "long "...)
	src = append(src, bytes.Repeat([]byte("x"), 3*bufferSize)...)
	src = append(src, "\n and more\nend"...)
	want := readPostfix(src)
	for _, r := range []io.Reader{bytes.NewReader(src), iotest.HalfReader(bytes.NewReader(src)), iotest.DataErrReader(bytes.NewReader(src))} {
		if got := fromReader(t, r, src); !slices.Equal(got, want) {
			t.Fatalf("%T: %d lines, want %d, or they differ", r, len(got), len(want))
		}
	}
	var split []string
	for it := range Split(src) {
		if it.Kind == Logical {
			text := it.Text(src)
			split = append(split, fmt.Sprintf("%d-%d %q", text.Pos(0).Line, text.LastLine(), text.Bytes))
		}
	}
	if !slices.Equal(split, want) {
		t.Fatalf("Split: %d lines, want %d, or they differ", len(split), len(want))
	}
}

func TestReaderError(t *testing.T) {
	broken := errors.New("disk on fire")
	r := NewReader(io.MultiReader(strings.NewReader("a 1\nb 2\n c"), iotest.ErrReader(broken)))
	if l, err := r.Next(); err != nil || string(l.Text) != "a 1" {
		t.Fatalf("got %q, %v", l.Text, err)
	}
	if l, err := r.Next(); err != broken {
		t.Fatalf("got %q, %v, want the error of the source", l.Text, err)
	}
}

func TestMaxLine(t *testing.T) {
	long := "a 1\nb " + strings.Repeat("2", 20) + "\nc 3\n"
	for _, src := range []string{long, "a 1\nb 2\n" + strings.Repeat(" 2345678\n", 3), "a 1\nb " + strings.Repeat("-", 1<<20)} {
		r := NewReader(strings.NewReader(src))
		r.MaxLine, r.size = 20, 7
		if l, err := r.Next(); err != nil || string(l.Text) != "a 1" {
			t.Fatalf("got %q, %v", l.Text, err)
		}
		for range 2 { // the error stays
			if l, err := r.Next(); err != ErrTooLong {
				t.Fatalf("got %q, %v, want ErrTooLong", l.Text, err)
			}
		}
		if cap(r.buf) > 4*20 {
			t.Errorf("buffer of %d bytes for lines of at most 20", cap(r.buf))
		}
	}
}

func TestSpan(t *testing.T) {
	src := []byte("a b\n# c\n  d\n")
	for it := range Split(src) {
		text := it.Text(src)
		s := text.Span(2, 6) // "b  d" without the comment
		if s.Start.String() != "1:3" || s.End.String() != "3:4" || s.End.Offset != 11 {
			t.Fatalf("got %v to %v (offset %d)", s.Start, s.End, s.End.Offset)
		}
		if end := text.Pos(len(text.Bytes)); end.String() != "3:4" {
			t.Fatalf("end of text: got %v", end)
		}
	}
}

// The places of a line of very many pieces: without a search each would be
// found by looking at all pieces before it, 10¹¹ in all.
func TestManyPieces(t *testing.T) {
	const n = 500_000
	src := []byte("a" + strings.Repeat("\n b\n#", n))
	for it := range Split(src) {
		text := it.Text(src)
		for i := range n {
			if p := text.Pos(2 * (i + 1)); p.Line != 2*(i+1) || p.Col != 2 || p.Offset != 5*i+3 {
				t.Fatalf("byte %d at %+v", 2*(i+1), p)
			}
		}
		break
	}
}

func FuzzLines(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<12 {
			return
		}
		check(t, src)
	})
}

func benchSource() []byte {
	var src []byte
	for i := range 20000 {
		src = fmt.Appendf(src, "user%d@example.org  destination%d@example.com\n", i, i)
	}
	return src
}

func BenchmarkReader(b *testing.B) {
	src := benchSource()
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bytes.NewReader(src))
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	src := benchSource()
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		for range Split(src) {
		}
	}
}
