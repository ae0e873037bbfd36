package cdb

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// smallFile is the size up to which Open copies a file into memory, in two or
// three milliseconds at worst. Lookups there are cheaper than in a mapping, which
// has to be guarded against truncation.
const smallFile = 8 << 20

// Options for [Open] and [NewReader]. The zero value and nil are the usual
// choice.
type Options struct {
	// NoMmap reads the file with ReadAt for every lookup instead of mapping
	// it. Slower; for file systems that do not map.
	NoMmap bool

	alwaysMap bool // for tests: map small files too
}

// A Reader looks keys up in one constant database. It sees the file as it was
// when opened, which is right for a format whose files are replaced and never
// changed. It is safe for concurrent use, except that Close must come last.
type Reader struct {
	path   string
	data   []byte      // the whole file, or nil
	mapped bool        // data is a mapping: guard every touch
	at     io.ReaderAt // used when data is nil
	file   *os.File    // what Close closes, or nil
	size   int64
	end    int64 // end of the records

	records []byte // data up to end
	tables  [tables]tableRef
}

// A tableRef is one header entry. A table that does not lie in the file has
// badSlots, an impossible number, so that only lookups that need it fail.
type tableRef struct {
	pos, slots uint32
	inverse    uint64 // of slots, see start
}

// tableAt reads a header entry.
func tableAt(b []byte) tableRef {
	t := tableRef{pos: le.Uint32(b), slots: le.Uint32(b[4:])}
	if t.slots != 0 {
		t.inverse = math.MaxUint64/uint64(t.slots) + 1
	}
	return t
}

// start is startSlot with two multiplications in place of a division, which takes
// longer and all that follows waits for. The inverse is 2^64/slots rounded up; what
// that is too much by, times a number of 24 bits, stays below one slot.
func (t *tableRef) start(h uint32) uint32 {
	slot, _ := bits.Mul64(t.inverse*uint64(h>>8), uint64(t.slots))
	return uint32(slot)
}

const badSlots = 1<<32 - 1

// Open opens the table in file path. A nil opts is the default.
func Open(path string, opts *Options) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cdb: %w", err)
	}
	r, err := openFile(f, opts)
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func openFile(f *os.File, opts *Options) (*Reader, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cdb: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("cdb: %s: not a regular file", f.Name())
	}
	r := &Reader{path: f.Name(), at: f, file: f, size: st.Size()}
	if opts == nil || !opts.NoMmap {
		if err := r.load(opts != nil && opts.alwaysMap); err != nil {
			return nil, err
		}
	}
	if err := r.readHeader(); err != nil {
		r.unmap()
		return nil, err
	}
	return r, nil
}

// load brings the whole file into the address space, where that can be done.
func (r *Reader) load(alwaysMap bool) error {
	if r.size < headerSize {
		return nil // readHeader has the message
	}
	if r.size <= smallFile && !alwaysMap {
		data := make([]byte, r.size)
		if err := r.readAt(data, 0); err != nil {
			return err
		}
		r.data = data
	} else {
		data, err := mmap.Map(r.file, r.size)
		if errors.Is(err, mmap.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cdb: %w", err)
		}
		r.data, r.mapped = data, true
		return nil // the file tells scans whether it is still whole
	}
	err := r.file.Close()
	r.file, r.at = nil, nil
	return err
}

// whole makes sure that a mapped file was not truncated: the rest of a page
// behind the new end reads as zeros, and zeros are records without key and value.
func (r *Reader) whole() error {
	if !r.mapped {
		return nil
	}
	st, err := r.file.Stat()
	if err == nil && st.Size() < r.size {
		return r.corrupt(st.Size(), "file ends here, it was longer when opened")
	}
	return err
}

// NewReader reads a table of size bytes through r, with a ReadAt or two for
// every lookup. Closing it does not close r.
func NewReader(r io.ReaderAt, size int64, _ *Options) (*Reader, error) {
	c := &Reader{at: r, size: size}
	if err := c.readHeader(); err != nil {
		return nil, err
	}
	return c, nil
}

func (r *Reader) readHeader() (err error) {
	if r.size < headerSize {
		return r.corrupt(0, fmt.Sprintf("file has %d bytes, a table has at least %d", max(r.size, 0), headerSize))
	}
	if r.mapped {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	head := make([]byte, headerSize)
	if err := r.readAt(head, 0); err != nil {
		return err
	}
	// Table 0 starts where the records end, also when it is empty. Other tools
	// take less than a header as "no records", and so do we.
	r.end = max(int64(le.Uint32(head)), headerSize)
	for i := range r.tables {
		t := tableAt(head[i*8:])
		if t.slots != 0 && r.checkTable(t) != "" {
			t.slots = badSlots
		}
		r.tables[i] = t
	}
	// Where the records are said to end behind the file, none can be trusted.
	if r.end <= int64(len(r.data)) {
		r.records = r.data[:r.end:r.end]
	}
	return nil
}

// checkTable says what is wrong with the place of a table, "" if nothing.
func (r *Reader) checkTable(t tableRef) string {
	switch end := int64(t.pos) + slotSize*int64(t.slots); {
	case t.slots == badSlots || end > r.size:
		return "hash table reaches past the end of the file"
	case int64(t.pos) < r.end:
		return "hash table begins before the end of the records"
	}
	return ""
}

// readAt fills p from offset off, which the caller has checked against size.
func (r *Reader) readAt(p []byte, off int64) error {
	if r.data != nil {
		copy(p, r.data[off:])
		return nil
	}
	if r.at == nil {
		return errClosed
	}
	n, err := r.at.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || err == io.EOF:
		return r.corrupt(off+int64(n), "file ends here, it was longer when opened")
	}
	return fmt.Errorf("cdb: reading at offset %d: %w", off, err)
}

func (r *Reader) corrupt(off int64, reason string) error {
	return &CorruptError{Path: r.path, Offset: off, Reason: reason}
}

// Info describes a table.
type Info struct {
	Size    int64 // bytes of the file
	Records int64 // according to the hash tables: half their slots
	Tables  int   // hash tables in use, of 256
}

// Info describes the table by its header alone.
func (r *Reader) Info() Info {
	in := Info{Size: r.size}
	for _, t := range r.tables {
		if t.slots != 0 && t.slots != badSlots {
			in.Tables++
			in.Records += int64(t.slots / 2)
		}
	}
	return in
}

// Close releases the mapping and the file. Slices that came from the Reader
// must not be used afterwards.
func (r *Reader) Close() error {
	err := r.unmap()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	r.file, r.at, r.size = nil, nil, 0
	for i := range r.tables {
		r.tables[i] = tableRef{slots: badSlots} // a later lookup fails
	}
	return err
}

func (r *Reader) unmap() (err error) {
	if r.mapped {
		err = mmap.Unmap(r.data)
	}
	r.data, r.records, r.mapped = nil, nil, false
	return err
}
