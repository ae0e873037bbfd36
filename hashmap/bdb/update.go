package bdb

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// An Updater changes records of an existing file. The changed pages are kept in
// memory; the file itself stays as it is. WriteTo or CopyTo then make the new
// file, whole, for the caller to put in the place of the old one:
//
//	u, err := r.Update()
//	err = u.Insert(key, value)
//	err = u.CopyTo(temporary) // then Sync, Rename
//
// Pages are used, split, linked and freed as libdb does it, so that libdb can go
// on with the result, and with the next file in turn.
//
// Whoever updates must keep others from doing the same between opening the
// Reader and the rename; see the package comment for Postfix's lock. After an
// error other than ErrDuplicate and ErrTooLarge every further call returns that
// error. An Updater is not safe for concurrent use, and its Reader must stay open.
type Updater struct {
	meta
	r       *Reader
	oldLast uint32
	pages   map[uint32]*updatePage
	changed bool
	err     error
}

// updatePage is a page in memory.
type updatePage struct {
	b     []byte
	pgno  uint32
	dirty bool
}

// Update begins a change of the file. It fails with ErrUnsupported for files
// made with a hash function of their own and for trees that keep record numbers.
func (r *Reader) Update() (*Updater, error) {
	switch {
	case r.customHash():
		return nil, named(r.path, fmt.Errorf("%w: update of a file with a hash function of its own", ErrUnsupported))
	case r.kind == Btree && r.flags&btreeRecNum != 0:
		return nil, named(r.path, fmt.Errorf("%w: update of a tree with record numbers", ErrUnsupported))
	case r.kind == Btree && r.flags&btreeDupSort != 0, r.kind == Hash && r.flags&hashDupSort != 0:
		return nil, named(r.path, fmt.Errorf("%w: update of a file with sorted duplicates", ErrUnsupported))
	}
	u := &Updater{meta: r.meta, r: r, oldLast: r.lastPgno, pages: map[uint32]*updatePage{}}
	b := make([]byte, r.size)
	if err := r.readPage(b, 0); err != nil {
		return nil, err
	}
	u.pages[0] = &updatePage{b: b}
	return u, nil
}

// Insert adds a record. A key that is there already is ErrDuplicate, and nothing
// has changed.
func (u *Updater) Insert(key, value []byte) error {
	_, err := u.put(key, value, false)
	return err
}

// Put adds a record or replaces the value of one, all values where a key has
// several.
func (u *Updater) Put(key, value []byte) (replaced bool, err error) {
	return u.put(key, value, true)
}

func (u *Updater) put(key, value []byte, replace bool) (replaced bool, err error) {
	if u.err != nil {
		return false, u.err
	}
	if uint64(len(key)) > math.MaxUint32 || uint64(len(value)) > math.MaxUint32 {
		return false, fmt.Errorf("bdb: key of %d and value of %d bytes: %w", len(key), len(value), ErrTooLarge)
	}
	if u.kind == Hash {
		replaced, err = u.putHash(key, value, replace)
	} else {
		replaced, err = u.putBtree(key, value, replace)
	}
	return replaced, u.done(err)
}

// Delete removes a key with all its values and reports whether it was there.
func (u *Updater) Delete(key []byte) (found bool, err error) {
	if u.err != nil {
		return false, u.err
	}
	if u.kind == Hash {
		found, err = u.deleteHash(key)
	} else {
		found, err = u.deleteBtree(key)
	}
	return found, u.done(err)
}

// Changed reports whether any record was changed.
func (u *Updater) Changed() bool { return u.changed }

func (u *Updater) done(err error) error {
	if errors.Is(err, ErrDuplicate) {
		return err
	}
	u.err = err
	return err
}

func errExists(key []byte) error {
	if n := len(key); n > 0 && key[n-1] == 0 {
		key = key[:n-1]
	}
	return fmt.Errorf("bdb: %w: %.100q", ErrDuplicate, key)
}

// page returns a page of the file, examined when it comes from there.
func (u *Updater) page(pgno uint32) (*updatePage, error) {
	if p := u.pages[pgno]; p != nil {
		return p, nil
	}
	if pgno == 0 || pgno > u.lastPgno {
		return nil, u.r.corrupt(0, 0, "a reference to page %d, the last page is %d", pgno, u.lastPgno)
	}
	p := &updatePage{b: make([]byte, u.size), pgno: pgno}
	if pgno <= u.oldLast { // others are reserved by us and still zero
		if err := u.r.readPage(p.b, pgno); err != nil {
			return nil, err
		}
		if p.b[offType] != pageFree {
			if _, f := u.examine(p.b, pgno); f != nil {
				return nil, u.r.corrupt(pgno, f.at, "%s", f.reason)
			}
		}
	}
	u.pages[pgno] = p
	return p, nil
}

