// Package textmap reads and edits the sources of lookup tables: the files of
// "key whitespace value" lines that postmap(1) turns into indexed tables
// (access, virtual, transport, canonical, …) and that texthash: reads as they
// are.
//
// [Parse] gives a [File] that keeps every byte: what an edit is not about does
// not change.
//
//	changed, err := textmap.UpdateFile("/etc/postfix/virtual", nil, func(f *textmap.File) error {
//		return f.Set("info@example.org", "alice, bob")
//	})
//
// [NewScanner] streams sources of any size into a table builder.
//
// # The language
//
// Empty lines and lines that start with "#" are comments, also inside an
// entry; a line that starts with white space continues the one before. The key
// ends at the first white space outside double quotes; quotes and backslashes
// stay in the key, so a key "two words" is looked up with its quotes. The rest
// of the line is the value; there is no comment after it. Keys are folded to
// lower case, with all of Unicode when the line is UTF-8. Of two entries with
// the same key the first counts.
//
// What Postfix warns about or ignores comes back as findings with its place.
// Their messages are those of postmap, their Check ids the constants of this
// package.
//
// # Limits
//
// A File is held in memory; a [Scanner] holds one entry. Neither limits the
// length of a line, as postmap(1) does not. There is no way to quote: what
// cannot be written so that it reads back is refused by [Check].
//
// The package is not for aliases(5), whose language is another one, nor for
// regexp:, pcre: and cidr: tables, whose order matters and whose keys are
// patterns.
package textmap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/atomicfile"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/table"
)

// A File is a source in memory. The zero File is empty and ready. Not safe for
// concurrent use; lookups alone are.
type File struct {
	name  string
	opts  Options
	nodes cflines.Nodes[Entry]
	index map[string][]int // folded key -> nodes, in file order
}

// An Entry is one key with its value. Its spans are those of the time it was
// parsed; they are zero for an entry that was set since, and edits before an
// entry do not move them.
type Entry struct {
	Key    string // as stored: folded unless Options.NoFold
	RawKey string // as written
	Value  string // joined over continuation lines, without white space at its ends

	Span, KeySpan, ValueSpan diag.Span
}

// Parse reads a source. The File is never nil and holds every byte of src,
// also when the error, a [diag.List], tells of lines that Postfix ignores or
// warns about. The name is for messages only.
func Parse(name string, src []byte, opts *Options) (*File, error) {
	f := &File{name: name}
	if opts != nil {
		f.opts = *opts
	}
	src = bytes.Clone(src)
	var found diag.List
	for it := range cflines.Split(src) {
		n := cflines.Node[Entry]{Raw: src[it.Start:it.End:it.End]}
		if it.Kind == cflines.Logical {
			n.Entry = f.parseEntry(src, it, &found)
		}
		f.append(n)
	}
	for _, at := range f.index {
		for _, again := range at[min(1, len(at)):] {
			found = append(found, f.duplicate(f.nodes[at[0]].Entry, f.nodes[again]))
		}
	}
	found.Sort()
	return f, found.Err()
}

func (f *File) parseEntry(src []byte, it cflines.Item, found *diag.List) *Entry {
	text := it.Text(src)
	add := func(ft fault) {
		*found = append(*found, diag.Diagnostic{
			File: f.name, Span: text.Span(ft.start, ft.end),
			Severity: ft.severity, Check: ft.check, Message: ft.message,
		})
	}
	p := cutLine(text.Bytes, cflines.IsSpace(text.Bytes[0]), !f.opts.NoUTF8)
	for _, ft := range p.faults {
		add(ft)
	}
	if p.bad {
		return nil
	}
	e := &Entry{
		Key:       string(f.opts.appendKey(nil, text.Bytes[:p.keyEnd])),
		RawKey:    string(text.Bytes[:p.keyEnd]),
		Value:     string(text.Bytes[p.valueStart:p.valueEnd]),
		Span:      text.Span(0, p.valueEnd),
		KeySpan:   text.Span(0, p.keyEnd),
		ValueSpan: text.Span(p.valueStart, p.valueEnd),
	}
	if f.opts.ReadFile != nil {
		value, err := table.FileValue(f.opts.ReadFile, e.Value)
		if err != nil {
			add(fault{CheckValueFile, diag.Error, p.valueStart, p.valueEnd, diag.Printable(err.Error() + ": skipping this entry")})
			return nil
		}
		e.Value = value
	}
	return e
}

