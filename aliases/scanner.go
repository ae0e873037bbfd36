package aliases

import (
	"errors"
	"fmt"
	"io"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// ErrLimit is wrapped by every error about a limit of the options that was
// exceeded.
var ErrLimit = errors.New("limit exceeded")

// A Scanner streams the aliases of a source of any size as postalias(1) stores
// them. It needs memory for one logical line, bounded by [Options.MaxLine], and
// a buffer. It reports what is wrong through a callback and goes on. It does
// not look for duplicates: whoever stores the aliases does.
//
//	s := aliases.NewScanner("/etc/aliases", f, nil)
//	s.Report = func(d diag.Diagnostic) { log.Print(d) }
//	for s.Scan() {
//		builder.Add(string(s.Key()), string(s.Value()))
//	}
//	if err := s.Err(); err != nil {
//		return err
//	}
//
// Besides the aliases postalias stores records of its own, which are not the
// Scanner's: "@" with the value "@" after the last alias, and, when built with
// NIS as Debian's is, YP_LAST_MODIFIED with the time as ten or more digits and
// YP_MASTER_NAME with $myhostname. The last two are never folded and never have
// a NUL byte at their end.
//
// Not safe for concurrent use.
type Scanner struct {
	// Report, when set, is called for every line Postfix warns about, in the
	// order of the source. The Message is what Postfix 3.12 says after the
	// place ("SRC, line N: "); with CheckLeadingSpace Postfix names no line
	// ("SRC: "), with CheckNUL it names the first and last line when they
	// differ ("SRC, line N-M: "), see [Scanner.LastLine].
	Report func(diag.Diagnostic)

	name  string
	opts  Options
	lines *cflines.Reader
	line  cflines.Line
	p     parsed
	err   error

	key, unquoted, value, buf []byte
	hasUnquoted               bool
}

// NewScanner returns a Scanner of src. The name is for messages only.
func NewScanner(name string, src io.Reader, opts *Options) *Scanner {
	s := &Scanner{name: name, lines: cflines.NewReader(src)}
	if opts != nil {
		s.opts = *opts
	}
	s.lines.MaxLine = s.opts.maxLine()
	return s
}

// Scan advances to the next alias and reports whether there is one. Lines that
// Postfix ignores are reported and stepped over.
func (s *Scanner) Scan() bool {
	if s.err != nil {
		return false
	}
	for {
		if s.line, s.err = s.lines.Next(); s.err != nil {
			s.key, s.unquoted, s.value = nil, nil, nil
			return false
		}
		s.p = cutLine(s.p.toks, s.line.Text, !s.opts.NoUTF8)
		if s.p.faults != nil {
			s.report(s.p.faults)
		}
		if !s.p.stored {
			continue
		}
		s.buf = mailaddr.AppendExternal(s.buf[:0], s.line.Text, s.p.name())
		s.key = s.opts.appendFolded(s.key[:0], s.buf)
		s.value = mailaddr.AppendExternal(s.value[:0], s.line.Text, s.p.value())
		s.hasUnquoted = false
		return true
	}
}

func (s *Scanner) report(faults []fault) {
	if s.Report == nil {
		return
	}
	for _, f := range faults {
		d := diag.Diagnostic{File: s.name, Severity: f.severity, Check: f.check, Message: f.message}
		d.Span.Start = s.Pos()
		if s.line.First == s.line.Last { // places inside are known only then
			d.Span.End = d.Span.Start
			d.Span.Start.Offset += f.start
			d.Span.Start.Col += f.start
			d.Span.End.Offset += f.end
			d.Span.End.Col += f.end
		}
		if f.related != "" {
			d.Related = []diag.Related{{File: s.name, Span: d.Span, Message: f.related}}
		}
		s.Report(d)
	}
}

// Key returns the name as Postfix 3.12 stores it: in external form, quoted
// where the source quotes it, and folded unless [Options.NoFold]. It is valid
// until the next Scan.
func (s *Scanner) Key() []byte { return s.key }

// UnquotedKey returns the name as Postfix before 3.12 stores it: in internal
// form, without quotes and backslashes. It is valid until the next Scan.
func (s *Scanner) UnquotedKey() []byte {
	if !s.hasUnquoted {
		s.buf = mailaddr.AppendInternalList(s.buf[:0], s.line.Text, s.p.name())
		s.unquoted = s.opts.appendFolded(s.unquoted[:0], s.buf)
		s.hasUnquoted = true
	}
	return s.unquoted
}

// Value returns the targets as every Postfix stores them: in external form,
// with white space made regular. Comments are part of it. It is valid until
// the next Scan; [ParseTargets] reads it.
func (s *Scanner) Value() []byte { return s.value }

// Line returns the number of the first physical line of the alias, or, in a
// call of Report, of the line reported: the number Postfix names.
func (s *Scanner) Line() int { return s.line.First }

// LastLine returns the number of the last physical line that belongs to it.
func (s *Scanner) LastLine() int { return s.line.Last }

// Pos returns the place where the alias starts.
func (s *Scanner) Pos() diag.Position {
	return diag.Position{Offset: int(s.line.Offset), Line: s.line.First, Col: 1}
}

// Err returns the error that ended the scan: nil at the end of the source,
// else the error of reading it, or one that wraps [ErrLimit].
func (s *Scanner) Err() error {
	switch s.err {
	case io.EOF:
		return nil
	case cflines.ErrTooLong:
		return fmt.Errorf("%s: logical line of more than %d bytes: %w", s.name, s.opts.maxLine(), ErrLimit)
	}
	return s.err
}
