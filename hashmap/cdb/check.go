package cdb

import (
	"context"
	"fmt"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// A Fault is one thing that is wrong with a file.
type Fault struct {
	Page   int64 // always 0: the format has no pages
	Offset int64 // in the file
	Reason string
}

// Check reads the whole file and reports all that is wrong with it: records
// and hash tables that do not lie where they can, records a lookup would not
// find, table slots that point to something else than a record with that hash.
// report may be nil; when it returns false the check ends.
//
// The error is nil for a sound file and a [*CorruptError] with the first fault
// for a damaged one; otherwise it is that of ctx or of reading. Time is linear
// in the size of the file, memory one bit per byte of it.
func (r *Reader) Check(ctx context.Context, report func(Fault) bool) error {
	c := checker{r: r, ctx: ctx, report: report, starts: make(bitmap, (r.end+63)/64)}
	if r.size == 0 {
		return errClosed
	}
	if r.end > r.size {
		c.fault(0, fmt.Sprintf("records end at %d, the file at %d", r.end, r.size))
		c.starts = make(bitmap, (r.size+63)/64)
	}
	if err := c.run(); err != nil {
		return err
	}
	return c.first
}

type checker struct {
	r      *Reader
	ctx    context.Context
	report func(Fault) bool
	first  error
	ended  bool   // report has had enough
	starts bitmap // where records begin; cleared when a slot points there
	key    []byte // buffer
	slots  slotReader
}

type bitmap []uint64

func (b bitmap) set(i int64)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) clear(i int64)    { b[i/64] &^= 1 << (i % 64) }
func (b bitmap) has(i int64) bool { return i/64 < int64(len(b)) && b[i/64]>>(i%64)&1 != 0 }

func (c *checker) fault(off int64, reason string) {
	if c.ended {
		return
	}
	if c.first == nil {
		c.first = c.r.corrupt(off, reason)
	}
	if c.report != nil && !c.report(Fault{Offset: off, Reason: reason}) {
		c.ended = true
	}
}

func (c *checker) run() error {
	if err := c.records(); err != nil || c.ended {
		return err
	}
	for i := range c.r.tables {
		if err := c.table(i); err != nil || c.ended {
			return err
		}
	}
	for w, bits := range c.starts {
		for i := int64(w) * 64; bits != 0 && !c.ended; i, bits = i+1, bits>>1 {
			if bits&1 != 0 {
				c.fault(i, "record is in no hash table, lookups do not find it")
			}
		}
	}
	return nil
}

// records walks the records and marks where each begins.
func (c *checker) records() error {
	if c.r.end > c.r.size {
		return nil // nothing tells records from tables
	}
	w := window{r: c.r}
	for pos, n := int64(headerSize), 0; ; n++ {
		if n%1024 == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		_, next, err := w.record(pos)
		if e, ok := err.(*CorruptError); ok {
			c.fault(e.Offset, e.Reason)
			return nil
		}
		if err != nil || next == 0 {
			return err
		}
		c.starts.set(pos)
		pos = next
	}
}

// table checks the slots of hash table i.
//
// A slot can be reached when no slot between the one where its search starts
// and itself is empty. run counts the filled slots before the current one; it
// begins with those at the end of the table, where a search wraps around.
func (c *checker) table(i int) error {
	r, t := c.r, c.r.tables[i]
	switch t.slots {
	case 0:
		return nil
	case badSlots:
		return c.badPlace(i)
	}
	slots := &c.slots
	slots.r, slots.t, slots.n = r, t, 0
	run := uint32(0)
	for j := t.slots; j > 0; j-- {
		_, pos, err := slots.at(j - 1)
		if err != nil {
			return err
		}
		if pos == 0 {
			break
		}
		run++
	}
	for j := uint32(0); j < t.slots && !c.ended; j++ {
		if j%1024 == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		h, pos, err := slots.at(j)
		if err != nil {
			return err
		}
		if pos == 0 {
			run = 0
			continue
		}
		off := int64(t.pos) + int64(j)*slotSize
		dist := (uint64(j) + uint64(t.slots) - uint64(startSlot(h, t.slots))) % uint64(t.slots)
		switch {
		case !c.starts.has(int64(pos)):
			c.fault(off, fmt.Sprintf("slot points to offset %d, where no record begins or another slot pointed", pos))
		case tableOf(h) != uint32(i):
			c.fault(off, fmt.Sprintf("slot with hash %#08x is in table %d", h, i))
		case dist > uint64(run):
			c.fault(off, "a free slot before this one hides it from lookups")
		}
		if c.starts.has(int64(pos)) {
			c.starts.clear(int64(pos))
			got, err := c.keyHash(int64(pos))
			if err != nil {
				return err
			}
			if got != h {
				c.fault(off, fmt.Sprintf("slot has hash %#08x, the key of its record %#08x", h, got))
			}
		}
		run++
	}
	return nil
}

// keyHash returns the hash of the key of the record at pos, which records has
// seen to be whole.
func (c *checker) keyHash(pos int64) (h uint32, err error) {
	if c.r.mapped {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	if c.r.data != nil {
		rec := c.r.data[pos:]
		return hash(rec[recordHead:][:le.Uint32(rec)]), nil
	}
	c.key, err = c.r.appendRange(c.key[:0], pos, recordHead)
	if err != nil {
		return 0, err
	}
	c.key, err = c.r.appendRange(c.key[:0], pos+recordHead, min(int64(le.Uint32(c.key)), c.r.end-pos-recordHead))
	return hash(c.key), err
}

// badPlace reports a table that lies outside its part of the file, with the
// numbers that readHeader replaced.
func (c *checker) badPlace(i int) (err error) {
	if c.r.mapped {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	var head [8]byte
	if err := c.r.readAt(head[:], int64(i)*8); err != nil {
		return err
	}
	t := tableAt(head[:])
	c.fault(int64(i)*8, fmt.Sprintf("%s: table %d at %d with %d slots", c.r.checkTable(t), i, t.pos, t.slots))
	return nil
}

// A slotReader reads the slots of one table, some at a time.
type slotReader struct {
	r    *Reader
	t    tableRef
	buf  [4096]byte
	from uint32 // slot in buf[0]
	n    uint32 // slots in buf
}

func (s *slotReader) at(i uint32) (h, pos uint32, err error) {
	const room = 4096 / slotSize
	if i-s.from >= s.n { // unsigned: also true below from
		if s.r.mapped {
			defer mmap.Recover(mmap.Protect(), &err)
		}
		s.from = i / room * room
		s.n = min(room, s.t.slots-s.from)
		if err := s.r.readAt(s.buf[:s.n*slotSize], int64(s.t.pos)+int64(s.from)*slotSize); err != nil {
			return 0, 0, err
		}
	}
	slot := s.buf[(i-s.from)*slotSize:]
	return le.Uint32(slot), le.Uint32(slot[4:]), nil
}