func (f *File) duplicate(first *Entry, n cflines.Node[Entry]) diag.Diagnostic {
	again := n.Entry
	start := again.Span.Start.Offset
	return diag.Diagnostic{
		File: f.name, Span: again.KeySpan, Severity: diag.Warning, Check: CheckDuplicate,
		Message: fmt.Sprintf("duplicate entry: \"%s\"", diag.Printable(again.Key)),
		Related: []diag.Related{{File: f.name, Span: first.KeySpan, Message: "this entry is used"}},
		Fixes: []diag.Fix{{
			Message: "remove the entry that is not used",
			Edits:   []diag.Edit{{File: f.name, Start: start, End: start + len(n.Raw)}},
		}},
	}
}

func (f *File) append(n cflines.Node[Entry]) {
	f.nodes = append(f.nodes, n)
	if n.Entry != nil {
		if f.index == nil {
			f.index = map[string][]int{}
		}
		f.index[n.Entry.Key] = append(f.index[n.Entry.Key], len(f.nodes)-1)
	}
}

// Bytes returns the text of the file: what was parsed, with the edits made.
func (f *File) Bytes() []byte { return f.nodes.Bytes() }

// WriteTo writes the text of the file to w.
func (f *File) WriteTo(w io.Writer) (n int64, err error) { return f.nodes.WriteTo(w) }

// All returns the entries in the order of the file, those without effect
// because of an earlier one with the same key included.
func (f *File) All() iter.Seq[*Entry] { return f.nodes.Entries() }

// Find returns the entry that counts for key, the first one, or nil. The key
// is folded as the file's are.
func (f *File) Find(key string) *Entry {
	if at := f.index[f.fold(key)]; len(at) > 0 {
		return f.nodes[at[0]].Entry
	}
	return nil
}

// Get returns the value of key.
func (f *File) Get(key string) (value string, ok bool) {
	if e := f.Find(key); e != nil {
		return e.Value, true
	}
	return "", false
}

// Lookup makes the File a table.Table that answers as texthash: does. It is
// safe for concurrent use as long as nobody edits the file.
func (f *File) Lookup(_ context.Context, key string) (value string, found bool, err error) {
	value, found = f.Get(key)
	return value, found, nil
}

// Locate returns the line of the entry that answers key; see table.Locator.
func (f *File) Locate(_ context.Context, key string) (file string, line int, ok bool) {
	if e := f.Find(key); e != nil {
		return f.name, e.Span.Start.Line, true
	}
	return "", 0, false
}

func (f *File) fold(key string) string { return string(f.opts.appendKey(nil, []byte(key))) }

// Set gives key the value. The entry that counts for the key is changed where
// it stands, with the spacing before its value kept; a value over several
// lines becomes one line, and comments that stood inside it follow it. A new
// key goes to the end of the file. Setting what is there already changes
// nothing.
//
// The error tells why a key or value cannot be written in this language
// ([Check]); the file is unchanged then. A File whose values are files
// ([Options.ReadFile]) cannot be set.
func (f *File) Set(key, value string) error {
	if f.opts.ReadFile != nil {
		return fmt.Errorf("textmap: cannot set %q: the values of this file are file names", key)
	}
	if err := Check(key, value, &f.opts); err != nil {
		return err
	}
	if at := f.index[f.fold(key)]; len(at) > 0 {
		n := &f.nodes[at[0]]
		if n.Entry.Value != value {
			n.Raw = replaceValue(n.Raw, value)
			n.Entry = &Entry{Key: n.Entry.Key, RawKey: n.Entry.RawKey, Value: value}
		}
		return nil
	}
	f.nodes.EndLastLine()
	f.append(cflines.Node[Entry]{
		Raw:   []byte(key + f.separator() + value + "\n"),
		Entry: &Entry{Key: f.fold(key), RawKey: key, Value: value},
	})
	return nil
}

// separator returns the white space between key and value that the last entry
// uses, or a TAB. Spaces that only align columns are not copied.
func (f *File) separator() string {
	if last := f.nodes.Last(); last.Entry != nil {
		rest := strings.TrimPrefix(string(last.Raw), last.Entry.RawKey)
		if rest != "" && rest[0] == ' ' {
			return " "
		}
	}
	return "\t"
}

