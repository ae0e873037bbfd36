package headercheck

import (
	"bytes"
	"slices"
)

type state uint8

const (
	inPrimary state = iota
	inPart
	inNested
	inBody
)

type contentType uint8

const (
	typeOther contentType = iota
	typeText
	typeMessage  // other than the two below
	typeRFC822   // message/rfc822
	typeGlobal   // message/global
	typeFragment // message/partial, message/external-body
	typeMultipart
)

type encoding uint8

const (
	sevenBit encoding = iota
	eightBit
	binary
	quotedPrintable
	base64
)

// A level is a multipart that was entered.
type level struct {
	boundary string
	parts    contentType // of a part that has no Content-Type
}

// A machine takes records to parts. It is the state machine of Postfix: a
// message is a header and a body; a body may be parts, each of them a header
// and a body; a message in a message starts with a header again. It never
// gives up: a line that can be no header ends a header.
type machine struct {
	opts   *Options
	state  state
	ctype  contentType
	enc    encoding
	domain encoding // sevenBit for an encoding, otherwise enc
	levels []level  // innermost last
	out    []Part
	found  []Found

	head     []byte // the header so far
	spare    []byte // swapped with head, so that a part given out stays valid
	headLine int
	headLast int
	wasMore  bool // the record before goes on in this one
	offset   int64
}

func (m *machine) start(o *Options) {
	m.opts = o
	m.content(inPrimary, typeText)
}

// content enters a state with the encoding a new entity has.
func (m *machine) content(s state, t contentType) {
	m.state, m.ctype, m.enc, m.domain = s, t, sevenBit, sevenBit
	if s == inBody {
		m.offset = 0
	}
}

func (m *machine) body() { m.state, m.offset = inBody, 0 }

func (m *machine) problem(p Problem, line int) {
	if !slices.ContainsFunc(m.found, func(f Found) bool { return f.Problem == p }) {
		m.found = append(m.found, Found{p, line})
	}
}

// update takes one record; more: it is the beginning of a longer line.
func (m *machine) update(text []byte, more bool, line int) {
	wasMore := m.wasMore
	m.wasMore = more
	if m.state != inBody {
		if len(m.head) > 0 {
			if wasMore || len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
				m.append(text, !wasMore, line)
				return
			}
			m.flush()
		}
		if n := headerName(text); n > 0 {
			m.head = append(m.head[:0], text[:n]...)
			m.head = append(m.head, upToNUL(bytes.TrimLeft(text[n:], " \t"))...)
			m.headLine, m.headLast = line, line
			return
		}
		m.endHeader(text, line)
	}
	m.bodyLine(text, more, wasMore, line)
}

// append adds to the header, a line of its own or the rest of one.
func (m *machine) append(text []byte, ownLine bool, line int) {
	m.headLast = line
	if len(m.head) >= m.opts.HeaderSize {
		m.problem(HeaderCut, line)
		return
	}
	if ownLine {
		m.head = append(m.head, '\n')
	}
	m.head = append(m.head, upToNUL(text)...)
}

func upToNUL(text []byte) []byte {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return text[:i]
	}
	return text
}

// headerName returns the length of a header name at the start of a line, and
// 0 when the line is no header: printable ASCII, white space before the colon
// allowed.
func headerName(line []byte) int {
	n, space := 0, false
	for _, c := range line {
		switch {
		case c == ':':
			return n
		case c == ' ' || c == '\t':
			if n == 0 {
				return 0
			}
			space = true
		case c < ' ' || c >= 0x7f || space:
			return 0
		default:
			n++
		}
	}
	return 0
}

// flush gives out the header that was collected.
func (m *machine) flush() {
	name, value, _ := bytes.Cut(m.head, []byte(":"))
	kind := [...]Kind{inPrimary: Header, inPart: MIMEHeader, inNested: NestedHeader}[m.state]
	if mimeHeader(name) {
		kind = MIMEHeader
	}
	if !m.opts.NoMIME {
		if bytes.EqualFold(name, []byte("content-type")) {
			m.contentType(value)
		} else if bytes.EqualFold(name, []byte("content-transfer-encoding")) {
			m.encoding(value)
		}
	}
	if eightBits(m.head) {
		m.problem(EightBitHeader, m.headLine)
	}
	m.out = append(m.out, Part{Kind: kind, Text: m.head, Line: m.headLine, LastLine: m.headLast})
	m.head, m.spare = m.spare[:0], m.head
}

var mimeHeaders = [...]string{"content-description", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "mime-version"}

func mimeHeader(name []byte) bool {
	for _, h := range mimeHeaders {
		if len(name) == len(h) && bytes.EqualFold(name, []byte(h)) {
			return true
		}
	}
	return false
}

