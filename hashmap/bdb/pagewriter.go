package bdb

import (
	"io"
	"math"
	"runtime"
	"sync"
)

// pageWriter writes pages one after the other.
type pageWriter struct {
	*layout
	w       io.Writer
	buf     []byte
	used    int
	pgno    uint32 // of the next page
	written int64
	err     error
}

func (l *layout) writer(w io.Writer) *pageWriter {
	return &pageWriter{layout: l, w: w, buf: make([]byte, max(512<<10, l.size))}
}

// page begins the next page, all zero but its header. It must be signed, when
// its content is there, before the next one begins.
func (pw *pageWriter) page(prev, next uint32, level, typ byte) []byte {
	if pw.used == len(pw.buf) {
		pw.flush()
	}
	p := pw.buf[pw.used : pw.used+pw.size : pw.used+pw.size]
	pw.used += pw.size
	clear(p)
	pw.initPage(p, pw.pgno, prev, next, level, typ)
	pw.pgno++
	return p
}

func (pw *pageWriter) flush() {
	if pw.err == nil && pw.used > 0 {
		n, err := pw.w.Write(pw.buf[:pw.used])
		pw.written += int64(n)
		pw.err = err
		if err == nil && n < pw.used {
			pw.err = io.ErrShortWrite
		}
	}
	pw.used = 0
}

// chain writes data on overflow pages.
func (pw *pageWriter) chain(data []byte) {
	prev := uint32(0)
	for len(data) > 0 && pw.err == nil {
		n := min(len(data), pw.capacity())
		next := pw.pgno + 1
		if n == len(data) {
			next = 0
		}
		this := pw.pgno
		p := pw.page(prev, next, 0, pageOverflow)
		pw.put16(p, offEntries, 1)
		pw.put16(p, offHigh, n)
		copy(p[pw.overhead:], data[:n])
		pw.sign(p, false)
		data, prev = data[n:], this
	}
}

// each calls write for all of n pages that follow, each of which becomes one page
// of the file. Unless that has to be done in order, several goroutines make
// batches of pages at the same time, each with a writer of its own.
func (pw *pageWriter) each(n int, inOrder bool, write func(pw *pageWriter, from, to int)) {
	batch := max(1, len(pw.buf)/pw.size)
	workers := runtime.GOMAXPROCS(0)
	if inOrder || workers == 1 || n <= batch {
		write(pw, 0, n)
		return
	}
	pw.flush()
	first := pw.pgno
	spare := sync.Pool{New: func() any { return pw.layout.writer(nil) }}
	queue := make(chan chan *pageWriter, workers) // bounds the batches in memory
	go func() {
		defer close(queue)
		for from := 0; from < n; from += batch {
			done := make(chan *pageWriter, 1)
			queue <- done
			go func() {
				part := spare.Get().(*pageWriter)
				part.pgno, part.used = first+uint32(from), 0
				write(part, from, min(from+batch, n))
				done <- part
			}()
		}
	}()
	for done := range queue {
		part := <-done
		pw.buf, part.buf = part.buf, pw.buf
		pw.used = part.used
		pw.flush()
		spare.Put(part)
	}
	pw.pgno = first + uint32(n)
}

// notPlain stands for a size that has to be worked out.
const notPlain = math.MaxUint16
