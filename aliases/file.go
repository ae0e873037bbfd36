package aliases

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// A File is an alias file in memory. The zero File is empty and ready. Not
// safe for concurrent use; reading and lookups alone are.
type File struct {
	name  string
	opts  Options
	nodes cflines.Nodes[Alias]
	index map[string]int   // folded name in internal form -> its first node
	again map[string][]int // the nodes of further aliases with that name
}

// An Alias is one name with its targets. It shows what the file was when it
// was returned: edits make a new Alias.
type Alias struct {
	name         string // internal form, as written
	raw          []byte
	offset, line int // of raw; line is 0 for an alias that was edited since
}

// Parse reads an alias file. The File is never nil and holds every byte of
// src, also when the error, a [diag.List], tells of lines that Postfix ignores
// or warns about. What Postfix takes without a word is for [File.Check]. The
// file name is for messages only.
func Parse(file string, src []byte, opts *Options) (*File, error) {
	f := &File{name: file}
	if opts != nil {
		f.opts = *opts
	}
	src = bytes.Clone(src)
	var found diag.List
	var toks []mailaddr.Token
	var slab []Alias
	for it := range cflines.Split(src) {
		n := cflines.Node[Alias]{Raw: src[it.Start:it.End:it.End]}
		if it.Kind == cflines.Logical {
			text := it.Text(src)
			p := cutLine(toks, text.Bytes, !f.opts.NoUTF8)
			toks = p.toks
			for _, ft := range p.faults {
				found = append(found, f.diagnostic(ft, text))
			}
			if len(text.Bytes) > f.opts.maxLine() {
				found = append(found, f.diagnostic(fault{CheckTooLong, diag.Error, 0, 1,
					fmt.Sprintf("logical line of %d bytes is too long (limit %d)", len(text.Bytes), f.opts.maxLine()), ""}, text))
			} else if p.stored {
				if len(slab) == 0 {
					slab = make([]Alias, 256)
				}
				n.Entry, slab = &slab[0], slab[1:]
				name := mailaddr.AppendInternalList(nil, text.Bytes, p.name())
				*n.Entry = Alias{string(name), n.Raw, it.Start, it.Line}
			}
		}
		f.append(n)
	}
	for key, again := range f.again {
		first := f.nodes[f.index[key]].Entry.NameSpan()
		for _, i := range again {
			found = append(found, f.duplicate(key, first, f.nodes[i].Entry))
		}
	}
	found.Sort()
	return f, found.Err()
}

// CheckTooLong is the check id of a logical line longer than
// [Options.MaxLine], which is ignored.
const CheckTooLong = "line-too-long"

func (f *File) diagnostic(ft fault, text cflines.Text) diag.Diagnostic {
	d := diag.Diagnostic{
		File: f.name, Span: text.Span(ft.start, ft.end),
		Severity: ft.severity, Check: ft.check, Message: ft.message,
	}
	if ft.related != "" {
		d.Related = []diag.Related{{File: f.name, Span: d.Span, Message: ft.related}}
	}
	return d
}

func (f *File) duplicate(key string, first diag.Span, again *Alias) diag.Diagnostic {
	return diag.Diagnostic{
		File: f.name, Span: again.NameSpan(), Severity: diag.Warning, Check: CheckDuplicate,
		Message: fmt.Sprintf("duplicate entry: \"%s\"", diag.Printable(key)),
		Related: []diag.Related{{File: f.name, Span: first, Message: "this alias is used"}},
		Fixes: []diag.Fix{{
			Message: "remove the alias that is not used",
			Edits:   []diag.Edit{{File: f.name, Start: again.offset, End: again.offset + len(again.raw)}},
		}},
	}
}

func (f *File) append(n cflines.Node[Alias]) {
	f.nodes = append(f.nodes, n)
	if n.Entry == nil {
		return
	}
	if f.index == nil {
		f.index = map[string]int{}
	}
	key := f.fold(n.Entry.name)
	if _, dup := f.index[key]; !dup {
		f.index[key] = len(f.nodes) - 1
		return
	}
	if f.again == nil {
		f.again = map[string][]int{}
	}
	f.again[key] = append(f.again[key], len(f.nodes)-1)
}

// fold returns a name in internal form as it is compared.
func (f *File) fold(name string) string { return f.opts.fold(name) }

// Bytes returns the text of the file: what was parsed, with the edits made.
func (f *File) Bytes() []byte { return f.nodes.Bytes() }

// WriteTo writes the text of the file to w.
func (f *File) WriteTo(w io.Writer) (n int64, err error) { return f.nodes.WriteTo(w) }