func (m *machine) contentType(value []byte) {
	tok := tokenizer{text: value, specials: mimeSpecials, end: ';'}
	t, _ := tok.next(3)
	if len(t) == 0 {
		m.ctype = typeOther
		return
	}
	subtype := ""
	if len(t) == 3 && t[1].special == '/' && t[2].word {
		subtype = lower(t[2].text)
	}
	if !t[0].word {
		return
	}
	switch lower(t[0].text) {
	case "text":
		m.ctype = typeText
	case "message":
		switch subtype {
		case "rfc822":
			m.ctype = typeRFC822
		case "global":
			m.ctype = typeGlobal
		case "partial", "external-body":
			m.ctype = typeFragment
		default:
			m.ctype = typeMessage
		}
	case "multipart":
		m.ctype = typeMultipart
		parts := typeText
		if subtype == "digest" {
			parts = typeRFC822
		}
		// Several boundaries are illegal; each is looked for.
		for {
			t, ok := tok.next(3)
			if !ok {
				return
			}
			if len(t) == 3 && t[0].word && lower(t[0].text) == "boundary" && t[1].special == '=' {
				m.enter(t[2].text, parts)
			}
		}
	}
}

func (m *machine) enter(boundary string, parts contentType) {
	// Postfix starts counting at -1.
	if len(m.levels)-1 > m.opts.Nesting {
		m.problem(TooDeep, m.headLine)
		return
	}
	m.levels = append(m.levels, level{boundary[:min(len(boundary), m.opts.BoundaryLength)], parts})
}

func (m *machine) encoding(value []byte) {
	tok := tokenizer{text: value, specials: rfc822Specials}
	t, _ := tok.next(1)
	if len(t) == 0 || !t[0].word {
		return
	}
	switch lower(t[0].text) {
	case "7bit":
		m.enc, m.domain = sevenBit, sevenBit
	case "8bit":
		m.enc, m.domain = eightBit, eightBit
	case "binary":
		m.enc, m.domain = binary, binary
	case "base64":
		m.enc, m.domain = base64, sevenBit
	case "quoted-printable":
		m.enc, m.domain = quotedPrintable, sevenBit
	}
}

// endHeader is called for a line that is no header, in a header.
func (m *machine) endHeader(text []byte, line int) {
	if m.state == inPrimary && len(text) > 0 {
		m.problem(NoBlankLine, line)
	}
	m.checkEncoding(line)
	if len(text) > 0 {
		// Not empty and no header: the body starts without a blank line. Only
		// before the body of the message itself one is put.
		if m.state == inPrimary {
			m.bodyOut(nil, false, line)
		}
		m.body()
		return
	}
	m.offset = 0
	switch m.ctype {
	case typeRFC822, typeGlobal:
		m.content(inNested, typeText)
	case typeMultipart:
		m.content(inBody, typeOther)
	default:
		m.body()
	}
}

func eightBits(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// checkEncoding: what is a message or several parts must not be encoded.
func (m *machine) checkEncoding(line int) {
	switch m.ctype {
	case typeFragment:
		if m.domain != sevenBit {
			m.problem(BadEncoding, line)
		}
	case typeRFC822, typeMultipart:
		if m.enc != m.domain {
			m.problem(BadEncoding, line)
		}
	}
}

func (m *machine) bodyLine(text []byte, more, wasMore bool, line int) {
	if m.enc == sevenBit && eightBits(text) {
		m.problem(EightBitBody, line)
	}
	if !wasMore && len(text) > 2 && text[0] == '-' && text[1] == '-' {
		m.boundary(text[2:])
	}
	m.bodyOut(text, more, line)
}

// boundary looks whether a line is between two parts, or behind the last. Text
// behind the boundary is ignored: the boundary we have may have been cut.
func (m *machine) boundary(text []byte) {
	for i := len(m.levels) - 1; i >= 0; i-- {
		l := m.levels[i]
		rest, ok := bytes.CutPrefix(text, []byte(l.boundary))
		if !ok {
			continue
		}
		m.levels = m.levels[:i+1]
		if bytes.HasPrefix(rest, []byte("--")) {
			m.levels = m.levels[:i]
			m.content(inBody, typeOther)
		} else {
			m.content(inPart, l.parts)
		}
		return
	}
}

func (m *machine) bodyOut(text []byte, more bool, line int) {
	m.out = append(m.out, Part{Kind: Body, Text: text, Line: line, LastLine: line, More: more, Offset: m.offset})
	m.offset += int64(len(text)) + 1
}

// end is called at the end of the message.
func (m *machine) end(line int) {
	if m.wasMore {
		m.update(nil, false, line)
	}
	if m.state != inBody {
		if len(m.head) > 0 {
			m.flush()
		}
		m.checkEncoding(line)
		m.body()
	}
}
