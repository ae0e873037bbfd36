package lmdb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// Options for [Open] and [NewReader]. The zero value and nil are the usual
// choice.
type Options struct {
	// NoMmap reads pages with ReadAt for every lookup instead of mapping the
	// file. Slower; for file systems that do not map.
	NoMmap bool
}

// A Reader looks keys up in one LMDB file. It follows the changes that other
// processes make to the file. It is safe for concurrent use, except that Close
// must come last.
type Reader struct {
	path string
	geo  geometry
	at   io.ReaderAt
	file *os.File // set when Open opened it
	size atomic.Int64

	view   atomic.Pointer[view] // nil: pages are read through at
	mu     sync.Mutex           // for growing
	mapped [][]byte             // all mappings; lookups may be in any of them
	closed atomic.Bool
}

// A view is the mapped file. The mapping may be longer than the file, so that
// it need not be made anew each time the file grows; size is what is there.
type view struct {
	data  []byte
	size  int64
	pages uint64 // whole pages in size
	fast  bool   // the geometry is one view.find knows
}

func (r *Reader) newView(data []byte, size int64) *view {
	g := &r.geo
	return &view{data, size, uint64(size) / uint64(g.page), g.word == 8 && !g.big && int64(int(size)) == size}
}

// Open opens the table in file path. A nil opts is the default.
func Open(path string, opts *Options) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("lmdb: %w", err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New(path + ": not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lmdb: %w", err)
	}
	r := &Reader{path: path, at: f, file: f}
	r.size.Store(st.Size())
	err = r.readGeometry()
	if err == nil && (opts == nil || !opts.NoMmap) {
		_, err = r.remap(st.Size())
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// NewReader reads a table of size bytes through r, with a few calls of ReadAt
// for every lookup. Closing it does not close r.
func NewReader(r io.ReaderAt, size int64, _ *Options) (*Reader, error) {
	l := &Reader{at: r}
	l.size.Store(size)
	if err := l.readGeometry(); err != nil {
		return nil, err
	}
	return l, nil
}

// readGeometry recognises the file and checks both meta pages.
func (r *Reader) readGeometry() error {
	head := make([]byte, min(max(r.size.Load(), 0), 256))
	if err := r.readAt(head, 0); err != nil {
		return err
	}
	if err := r.recognise(head); err != nil {
		return err
	}
	g := &r.geo
	if len(head) < g.metaSize() {
		return r.corrupt(0, int64(len(head)), "file ends inside the first meta page")
	}
	pad := g.database(head, 0).pad
	if pad < minPage || pad > maxPage || pad&(pad-1) != 0 {
		return r.corrupt(0, int64(g.databaseAt(0)), fmt.Sprintf("page size %d is not a power of two from %d to %d", pad, minPage, maxPage))
	}
	g.page = int(pad)
	if r.size.Load() < int64(g.page+g.metaSize()) {
		return r.corrupt(1, r.size.Load(), "file ends before the end of the second meta page")
	}
	for n := range int64(2) {
		b := make([]byte, g.metaSize())
		off := n * int64(g.page)
		if err := r.readAt(b, off); err != nil {
			return err
		}
		if reason := g.badMeta(b, n); reason != "" {
			return r.corrupt(n, off, reason)
		}
	}
	t := r.begin()
	defer t.end()
	return t.start()
}

// recognise finds byte order and word size by where the magic number is.
func (r *Reader) recognise(head []byte) error {
	for _, g := range []geometry{{word: 8}, {word: 4}, {word: 8, big: true}, {word: 4, big: true}} {
		if len(head) >= g.magicAt()+8 && g.u32(head[g.magicAt():]) == magic {
			r.geo = g
			if v := g.u32(head[g.versionAt():]); v != dataVersion {
				return fmt.Errorf("%w: %sdata version %d, only version %d (LMDB 0.9) is read", ErrUnsupported, r.prefix(), v, dataVersion)
			}
			return nil
		}
		// LMDB 1.0 has one more number in the page header.
		if at := g.magicAt() + g.word; len(head) >= at+4 && g.u32(head[at:]) == magic {
			return fmt.Errorf("%w: %sthe file has the format of LMDB 1.0, only that of LMDB 0.9 is read", ErrUnsupported, r.prefix())
		}
	}
	return r.corrupt(0, 0, "not an LMDB file: the magic number is missing")
}

func (r *Reader) prefix() string {
	if r.path == "" {
		return ""
	}
	return r.path + ": "
}

// badMeta says what is wrong with a meta page, "" if nothing. liblmdb refuses a
// file when either of its two is bad.
func (g *geometry) badMeta(b []byte, number int64) string {
	switch m := g.meta(b); {
	case g.u32(b[g.magicAt():]) != magic:
		return "magic number of the meta page is missing"
	case g.u32(b[g.versionAt():]) != dataVersion:
		return fmt.Sprintf("meta page of data version %d", g.u32(b[g.versionAt():]))
	case g.u16(b[g.flagsAt():])&pageMeta == 0:
		return "page is not marked as a meta page"
	case m.free.pad != uint32(g.page):
		return fmt.Sprintf("the meta pages give different page sizes, %d and %d", g.page, m.free.pad)
	}
	return ""
}

// readAt fills p from the file.
func (r *Reader) readAt(p []byte, off int64) error {
	if r.closed.Load() {
		return errClosed
	}
	n, err := r.at.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || err == io.EOF:
		return r.corrupt(off/int64(max(r.geo.page, 1)), off+int64(n), "file ends here, it was longer when opened")
	}
	return fmt.Errorf("lmdb: reading at offset %d: %w", off, err)
}