// All returns the aliases in the order of the file, those without effect
// because of an earlier one with the same name included.
func (f *File) All() iter.Seq[*Alias] { return f.nodes.Entries() }

// Find returns the alias that counts for a name in internal form, the first
// one, or nil. Names are compared as [Options] say, without regard to case by
// default.
func (f *File) Find(name string) *Alias {
	if i, ok := f.index[f.fold(name)]; ok {
		return f.nodes[i].Entry
	}
	return nil
}

// Get returns the targets of a name in internal form.
func (f *File) Get(name string) (targets []Target, ok bool) {
	if a := f.Find(name); a != nil {
		return a.Targets(), true
	}
	return nil, false
}

// Lookup makes the File a table.Table that answers as the table built from it
// would: with the targets in the form postalias(1) stores. The key may be in
// the quoted form of Postfix 3.12 or the unquoted one of earlier releases. It
// is safe for concurrent use as long as nobody edits the file.
func (f *File) Lookup(_ context.Context, key string) (value string, found bool, err error) {
	a := f.findEither(key)
	if a == nil {
		return "", false, nil
	}
	return a.Value(), true, nil
}

// findEither is Find for a name in internal form, or in the external form that
// a table has: another spelling of it, such as a needless backslash, is another
// key.
func (f *File) findEither(key string) *Alias {
	if a := f.Find(key); a != nil || !strings.ContainsAny(key, "\"\\") {
		return a
	}
	src := []byte(key)
	a := f.Find(string(mailaddr.AppendInternalList(nil, src, mailaddr.Scan(nil, src))))
	if key = f.fold(key); a != nil && (f.fold(a.Key()) == key || f.fold(mailaddr.QuoteLocal(a.name)) == key) {
		return a
	}
	return nil
}

// Locate returns the line of the alias that answers key; see table.Locator.
func (f *File) Locate(_ context.Context, key string) (file string, line int, ok bool) {
	a := f.findEither(key)
	if a == nil || a.line == 0 {
		return "", 0, false
	}
	return f.name, a.line, true
}

// Name returns the name in internal form, without quotes and backslashes, in
// the case in which it is written. Comments before the colon are part of it,
// as they are for Postfix.
func (a *Alias) Name() string { return a.name }

// parts cuts the alias again. The positions of text are those in the file when
// it was parsed.
func (a *Alias) parts() (text cflines.Text, p parsed) {
	for it := range cflines.Split(a.raw) {
		text = it.Text(a.raw)
		break // an alias is one item
	}
	return text, cutLine(nil, text.Bytes, false)
}

// Key returns the name as the table of Postfix 3.12 stores it, before folding:
// quoted where the file quotes it.
func (a *Alias) Key() string {
	text, p := a.parts()
	return string(mailaddr.AppendExternal(nil, text.Bytes, p.name()))
}

// Value returns the targets as postalias(1) stores them: in external form,
// with white space made regular. Comments are part of it.
func (a *Alias) Value() string {
	text, p := a.parts()
	return string(mailaddr.AppendExternal(nil, text.Bytes, p.value()))
}

// Targets returns the targets as local(8) reads them from the stored value.
// There may be none: the value of "name: <>" has no address.
func (a *Alias) Targets() []Target {
	text, p := a.parts()
	value := mailaddr.AppendExternal(nil, text.Bytes, p.value())
	return appendTargets(nil, value, mailaddr.WithoutComments(mailaddr.Scan(p.toks[:0], value)))
}

// Line returns the number of the line where the alias starts; 0 when it was
// edited since the file was parsed.
func (a *Alias) Line() int { return a.line }

// Span returns the place of the alias from its name to its last target, at the
// time the file was parsed; the zero Span when it was edited since.
func (a *Alias) Span() diag.Span {
	text, p := a.parts()
	return a.span(text, 0, p.toks[len(p.toks)-1].End)
}

// NameSpan returns the place of the name; see [Alias.Span].
func (a *Alias) NameSpan() diag.Span {
	text, p := a.parts()
	return a.span(text, p.toks[0].Start, p.toks[p.colon-1].End)
}

// span maps bytes of the joined text to places in the file.
func (a *Alias) span(text cflines.Text, start, end int) diag.Span {
	if a.line == 0 {
		return diag.Span{}
	}
	s := text.Span(start, end)
	for _, p := range []*diag.Position{&s.Start, &s.End} {
		p.Offset += a.offset
		p.Line += a.line - 1
	}
	return s
}
