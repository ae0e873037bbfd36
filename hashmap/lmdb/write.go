package lmdb

import "io"

// writeSize is large enough for the cost of a write to vanish, small enough to
// stay in the processor's cache.
const writeSize = 128 << 10

// A writer gathers small pieces and remembers the first error.
type writer struct {
	w   io.Writer
	buf []byte
	n   int64
	err error
}

func (w *writer) bytes(p []byte) {
	if cap(w.buf)-len(w.buf) < len(p) {
		w.flush()
		if len(p) > cap(w.buf) {
			w.emit(p)
			return
		}
	}
	w.buf = append(w.buf, p...)
}

func (w *writer) flush() {
	w.emit(w.buf)
	w.buf = w.buf[:0]
}

func (w *writer) emit(p []byte) {
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
