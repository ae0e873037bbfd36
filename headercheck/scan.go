package headercheck

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
)

// Kind says what a part of a message is, and which check it is subject to.
// The zero Kind is invalid.
type Kind uint8

// The kinds of parts.
const (
	_            Kind = iota
	Header            // header of the message: header_checks
	MIMEHeader        // MIME header, or header of a body part: mime_header_checks
	NestedHeader      // header of an attached message: nested_header_checks
	Body              // line of the body: body_checks
)

// String returns the name of the main.cf parameter.
func (k Kind) String() string {
	switch k {
	case Header:
		return "header_checks"
	case MIMEHeader:
		return "mime_header_checks"
	case NestedHeader:
		return "nested_header_checks"
	case Body:
		return "body_checks"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Options are the settings of main.cf that say how a message is taken apart.
// Zero stands for the default of Postfix.
type Options struct {
	HeaderSize     int   // header_size_limit: a longer header is cut; 0: 102400
	LineLength     int   // line_length_limit: a longer line is several; 0: 2048, below 0: none
	BoundaryLength int   // mime_boundary_length_limit; 0: 2048
	Nesting        int   // mime_nesting_limit; 0: 100
	BodySize       int64 // body_checks_size_limit, for each body part; 0: 51200, below 0: none
	NoMIME         bool  // disable_mime_input_processing: all after the header is body
	// KeepCR keeps a CR at the end of a line part of it, and other CRs.
	// Otherwise CRLF is a line end, and another CR becomes a space, as with
	// cleanup_replace_stray_cr_lf.
	KeepCR bool
	// KeepFrom leaves first lines as they are. Otherwise lines "From sender date",
	// which would end the header, become headers X-Mailbox-Line, and if the next
	// line starts with white space it is the body, as smtpd(8) makes them.
	KeepFrom bool
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.HeaderSize == 0 {
		d.HeaderSize = 102400
	}
	if d.LineLength == 0 {
		d.LineLength = 2048
	}
	if d.BoundaryLength == 0 {
		d.BoundaryLength = 2048
	}
	if d.Nesting == 0 {
		d.Nesting = 100
	}
	if d.BodySize == 0 {
		d.BodySize = 51200
	}
	return d
}

// A Part is a header or a line of the body.
type Part struct {
	Kind Kind
	// Text is the header or line without its line end; valid until the next
	// call of Next.
	Text []byte
	// Line and LastLine are the numbers of the first and last physical line.
	Line, LastLine int
	// More says that Text is a piece of a line that goes on in the next part.
	More bool
	// Offset is, for a body line, how much of the same body part came before.
	Offset int64
}

// Key is what Postfix looks up for the part: Text up to a NUL byte.
func (p Part) Key() []byte {
	if i := bytes.IndexByte(p.Text, 0); i >= 0 {
		return p.Text[:i]
	}
	return p.Text
}

// Problem is something Postfix finds wrong with the structure of a message.
// Whether it rejects the message because of that is a matter of main.cf.
type Problem uint8

// The problems, the most serious first.
const (
	_              Problem = iota
	TooDeep                // more levels of multipart than Nesting; rejected when any header check is in use
	HeaderCut              // a header is longer than HeaderSize
	EightBitHeader         // strict_7bit_headers
	EightBitBody           // strict_8bitmime_body: 8-bit data in a body part declared, or by default, 7bit
	BadEncoding            // strict_mime_encoding_domain: message/* or multipart/* with an encoding
	NoBlankLine            // non_empty_end_of_header_action: the header ends with a line that is not empty
)

// String returns the words Postfix uses.
func (p Problem) String() string {
	switch p {
	case TooDeep:
		return "MIME nesting exceeds safety limit"
	case HeaderCut:
		return "message header length exceeds safety limit"
	case EightBitHeader:
		return "improper use of 8-bit data in message header"
	case EightBitBody:
		return "improper use of 8-bit data in message body"
	case BadEncoding:
		return "invalid message/* or multipart/* encoding domain"
	case NoBlankLine:
		return "primary header was terminated with non-empty line"
	}
	return "Problem(" + strconv.Itoa(int(p)) + ")"
}

// A Found is a problem with the first line it was seen in.
type Found struct {
	Problem Problem
	Line    int
}

// A Scanner takes a message apart. It is not safe for concurrent use.
type Scanner struct {
	opts   Options
	src    *bufio.Reader
	m      machine
	line   int // of the record read last
	within bool
	first  bool // nothing but "From " lines was read yet
	buf    []byte
	err    error
	next   int // part of m.out to be returned
}

// NewScanner returns a Scanner of the message in r; o may be nil. The message
// is as in a file: lines end in LF or CRLF.
func NewScanner(r io.Reader, o *Options) *Scanner {
	s := &Scanner{opts: o.withDefaults(), first: true}
	s.src = bufio.NewReaderSize(r, max(4096, s.opts.LineLength+2))
	s.m.start(&s.opts)
	return s
}

// Next returns the next part; at the end the error is [io.EOF]. Another error
// is that of the reader, after which what was read is incomplete.
func (s *Scanner) Next() (Part, error) {
	for s.next == len(s.m.out) {
		if s.err != nil {
			return Part{}, s.err
		}
		s.m.out, s.next = s.m.out[:0], 0
		s.step()
	}
	s.next++
	return s.m.out[s.next-1], nil
}

// Problems returns what was found wrong so far, each kind once.
func (s *Scanner) Problems() []Found { return append([]Found(nil), s.m.found...) }

// InHeader reports whether the header of the message is not yet over.
func (s *Scanner) InHeader() bool { return s.m.state == inPrimary }

func (s *Scanner) step() {
	text, more, err := s.record()
	if err != nil {
		if err == io.EOF {
			s.m.end(s.line)
		}
		s.err = err
		return
	}
	if s.first && !s.opts.KeepFrom {
		switch {
		case bytes.HasPrefix(bytes.TrimLeft(text, ">"), []byte("From ")):
			s.m.update([]byte("X-Mailbox-Line: "), true, s.line)
			s.m.update(text, more, s.line)
			return // still at the first line: another "From " may follow
		case len(text) > 0 && (text[0] == ' ' || text[0] == '\t'):
			s.m.update(nil, false, s.line)
		}
	}
	s.first = false
	s.m.update(text, more, s.line)
}

// record reads a line, or as much of it as the limit allows.
func (s *Scanner) record() (text []byte, more bool, err error) {
	if !s.within {
		s.line++
	}
	if s.opts.LineLength < 0 {
		text, err = s.wholeLine()
	} else {
		text, more, err = s.limitedLine()
	}
	s.within = more
	if err == nil && !s.opts.KeepCR {
		if !more {
			text = bytes.TrimRight(text, "\r")
		}
		for i, c := range text {
			if c == '\r' {
				text[i] = ' '
			}
		}
	}
	return text, more, err
}

func (s *Scanner) wholeLine() ([]byte, error) {
	s.buf = s.buf[:0]
	for {
		chunk, err := s.src.ReadSlice('\n')
		s.buf = append(s.buf, chunk...)
		switch {
		case err == nil:
			return s.buf[:len(s.buf)-1], nil
		case err == io.EOF && len(s.buf) > 0:
			return s.buf, nil
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

func (s *Scanner) limitedLine() (text []byte, more bool, err error) {
	// One byte more for the LF, and one for the CR before it.
	chunk, err := s.src.Peek(s.opts.LineLength + 2)
	if len(chunk) == 0 {
		return nil, false, err
	}
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	used := bytes.IndexByte(chunk, '\n')
	text, used = chunk[:max(0, used)], used+1
	switch {
	case used == 0 && len(chunk) <= s.opts.LineLength:
		text, used = chunk, len(chunk) // the last line, without LF
	case used == 0 || len(text) > s.opts.LineLength && (s.opts.KeepCR || text[len(text)-1] != '\r'):
		text, used, more = chunk[:s.opts.LineLength], s.opts.LineLength, true
	}
	s.buf = append(s.buf[:0], text...)
	_, err = s.src.Discard(used)
	return s.buf, more, err
}
