package maincf

import (
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// Parse reads a main.cf. name is what findings call it.
//
// The File is never nil and holds every byte of src. A line that is not
// "name = value" becomes a [*Bad] entry; the error is a [diag.List] with one
// finding for each of them.
func Parse(name string, src []byte) (*File, error) {
	p := parser{text: string(src)}
	f := &File{name: name, size: len(src), src: p.text, entries: make([]Entry, 0, len(src)/36+8)}
	p.file = f
	for it := range cflines.Split(src) {
		f.entries = append(f.entries, p.entry(it))
	}
	var found diag.List
	if p.bad > 0 {
		for _, e := range f.entries {
			if b, ok := e.(*Bad); ok {
				found = append(found, f.finding(diag.Error, b.Span(), "", b.why))
			}
		}
	}
	return f, found.Err()
}

func (f *File) finding(s diag.Severity, at diag.Span, check, message string) diag.Diagnostic {
	return diag.Diagnostic{File: f.name, Span: at, Severity: s, Check: check, Message: message}
}

// parser makes entries of items. Entries are cut from blocks, so that a line
// costs no allocation of its own.
type parser struct {
	text     string // the whole source; raw texts are parts of it
	file     *File
	bad      int
	sets     []Assignment
	comments []Comment
	blanks   []Blank

	setBlock, commentBlock, blankBlock int // sizes of the last blocks
}

// block is how many entries to allocate at once, the first time and later:
// ever more, so that neither a small file nor a large one pays for the other,
// and few for the text of one edit.
func (p *parser) block(last *int) int {
	*last = min(max(1, min(len(p.text)/64, 16), 2**last), 512)
	return *last
}

func (p *parser) entry(it cflines.Item) Entry {
	n := node{raw: p.text[it.Start:it.End], offset: it.Start, line: it.Line, file: p.file}
	switch it.Kind {
	case cflines.Blank:
		if len(p.blanks) == 0 {
			p.blanks = make([]Blank, p.block(&p.blankBlock))
		}
		e := &p.blanks[0]
		p.blanks = p.blanks[1:]
		e.node = n
		return e
	case cflines.Comment:
		if len(p.comments) == 0 {
			p.comments = make([]Comment, p.block(&p.commentBlock))
		}
		e := &p.comments[0]
		p.comments = p.comments[1:]
		e.node = n
		return e
	}
	if len(p.sets) == 0 {
		p.sets = make([]Assignment, p.block(&p.setBlock))
	}
	e := &p.sets[0]
	e.node = n
	if why := e.split(); why != "" {
		e.node = node{}
		p.bad++
		return &Bad{n, why}
	}
	p.sets = p.sets[1:]
	return e
}

// maxLine bounds a logical line, so that places in it fit into 32 bits.
const maxLine = 1<<31 - 1

// The reasons why a line is bad. Postfix says "attribute" where we say
// "parameter"; cmd/postconf translates.
const (
	missingName  = "missing parameter name before '='"
	missingEqual = "missing '=' after parameter name"
	leadingSpace = "logical line must not start with white space"
	tooLong      = "logical line is longer than 2 GB"
)

// split finds name and value in a.raw, and says what is wrong with it.
func (a *Assignment) split() (why string) {
	raw := a.raw
	if cflines.IsSpace(raw[0]) {
		return leadingSpace
	}
	if len(raw) > maxLine {
		return tooLong
	}
	i := strings.IndexByte(raw, '\n')
	a.multi = i >= 0 && i+1 < len(raw)
	if a.multi {
		return a.splitMulti()
	}
	line := raw
	if k := strings.IndexByte(raw, 0); k >= 0 {
		line = raw[:k]
	}
	name, eq, start, end, why := splitLine(line)
	a.nameEnd, a.eq, a.valStart, a.valEnd = int32(name), int32(eq), int32(start), int32(end)
	return why
}

func (a *Assignment) splitMulti() (why string) {
	text := a.text()
	line, _ := cflines.CutNUL(text.Bytes)
	name, eq, start, end, why := splitLine(string(line))
	if why != "" {
		return why
	}
	// The byte behind the name may be on another line.
	a.nameEnd, a.eq = int32(text.Pos(name-1).Offset+1), int32(text.Pos(eq).Offset)
	if start == end {
		a.valStart = a.eq + 1
		a.valEnd = a.valStart
		return ""
	}
	a.valStart, a.valEnd = int32(text.Pos(start).Offset), int32(text.Pos(end-1).Offset+1)
	return ""
}

// splitLine splits a logical line as Postfix does: the name ends at white
// space or "=", which white space may precede.
func splitLine(line string) (nameEnd, eq, start, end int, why string) {
	for nameEnd < len(line) && line[nameEnd] != '=' && !cflines.IsSpace(line[nameEnd]) {
		nameEnd++
	}
	eq = nameEnd
	for eq < len(line) && cflines.IsSpace(line[eq]) {
		eq++
	}
	switch {
	case nameEnd == 0:
		return 0, 0, 0, 0, missingName
	case eq == len(line) || line[eq] != '=':
		return 0, 0, 0, 0, missingEqual
	}
	start, end = eq+1, len(line)
	for start < end && cflines.IsSpace(line[start]) {
		start++
	}
	for end > start && cflines.IsSpace(line[end-1]) {
		end--
	}
	if start == end {
		start, end = eq+1, eq+1
	}
	return nameEnd, eq, start, end, ""
}
