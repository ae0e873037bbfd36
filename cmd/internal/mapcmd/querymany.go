package mapcmd

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/postfixkit/postfixkit/internal/casefold"
)

// queryStdin answers -q -: keys from standard input, one to a line, each asked
// of the tables in order. Tables are opened when they are first needed.
//
// Most of the time of a lookup in a large table is spent waiting for memory, so
// keys are looked up many at a time, and by as many goroutines as there are
// processors. The answers come out in the order of the keys.
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

func (s *searcher) answerAll(src io.Reader) (found bool, err error) {
	var (
		in      = batches{src: src, size: firstBatch}
		pending []*batch
		workers = runtime.GOMAXPROCS(0)
		work    chan *batch // nil until batches are answered side by side
		working sync.WaitGroup
	)
	defer func() {
		if work != nil {
			close(work)
			working.Wait() // the tables are closed next
		}
	}()
	finish := func() error {
		b := pending[0]
		pending = pending[1:]
		if work != nil {
			<-b.done
		} else {
			b.alone = !s.silent(b)
		}
		if work == nil || b.alone {
			s.answer(b)
		}
		found = found || b.found
		if _, err := s.c.out.Write(b.out); err != nil {
			return fmt.Errorf("write error: %s", cause(err))
		}
		in.free = append(in.free, b)
		return b.err
	}
	for {
		b, err := in.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return found, fmt.Errorf("read error: %s", cause(err))
		}
		pending = append(pending, b)
		if work == nil {
			// One at a time until something was found: only then are the
			// tables open and is it known in which form they store keys.
			if err := finish(); err != nil {
				return found, err
			}
			if found && s.concurrent() {
				work = make(chan *batch, workers)
				for range workers {
					working.Go(func() { s.work(work) })
				}
				in.size = batchSize
			}
			continue
		}
		work <- b
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

// work answers batches, except those about whose keys something will be said:
// they are answered when it is their turn.
func (s *searcher) work(work <-chan *batch) {
	for b := range work {
		if b.alone = !s.silent(b); !b.alone {
			b.split()
			s.askTables(b)
			if b.alone = b.needsWords(); !b.alone {
				s.write(b)
			}
		}
		b.done <- struct{}{}
	}
}

// silent reports that nothing has to be said about the keys of a batch.
func (s *searcher) silent(b *batch) bool { return !s.c.utf8Mode() || casefold.Valid(b.lines) }

// batches cuts a stream into pieces that end with a line.
type batches struct {
	src  io.Reader
	size int      // of a piece
	free []*batch // to be used again
	left []byte   // the beginning of a line
	err  error
}

// The first pieces are small: they are answered by one goroutine. Later ones have
// some hundred keys: what is needed for them fits a processor's own cache, and
// stays small beside the rest of a process that is asked little.
const (
	firstBatch = 4 << 10
	batchSize  = 16 << 10
)

func (in *batches) next() (*batch, error) {
	if in.err != nil {
		return nil, in.err
	}
	b := &batch{done: make(chan struct{}, 1)}
	if n := len(in.free); n > 0 {
		b, in.free = in.free[n-1], in.free[:n-1]
	}
	if cap(b.lines) < len(in.left)+in.size {
		b.lines = make([]byte, 0, len(in.left)+in.size)
	}
	buf := append(b.lines[:0], in.left...)
	in.left = in.left[:0]
	for {
		if len(buf) == cap(buf) { // a very long line
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := in.src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			in.err = err
			if err == io.EOF && len(buf) > 0 {
				b.lines = buf
				return b, nil
			}
			return nil, err
		}
		if end := bytes.LastIndexByte(buf, '\n') + 1; end > 0 {
			in.left = append(in.left, buf[end:]...)
			b.lines = buf[:end]
			return b, nil
		}
	}
}
