package maincf

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/table"
)

// A File is a main.cf as it is written: a sequence of entries that together
// are every byte of it. The zero File is empty and ready to use.
//
// Reading a File from several goroutines is safe; editing is not.
type File struct {
	name    string
	entries []Entry
	size    int
	src     string // the whole file while it is as parsed, else ""

	// last has the assignment that counts for every name. It is made when a
	// name is looked for first, by whichever reader comes, and edits keep it.
	last atomic.Pointer[map[string]*Assignment]

	// moves are what edits did to the places of the entries behind them.
	// Whoever asks for a place first makes them; see settle.
	moves   []move
	moved   atomic.Bool
	placing sync.Mutex
}

// A move is a change of the places of all entries from one on.
type move struct{ from, bytes, lines int }

// An Entry is a stretch of a File: an *[Assignment], a *[Comment], a *[Blank]
// or a *[Bad]. Entries are read-only; edits go through the File, and keep the
// entries they are not about valid.
type Entry interface {
	// Span is the place of the entry in the file as it is now, from its
	// first byte to just past its final newline.
	Span() diag.Span
	// Raw is the text of the entry, its final newline included.
	Raw() string

	base() *node
}

type node struct {
	raw    string
	offset int   // of its first byte, which is the first of a line
	line   int   // number of its first line
	file   *File // whose moves are still to be made; nil when it is in none
}

func (n *node) base() *node { return n }

// settle sees to it that offset and line are those of now.
func (n *node) settle() {
	if n.file != nil {
		n.file.settle()
	}
}

// Raw returns the text of the entry, its final newline included.
func (n *node) Raw() string { return n.raw }

// Span returns the place of the entry in the file.
func (n *node) Span() diag.Span { return diag.Span{Start: n.at(0), End: n.at(len(n.raw))} }

// end returns where the next entry starts, or would start, as far as the
// place of n is settled.
func (n *node) end() diag.Position {
	return diag.Position{Offset: n.offset + len(n.raw), Line: n.line + strings.Count(n.raw, "\n"), Col: 1}
}

// at returns the position of raw[i:].
func (n *node) at(i int) diag.Position {
	n.settle()
	p := diag.Position{Offset: n.offset + i, Line: n.line, Col: i + 1}
	if k := strings.Count(n.raw[:i], "\n"); k > 0 {
		p.Line += k
		p.Col = i - strings.LastIndexByte(n.raw[:i], '\n')
	}
	return p
}

// A Comment is one line whose first text is "#".
type Comment struct{ node }

// Text returns the comment without "#", one space after it, and trailing
// white space.
func (c *Comment) Text() string {
	text := strings.TrimPrefix(trim(c.raw), "#")
	return strings.TrimPrefix(text, " ")
}

// A Blank is one line with nothing but white space.
type Blank struct{ node }

// A Bad is a logical line that is not "name = value". Postfix programs stop
// when they read one, except for a first line that starts with white space,
// which they skip with a warning.
type Bad struct {
	node
	why string
}

// Problem says what is wrong: "missing '=' after parameter name".
func (b *Bad) Problem() string { return b.why }

// An Assignment is one "name = value", with the comments and blank lines
// inside its value.
type Assignment struct {
	node
	nameEnd  int32 // raw[:nameEnd] is the name
	eq       int32 // raw[eq] is '='
	valStart int32 // raw[valStart:valEnd] is the value, when it is on one line
	valEnd   int32 // end of the value without trailing white space
	multi    bool  // more than one physical line
}

// Name returns the parameter name.
func (a *Assignment) Name() string { return a.raw[:a.nameEnd] }

// Value returns what Postfix reads: the lines of the value joined without
// anything between them, comment lines left out, white space at both ends
// removed. A NUL byte ends the value, as it does for Postfix.
func (a *Assignment) Value() string {
	if !a.multi {
		return a.raw[a.valStart:a.valEnd]
	}
	text := a.text()
	return trim(cutNUL(string(text.Bytes))[a.joinedEq(text)+1:])
}

