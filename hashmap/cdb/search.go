package cdb

import (
	"iter"
	"slices"
	"sync"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// A search finds the values of one key, one after the other, through readAt.
// It serves files that are not in memory, and keys with several values.
type search struct {
	r     *Reader
	key   []byte
	hash  uint32
	table tableRef
	seen  uint32 // slots looked at
	buf   [512]byte
	slots []byte // what is left of those in buf
}

var searches = sync.Pool{New: func() any { return new(search) }}

func (r *Reader) search(key []byte) *search {
	s := searches.Get().(*search)
	s.r, s.key, s.hash, s.seen, s.slots = r, key, hash(key), 0, nil
	s.table = r.tables[tableOf(s.hash)]
	return s
}

func (s *search) done() {
	s.r, s.key = nil, nil
	searches.Put(s)
}

// next returns the place of the next value in the file. It looks at every slot
// of the table once at most.
func (s *search) next() (pos, size int64, found bool, err error) {
	if s.table.slots == badSlots {
		return 0, 0, false, s.r.badTable(s.hash)
	}
	for s.seen < s.table.slots {
		if err := s.fill(); err != nil {
			return 0, 0, false, err
		}
		h, rec := le.Uint32(s.slots), le.Uint32(s.slots[4:])
		s.slots = s.slots[slotSize:]
		s.seen++
		if rec == 0 {
			break
		}
		if h != s.hash {
			continue
		}
		pos, size, found, err = s.match(rec)
		if found || err != nil {
			return pos, size, found, err
		}
	}
	s.seen = s.table.slots
	return 0, 0, false, nil
}

// fill sees to it that a slot is at hand. The first read is short: most
// searches end within a few slots.
func (s *search) fill() error {
	if len(s.slots) > 0 {
		return nil
	}
	n := uint64(s.table.slots)
	i := (uint64(startSlot(s.hash, s.table.slots)) + uint64(s.seen)) % n
	want := uint64(8)
	if s.seen > 0 {
		want = uint64(len(s.buf) / slotSize)
	}
	want = min(want, n-i, n-uint64(s.seen))
	s.slots = s.buf[:want*slotSize]
	return s.r.readAt(s.slots, int64(s.table.pos)+int64(i)*slotSize)
}

// match compares the key of the record at rec and returns where its value is.
func (s *search) match(rec uint32) (pos, size int64, same bool, err error) {
	r := s.r
	if int64(rec)+recordHead > r.end || r.end > r.size {
		return 0, 0, false, r.badRecord(uint64(rec))
	}
	var buf [256]byte
	head := buf[:min(recordHead+int64(len(s.key)), r.end-int64(rec), int64(len(buf)))]
	if err := r.readAt(head, int64(rec)); err != nil {
		return 0, 0, false, err
	}
	klen, vlen := int64(le.Uint32(head)), int64(le.Uint32(head[4:]))
	if klen != int64(len(s.key)) {
		return 0, 0, false, nil
	}
	pos = int64(rec) + recordHead + klen
	if pos+vlen > r.end {
		return 0, 0, false, r.badRecord(uint64(rec))
	}
	got, key := head[recordHead:], s.key
	for at := int64(rec) + recordHead; ; {
		if string(got) != string(key[:len(got)]) {
			return 0, 0, false, nil
		}
		at += int64(len(got))
		if key = key[len(got):]; len(key) == 0 {
			return pos, vlen, true, nil
		}
		got = buf[:min(len(key), len(buf))]
		if err := r.readAt(got, at); err != nil {
			return 0, 0, false, err
		}
	}
}

// appendAt is AppendLookup for files that are read, not mapped.
func (r *Reader) appendAt(dst, key []byte) (out []byte, found bool, err error) {
	s := r.search(key)
	defer s.done()
	pos, size, found, err := s.next()
	if !found || err != nil {
		return dst, false, err
	}
	out, err = r.appendRange(dst, pos, size)
	if err != nil {
		return dst, false, err
	}
	return out, true, nil
}

// appendRange appends size bytes of the file. Memory grows with what could be
// read, so that a wrong size handed to NewReader costs nothing.
func (r *Reader) appendRange(dst []byte, pos, size int64) ([]byte, error) {
	const step = 1 << 20
	for size > 0 {
		n := int(min(size, step))
		dst = slices.Grow(dst, n)
		part := dst[len(dst) : len(dst)+n]
		if err := r.readAt(part, pos); err != nil {
			return dst, err
		}
		dst = dst[:len(dst)+n]
		pos, size = pos+int64(n), size-int64(n)
	}
	return dst, nil
}

// Values iterates over all values of key in the order they were stored. Other
// tools may store a key several times, as does a Builder with [KeepAll]. A
// slice is valid until the next step. Iteration ends after an error.
func (r *Reader) Values(key []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s := r.search(key)
		defer s.done()
		var buf []byte
		for {
			found, err := r.nextValue(s, &buf)
			switch {
			case err != nil:
				yield(nil, err)
				return
			case !found || !yield(buf, nil):
				return
			}
		}
	}
}

// nextValue is one step of Values, guarded without the caller's loop body.
func (r *Reader) nextValue(s *search, buf *[]byte) (found bool, err error) {
	if r.mapped {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	pos, size, found, err := s.next()
	if !found || err != nil {
		return false, err
	}
	*buf, err = r.appendRange((*buf)[:0], pos, size)
	return err == nil, err
}
