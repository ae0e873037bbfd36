package bdb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// Options are the choices when opening a file. A nil *Options is the default.
type Options struct {
	NoMmap bool // read with ReadAt instead of mapping the file into memory
}

// Reader answers lookups in one file. All methods but Close are safe for
// concurrent use; nothing may run when Close is called, or afterwards.
//
// A Reader keeps seeing the file it opened when that is replaced by rename. A
// file that is changed in place, as the postmap of Postfix and libdb change it, can
// give wrong answers or errors during the change, as it does to Postfix; take
// the lock of the package comment, or open the file again when it has changed.
// What a mapped Reader has noted about pages is dropped within a millisecond of a
// change.
type Reader struct {
	meta
	path   string
	data   []byte // the whole file, or nil
	mapped bool   // data is a mapping, which can fault
	src    io.ReaderAt
	file   *os.File
	length int64
	memo   atomic.Pointer[memo] // data only
	clock  clock
	pool   sync.Pool // *scratch, when data is nil
}

// Open opens the file at path for reading. Errors wrap ErrNotBerkeleyDB,
// ErrUnsupported, ErrCorrupt (a *CorruptError) or the system's error.
func Open(path string, opts *Options) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bdb: %w", err)
	}
	r, err := NewFile(f, opts)
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// NewFile is Open for a file that is open already, for instance because the
// caller holds a lock on it. Close closes f; after an error f is still open.
func NewFile(f *os.File, opts *Options) (*Reader, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("bdb: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, named(f.Name(), fmt.Errorf("%w: not a regular file", ErrNotBerkeleyDB))
	}
	r := &Reader{path: f.Name(), src: f, file: f, length: st.Size()}
	if opts == nil || !opts.NoMmap {
		switch data, err := mmap.Map(f, st.Size()); {
		case err == nil:
			r.data, r.mapped = data, len(data) > 0
		case !errors.Is(err, mmap.ErrUnsupported):
			return nil, fmt.Errorf("bdb: %w", err)
		}
	}
	r.clock.start(st)
	if err := r.init(); err != nil {
		if r.mapped {
			mmap.Unmap(r.data)
		}
		return nil, err
	}
	return r, nil
}

// NewReader reads a file of size bytes through src, which must allow ReadAt
// from several goroutines, as *os.File and *bytes.Reader do.
func NewReader(src io.ReaderAt, size int64, _ *Options) (*Reader, error) {
	r := &Reader{src: src, length: size}
	if err := r.init(); err != nil {
		return nil, err
	}
	return r, nil
}

// FromBytes reads a file that is in memory already, embedded for instance. data
// must not change while the Reader is in use.
func FromBytes(data []byte) (*Reader, error) {
	r := &Reader{data: data, length: int64(len(data))}
	if err := r.init(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reader) init() error {
	b := make([]byte, min(r.length, metaSize))
	if err := r.readAt(b, 0); err != nil {
		return named(r.path, err)
	}
	m, err := parseMeta(b, r.length)
	if err != nil {
		var damage *CorruptError
		if errors.As(err, &damage) {
			damage.Path = r.path
			return err
		}
		return named(r.path, err)
	}
	r.meta = m
	r.memo.Store(newMemo(&r.meta))
	return nil
}

// readAt fills b. On mapped files it is protected against a file cut short.
func (r *Reader) readAt(b []byte, off int64) (err error) {
	switch {
	case r.mapped:
		defer mmap.Recover(mmap.Protect(), &err)
		fallthrough
	case r.data != nil:
		if n := copy(b, r.data[min(off, int64(len(r.data))):]); n < len(b) {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	if n, err := r.src.ReadAt(b, off); n < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// readPage reads page pgno, which the caller knows to be in the file, into p.
func (r *Reader) readPage(p []byte, pgno uint32) error {
	if err := r.readAt(p, int64(pgno)*int64(r.size)); err != nil {
		return named(r.path, fmt.Errorf("page %d: %w", pgno, err))
	}
	return nil
}

// Close releases the file and its mapping.
func (r *Reader) Close() error {
	var errs []error
	if r.mapped {
		errs = append(errs, mmap.Unmap(r.data))
	}
	if r.file != nil {
		errs = append(errs, r.file.Close())
	}
	r.data, r.mapped, r.src, r.file = nil, false, closed{}, nil
	return errors.Join(errs...)
}

// closed answers reads after Close.
type closed struct{}

func (closed) ReadAt([]byte, int64) (int, error) { return 0, os.ErrClosed }

// Info describes a file.
type Info struct {
	Kind       Kind
	Version    int   // of the format: 7 to 10 for hash, 8 to 10 for btree
	BigEndian  bool  // byte order of the machine that made it
	PageSize   int   // bytes
	Pages      int64 // the metadata page included
	Checksums  bool  // every page has one
	Duplicates bool  // keys may repeat
	CustomHash bool  // hash only: made with a hash function of its own; lookups search every page
	Buckets    int64 // hash only
	Height     int   // btree only: 1 for a tree of one leaf; 0 when the root cannot be read
}

// Info describes the file. It reads one page at most.
func (r *Reader) Info() Info {
	i := Info{
		Kind: r.kind, Version: int(r.version), BigEndian: r.big, PageSize: r.size, Pages: int64(r.lastPgno) + 1,
		Checksums: r.sums, Duplicates: r.dups(), CustomHash: r.customHash(),
	}
	if r.kind == Hash {
		i.Buckets = int64(r.maxBucket) + 1
		return i
	}
	p := make([]byte, r.size)
	if r.readPage(p, r.root) == nil {
		i.Height = int(p[offLevel])
	}
	return i
}
