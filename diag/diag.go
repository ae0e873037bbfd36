// Package diag is the vocabulary in which every parser of postfixkit says
// where it found what: positions, spans, findings with a severity and a check
// id, related places, and fixes.
//
// A parser collects its findings in a [List]. A List is an error, so it can be
// returned as one; [List.Err] gives nil when nothing was found:
//
//	f, err := maincf.Parse("main.cf", src)
//	var found diag.List
//	if errors.As(err, &found) {
//		for _, d := range found {
//			fmt.Println(d) // main.cf:12:1: error: missing '=' after parameter name
//		}
//	}
//
// [List.WriteText] and [List.WriteJSON] print findings for people and for
// programs; [ApplyFixes] carries out what the findings propose.
//
// The package knows nothing of any file format and imports only the standard
// library.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Position is a place in a source file. The zero Position means "unknown".
type Position struct {
	Offset int // bytes from the start of the file, from 0
	Line   int // from 1
	Col    int // bytes into the line, from 1
}

// IsValid reports whether the position is known.
func (p Position) IsValid() bool { return p.Line > 0 }

// String returns "line:col", "line" when the column is unknown, and "-" for
// the zero Position.
func (p Position) String() string {
	switch {
	case !p.IsValid():
		return "-"
	case p.Col <= 0:
		return strconv.Itoa(p.Line)
	}
	return strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Before reports whether p comes before q in the file. Positions without an
// offset are compared by line and column.
func (p Position) Before(q Position) bool { return p.compare(q) < 0 }

func (p Position) compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col), cmp.Compare(p.Offset, q.Offset))
}

// A Span is a stretch of a source file: from Start up to but not including
// End. A zero End means that only the start is known.
type Span struct{ Start, End Position }

// IsValid reports whether the span has a known start.
func (s Span) IsValid() bool { return s.Start.IsValid() }

// String returns the start of the span as [Position.String] does.
func (s Span) String() string { return s.Start.String() }

// Severity says how bad a finding is. The zero Severity is invalid, so that a
// forgotten one shows.
type Severity uint8

// The severities, in rising order.
const (
	_       Severity = iota
	Info             // worth knowing; nothing is wrong
	Warning          // works, but surely not as meant, or Postfix warns about it
	Error            // Postfix ignores or refuses it
)

// String returns "info", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "Severity(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText implements [encoding.TextMarshaler]; JSON output uses it.
func (s Severity) MarshalText() ([]byte, error) {
	if s < Info || s > Error {
		return nil, fmt.Errorf("diag: invalid %v", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Severity) UnmarshalText(text []byte) error {
	for v := Info; v <= Error; v++ {
		if v.String() == string(text) {
			*s = v
			return nil
		}
	}
	return fmt.Errorf("diag: unknown severity %q (want info, warning or error)", text)
}

// A Diagnostic is one finding.
type Diagnostic struct {
	File     string
	Span     Span // zero when the finding is about the whole file
	Severity Severity
	Check    string // stable kebab-case id; "" for syntax
	Message  string // lower case, no final period, no position
	Related  []Related
	Fixes    []Fix // alternatives; apply at most one
}

// Related is another place a finding is about, such as the first of two
// duplicates.
type Related struct {
	File    string
	Span    Span
	Message string
}

// A Fix is one way to mend what was found. Its edits belong together: all are
// made, or none.
type Fix struct {
	Message string // a verb phrase: "remove the duplicate"
	Edits   []Edit
}

// String returns "file:line:col: severity: message [check]". Parts that are
// not known are left out.
func (d Diagnostic) String() string {
	var b strings.Builder
	writePlace(&b, d.File, d.Span)
	b.WriteString(d.Severity.String())
	b.WriteString(": ")
	b.WriteString(d.Message)
	if d.Check != "" {
		b.WriteString(" [" + d.Check + "]")
	}
	return b.String()
}

// String returns "file:line:col: message".
func (r Related) String() string {
	var b strings.Builder
	writePlace(&b, r.File, r.Span)
	b.WriteString(r.Message)
	return b.String()
}

func writePlace(b *strings.Builder, file string, s Span) {
	if file != "" {
		b.WriteString(file + ":")
	}
	if s.IsValid() {
		b.WriteString(s.String() + ":")
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
}

// Error returns the same text as [Diagnostic.String]; a single finding can be
// used as an error.
func (d Diagnostic) Error() string { return d.String() }

// A List is what a parser or checker found, an error when it is not empty.
// Use [List.Err] to return one: a nil List in an error interface is not a nil
// error.
type List []Diagnostic

// Error returns the findings, one to a line.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Err returns the list as an error, and nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// Unwrap gives [errors.As] access to the single findings.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, d := range l {
		errs[i] = d
	}
	return errs
}

// Max returns the highest severity in the list, and 0 for an empty one.
func (l List) Max() Severity {
	var m Severity
	for _, d := range l {
		m = max(m, d.Severity)
	}
	return m
}

// AtLeast returns the findings of severity s and above, in a new list.
func (l List) AtLeast(s Severity) List {
	var out List
	for _, d := range l {
		if d.Severity >= s {
			out = append(out, d)
		}
	}
	return out
}

// Sort orders the list by file, place, severity (worst first), check and
// message. Equal findings keep their order.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			a.Span.Start.compare(b.Span.Start),
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.Check, b.Check),
			cmp.Compare(a.Message, b.Message),
		)
	})
}