// replaceValue returns the lines of an entry with another value.
func replaceValue(raw []byte, value string) []byte {
	var (
		it   cflines.Item
		out  []byte
		done bool
		skip int // bytes of the joined text before the value
		key  int // where the line before the value's ends in out
	)
	for it = range cflines.Split(raw) {
		break // an entry is one item
	}
	text := it.Text(raw).Bytes
	skip = cutLine(text, false, false).valueStart
	at := 0
	for p := range it.Pieces(raw) {
		out = append(out, raw[at:p.Start]...) // comments and blank lines before this line
		at = p.End
		switch n := p.End - p.Start; {
		case done: // a further line of the old value: goes, with its newline
			if at < len(raw) {
				at++
			}
		case skip >= n:
			out = append(out, raw[p.Start:p.End]...)
			key = len(cflines.TrimRight(out))
			skip -= n
		case value[0] == '#' && len(cflines.TrimLeft(raw[p.Start:p.Start+skip])) == 0:
			// On a line of its own the value would be a comment.
			out = slices.Insert(out, key, []byte(" "+value)...)
			done = true
			if at < len(raw) {
				at++
			}
		default:
			line := raw[p.Start:p.End]
			out = append(append(out, line[:skip]...), value...)
			if line[len(line)-1] == '\r' {
				out = append(out, '\r')
			}
			done = true
		}
	}
	return append(out, raw[at:]...)
}

// Delete removes all entries of key, those without effect too, with the
// comments inside them, and returns how many there were.
func (f *File) Delete(key string) (n int) {
	k := f.fold(key)
	at := f.index[k]
	for _, i := range at {
		f.nodes[i] = cflines.Node[Entry]{}
	}
	delete(f.index, k)
	return len(at)
}

// Check tells whether key and value can be written to a source so that they
// read back as they are: nil, or why not. There is no way to quote in this
// language: a key with white space needs double quotes that are part of the
// key, and a value cannot have white space at its ends or span lines.
func Check(key, value string, opts *Options) error {
	var o Options
	if opts != nil {
		o = *opts
	}
	why := func(format string, args ...any) error {
		return fmt.Errorf("textmap: cannot write key %q with value %q: %s", key, value, fmt.Sprintf(format, args...))
	}
	switch {
	case key == "":
		return why("the key is empty")
	case value == "":
		return why("the value is empty")
	case strings.ContainsAny(key, "\n\x00"), strings.ContainsAny(value, "\n\x00"):
		return why("a newline or NUL byte cannot be written")
	case key[0] == '#':
		return why("a key that starts with '#' would be a comment")
	case cflines.IsSpace(value[0]) || cflines.IsSpace(value[len(value)-1]):
		return why("white space at the ends of a value is lost")
	}
	end, openQuote := cutKey([]byte(key + " "))
	if openQuote >= 0 || end > len(key) { // an open quote, or a final backslash
		return why("its quotes or backslashes do not end with the key")
	}
	if end < len(key) {
		return why("the key has white space outside double quotes (quotes are part of a key)")
	}
	p := cutLine([]byte(key+" "+value), false, !o.NoUTF8)
	if p.bad {
		return why("%s", p.faults[0].message)
	}
	return nil
}

// UpdateFile parses the file at path, lets edit change it, and replaces it
// when that made a difference; changed tells. Owner, mode and a symbolic
// link's target stay, a crash or failed write leaves the old file, and a file
// that does not exist is an empty one. A file that is bind-mounted by itself is
// written in place. Findings in parts the edit does not touch are no error.
// When a program that does not wait for the lock, an editor, changes the file
// meanwhile, edit is called again with what it holds then.
func UpdateFile(path string, opts *Options, edit func(*File) error) (changed bool, err error) {
	res, err := atomicfile.Update(context.Background(), path, &atomicfile.Options{InPlace: atomicfile.InPlaceNeeded},
		func(old []byte, exists bool) ([]byte, error) {
			f, _ := Parse(path, old, opts) // its findings are about lines Postfix ignores too
			if err := edit(f); err != nil {
				return nil, err
			}
			return f.Bytes(), nil
		})
	return res.Changed, err
}
