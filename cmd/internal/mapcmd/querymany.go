package mapcmd

import (
	"bytes"
	"fmt"
	"io"
	"runtime"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/table"
)

// queryStdin answers -q -: keys from standard input, one to a line, each asked
// of the tables in order. Tables are opened when they are first needed.
//
// Most of the time of a lookup in a large table is spent waiting for memory,
// so keys are looked up by as many goroutines as there are processors, a batch
// each. The answers come out in the order of the keys.
func (c *command) queryStdin(operands []string) error {
	s := &searcher{c: c, operands: operands}
	defer s.close()
	found, err := s.answerAll(c.Stdin)
	if err == nil && !found {
		err = errExit
	}
	return err
}

// A searcher asks several tables in order.
type searcher struct {
	c        *command
	operands []string
	opened   []*lookup
}

func (s *searcher) close() {
	for _, l := range s.opened {
		l.table.Close()
	}
}

// batchSize is what is read at once: some thousand keys.
const batchSize = 128 << 10

// A batch is some lines of keys and what came of them.
type batch struct {
	keys  []byte
	out   []byte
	found bool
	err   error
	done  chan struct{}
	alone bool // something will be said about a key: answered when it is its turn
}

func (s *searcher) answerAll(src io.Reader) (found bool, err error) {
	var (
		in      = batches{src: src}
		pending []*batch
		work    = make(chan *batch)
		workers = runtime.GOMAXPROCS(0)
	)
	defer close(work)
	started := false
	finish := func() error {
		b := pending[0]
		pending = pending[1:]
		if b.alone {
			s.answer(b)
		} else {
			<-b.done
		}
		found = found || b.found
		if _, err := s.c.out.Write(b.out); err != nil {
			return fmt.Errorf("write error: %s", cause(err))
		}
		return b.err
	}
	for {
		keys, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return found, fmt.Errorf("read error: %s", cause(err))
		}
		b := &batch{keys: keys, done: make(chan struct{})}
		b.alone = s.c.utf8Mode() && !casefold.Valid(keys)
		pending = append(pending, b)
		if !started {
			// One at a time until something was found: only then are the
			// tables open and is it known in which form they store keys.
			b.alone = true
			if err := finish(); err != nil {
				return found, err
			}
			if started = found && s.concurrent(); started {
				for range workers {
					go func() {
						for b := range work {
							s.answer(b)
							close(b.done)
						}
					}()
				}
			}
			continue
		}
		if !b.alone {
			work <- b
		}
		for len(pending) > 2*workers {
			if err := finish(); err != nil {
				return found, err
			}
		}
	}
	for len(pending) > 0 {
		if err := finish(); err != nil {
			return found, err
		}
	}
	return found, nil
}

// concurrent reports whether all tables are open, and of a kind that may be
// asked by several goroutines and says nothing by itself.
func (s *searcher) concurrent() bool {
	if len(s.opened) < len(s.operands) || s.c.valueFiles {
		return false
	}
	for _, l := range s.opened {
		if !l.quiet {
			return false
		}
	}
	return true
}

// answer looks up the keys of one batch.
func (s *searcher) answer(b *batch) {
	b.out = make([]byte, 0, 2*len(b.keys))
	var value []byte
	for rest := b.keys; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		key := cString(line)
		var hit bool
		if value, hit, b.err = s.find(value[:0], key); b.err != nil {
			return
		}
		if hit {
			b.found = true
			b.out = s.c.appendEntry(b.out, key, value)
		}
	}
}

// find appends the value of the first table that has the key to dst.
func (s *searcher) find(dst, key []byte) (value []byte, found bool, err error) {
	for i, operand := range s.operands {
		if i == len(s.opened) {
			l, err := s.c.open(operand)
			if err != nil {
				return dst, false, err
			}
			s.opened = append(s.opened, l)
		}
		l := s.opened[i]
		// The quick way where there is nothing to be said about the answer.
		if a, ok := l.table.(table.Appender); ok && !s.c.valueFiles {
			if value, found, err = a.AppendLookup(dst, key); err == nil {
				if found && len(value) > len(dst) {
					return value, true, nil
				}
				if !found {
					continue
				}
			}
		}
		text, found, err := s.c.get(l, string(key))
		if found || err != nil {
			return append(dst, text...), found, err
		}
	}
	return dst, false, nil
}

// batches cuts a stream into pieces that end with a line.
type batches struct {
	src  io.Reader
	left []byte // the beginning of a line
	err  error
}

func (in *batches) next() ([]byte, error) {
	if in.err != nil {
		return nil, in.err
	}
	buf := make([]byte, len(in.left), len(in.left)+batchSize)
	copy(buf, in.left)
	in.left = nil
	for {
		if len(buf) == cap(buf) { // a very long line
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := in.src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			in.err = err
			if err == io.EOF && len(buf) > 0 {
				return buf, nil
			}
			return nil, err
		}
		if end := bytes.LastIndexByte(buf, '\n') + 1; end > 0 {
			in.left = buf[end:]
			return buf[:end], nil
		}
	}
}
