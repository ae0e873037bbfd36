package maincf

import (
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
)

// Check reports what is questionable about the file as text, without asking
// what the names mean: lines that are no settings, names set more than once
// (check "duplicate-parameter"; a warning when the values differ, as in
// Postfix), NUL bytes, which hide what follows them ("nul-byte"), and comments
// after a value, which are part of it ("comment-in-value").
func (f *File) Check() diag.List {
	f.settle()
	var found diag.List
	last := map[string]*Assignment{}
	for e := range f.Entries() {
		switch e := e.(type) {
		case *Bad:
			found = append(found, f.finding(diag.Error, e.Span(), "", e.why))
		case *Assignment:
			if prev := last[e.Name()]; prev != nil {
				found = append(found, f.duplicate(prev, e))
			}
			last[e.Name()] = e
			if i := strings.IndexByte(e.raw, 0); i >= 0 {
				at := diag.Span{Start: e.at(i), End: e.at(i + 1)}
				found = append(found, f.finding(diag.Warning, at, "nul-byte",
					"NUL byte: Postfix does not read the rest of the value of "+e.Name()))
			}
			items := e.Items()
			for i, item := range items {
				if item == "#" || len(item) > 1 && item[0] == '#' && i > 0 && i+1 < len(items) {
					found = append(found, f.finding(diag.Warning, e.ItemSpan(i), "comment-in-value",
						fmt.Sprintf("text after %q is part of the value of %s: a comment needs a line of its own", item, e.Name())))
					break
				}
			}
		}
	}
	found.Sort()
	return found
}

func (f *File) duplicate(prev, e *Assignment) diag.Diagnostic {
	d := f.finding(diag.Warning, prev.NameSpan(), "duplicate-parameter",
		fmt.Sprintf("%s is set again in line %d, which overrides this value", e.Name(), e.line))
	if prev.Value() == e.Value() {
		d.Severity = diag.Info
		d.Message = fmt.Sprintf("%s is set again in line %d, to the same value", e.Name(), e.line)
	}
	d.Related = []diag.Related{{File: f.name, Span: e.NameSpan(), Message: "set again here"}}
	d.Fixes = []diag.Fix{{
		Message: "remove the earlier setting",
		Edits:   []diag.Edit{{File: f.name, Start: prev.offset, End: prev.offset + len(prev.raw)}},
	}}
	return d
}
