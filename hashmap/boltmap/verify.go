package boltmap

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"go.etcd.io/bbolt"

	"github.com/postfixkit/postfixkit/internal/arena"
)

// The layout of a bbolt file, in the byte order of the machine:
//
//	page   id u64, flags u16, count u16, overflow u32: pages that follow and
//	       belong to it; then count elements
//	meta   (pages 0 and 1) magic u32, version u32, page size u32, flags u32,
//	       root bucket {root u64, sequence u64}, freelist u64, pages u64,
//	       transaction u64, FNV-1a of the preceding bytes u64
//	branch elements {pos u32, key size u32, page u64}
//	leaf   elements {flags u32, pos u32, key size u32, value size u32}
//	free   page numbers u64; count 0xffff: the number of them comes first
//
// pos counts from the element. A leaf element with flag 1 is a bucket, its value
// {root u64, sequence u64}; root 0 means that its only page follows there.
const (
	magic   = 0xED0CDAED
	version = 2

	flagBranch, flagLeaf, flagMeta, flagFree = 1, 2, 4, 16
	flagBucket                               = 1

	pageHead   = 16
	element    = 16
	bucketHead = 16
	metaSize   = 64

	minPage, maxPage = 512, 16 << 20
	noFreelist       = 1<<64 - 1

	// deepest is more levels than a tree of all memory there is can have.
	deepest = 64
)

var ne = binary.NativeEndian

// A Fault is one thing that is wrong with a file.
type Fault struct {
	Page   int64
	Offset int64 // in the file
	Reason string
}

// Check looks at every page of the file and reports all that is wrong with it.
// report may be nil; when it returns false the check ends.
//
// The error is nil for a sound file and a [*CorruptError] with the first fault
// for a damaged one; otherwise it is that of ctx or of reading. Every page is
// read once. Changes may have to wait until it is over.
func (t *Table) Check(ctx context.Context, report func(Fault) bool) error {
	return t.view(func(*bbolt.Tx) error { return verify(ctx, t.path, t.file, report) })
}

// verify walks everything that is reachable from the newest valid meta page,
// without a page being visited twice.
func verify(ctx context.Context, path string, file io.ReaderAt, report func(Fault) bool) error {
	v := verifier{ctx: ctx, path: path, file: file, report: report}
	err := v.run()
	var corrupt *CorruptError
	switch {
	case err == errEnough || err == nil:
		if v.first != nil {
			return v.first
		}
		return nil
	case errors.As(err, &corrupt) && v.first != nil:
		return v.first
	}
	return err
}

// errEnough ends a verification whose report has had enough.
var errEnough = errors.New("enough")

type verifier struct {
	ctx      context.Context
	path     string
	file     io.ReaderAt
	report   func(Fault) bool
	first    error
	pageSize int64
	pages    uint64 // the file's high-water mark
	seen     []uint64
	n        int // pages visited, for asking ctx now and then
}

func (v *verifier) fault(page uint64, at int, format string, args ...any) error {
	f := Fault{int64(page), int64(page)*v.pageSize + int64(at), fmt.Sprintf(format, args...)}
	if v.first == nil {
		v.first = &CorruptError{v.path, f.Page, f.Offset, f.Reason}
	}
	if v.report == nil || !v.report(f) {
		return errEnough
	}
	return nil
}

func (v *verifier) run() error {
	m, err := v.newest()
	if err != nil || m == nil {
		return err
	}
	v.pageSize = int64(ne.Uint32(m[8:]))
	root, free := ne.Uint64(m[16:]), ne.Uint64(m[32:])
	v.pages = ne.Uint64(m[40:])
	if err := v.tree(root, deepest, nil, nil); err != nil {
		return err
	}
	if free == noFreelist {
		return nil
	}
	return v.freelist(free)
}

