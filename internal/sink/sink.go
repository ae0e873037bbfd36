// Package sink writes a table file from its first byte to its last: small
// pieces are gathered, the first error is kept, and pieces whose place is known
// beforehand are made by several goroutines at a time.
package sink

import (
	"encoding/binary"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// bufferSize is large enough for the cost of a write to vanish, small enough to
// stay in the processor's cache.
const bufferSize = 128 << 10

// A Writer gathers what is written. After an error it drops the rest. Not safe
// for concurrent use.
type Writer struct {
	w   io.Writer
	buf []byte
	n   int64
	err error
}

// New returns a Writer to w.
func New(w io.Writer) *Writer { return &Writer{w: w, buf: make([]byte, 0, bufferSize)} }

// Bytes writes p.
func (w *Writer) Bytes(p []byte) {
	if cap(w.buf)-len(w.buf) < len(p) {
		w.empty()
		if len(p) > cap(w.buf) {
			w.emit(p)
			return
		}
	}
	w.buf = append(w.buf, p...)
}

// Pair writes two numbers, the lower bytes first.
func (w *Writer) Pair(a, b uint32) {
	if cap(w.buf)-len(w.buf) < 8 {
		w.empty()
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(b)<<32|uint64(a))
}

// Parts writes n parts one after the other. Each is what fill appends to a
// buffer for the parts from..to; several goroutines call it for batches of
// parts, a few batches ahead of the one that is being written.
func (w *Writer) Parts(n, batch int, fill func(buf []byte, from, to int) []byte) {
	workers := runtime.GOMAXPROCS(0)
	if workers == 1 || n <= batch {
		for from := 0; from < n && w.err == nil; from += batch {
			w.buf = fill(w.buf, from, min(from+batch, n))
			if len(w.buf) >= bufferSize/2 {
				w.empty()
			}
		}
		return
	}
	w.empty()
	var stop atomic.Bool
	spare := sync.Pool{New: func() any { return new([]byte) }}
	queue := make(chan chan *[]byte, workers) // bounds the batches in memory
	go func() {
		defer close(queue)
		for from := 0; from < n && !stop.Load(); from += batch {
			done := make(chan *[]byte, 1)
			queue <- done
			go func() {
				buf := spare.Get().(*[]byte)
				*buf = fill((*buf)[:0], from, min(from+batch, n))
				done <- buf
			}()
		}
	}()
	for done := range queue {
		buf := <-done
		w.emit(*buf)
		stop.Store(w.err != nil)
		spare.Put(buf)
	}
}

// Flush writes what is left, and returns the bytes written in all and the first
// error.
func (w *Writer) Flush() (int64, error) {
	w.empty()
	return w.n, w.err
}

// Failed reports whether there was an error, and nothing more will be written.
func (w *Writer) Failed() bool { return w.err != nil }

func (w *Writer) empty() {
	w.emit(w.buf)
	w.buf = w.buf[:0]
}

func (w *Writer) emit(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	n, err := w.w.Write(p)
	w.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.err = err
}
