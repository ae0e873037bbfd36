package textmap

import (
	"bytes"
	"io"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// chunkSize is how much of a source one goroutine parses at a time. A line, with
// the comments that may be inside it, of many times that is not waited for.
const (
	chunkSize = 128 << 10
	longLine  = 64
)

// An ahead cuts a source into chunks of whole logical lines, each of which a
// goroutine parses while the entries of chunks before it are used. The source is
// only read from within Scan, and a goroutine ends with its chunk: a Scanner
// that is abandoned leaves nothing behind.
type ahead struct {
	src    io.Reader
	most   int      // chunks at work
	size   int      // of a chunk
	now    *chunk   // entries come from it
	at     int      // entries of now that were returned
	told   int      // findings of now that were reported
	queue  []*chunk // that follow, in the order of the source
	spare  []*chunk
	rest   []byte // read, and not yet in a chunk
	line   int    // number of the physical line rest begins with
	offset int64  // of rest in the source
	err    error  // of src
	long   *chunk // where parsing ahead ends: in it no line is complete
}

// A chunk is a part of a source with what a goroutine makes of it.
type chunk struct {
	text     []byte
	line     int
	offset   int64
	srcErr   error         // after text
	done     chan struct{} // parsed: what follows may be used
	data     []byte        // of the entries: key, value, raw key where it differs
	entries  []chunkEntry
	findings []chunkFinding
	err      error
}

// A chunkEntry is an entry of a chunk, and where its parts end in data.
type chunkEntry struct {
	start, keyEnd, valueEnd, rawEnd int
	line                            int
	offset                          int64
}

// A chunkFinding is a finding and the number of entries before it.
type chunkFinding struct {
	before int
	found  diag.Diagnostic
}

// take is Scan for a source that others parse.
func (s *Scanner) take() bool {
	a := s.ahead
	for s.err == nil {
		if a.now == nil {
			for len(a.queue) <= a.most && a.err == nil && a.long == nil {
				a.start(s)
			}
			if c := a.long; c != nil && len(a.queue) == 0 {
				s.lines, s.ahead = cflines.Resume(c.text, c.line, c.offset, a.src, nil), nil
				return s.next()
			}
			a.now = a.queue[0]
			a.queue = append(a.queue[:0], a.queue[1:]...)
			a.at, a.told = 0, 0
			<-a.now.done
		}
		c := a.now
		for ; a.told < len(c.findings) && c.findings[a.told].before <= a.at; a.told++ {
			if s.Report != nil {
				s.Report(c.findings[a.told].found)
			}
		}
		if a.at < len(c.entries) {
			e := &c.entries[a.at]
			a.at++
			s.key, s.value = c.data[e.start:e.keyEnd:e.keyEnd], c.data[e.keyEnd:e.valueEnd:e.valueEnd]
			if s.rawKey = s.key; e.rawEnd > e.valueEnd {
				s.rawKey = c.data[e.valueEnd:e.rawEnd:e.rawEnd]
			}
			s.line.First, s.line.Offset = e.line, e.offset
			return true
		}
		if len(a.queue) == 0 && a.err != nil {
			s.err = c.err
		}
		a.now, a.spare = nil, append(a.spare, c)
	}
	s.rawKey, s.key, s.value = nil, nil, nil
	return false
}

// start reads another chunk and has it parsed.
func (a *ahead) start(s *Scanner) {
	c := new(chunk)
	if n := len(a.spare); n > 0 {
		c, a.spare = a.spare[n-1], a.spare[:n-1]
	}
	*c = chunk{
		text: append(c.text[:0], a.rest...), line: a.line, offset: a.offset, srcErr: io.EOF,
		data: c.data[:0], entries: c.entries[:0], findings: c.findings[:0],
		done: make(chan struct{}),
	}
	if !a.read(c) {
		a.long = c
		return
	}
	a.line += bytes.Count(c.text, []byte("\n"))
	a.offset += int64(len(c.text))
	a.queue = append(a.queue, c)
	if cap(c.data) == 0 {
		c.data = make([]byte, 0, len(c.text))
	}
	go c.parse(s.name, s.opts)
}

// read fills a chunk, and keeps what comes after the last line that is
// certainly complete. It reports false when that does not come soon.
func (a *ahead) read(c *chunk) bool {
	for idle := 0; ; {
		if len(c.text) == cap(c.text) {
			c.text = append(make([]byte, 0, max(a.size, 2*len(c.text))), c.text...)
		}
		var n int
		n, a.err = a.src.Read(c.text[len(c.text):cap(c.text)])
		c.text = c.text[:len(c.text)+n]
		if idle++; n > 0 {
			idle = 0
		} else if idle == 100 && a.err == nil {
			a.err = io.ErrNoProgress
		}
		if a.err != nil {
			c.srcErr, a.rest = a.err, nil
			return true
		}
		if len(c.text) < cap(c.text) {
			continue
		}
		if end := cflines.Complete(c.text); end > 0 {
			a.rest = append(a.rest[:0], c.text[end:]...)
			c.text = c.text[:end]
			return true
		}
		if len(c.text) >= longLine*a.size {
			return false
		}
	}
}

func (c *chunk) parse(name string, opts Options) {
	s := Scanner{name: name, opts: opts, lines: cflines.Resume(c.text, c.line, c.offset, nil, c.srcErr)}
	s.Report = func(d diag.Diagnostic) {
		c.findings = append(c.findings, chunkFinding{len(c.entries), d})
	}
	for s.next() {
		e := chunkEntry{start: len(c.data), line: s.line.First, offset: s.line.Offset}
		c.data = append(c.data, s.key...)
		e.keyEnd = len(c.data)
		c.data = append(c.data, s.value...)
		e.valueEnd = len(c.data)
		if !bytes.Equal(s.key, s.rawKey) {
			c.data = append(c.data, s.rawKey...)
		}
		e.rawEnd = len(c.data)
		c.entries = append(c.entries, e)
	}
	c.err = s.err
	close(c.done)
}