// newest returns the valid meta page with the highest transaction, nil after a
// fault.
func (v *verifier) newest() (best []byte, err error) {
	try := func(off int64) error {
		b := make([]byte, pageHead+metaSize)
		if n, err := v.file.ReadAt(b, off); n < len(b) {
			if err == io.EOF {
				return nil
			}
			return err
		}
		m := b[pageHead:][:metaSize-8]
		h := fnv.New64a()
		h.Write(m)
		size := int64(ne.Uint32(m[8:]))
		if ne.Uint32(m) != magic || ne.Uint32(m[4:]) != version || h.Sum64() != ne.Uint64(b[pageHead+metaSize-8:]) ||
			size < minPage || size > maxPage || size&(size-1) != 0 || off != 0 && off != size {
			return nil
		}
		if best == nil || ne.Uint64(m[48:]) > ne.Uint64(best[48:]) {
			best = m
		}
		return nil
	}
	// When page 0 is damaged, page 1 is at any of the possible page sizes.
	for off := int64(0); off <= maxPage; off = max(off*2, minPage) {
		if err := try(off); err != nil {
			return nil, fmt.Errorf("boltmap: %w", err)
		}
	}
	if best == nil {
		return nil, v.fault(0, 0, "no valid meta page")
	}
	return best, nil
}

// page reads a page with its overflow pages and checks its header. The result
// is nil after a fault.
func (v *verifier) page(id uint64) (p []byte, err error) {
	if v.n++; v.n%256 == 0 && v.ctx.Err() != nil {
		return nil, v.ctx.Err()
	}
	if id < 2 || id >= v.pages {
		return nil, v.fault(id, 0, "page %d is not between 2 and %d", id, v.pages)
	}
	if id > uint64(1<<62/v.pageSize) {
		return nil, v.fault(id, 0, "page %d cannot be in a file", id)
	}
	if p, err = v.read(id, int64(v.pageSize)); p == nil {
		return nil, err
	}
	run := uint64(ne.Uint32(p[12:])) + 1
	if ne.Uint64(p) != id {
		return nil, v.fault(id, 0, "page carries the number %d", ne.Uint64(p))
	}
	if run > v.pages-id {
		return nil, v.fault(id, 0, "page with %d overflow pages reaches past the last page %d", run-1, v.pages)
	}
	// Whether the run is in the file and not yet in use is known before it is
	// read: many pages may say that all of the file belongs to them.
	if b, err := v.read(id+run-1, v.pageSize); b == nil {
		return nil, err
	}
	for i := id; i < id+run; i++ {
		for uint64(len(v.seen)) <= i/64 {
			v.seen = append(v.seen, 0) // i is in the file
		}
		if v.seen[i/64]>>(i%64)&1 != 0 {
			return nil, v.fault(i, 0, "page is in use twice")
		}
		v.seen[i/64] |= 1 << (i % 64)
	}
	if run > 1 {
		return v.read(id, int64(run)*v.pageSize)
	}
	return p, nil
}

// read reads n bytes from the start of page id, in steps so that memory grows
// with what is there.
func (v *verifier) read(id uint64, n int64) (p []byte, err error) {
	off := int64(id) * v.pageSize
	for int64(len(p)) < n {
		step := min(n-int64(len(p)), 16<<20)
		at := len(p)
		p = append(p, make([]byte, step)...)
		got, err := v.file.ReadAt(p[at:], off+int64(at))
		if int64(got) < step {
			if err == io.EOF {
				return nil, v.fault(id, at+got, "page lies past the end of the file")
			}
			return nil, fmt.Errorf("boltmap: reading page %d: %w", id, err)
		}
	}
	return p, nil
}

// tree checks the page id and all below it, levels at most. Its keys are at
// least from and below to, where these are not nil.
func (v *verifier) tree(id uint64, levels int, from, to []byte) error {
	if levels == 0 {
		return v.fault(id, 0, "tree has more than %d levels", deepest)
	}
	p, err := v.page(id)
	if p == nil {
		return err
	}
	return v.nodes(p, id, 0, levels, from, to)
}

