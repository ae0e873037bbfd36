package textmap

import (
	"io"
	"runtime"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/table"
)

// Options say how a source is read. The zero Options read it as postmap(1)
// does without options, in the default configuration of Postfix 3.6 and later.
type Options struct {
	NoFold bool // keep keys as they are (postmap -f)
	NoUTF8 bool // no UTF-8 checks, and only ASCII letters are folded (postmap -u, smtputf8_enable = no)

	// ReadFile, when set, makes every value a list of files (postmap -F), see
	// [table.FileValue]. Usually os.ReadFile.
	ReadFile func(name string) ([]byte, error)

	// ReadAhead has a [Scanner] parse on other processors what comes next, for
	// sources that are read to their end. It reads up to a few hundred
	// kilobytes for each processor more than it has returned, so a source that
	// arrives slowly is seen late.
	ReadAhead bool
}

// A Scanner streams the entries of a source of any size. It needs memory for
// one logical line and a buffer, reports what is wrong through a callback, and
// goes on. It does not look for duplicates: whoever stores the entries does.
//
//	s := textmap.NewScanner("/etc/postfix/virtual", f, nil)
//	s.Report = func(d diag.Diagnostic) { log.Print(d) }
//	for s.Scan() {
//		builder.Add(s.Key(), s.Value())
//	}
//	if err := s.Err(); err != nil {
//		return err
//	}
//
// Not safe for concurrent use.
type Scanner struct {
	// Report, when set, is called for every finding, in the order of the
	// source. Its Message is what Postfix says, without the place.
	Report func(diag.Diagnostic)

	// Collect, when set before the first Scan of a Scanner that reads ahead,
	// is called by the goroutines that parse for a new [Collector], with the
	// number of bytes its entries are written in. [Scanner.Batch] then returns
	// many entries at a time.
	Collect func(size int) Collector

	name   string
	opts   Options
	lines  *cflines.Reader
	line   cflines.Line
	rawKey []byte
	key    []byte
	value  []byte
	folded []byte // room for key
	err    error
	ahead  *ahead      // set when others parse
	keep   func(fault) // instead of Report, when set
}

// NewScanner returns a Scanner of src. The name is for messages only.
func NewScanner(name string, src io.Reader, opts *Options) *Scanner {
	s := &Scanner{name: name}
	if opts != nil {
		s.opts = *opts
	}
	if n := runtime.GOMAXPROCS(0); s.opts.ReadAhead && s.opts.ReadFile == nil && n > 1 {
		s.ahead = &ahead{src: src, most: 2 * n, size: chunkSize, line: 1}
	} else {
		s.lines = cflines.NewReader(src)
	}
	return s
}

// Scan advances to the next entry and reports whether there is one. Lines that
// Postfix ignores are reported and stepped over.
func (s *Scanner) Scan() bool {
	if s.ahead != nil {
		return s.take()
	}
	return s.next()
}

// next reads and parses the next entry.
func (s *Scanner) next() bool {
	if s.err != nil {
		return false
	}
	return s.plain() || s.logical()
}

// logical is next for any logical line.
func (s *Scanner) logical() bool {
	for {
		if s.line, s.err = s.lines.Next(); s.err != nil {
			s.rawKey, s.key, s.value = nil, nil, nil
			return false
		}
		p := cutLine(s.line.Text, s.line.Indented, !s.opts.NoUTF8)
		if p.faults != nil {
			s.report(p.faults)
		}
		if p.bad {
			continue
		}
		text := s.line.Text
		s.rawKey = text[:p.keyEnd]
		s.folded = s.opts.appendKey(s.folded[:0], text[:p.keyEnd])
		s.key = s.folded
		s.value = text[p.valueStart:p.valueEnd]
		if s.opts.ReadFile != nil {
			value, err := table.FileValue(s.opts.ReadFile, string(s.value))
			if err != nil {
				s.report([]fault{{CheckValueFile, diag.Error, p.valueStart, p.valueEnd, diag.Printable(err.Error() + ": skipping this entry")}})
				continue
			}
			s.value = []byte(value)
		}
		return true
	}
}

// plain takes the next entry if it is a plain line.
func (s *Scanner) plain() bool {
	if s.opts.ReadFile != nil {
		return false
	}
	text := s.lines.Buffered()
	p := cutPlain(text)
	if p.next == 0 {
		return false
	}
	s.line.First, s.line.Offset = s.lines.Skip(p.next)
	s.line.Last = s.line.First
	s.rawKey = text[:p.keyEnd:p.keyEnd]
	s.key = s.rawKey
	if p.capitals && !s.opts.NoFold {
		s.folded = append(s.folded[:0], s.rawKey...)
		s.key = casefold.ASCII(s.folded)
	}
	s.value = text[p.valueStart:p.valueEnd:p.valueEnd]
	return true
}

func (s *Scanner) report(faults []fault) {
	for _, f := range faults {
		switch {
		case s.keep != nil:
			s.keep(f)
		case s.Report != nil:
			s.Report(f.diagnostic(s.name, s.line.First, s.line.Offset, s.line.First == s.line.Last))
		}
	}
}

// diagnostic is the fault as a finding about the logical line that begins at a
// line and offset. Places inside are known only if it is a single line.
func (f *fault) diagnostic(name string, line int, offset int64, single bool) diag.Diagnostic {
	d := diag.Diagnostic{File: name, Severity: f.severity, Check: f.check, Message: f.message}
	d.Span.Start = diag.Position{Offset: int(offset), Line: line, Col: 1}
	if single {
		d.Span.Start.Offset += f.start
		d.Span.Start.Col += f.start
		d.Span.End = d.Span.Start
		d.Span.End.Offset += f.end - f.start
		d.Span.End.Col += f.end - f.start
	}
	return d
}

// Key returns the key of the entry as it is stored: folded unless
// [Options.NoFold]. Quotes and backslashes are part of it. It is valid until
// the next Scan.
func (s *Scanner) Key() []byte { return s.key }

// RawKey returns the key as it is written. It is valid until the next Scan.
func (s *Scanner) RawKey() []byte { return s.rawKey }

// Value returns the value of the entry. It is valid until the next Scan.
func (s *Scanner) Value() []byte { return s.value }

// Line returns the number of the first physical line of the entry, the one
// Postfix names in its messages.
func (s *Scanner) Line() int { return s.line.First }

// Pos returns the place where the entry starts.
func (s *Scanner) Pos() diag.Position {
	return diag.Position{Offset: int(s.line.Offset), Line: s.line.First, Col: 1}
}

// Err returns the error that ended the scan: nil at the end of the source,
// else the error of reading it.
func (s *Scanner) Err() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}
