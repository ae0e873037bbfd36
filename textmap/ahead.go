package textmap

import (
	"bytes"
	"io"

	"github.com/postfixkit/postfixkit/internal/casefold"
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
	findings []chunkFinding
	err      error

	taker   Collector // has the entries, if it is set
	lines   []uint32  // of those entries, from line
	entries []chunkEntry
	data    []byte // of entries, what does not stand in text as it is
}

// len returns how many entries there are.
func (c *chunk) len() int {
	if c.taker != nil {
		return len(c.lines)
	}
	return len(c.entries)
}

// A chunkEntry is an entry of a chunk: where its parts begin and end in text
// with data behind it, and where it stands.
type chunkEntry struct {
	keyStart, keyEnd     uint32
	rawStart, rawEnd     uint32
	valueStart, valueEnd uint32
	line, offset         uint32 // from those of the chunk
}

// A chunkFinding is a fault, the number of entries before it and where its line
// is, from those of the chunk. A chunk may have tens of thousands.
type chunkFinding struct {
	before       uint32
	line, offset uint32
	single       bool // the logical line is a single one
	fault        fault
}

// take is Scan for a source that others parse.
func (s *Scanner) take() bool {
	if c := s.current(); c != nil {
		if c.taker != nil { // nobody asked for the Batch
			c.taker = nil
			c.parse(s.name, s.opts)
		}
		e := &c.entries[s.ahead.at]
		s.ahead.at++
		s.key, s.rawKey, s.value = c.part(e.keyStart, e.keyEnd), c.part(e.rawStart, e.rawEnd), c.part(e.valueStart, e.valueEnd)
		s.line.First, s.line.Offset = c.line+int(e.line), c.offset+int64(e.offset)
		return true
	}
	if s.ahead == nil {
		return s.next()
	}
	s.rawKey, s.key, s.value = nil, nil, nil
	return false
}

// current returns the chunk with the next entry, nil if there is none or nobody
// parses ahead any more.
func (s *Scanner) current() *chunk {
	a := s.ahead
	for s.err == nil {
		if a.now == nil {
			for len(a.queue) <= a.most && a.err == nil && a.long == nil {
				a.start(s)
			}
			if c := a.long; c != nil && len(a.queue) == 0 {
				s.lines, s.ahead = cflines.Resume(c.text, c.line, c.offset, a.src, nil), nil
				return nil
			}
			a.now = a.queue[0]
			a.queue = append(a.queue[:0], a.queue[1:]...)
			a.at, a.told = 0, 0
			<-a.now.done
		}
		c := a.now
		for ; a.told < len(c.findings) && int(c.findings[a.told].before) <= a.at; a.told++ {
			if f := &c.findings[a.told]; s.Report != nil {
				s.Report(f.fault.diagnostic(s.name, c.line+int(f.line), c.offset+int64(f.offset), f.single))
			}
		}
		if a.at < c.len() {
			return c
		}
		if len(a.queue) == 0 && a.err != nil {
			s.err = c.err
		}
		a.now, a.spare = nil, append(a.spare, c)
	}
	return nil
}

// start reads another chunk and has it parsed.
func (a *ahead) start(s *Scanner) {
	c := new(chunk)
	if n := len(a.spare); n > 0 {
		c, a.spare = a.spare[n-1], a.spare[:n-1]
	}
	*c = chunk{
		text: append(c.text[:0], a.rest...), line: a.line, offset: a.offset, srcErr: io.EOF,
		findings: c.findings[:0], lines: c.lines[:0], entries: c.entries[:0], data: c.data[:0],
		done: make(chan struct{}),
	}
	if !a.read(c) {
		a.long = c
		return
	}
	a.line += bytes.Count(c.text, []byte("\n"))
	a.offset += int64(len(c.text))
	a.queue = append(a.queue, c)
	go c.run(s.name, s.opts, s.Collect)
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

// run parses the chunk, for a Collector if there are any and it takes all.
func (c *chunk) run(name string, opts Options, collect func(size int) Collector) {
	defer close(c.done)
	if collect != nil {
		if c.taker = collect(len(c.text)); c.parse(name, opts) {
			return
		}
		c.taker = nil
	}
	c.parse(name, opts)
}

// parse parses the chunk. It returns false when the taker took no more.
func (c *chunk) parse(name string, opts Options) bool {
	c.findings, c.lines, c.entries, c.data = c.findings[:0], c.lines[:0], c.entries[:0], c.data[:0]
	s := Scanner{name: name, opts: opts, lines: cflines.Resume(c.text, c.line, c.offset, nil, c.srcErr)}
	s.keep = func(f fault) {
		c.findings = append(c.findings, chunkFinding{uint32(c.len()), uint32(s.line.First - c.line), uint32(s.line.Offset - c.offset),
			s.line.First == s.line.Last, f})
	}
	for {
		p := cutPlain(s.lines.Buffered())
		if p.next == 0 {
			if !s.logical() {
				break
			}
			line := uint32(s.line.First - c.line)
			if c.taker != nil {
				if c.taker.Add(s.key, s.value) != nil {
					return false
				}
				c.lines = append(c.lines, line)
				continue
			}
			e := chunkEntry{line: line, offset: uint32(s.line.Offset - c.offset)}
			e.rawStart, e.rawEnd = c.store(s.rawKey)
			if e.keyStart, e.keyEnd = e.rawStart, e.rawEnd; !bytes.Equal(s.key, s.rawKey) {
				e.keyStart, e.keyEnd = c.store(s.key)
			}
			e.valueStart, e.valueEnd = c.store(s.value)
			c.entries = append(c.entries, e)
			continue
		}
		line, offset := s.lines.Skip(p.next)
		at := uint32(offset - c.offset)
		if c.taker != nil {
			text := c.text[at:]
			key := text[:p.keyEnd]
			if p.capitals && !opts.NoFold {
				c.data = append(c.data[:0], key...)
				key = casefold.ASCII(c.data)
			}
			if c.taker.Add(key, text[p.valueStart:p.valueEnd]) != nil {
				return false
			}
			c.lines = append(c.lines, uint32(line-c.line))
			continue
		}
		e := chunkEntry{
			rawStart: at, rawEnd: at + uint32(p.keyEnd), keyStart: at, keyEnd: at + uint32(p.keyEnd),
			valueStart: at + uint32(p.valueStart), valueEnd: at + uint32(p.valueEnd),
			line: uint32(line - c.line), offset: at,
		}
		if p.capitals && !opts.NoFold {
			e.keyStart, e.keyEnd = c.store(c.text[e.rawStart:e.rawEnd])
			casefold.ASCII(c.part(e.keyStart, e.keyEnd))
		}
		c.entries = append(c.entries, e)
	}
	c.err = s.err
	return true
}

// store puts a copy of part of an entry behind the text.
func (c *chunk) store(p []byte) (start, end uint32) {
	start = uint32(len(c.text) + len(c.data))
	c.data = append(c.data, p...)
	return start, start + uint32(len(p))
}

// part returns what stands in text or was stored.
func (c *chunk) part(start, end uint32) []byte {
	if n := uint32(len(c.text)); start >= n {
		return c.data[start-n : end-n : end-n]
	}
	return c.text[start:end:end]
}
