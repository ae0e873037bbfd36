package aliases

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/internal/atomicfile"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// UpdateFile parses the alias file at path, lets edit change it, and replaces
// it when that made a difference; changed tells. Owner, mode and a symbolic
// link's target stay, a crash or failed write leaves the old file, and a file
// that does not exist is an empty one. A file that is bind-mounted by itself is
// written in place. Findings in parts the edit does not touch are no error.
// When a program that does not wait for the lock, an editor, changes the file
// meanwhile, edit is called again with what it holds then.
//
// The table that Postfix reads is another file: run postalias, or newaliases,
// afterwards.
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

// Set gives a name, in internal form, exactly these targets. The alias that
// counts for the name is changed where it stands: its targets become one line,
// comment lines that stood between them follow. A new alias goes to the end of
// the file. Setting what is there already changes nothing. The error tells why
// a name or target cannot be written; the file is unchanged then.
func (f *File) Set(name string, targets ...Target) error {
	if err := f.check(name, targets); err != nil {
		return err
	}
	i, exists := f.index[f.fold(name)]
	if !exists {
		raw := []byte(formatName(name) + ":" + f.spacing() + FormatTargets(targets) + "\n")
		if !f.reads(raw, name, targets) {
			return fmt.Errorf("aliases: cannot write an alias for name %q", name)
		}
		f.nodes.EndLastLine()
		f.append(cflines.Node[Alias]{Raw: raw, Entry: &Alias{name: name, raw: raw}})
		return nil
	}
	a := f.nodes[i].Entry
	if slices.Equal(a.Targets(), targets) {
		return nil
	}
	raw := a.withValue(FormatTargets(targets))
	if !f.reads(raw, a.name, targets) { // its name has something odd; the value was checked
		raw = []byte(formatName(a.name) + ": " + FormatTargets(targets) + "\n")
		if !f.reads(raw, a.name, targets) {
			return fmt.Errorf("aliases: cannot write an alias for name %q", a.name)
		}
	}
	f.replace(i, raw)
	return nil
}

// AddTarget adds a target to a name, after those it has, in the layout of the
// list: on a line of its own when the last one is. A name that is not there is
// added. changed is false when the name has the target already.
func (f *File) AddTarget(name string, t Target) (changed bool, err error) {
	if err := f.check(name, []Target{t}); err != nil {
		return false, err
	}
	i, exists := f.index[f.fold(name)]
	if !exists {
		return true, f.Set(name, t)
	}
	a := f.nodes[i].Entry
	old := a.Targets()
	if slices.ContainsFunc(old, t.same) {
		return false, nil
	}
	want := append(old, t)
	if raw := a.withTarget(t.String()); f.reads(raw, a.name, want) {
		f.replace(i, raw)
		return true, nil
	}
	return true, f.Set(name, want...)
}

// maxCuts is how often RemoveTarget takes a target out of the lines of an alias:
// every time these are read again. Where it is listed more often than that there
// is no layout to keep.
const maxCuts = 100

// RemoveTarget removes a target from a name, however often it is listed;
// addresses are compared without regard to case. A line that held nothing else
// goes with it. changed is false when the name does not have the target.
// Removing the only target is an error: [File.Delete] removes the alias.
func (f *File) RemoveTarget(name string, t Target) (changed bool, err error) {
	i, exists := f.index[f.fold(name)]
	if !exists {
		return false, nil
	}
	a := f.nodes[i].Entry
	old := a.Targets()
	want := slices.DeleteFunc(slices.Clone(old), t.same)
	switch len(want) {
	case len(old):
		return false, nil
	case 0:
		return false, fmt.Errorf("aliases: %s is the only target of %q; delete the alias instead", t, a.name)
	}
	if len(old)-len(want) > maxCuts {
		return true, f.Set(name, want...)
	}
	raw, keep := a.raw, old
	for {
		at := slices.IndexFunc(keep, t.same)
		if at < 0 {
			f.replace(i, raw)
			return true, nil
		}
		keep = slices.Delete(slices.Clone(keep), at, at+1)
		raw = (&Alias{raw: raw}).withoutTarget(at)
		if !f.reads(raw, a.name, keep) {
			return true, f.Set(name, want...)
		}
	}
}

// Delete removes all aliases of a name, those without effect too, with the
// comments inside them, and returns how many there were.
func (f *File) Delete(name string) (n int) {
	key := f.fold(name)
	first, ok := f.index[key]
	if !ok {
		return 0
	}
	again := f.again[key]
	for _, i := range append([]int{first}, again...) {
		f.nodes[i] = cflines.Node[Alias]{}
	}
	delete(f.index, key)
	delete(f.again, key)
	return 1 + len(again)
}

// same reports whether two targets deliver to the same place: local(8)
// compares addresses without regard to case.
func (t Target) same(u Target) bool {
	if t.Kind == Address && u.Kind == Address {
		return (&Options{}).fold(t.Value) == (&Options{}).fold(u.Value)
	}
	return t == u
}

func (f *File) check(name string, targets []Target) error {
	if len(targets) == 0 {
		return fmt.Errorf("aliases: no target for %q; delete the alias instead", name)
	}
	for _, t := range targets {
		if err := t.Check(); err != nil {
			return err
		}
	}
	return checkName(name)
}

