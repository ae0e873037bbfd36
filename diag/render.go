package diag

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// WriteText prints the findings for people: the line of [Diagnostic.String],
// related places indented below it, then the proposed fixes. When source is
// not nil it is asked for the content of each file, and the line found is
// shown with a mark under the place; it returns nil for a file it does not
// have.
//
//	main.cf:3:1: warning: unknown parameter "mynetwork" [unknown-parameter]
//	    mynetwork = 10.0.0.0/8
//	    ^~~~~~~~~
//	    fix: rename to mynetworks
func (l List) WriteText(w io.Writer, source func(file string) []byte) error {
	var b bytes.Buffer
	for _, d := range l {
		b.WriteString(d.String() + "\n")
		if source != nil && d.Span.IsValid() {
			writeMarked(&b, source(d.File), d.Span)
		}
		for _, r := range d.Related {
			b.WriteString("    " + r.String() + "\n")
		}
		for _, f := range d.Fixes {
			b.WriteString("    fix: " + f.Message + "\n")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeMarked prints the line of src the span starts in, and a second line
// that marks the span. Tabs are kept in the second line so that it stays
// aligned; other control bytes are shown as '?', as Postfix does.
func writeMarked(b *bytes.Buffer, src []byte, s Span) {
	const most = 160 // bytes of a line worth showing
	start := s.Start.Offset - (s.Start.Col - 1)
	if src == nil || s.Start.Col < 1 || start < 0 || s.Start.Offset > len(src) {
		return
	}
	line := src[start:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	mark := s.Start.Col - 1
	if mark > len(line) || mark >= most {
		return
	}
	width := max(1, s.End.Offset-s.Start.Offset)
	if len(line) > most {
		line = line[:most]
	}
	width = max(1, min(width, len(line)-mark))
	b.WriteString("    ")
	for _, c := range line {
		b.WriteByte(printable(c))
	}
	b.WriteString("\n    ")
	for _, c := range line[:mark] {
		if c == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteString("^" + strings.Repeat("~", width-1) + "\n")
}

func printable(c byte) byte {
	if (c < ' ' && c != '\t') || c == 0x7f {
		return '?'
	}
	return c
}

// The JSON form is flat where it can be, so that jq and editors can use it
// without knowing Go. Unknown places are left out.
type jsonPlace struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Offset  *int   `json:"offset,omitempty"`
	EndLine int    `json:"end_line,omitempty"`
	EndCol  int    `json:"end_col,omitempty"`
	End     *int   `json:"end_offset,omitempty"`
}

type jsonRelated struct {
	jsonPlace
	Message string `json:"message"`
}

type jsonEdit struct {
	File  string `json:"file"`
	Start int    `json:"start"`
	End   int    `json:"end"`
	New   string `json:"new"`
}

type jsonFix struct {
	Message string     `json:"message"`
	Edits   []jsonEdit `json:"edits"`
}

type jsonDiagnostic struct {
	jsonPlace
	Severity Severity      `json:"severity"`
	Check    string        `json:"check,omitempty"`
	Message  string        `json:"message"`
	Related  []jsonRelated `json:"related,omitempty"`
	Fixes    []jsonFix     `json:"fixes,omitempty"`
}

func placeJSON(file string, s Span) jsonPlace {
	p := jsonPlace{File: file}
	if s.Start.IsValid() {
		p.Line, p.Col, p.Offset = s.Start.Line, s.Start.Col, &s.Start.Offset
	}
	if s.End.IsValid() {
		p.EndLine, p.EndCol, p.End = s.End.Line, s.End.Col, &s.End.Offset
	}
	return p
}

func (p jsonPlace) span() Span {
	var s Span
	if p.Line > 0 {
		s.Start = Position{Line: p.Line, Col: p.Col}
		if p.Offset != nil {
			s.Start.Offset = *p.Offset
		}
	}
	if p.EndLine > 0 {
		s.End = Position{Line: p.EndLine, Col: p.EndCol}
		if p.End != nil {
			s.End.Offset = *p.End
		}
	}
	return s
}

// MarshalJSON implements [json.Marshaler]: keys file, line, col, offset,
// end_line, end_col, end_offset, severity, check, message, related and fixes,
// those not known left out.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	j := jsonDiagnostic{
		jsonPlace: placeJSON(d.File, d.Span),
		Severity:  d.Severity, Check: d.Check, Message: d.Message,
	}
	for _, r := range d.Related {
		j.Related = append(j.Related, jsonRelated{placeJSON(r.File, r.Span), r.Message})
	}
	for _, f := range d.Fixes {
		jf := jsonFix{Message: f.Message, Edits: []jsonEdit{}}
		for _, e := range f.Edits {
			jf.Edits = append(jf.Edits, jsonEdit(e))
		}
		j.Fixes = append(j.Fixes, jf)
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements [json.Unmarshaler]: what MarshalJSON wrote gives
// the same Diagnostic.
func (d *Diagnostic) UnmarshalJSON(b []byte) error {
	var j jsonDiagnostic
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*d = Diagnostic{File: j.File, Span: j.span(), Severity: j.Severity, Check: j.Check, Message: j.Message}
	for _, r := range j.Related {
		d.Related = append(d.Related, Related{File: r.File, Span: r.span(), Message: r.Message})
	}
	for _, f := range j.Fixes {
		df := Fix{Message: f.Message}
		for _, e := range f.Edits {
			df.Edits = append(df.Edits, Edit(e))
		}
		d.Fixes = append(d.Fixes, df)
	}
	return nil
}

// WriteJSON prints the findings for programs: one JSON object to a line, as
// [Diagnostic.MarshalJSON] makes them.
func (l List) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, d := range l {
		if err := enc.Encode(d); err != nil {
			return err
		}
	}
	return nil
}