func (r *Reader) corrupt(page, off int64, reason string) error {
	if r.geo.page == 0 {
		page = 0
	}
	return &CorruptError{Path: r.path, Page: page, Offset: off, Reason: reason}
}

// grown returns how long the file is now, at least as long as before.
func (r *Reader) grown() int64 {
	if r.file == nil {
		return r.size.Load()
	}
	st, err := r.file.Stat()
	if err != nil {
		return r.size.Load()
	}
	for {
		old := r.size.Load()
		if st.Size() <= old || r.size.CompareAndSwap(old, st.Size()) {
			return max(old, st.Size())
		}
	}
}

// slack is how far beyond the end of the file a mapping reaches. Where the
// system allows that, a file that grows is mapped again only when it has
// doubled.
func slack(size int64) int64 {
	const least, most = 1 << 20, 1 << 40
	return size + min(max(size, least), most)
}

// remap sees to it that size bytes of the file are mapped. The result is nil
// where files are not mapped.
func (r *Reader) remap(size int64) (*view, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return nil, errClosed
	}
	v := r.view.Load()
	switch {
	case v != nil && v.size >= size:
		return v, nil
	case v != nil && int64(len(v.data)) >= size:
		v = r.newView(v.data, size)
	default:
		data, err := mmap.Map(r.file, slack(size))
		if err != nil {
			data, err = mmap.Map(r.file, size)
		}
		if errors.Is(err, mmap.ErrUnsupported) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("lmdb: %w", err)
		}
		r.mapped = append(r.mapped, data)
		v = r.newView(data, size)
	}
	r.view.Store(v)
	return v, nil
}

// Close releases the mapping and the file. Slices that came from the Reader
// must not be used afterwards.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Swap(true) {
		return nil
	}
	r.view.Store(nil)
	var err error
	for _, data := range r.mapped {
		err = errors.Join(err, mmap.Unmap(data))
	}
	r.mapped = nil
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	return err
}

// Info describes a table.
type Info struct {
	Size          int64 // bytes of the file
	PageSize      int
	WordSize      int // bytes of a page number: 8, or 4 from a 32-bit machine
	BigEndian     bool
	MapSize       uint64
	LastPage      uint64 // highest page number in use
	Transaction   uint64
	Depth         int // 0: empty, 1: the root is a leaf
	BranchPages   uint64
	LeafPages     uint64
	OverflowPages uint64
	Records       int64
}

// Info describes the table by its newest meta page.
func (r *Reader) Info() (in Info, err error) {
	t := r.begin()
	defer t.end()
	err = t.guarded(func() error {
		m, err := t.meta()
		in = Info{
			Size: r.grown(), PageSize: r.geo.page, WordSize: r.geo.word, BigEndian: r.geo.big,
			MapSize: m.mapSize, LastPage: m.lastPage, Transaction: m.txn, Depth: m.main.depth,
			BranchPages: m.main.branch, LeafPages: m.main.leaf, OverflowPages: m.main.overflow,
			Records: int64(m.main.entries),
		}
		return err
	})
	return in, err
}