// Items returns the elements of the value: separated by commas or white
// space, with what is in braces kept together.
func (a *Assignment) Items() []string { return SplitList(a.Value()) }

// NameSpan returns the place of the name.
func (a *Assignment) NameSpan() diag.Span {
	return diag.Span{Start: a.at(0), End: a.at(int(a.nameEnd))}
}

// ValueSpan returns the place of the value, from its first to its last byte
// that is not white space. For an empty value it is an empty span.
func (a *Assignment) ValueSpan() diag.Span {
	return diag.Span{Start: a.at(int(a.valStart)), End: a.at(int(a.valEnd))}
}

// ItemSpan returns the place of item i of [Assignment.Items]. For an i that
// does not exist it is the place of the value. It looks through the whole
// value: for all items use [Assignment.ItemSpans].
func (a *Assignment) ItemSpan(i int) diag.Span {
	spans := a.ItemSpans()
	if i < 0 || i >= len(spans) {
		return a.ValueSpan()
	}
	return spans[i]
}

// ItemSpans returns the places of all items of [Assignment.Items].
func (a *Assignment) ItemSpans() []diag.Span {
	var spans []diag.Span
	p := a.places()
	for at, item := range table.Elements(a.Value()) {
		spans = append(spans, p.span(at, at+len(item)))
	}
	return spans
}

// ValuePos returns the position in the file of byte i of Value.
func (a *Assignment) ValuePos(i int) diag.Position { return a.places().pos(max(i, 0)) }

// places tells where the bytes of a value stand. It joins the lines of the
// value once.
type places struct {
	a     *Assignment
	text  cflines.Text // when there is more than one line
	first int          // index in text of the first byte of the value
}

func (a *Assignment) places() places {
	a.settle()
	p := places{a: a}
	if a.multi {
		p.text = a.text()
		p.first = a.joinedEq(p.text) + 1
		for p.first < len(p.text.Bytes) && cflines.IsSpace(p.text.Bytes[p.first]) {
			p.first++
		}
	}
	return p
}

// raw returns the place of byte i of the value in the raw text.
func (p places) raw(i int) diag.Position {
	if p.a.multi {
		return p.text.Pos(min(p.first+i, len(p.text.Bytes)))
	}
	at := min(int(p.a.valStart)+i, int(p.a.valEnd))
	return diag.Position{Offset: at, Line: 1, Col: at + 1}
}

// pos returns the place of byte i of the value in the file.
func (p places) pos(i int) diag.Position {
	at := p.raw(i)
	return diag.Position{Offset: p.a.offset + at.Offset, Line: p.a.line + at.Line - 1, Col: at.Col}
}

// span returns the place of bytes start to end, which is behind start.
func (p places) span(start, end int) diag.Span {
	s := diag.Span{Start: p.pos(start), End: p.pos(end - 1)}
	s.End.Offset++
	s.End.Col++
	return s
}

// text returns the joined logical line; its positions are offsets into raw.
func (a *Assignment) text() cflines.Text {
	return cflines.Item{Kind: cflines.Logical, End: len(a.raw), Line: 1}.Text([]byte(a.raw))
}

// joinedEq returns the index of the "=" in the joined line.
func (a *Assignment) joinedEq(text cflines.Text) int {
	for i, c := range text.Bytes {
		if c == '=' {
			return i
		}
	}
	return len(text.Bytes) - 1 // never: parsing found one
}

// Name returns the name given to [Parse], as it stands in findings.
func (f *File) Name() string { return f.name }

// Len returns the size of the file in bytes.
func (f *File) Len() int { return f.size }

// Bytes returns the file. For a file that was not edited it equals what was
// parsed, whatever that was.
func (f *File) Bytes() []byte { return f.AppendTo(make([]byte, 0, f.size)) }

// AppendTo appends the bytes of the file to dst.
func (f *File) AppendTo(dst []byte) []byte {
	if f.src != "" {
		return append(dst, f.src...)
	}
	for _, e := range f.entries {
		dst = append(dst, e.base().raw...)
	}
	return dst
}

