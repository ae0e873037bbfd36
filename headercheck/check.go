package headercheck

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

// A Checker has the tables a message is checked with. A nil MIMEHeader or
// NestedHeader is the same as Header, the default of main.cf; to have no check
// there use a table without entries. A Checker is safe for concurrent use when
// its tables are.
type Checker struct {
	Header       table.Table // header_checks
	MIMEHeader   table.Table // mime_header_checks
	NestedHeader table.Table // nested_header_checks
	Body         table.Table // body_checks
	Options      Options
	Program      Program // who checks; zero: cleanup(8)
}

// A Match is a line that was found in its table.
type Match struct {
	Kind           Kind
	Line, LastLine int    // physical lines of the message
	Key            string // what was looked up
	Value          string // what the table gave
	Action         Action // its effect: Dunno for a value Postfix cannot use
	Findings       diag.List
}

// A Verdict is what the checks made of a message.
type Verdict struct {
	// Kind is what happens to the message: Dunno (it is accepted), Hold,
	// Discard or Reject. A discarded message is not put on hold.
	Kind ActionKind
	// Status and Text are the reply of a Reject; with a Status that starts
	// with 4 the client tries again later.
	Status, Text string
	Filter       string   // transport:destination, from the last FILTER; a REDIRECT overrides it
	Redirect     string   // instead of all recipients
	BCC          []string // more recipients
	// Stopped says that an action ended the checks before the end of the
	// message: REJECT, DISCARD, PASS or REDIRECT.
	Stopped  bool
	Matches  []Match
	Problems []Found
}

// Check takes the message in r through the checks. An error of a table, or of
// r, is returned together with the verdict up to there: the answer is not
// known, and Postfix would ask to try again later.
func (c *Checker) Check(ctx context.Context, r io.Reader) (*Verdict, error) {
	return c.Rewrite(ctx, nil, r)
}

// Rewrite is Check and writes the message to w as it leaves the checks: lines
// prepended, replaced and deleted. Lines end in LF. White space between a
// header name and its colon is gone, as everywhere in Postfix; other headers
// keep their form. A message that is rejected or discarded is written too.
func (c *Checker) Rewrite(ctx context.Context, w io.Writer, r io.Reader) (*Verdict, error) {
	v := &Verdict{Kind: Dunno}
	o := c.Options.withDefaults()
	s := NewScanner(r, &c.Options)
	out := writer{w: w}
	for {
		p, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			v.Problems = s.Problems()
			return v, err
		}
		t := c.tableFor(p.Kind)
		if p.Kind == Body && o.BodySize > 0 && p.Offset >= o.BodySize || v.Stopped {
			t = nil
		}
		if err := c.part(ctx, v, t, p, &out); err != nil {
			v.Problems = s.Problems()
			return v, err
		}
	}
	v.Problems = s.Problems()
	return v, out.err
}

func (c *Checker) tableFor(k Kind) table.Table {
	t := c.Header
	switch {
	case k == Body:
		t = c.Body
	case k == MIMEHeader && c.MIMEHeader != nil:
		t = c.MIMEHeader
	case k == NestedHeader && c.NestedHeader != nil:
		t = c.NestedHeader
	}
	return t
}

func (c *Checker) part(ctx context.Context, v *Verdict, t table.Table, p Part, out *writer) error {
	key := p.Key()
	if t == nil || len(key) == 0 { // Postfix never looks up an empty line
		out.line(p.Text, p.More)
		return nil
	}
	value, found, err := t.Lookup(ctx, string(key))
	if err != nil {
		return fmt.Errorf("headercheck: %v, line %d: %w", p.Kind, p.Line, err)
	}
	if !found {
		out.line(p.Text, p.More)
		return nil
	}
	if value == "" {
		return fmt.Errorf("headercheck: %v, line %d: the table has an empty value", p.Kind, p.Line)
	}
	m := Match{Kind: p.Kind, Line: p.Line, LastLine: p.LastLine, Key: string(key), Value: value}
	m.Action, err = c.Program.ParseAction(p.Kind, value)
	m.Findings, _ = err.(diag.List)
	v.Matches = append(v.Matches, m)
	switch m.Action.Kind {
	case Ignore, Strip:
		return nil
	case Replace:
		out.line([]byte(m.Action.Text), p.More)
		return nil
	case Prepend:
		out.line([]byte(m.Action.Text), false)
	default:
		v.apply(m.Action)
	}
	out.line(p.Text, p.More)
	return nil
}

// apply carries out an action that is about the whole message.
func (v *Verdict) apply(a Action) {
	switch a.Kind {
	case Reject:
		v.Kind, v.Stopped = Reject, true
		v.Status, v.Text = a.Status, a.Text
		if a.Status == "" {
			v.Status = "5.7.1"
		}
		if a.Status == "" && a.Text == "" {
			v.Text = "message content rejected"
		}
	case Discard:
		v.Kind, v.Stopped = Discard, true
	case Hold:
		if v.Kind == Dunno {
			v.Kind = Hold
		}
	case Pass:
		v.Stopped = true
	case Redirect:
		v.Redirect, v.Filter, v.Stopped = a.Text, "", true
	case Filter:
		v.Filter = a.Text
	case BCC:
		v.BCC = append(v.BCC, a.Text)
	}
}

// String returns the verdict in one line: "REJECT 5.7.1 text", "HOLD".
func (v *Verdict) String() string {
	return strings.TrimSpace(strings.Join([]string{v.Kind.String(), v.Status, v.Text}, " "))
}

type writer struct {
	w   io.Writer
	err error
}

func (o *writer) line(text []byte, more bool) {
	if o.w == nil || o.err != nil {
		return
	}
	if _, o.err = o.w.Write(text); o.err == nil && !more {
		_, o.err = io.WriteString(o.w, "\n")
	}
}