// reads reports whether raw is one alias with that name and those targets.
func (f *File) reads(raw []byte, name string, targets []Target) bool {
	n := 0
	for it := range cflines.Split(raw) {
		if n++; n > 1 && it.Kind == cflines.Logical {
			return false
		}
		if n > 1 {
			continue // comment lines that stood inside the alias
		}
		if it.Kind != cflines.Logical {
			return false
		}
		text := it.Text(raw)
		p := cutLine(nil, text.Bytes, !f.opts.NoUTF8)
		if !p.stored || string(mailaddr.AppendInternalList(nil, text.Bytes, p.name())) != name {
			return false
		}
	}
	return n > 0 && slices.Equal((&Alias{raw: raw}).Targets(), targets)
}

// replace gives an alias other lines.
func (f *File) replace(i int, raw []byte) {
	f.nodes[i] = cflines.Node[Alias]{Raw: raw, Entry: &Alias{name: f.nodes[i].Entry.name, raw: raw}}
}

// spacing returns the white space after the colon that the last alias uses.
// Spaces that only align columns are not copied.
func (f *File) spacing() string {
	if a := f.nodes.Last().Entry; a != nil {
		text, p := a.parts()
		between := text.Bytes[p.toks[p.colon].End:p.toks[p.colon+1].Start]
		if strings.Trim(string(between), "\t") == "" {
			return string(between)
		}
	}
	return " "
}

// newline is the line end the alias uses.
func (a *Alias) newline() string {
	if bytes.Contains(a.raw, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// withValue returns the lines of the alias with another value on one line.
func (a *Alias) withValue(value string) []byte {
	text, p := a.parts()
	value0, valueN := p.toks[p.colon+1], p.toks[len(p.toks)-1]
	at := text.Span(value0.Start, valueN.End)
	out := append(bytes.Clone(a.raw[:at.Start.Offset]), value...)
	// Comment and blank lines between the old targets stay lines.
	line := a.raw[at.Start.Offset:at.End.Offset]
	for first := true; ; first = false {
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			break
		}
		if text := cflines.Trim(line[:i]); !first && (len(text) == 0 || text[0] == '#') {
			out = append(append(out, a.newline()...), bytes.TrimSuffix(line[:i], []byte("\r"))...)
		}
		line = line[i+1:]
	}
	return append(out, a.raw[at.End.Offset:]...)
}

// withTarget returns the lines of the alias with one more target.
func (a *Alias) withTarget(target string) []byte {
	text, p := a.parts()
	value := p.value()
	last := value[len(value)-1]
	sep := ", "
	if last.Op == ',' {
		sep = " "
	}
	end := text.Span(last.Start, last.End).End
	lineStart := bytes.LastIndexByte(a.raw[:end.Offset], '\n') + 1
	indent := a.raw[lineStart : len(a.raw)-len(cflines.TrimLeft(a.raw[lineStart:]))]
	if lineStart > 0 && !bytes.ContainsAny(bytes.TrimRight(a.raw[lineStart:end.Offset], ","), ",") {
		sep = strings.TrimRight(sep, " ") + a.newline() + string(indent)
	}
	return slices.Concat(a.raw[:end.Offset], []byte(sep+target), a.raw[end.Offset:])
}

// withoutTarget returns the lines of the alias without its target number n. It
// knows the common shapes of lists; whoever calls it looks at the result.
func (a *Alias) withoutTarget(n int) []byte {
	text, p := a.parts()
	toks := mailaddr.WithoutComments(p.value())
	groups := mailaddr.Addresses(toks)
	isGroup := func(t mailaddr.Token) bool { return t.Op == ';' }
	if n >= len(groups) || slices.ContainsFunc(toks, isGroup) {
		return nil
	}
	// The element is what stands between two commas, unless a comma is missing.
	first, last := groups[n].Start, groups[n].End-1
	left, right := 0, len(toks)-1
	if n > 0 {
		left = groups[n-1].End
	}
	if n+1 < len(groups) {
		right = groups[n+1].Start - 1
	}
	for first > left && toks[first-1].Op != ',' {
		first--
	}
	for last < right && toks[last+1].Op != ',' {
		last++
	}
	cut := text.Span(toks[first].Start, toks[last].End)
	start, end := cut.Start.Offset, cut.End.Offset
	raw := bytes.Clone(a.raw)
	if last+1 < len(toks) && toks[last+1].Op == ',' {
		end = text.Span(toks[last+1].Start, toks[last+1].End).End.Offset
	} else if first > 0 && toks[first-1].Op == ',' {
		comma := text.Pos(toks[first-1].Start).Offset
		raw = slices.Delete(raw, comma, comma+1)
		start, end = start-1, end-1
	}
	return cutAndTidy(raw, start, end)
}

// cutAndTidy removes raw[start:end] and the white space that is left over:
// the line when nothing else is on it, else the blanks on one side.
func cutAndTidy(raw []byte, start, end int) []byte {
	lineStart := bytes.LastIndexByte(raw[:start], '\n') + 1
	lineEnd := len(raw)
	if i := bytes.IndexByte(raw[end:], '\n'); i >= 0 {
		lineEnd = end + i + 1
	}
	before, after := raw[lineStart:start], raw[end:lineEnd]
	switch {
	case len(cflines.Trim(before)) == 0 && len(cflines.Trim(after)) == 0:
		start, end = lineStart, lineEnd
	case len(cflines.Trim(after)) == 0:
		start = lineStart + len(bytes.TrimRight(before, " \t"))
	default:
		end += len(after) - len(bytes.TrimLeft(after, " \t"))
	}
	return slices.Delete(raw, start, end)
}