// WriteTo writes the bytes of the file.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if f.src != "" {
		n, err := io.WriteString(w, f.src)
		return int64(n), err
	}
	n, err := w.Write(f.Bytes())
	return int64(n), err
}

// Clone returns a copy that can be edited without changing f.
func (f *File) Clone() *File {
	f.settle()
	c := &File{name: f.name, size: f.size, src: f.src, entries: make([]Entry, len(f.entries))}
	for i, e := range f.entries {
		c.entries[i] = clone(e)
		c.entries[i].base().file = c
	}
	return c
}

func clone(e Entry) Entry {
	switch e := e.(type) {
	case *Assignment:
		d := *e
		return &d
	case *Comment:
		d := *e
		return &d
	case *Blank:
		d := *e
		return &d
	}
	d := *e.(*Bad)
	return &d
}

// Entries yields every entry in order. The file must not be edited while the
// sequence is used.
func (f *File) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range f.entries {
			if !yield(e) {
				return
			}
		}
	}
}

// All yields every assignment in order, those overridden by a later one
// included. The file must not be edited while the sequence is used.
func (f *File) All() iter.Seq[*Assignment] {
	return func(yield func(*Assignment) bool) {
		for _, e := range f.entries {
			if a, ok := e.(*Assignment); ok && !yield(a) {
				return
			}
		}
	}
}

// Find returns the assignment of name that counts, which is the last one, and
// nil when there is none. Names are compared whole and with their case.
func (f *File) Find(name string) *Assignment { return f.names()[name] }

// names returns the assignments that count. Only edits may change the map.
func (f *File) names() map[string]*Assignment {
	if last := f.last.Load(); last != nil {
		return *last
	}
	last := make(map[string]*Assignment)
	for a := range f.All() {
		last[a.Name()] = a
	}
	f.last.Store(&last)
	return last
}

// Get returns the value that name has in this file; ok is false when it is
// not set. What Postfix uses then is the business of [Env].
func (f *File) Get(name string) (value string, ok bool) {
	if a := f.Find(name); a != nil {
		return a.Value(), true
	}
	return "", false
}

// Doc returns the comment block that belongs to an assignment: the comment
// lines directly above it, without their "#". A commented-out setting ends
// the block. It is "" when a is not of this file.
func (f *File) Doc(a *Assignment) string {
	if a == nil {
		return ""
	}
	i := f.index(a)
	if i < 0 {
		return ""
	}
	first := i
	for first > 0 {
		c, ok := f.entries[first-1].(*Comment)
		if !ok || disabledName(c) != "" {
			break
		}
		first--
	}
	var lines []string
	for _, e := range f.entries[first:i] {
		lines = append(lines, e.(*Comment).Text())
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// index returns the index of e in the file, or -1. Offsets that are not
// settled are in order, too.
func (f *File) index(e Entry) int {
	if e == nil {
		return -1
	}
	n := e.base()
	i, found := slices.BinarySearchFunc(f.entries, n.offset, func(x Entry, offset int) int { return x.base().offset - offset })
	if !found || f.entries[i].base() != n {
		return -1
	}
	return i
}

// ErrNotInFile is returned for an entry that is not, or no longer, part of
// the file.
var ErrNotInFile = errors.New("maincf: the entry is not part of this file")

// SplitList cuts a parameter value into its elements: separated by commas and
// white space, with what is in braces kept together.
func SplitList(value string) []string {
	var items []string
	for _, item := range table.Elements(value) {
		items = append(items, item)
	}
	return items
}

// JoinList is the opposite of [SplitList]: the elements separated by ", ".
func JoinList(items []string) string { return strings.Join(items, ", ") }

// trim removes Postfix's white space from both ends.
func trim(s string) string {
	for len(s) > 0 && cflines.IsSpace(s[0]) {
		s = s[1:]
	}
	return trimRight(s)
}

func trimRight(s string) string {
	for len(s) > 0 && cflines.IsSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func cutNUL(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}