// nodes checks the elements of page p, which begins at offset base of page id.
func (v *verifier) nodes(p []byte, id uint64, base, levels int, from, to []byte) error {
	flags, count := ne.Uint16(p[8:]), int(ne.Uint16(p[10:]))
	if flags != flagBranch && flags != flagLeaf {
		return v.fault(id, base, "page has flags %#x, want a branch (1) or a leaf (2)", flags)
	}
	if pageHead+count*element > len(p) || flags == flagBranch && count == 0 {
		return v.fault(id, base, "page of %d bytes with %d elements", len(p), count)
	}
	key := func(i int) (key, value []byte, start int, ok bool) {
		at := pageHead + i*element
		e := p[at:]
		pos, klen, vlen := uint64(ne.Uint32(e)), uint64(ne.Uint32(e[4:])), uint64(0)
		if flags == flagLeaf {
			pos, klen, vlen = uint64(ne.Uint32(e[4:])), uint64(ne.Uint32(e[8:])), uint64(ne.Uint32(e[12:]))
		}
		from := uint64(at) + pos
		if from < uint64(pageHead+count*element) || from+klen+vlen > uint64(len(p)) {
			return nil, nil, 0, false
		}
		return p[from : from+klen], p[from+klen : from+klen+vlen], int(from), true
	}
	var last []byte
	free := pageHead + count*element // where the data of the next element may begin
	for i := range count {
		at := base + pageHead + i*element
		k, value, start, ok := key(i)
		if !ok {
			if err := v.fault(id, at, "element %d does not lie in its page", i); err != nil {
				return err
			}
			continue
		}
		if start < free {
			// Buckets in buckets that share their bytes would be visited more
			// often than anybody can wait.
			if err := v.fault(id, at, "element %d overlaps the one before", i); err != nil {
				return err
			}
			continue
		}
		free = start + len(k) + len(value)
		if i > 0 && bytes.Compare(last, k) >= 0 || from != nil && bytes.Compare(k, from) < 0 || to != nil && bytes.Compare(k, to) >= 0 {
			if err := v.fault(id, at, "key %s is not in order", arena.Quoted(k)); err != nil {
				return err
			}
		}
		last = k
		var err error
		switch e := p[pageHead+i*element:]; {
		case flags == flagBranch:
			upTo := to
			if i+1 < count {
				if next, _, _, ok := key(i + 1); ok {
					upTo = next
				}
			}
			err = v.tree(ne.Uint64(e[8:]), levels-1, k, upTo)
		case ne.Uint32(e)&flagBucket != 0:
			err = v.bucket(value, id, at, levels)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks a bucket whose head is the value of a leaf element.
func (v *verifier) bucket(value []byte, id uint64, at, levels int) error {
	if len(value) < bucketHead {
		return v.fault(id, at, "bucket of %d bytes", len(value))
	}
	root := ne.Uint64(value)
	if root != 0 {
		return v.tree(root, levels-1, nil, nil)
	}
	inline := value[bucketHead:]
	if len(inline) < pageHead || ne.Uint64(inline) != 0 || ne.Uint16(inline[8:]) != flagLeaf {
		return v.fault(id, at, "bucket without a page")
	}
	if levels <= 1 {
		return v.fault(id, at, "buckets are nested too deep")
	}
	return v.nodes(inline, id, at, levels-1, nil, nil)
}

// freelist checks the list of free pages.
func (v *verifier) freelist(id uint64) error {
	p, err := v.page(id)
	if p == nil {
		return err
	}
	if flags := ne.Uint16(p[8:]); flags != flagFree {
		return v.fault(id, 0, "page has flags %#x, want a free list (16)", flags)
	}
	count, list := uint64(ne.Uint16(p[10:])), p[pageHead:]
	if count == 0xffff {
		count, list = ne.Uint64(list), list[8:]
	}
	if count > uint64(len(list)/8) {
		return v.fault(id, 0, "free list of %d pages in %d bytes", count, len(list))
	}
	last := uint64(1)
	for i := range count {
		free := ne.Uint64(list[i*8:])
		if cmp.Compare(free, last) <= 0 || free >= v.pages {
			return v.fault(id, pageHead+int(i)*8, "free list names page %d after page %d; pages are 2 to %d, in ascending order", free, last, v.pages)
		}
		if free/64 < uint64(len(v.seen)) && v.seen[free/64]>>(free%64)&1 != 0 {
			if err := v.fault(free, 0, "page is in use and in the free list"); err != nil {
				return err
			}
		}
		last = free
	}
	return nil
}
