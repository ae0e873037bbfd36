package cdb

import (
	"fmt"
	"iter"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// A Record is one key with its value. Its slices are valid until the next step
// of the iteration and must not be written to.
type Record struct{ Key, Value []byte }

// All iterates over the records in the order they were stored, repeated keys
// included; postmap -s of Postfix 3.10 and later prints the same. Iteration ends
// after an error, which wraps [ErrCorrupt] when the file is damaged.
func (r *Reader) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		w := window{r: r}
		for pos := int64(headerSize); ; {
			rec, next, err := w.record(pos)
			switch {
			case err != nil:
				yield(Record{}, err)
				return
			case next == 0 || !yield(rec, nil):
				return
			}
			pos = next
		}
	}
}

// A window is the part of the file that an iteration has in memory.
type window struct {
	r   *Reader
	buf []byte
	pos int64 // of buf[0]
}

const windowSize = 64 << 10

// record returns the record at pos and where the next one begins; next is 0 at
// the end of the records. The record is a copy when the file is mapped, since
// the caller looks at it when the guard is down.
func (w *window) record(pos int64) (rec Record, next int64, err error) {
	r := w.r
	if r.mapped {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	if r.size == 0 {
		return rec, 0, errClosed
	}
	if r.end > r.size {
		return rec, 0, r.corrupt(0, fmt.Sprintf("records end at %d, the file at %d", r.end, r.size))
	}
	left := r.end - pos
	if left == 0 {
		return rec, 0, nil
	}
	if left < recordHead {
		return rec, 0, r.corrupt(pos, fmt.Sprintf("%d bytes before the end of the records, too few for one", left))
	}
	head, err := w.bytes(pos, recordHead)
	if err != nil {
		return rec, 0, err
	}
	klen, vlen := int64(le.Uint32(head)), int64(le.Uint32(head[4:]))
	if klen+vlen > left-recordHead {
		return rec, 0, r.corrupt(pos, fmt.Sprintf("record of %d+%d bytes reaches past the end of the records at %d", klen, vlen, r.end))
	}
	body, err := w.bytes(pos+recordHead, klen+vlen)
	if err != nil {
		return rec, 0, err
	}
	rec = Record{Key: body[:klen:klen], Value: body[klen:]}
	return rec, pos + recordHead + klen + vlen, nil
}

// bytes returns n bytes from pos, which the caller has checked against the end
// of the records. Reading ahead makes one read serve many records.
func (w *window) bytes(pos, n int64) ([]byte, error) {
	if off := pos - w.pos; off >= 0 && off+n <= int64(len(w.buf)) {
		return w.buf[off : off+n], nil
	}
	if w.r.data != nil && !w.r.mapped {
		return w.r.data[pos : pos+n : pos+n], nil
	}
	var err error
	w.buf, err = w.r.appendRange(w.buf[:0], pos, max(n, min(windowSize, w.r.end-pos)))
	if err == nil {
		err = w.r.whole()
	}
	if err != nil {
		w.buf = w.buf[:0]
		return nil, err
	}
	w.pos = pos
	return w.buf[:n], nil
}
