package mastercf

import (
	"bytes"
	"io"
	"iter"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// A File is the content of a master.cf. The zero File is an empty one, ready
// to use. Services are handles into their File and stay valid over edits of
// it, until they are deleted. Neither is safe for concurrent use.
type File struct {
	name     string
	src      []byte
	entries  []Entry
	active   []*Service
	disabled []*Service
	found    diag.List
}

// An Entry is a stretch of a File: a *[Service], *[Comment], *[Blank] or
// *[Bad]. The entries of a file follow each other without gaps. A commented-out
// service consists of comments; see [File.Disabled].
type Entry interface {
	// Span is where the entry is, its last line end included.
	Span() diag.Span
	// Raw is the source of the entry.
	Raw() string
	sealed()
}

// place is the source of an entry.
type place struct {
	span diag.Span
	raw  string
}

// Span is where the entry is, its last line end included.
func (p *place) Span() diag.Span { return p.span }

// Raw is the source of the entry, its last line end included.
func (p *place) Raw() string { return p.raw }

func (*place) sealed() {}

// A Comment is one comment line outside the services.
type Comment struct{ place }

// A Blank is one empty line, or one with nothing but white space.
type Blank struct{ place }

// Bad is a logical line that is no service: it has fewer than eight fields,
// or starts with white space and continues nothing. [Parse] reports it.
type Bad struct{ place }

// Parse reads a master.cf. name is used in findings only. The File is never
// nil: what is wrong stays in it as it was. The error, when not nil, is a
// [diag.List] with everything Postfix would refuse; [File.Check] finds more.
func Parse(name string, src []byte) (*File, error) {
	f := &File{name: name}
	f.parse(bytes.Clone(src), nil)
	return f, f.found.Err()
}

// Name is the name given to [Parse].
func (f *File) Name() string { return f.name }

// Bytes returns the content. It equals what was parsed when nothing was edited.
func (f *File) Bytes() []byte { return bytes.Clone(f.src) }

// WriteTo writes the content to w.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(f.src)
	return int64(n), err
}

// Clone returns a copy that shares nothing with f. Services of f are not
// services of the copy.
func (f *File) Clone() *File {
	c := &File{name: f.name}
	c.parse(bytes.Clone(f.src), nil)
	return c
}

// Findings returns what [Parse] would report about the content as it is now.
func (f *File) Findings() diag.List { return append(diag.List(nil), f.found...) }

// Entries returns everything in the file, in order.
func (f *File) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range f.entries {
			if !yield(e) {
				return
			}
		}
	}
}

// Services returns the entries that are in force, in the order of the file.
// An entry with an invalid column is among them (and in the findings); a line
// with too few columns is not. The file may be edited meanwhile; the sequence
// is that of the moment Services was called.
func (f *File) Services() iter.Seq[*Service] { return each(f.active) }

// Disabled returns the entries that are commented out: comment lines that
// read as a service once the "#" is gone, all eight columns valid.
//
// The comment lines after it with as many "#" that read as arguments ("-o
// name=value", "user=nobody", text in { }, "$name", "/path" …) are its
// arguments. Prose between them is skipped. An empty line, or a "#" with
// nothing behind it, ends the entry unless an argument follows right after.
func (f *File) Disabled() iter.Seq[*Service] { return each(f.disabled) }

func each(all []*Service) iter.Seq[*Service] {
	all = append([]*Service(nil), all...)
	return func(yield func(*Service) bool) {
		for _, s := range all {
			if !yield(s) {
				return
			}
		}
	}
}

// Service returns the service of that name and type, and nil when there is
// none. Names are compared as they are written: "smtp" and "25" differ. When
// there are several, the last is returned; master(8) uses the last one too.
func (f *File) Service(name string, typ Type) *Service { return last(f.active, name, typ) }

// DisabledService returns the commented-out entry of that name and type, the
// first when there are several, and nil when there is none.
func (f *File) DisabledService(name string, typ Type) *Service {
	for _, s := range f.disabled {
		if s.Name() == name && s.Type() == typ {
			return s
		}
	}
	return nil
}

func last(all []*Service, name string, typ Type) *Service {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Name() == name && all[i].Type() == typ {
			return all[i]
		}
	}
	return nil
}

// parse makes src the content. moved gives, for the handles that exist, the
// new offset of their name; a handle it does not have is dead.
func (f *File) parse(src []byte, moved map[int]*Service) {
	f.src = src
	f.entries, f.active, f.disabled, f.found = nil, nil, nil, nil
	adopt := func(fresh *Service) *Service {
		at := fresh.nameOffset()
		s := moved[at]
		if s == nil {
			return fresh
		}
		delete(moved, at)
		*s = *fresh
		return s
	}
	seen := false
	for it := range cflines.Split(src) {
		p := place{raw: string(src[it.Start:it.End]), span: diag.Span{Start: it.Pos(), End: endOf(src, it)}}
		switch it.Kind {
		case cflines.Blank:
			f.entries = append(f.entries, &Blank{p})
		case cflines.Comment:
			f.entries = append(f.entries, &Comment{p})
		default:
			text := joined(src, it)
			if !seen && cflines.IsSpace(src[it.Start]) {
				f.entries = append(f.entries, &Bad{p})
				f.report(diag.Error, "", text.span(0, len(text.s)), "line starts with white space but continues nothing (start it in the first column)")
				break
			}
			fresh := &Service{file: f, place: p, text: text}
			if !fresh.split() {
				f.entries = append(f.entries, &Bad{p})
				f.reportShort(fresh)
				break
			}
			s := adopt(fresh)
			f.entries = append(f.entries, s)
			f.active = append(f.active, s)
			f.reportColumns(s)
		}
		seen = seen || it.Kind == cflines.Logical
	}
	for _, fresh := range f.findDisabled() {
		f.disabled = append(f.disabled, adopt(fresh))
	}
	for _, s := range moved {
		s.file = nil
	}
	f.found.Sort()
}

func endOf(src []byte, it cflines.Item) diag.Position {
	raw := src[it.Start:it.End]
	end := diag.Position{Offset: it.End, Line: it.Line + bytes.Count(raw, []byte("\n"))}
	end.Col = it.End - (it.Start + bytes.LastIndexByte(raw, '\n') + 1) + 1
	return end
}

func (f *File) report(sev diag.Severity, check string, at diag.Span, message string, fixes ...diag.Fix) {
	f.found = append(f.found, diag.Diagnostic{File: f.name, Span: at, Severity: sev, Check: check, Message: message, Fixes: fixes})
}