// touch marks a page as changed.
func (u *Updater) touch(p *updatePage) { p.dirty, u.changed = true, true }

// allocate returns an empty page, from the free list or from the end of the file.
func (u *Updater) allocate(typ, level byte) (*updatePage, error) {
	var p *updatePage
	if u.free != 0 {
		var err error
		if p, err = u.page(u.free); err != nil {
			return nil, err
		}
		if p.b[offType] != pageFree || u.pgno(p.b) != p.pgno {
			return nil, u.r.corrupt(p.pgno, offType, "page type %d in the free list", p.b[offType])
		}
		u.free = u.next(p.b)
	} else {
		if u.lastPgno == math.MaxUint32 {
			return nil, named(u.r.path, ErrTooLarge)
		}
		u.lastPgno++
		p = &updatePage{b: make([]byte, u.size), pgno: u.lastPgno}
		u.pages[p.pgno] = p
	}
	u.reset(p, typ, level)
	return p, nil
}

// reset makes a page empty.
func (u *Updater) reset(p *updatePage, typ, level byte) {
	clear(p.b)
	u.initPage(p.b, p.pgno, 0, 0, level, typ)
	u.touch(p)
}

func (u *Updater) release(p *updatePage) {
	u.reset(p, pageFree, 0)
	u.put32(p.b, offNext, u.free)
	u.free = p.pgno
}

// writeChain puts data on overflow pages.
func (u *Updater) writeChain(data []byte) (first uint32, err error) {
	var last *updatePage
	for len(data) > 0 {
		p, err := u.allocate(pageOverflow, 0)
		if err != nil {
			return 0, err
		}
		n := copy(p.b[u.overhead:], data)
		u.put16(p.b, offEntries, 1)
		u.put16(p.b, offHigh, n)
		if last == nil {
			first = p.pgno
		} else {
			u.put32(last.b, offNext, p.pgno)
			u.put32(p.b, offPrev, last.pgno)
		}
		data, last = data[n:], p
	}
	return first, nil
}

// eachChain calls use for each page of an overflow chain, checked.
func (u *Updater) eachChain(chain, total uint32, use func(p *updatePage, n int)) error {
	from, left := uint32(0), total
	for left > 0 {
		p, err := u.page(chain)
		if err != nil {
			return err
		}
		n := u.u16(p.b, offHigh)
		if p.b[offType] != pageOverflow || u.prev(p.b) != from || n == 0 || n > u.capacity() || uint32(n) > left {
			return u.r.corrupt(chain, 0, "the page does not belong where an overflow chain has led to, with %d bytes to come", left)
		}
		left -= uint32(n)
		from, chain = chain, u.next(p.b)
		use(p, n)
	}
	return nil
}

func (u *Updater) readChain(chain, total uint32) (data []byte, err error) {
	err = u.eachChain(chain, total, func(p *updatePage, n int) {
		data = append(data, p.b[u.overhead:u.overhead+n]...)
	})
	return data, err
}

// freeChain releases the pages of a chain, unless others refer to it: libdb
// before 4.3 shared the chains of keys between levels of a tree.
func (u *Updater) freeChain(chain, total uint32) error {
	p, err := u.page(chain)
	if err != nil {
		return err
	}
	if n := u.entries(p.b); p.b[offType] == pageOverflow && n > 1 {
		u.put16(p.b, offEntries, n-1)
		u.touch(p)
		return nil
	}
	return u.eachChain(chain, total, func(p *updatePage, _ int) { u.release(p) })
}

// freeDups releases a tree of duplicates; level is -1 for its root.
func (u *Updater) freeDups(pgno uint32, level int) error {
	p, err := u.page(pgno)
	if err != nil {
		return err
	}
	have, typ := int(p.b[offLevel]), p.b[offType]
	if level >= 0 && have != level {
		return u.r.corrupt(pgno, offLevel, "the page is at level %d of a duplicate tree, want %d", have, level)
	}
	for i := range u.entries(p.b) {
		at := u.index(p.b, i)
		switch typ {
		case pageDupLeaf, pageRecLeaf:
			if p.b[at+2]&^entryDeleted == entryOverflow {
				err = u.freeChain(u.u32(p.b, at+4), u.u32(p.b, at+8))
			}
		case pageRecInternal:
			err = u.freeDups(u.u32(p.b, at), have-1)
		case pageInternal:
			if p.b[at+2]&^entryDeleted == entryOverflow {
				err = u.freeChain(u.u32(p.b, at+16), u.u32(p.b, at+20))
			}
			if err == nil {
				err = u.freeDups(u.u32(p.b, at+4), have-1)
			}
		default:
			err = u.r.corrupt(pgno, offType, "page type %d in a duplicate tree", typ)
		}
		if err != nil {
			return err
		}
	}
	u.release(p)
	return nil
}

// flush brings page 0 up to date and signs what has changed.
func (u *Updater) flush() error {
	if u.err != nil || !u.changed {
		return u.err
	}
	p := u.pages[0]
	p.dirty = true
	u.put32(p.b, offFree, u.free)
	u.put32(p.b, offLastPgno, u.lastPgno)
	if u.kind == Hash {
		u.put32(p.b, offMaxBucket, u.maxBucket)
		u.put32(p.b, offHighMask, u.highMask)
		u.put32(p.b, offLowMask, u.lowMask)
		u.put32(p.b, offElements, u.elements)
		for i, s := range u.spares {
			u.put32(p.b, offSpares+4*i, s)
		}
	}
	for pgno, p := range u.pages {
		if p.dirty {
			u.sign(p.b, pgno == 0)
		}
	}
	return nil
}

// WriteTo writes the new file to w, from the first byte to the last.
func (u *Updater) WriteTo(w io.Writer) (written int64, err error) {
	if err := u.flush(); err != nil {
		return 0, err
	}
	if u.r.mapped {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	var dirty []uint32
	for pgno, p := range u.pages {
		if p.dirty || pgno > u.oldLast {
			dirty = append(dirty, pgno)
		}
	}
	slices.Sort(dirty)
	const run = 1 << 20 // bytes written at once
	var buf []byte
	for pages := int64(run / u.size); written < (int64(u.lastPgno)+1)*int64(u.size); {
		pgno := written / int64(u.size)
		n := int(min(pages, int64(u.lastPgno)-pgno+1))
		last := uint32(pgno + int64(n) - 1)
		var b []byte
		if u.r.data != nil && last <= u.oldLast && (len(dirty) == 0 || dirty[0] > last) {
			b = u.r.data[written:][:n*u.size] // nothing has changed here
		} else {
			if buf == nil {
				buf = make([]byte, run)
			}
			b = buf[:n*u.size]
			clear(b)
			if old := int64(u.oldLast) - pgno + 1; old > 0 {
				if err := u.r.readAt(b[:min(int64(n), old)*int64(u.size)], written); err != nil {
					return written, named(u.r.path, err)
				}
			}
			for ; len(dirty) > 0 && dirty[0] <= last; dirty = dirty[1:] {
				copy(b[(int64(dirty[0])-pgno)*int64(u.size):], u.pages[dirty[0]].b)
			}
		}
		m, err := w.Write(b)
		written += int64(m)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// CopyTo writes the new file to f, which must be empty. It leaves the copying of
// unchanged pages to the system where that is possible, which makes it faster
// than WriteTo. The caller syncs.
func (u *Updater) CopyTo(f *os.File) error {
	if u.r.file == nil {
		_, err := u.WriteTo(f)
		return err
	}
	if err := u.flush(); err != nil {
		return err
	}
	// The whole file is copied first, then changed pages over it.
	old := (int64(u.oldLast) + 1) * int64(u.size)
	if _, err := u.r.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("bdb: %w", err)
	}
	if n, err := io.Copy(f, io.LimitReader(u.r.file, old)); err != nil {
		return fmt.Errorf("bdb: %w", err)
	} else if n < old {
		return named(u.r.path, io.ErrUnexpectedEOF)
	}
	for _, pgno := range slices.Sorted(maps.Keys(u.pages)) {
		if p := u.pages[pgno]; p.dirty {
			if _, err := f.WriteAt(p.b, int64(pgno)*int64(u.size)); err != nil {
				return fmt.Errorf("bdb: %w", err)
			}
		}
	}
	if size := (int64(u.lastPgno) + 1) * int64(u.size); size > old {
		if err := f.Truncate(size); err != nil {
			return fmt.Errorf("bdb: %w", err)
		}
	}
	return nil
}
