package boltmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// DefaultBucket is the bucket of files that this package makes.
	DefaultBucket = "postfix"

	defaultTimeout = 5 * time.Second

	// What bbolt takes.
	maxKey   = bbolt.MaxKeySize
	maxValue = bbolt.MaxValueSize
)

var errClosed = fmt.Errorf("boltmap: %w", os.ErrClosed)

// Options for [Open] and [OpenWrite]. The zero value and nil are the usual
// choice.
type Options struct {
	// Bucket is the name of the bucket with the table. "" is the only bucket
	// of the file; a file that has none gets DefaultBucket.
	Bucket string

	// LockTimeout is how long to wait for other processes that have the file
	// open; 0 is five seconds. It is never for ever.
	LockTimeout time.Duration

	// Mode is the permission of a file that OpenWrite makes; 0 is 0600.
	Mode fs.FileMode

	// NoSync leaves it to the system when changes reach the disk. A crash of
	// the machine can then damage the file.
	NoSync bool

	// NoVerify opens a file without looking at all its pages first. For files
	// too large to read at every start: damage can then end the process.
	NoVerify bool
}

// A Table is a table in a bbolt file. It is safe for concurrent use.
type Table struct {
	pageSize int
	path     string
	opts     Options
	readOnly bool

	mu                 sync.RWMutex // held while db is used; Close takes it alone
	writing, beginning sync.Mutex
	db                 *bbolt.DB // nil when closed
	file               *os.File  // that of db
	bucket             []byte    // nil: the file has none
	broken             atomic.Pointer[CorruptError]
}

// Open opens the table in file path for reading. The file is locked against
// writers, in this process too: to read and change a table use one [OpenWrite].
func Open(path string, opts *Options) (*Table, error) {
	t := newTable(path, opts)
	t.readOnly = true
	err := t.openDB(true)
	if err == nil && !t.opts.NoVerify {
		err = verify(context.Background(), path, t.file, nil)
	}
	if err == nil {
		err = t.chooseBucket()
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// OpenWrite opens the table in file path for reading and changing and makes the
// file if there is none. Nobody else can open it meanwhile.
func OpenWrite(path string, opts *Options) (*Table, error) {
	t := newTable(path, opts)
	st, err := os.Stat(path)
	switch {
	case err == nil && st.Size() > 0 && !t.opts.NoVerify:
		// Opened for reading, bbolt looks at no more than the meta pages: the
		// time to look at the rest ourselves.
		err = t.openDB(true)
		if err == nil {
			err = verify(context.Background(), path, t.file, nil)
			err = errors.Join(err, t.Close())
		}
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil {
		err = t.openDB(false)
	}
	if err == nil {
		err = t.chooseBucket()
	}
	if err != nil {
		t.Close()
		return nil, t.translate(err)
	}
	return t, nil
}

func newTable(path string, opts *Options) *Table {
	t := &Table{path: path}
	if opts != nil {
		t.opts = *opts
	}
	if t.opts.LockTimeout <= 0 {
		t.opts.LockTimeout = defaultTimeout
	}
	if t.opts.Mode == 0 {
		t.opts.Mode = 0o600
	}
	return t
}

// openDB lets bbolt open the file. Its file is kept aside: bbolt loses it when
// it panics, and with it the lock.
func (t *Table) openDB(readOnly bool) (err error) {
	defer t.guard(debug.SetPanicOnFault(true), &err, false)
	defer func() {
		if t.db == nil && t.file != nil {
			abandon(t.file) // closed already unless bbolt panicked
			t.file = nil
		}
	}()
	db, err := bbolt.Open(t.path, t.opts.Mode, &bbolt.Options{
		Timeout:      t.opts.LockTimeout,
		ReadOnly:     readOnly,
		NoSync:       t.opts.NoSync,
		FreelistType: bbolt.FreelistArrayType, // same changes, same file
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			f, err = os.OpenFile(name, flag, mode)
			t.file = f
			return f, err
		},
	})
	if err != nil {
		return t.translate(err)
	}
	t.db = db
	t.pageSize = db.Info().PageSize // asked once: Info looks at the mapping without a lock
	return nil
}

// guard makes a panic of bbolt, and a fault in its mapping, an error of the
// function that defers it. After a panic in a change its locks may be held for
// ever, so that the table can only be closed.
func (t *Table) guard(old bool, err *error, change bool) {
	debug.SetPanicOnFault(old)
	p := recover()
	if p == nil {
		return
	}
	e := &CorruptError{Path: t.path, Reason: fmt.Sprint(p)}
	if _, fault := p.(interface{ Addr() uintptr }); fault {
		e.Reason = "the file was truncated or names places outside itself: " + e.Reason
	}
	if change {
		t.broken.Store(e)
	}
	*err = e
}

// chooseBucket finds the bucket of the table, or makes it.
func (t *Table) chooseBucket() error {
	name := []byte(t.opts.Bucket)
	var names []string
	err := t.view(func(tx *bbolt.Tx) error {
		if len(name) > 0 {
			if tx.Bucket(name) != nil {
				t.bucket = name
			}
			return nil
		}
		return tx.ForEach(func(k []byte, _ *bbolt.Bucket) error {
			if len(names) < 10 {
				names = append(names, fmt.Sprintf("%q", k))
			}
			t.bucket = bytes.Clone(k)
			return nil
		})
	})
	switch {
	case err != nil:
		return err
	case len(names) > 1:
		return fmt.Errorf("%w: %s has the buckets %s; say which one", ErrBucket, t.path, strings.Join(names, ", "))
	case t.bucket != nil:
		return nil
	case t.readOnly && len(name) > 0:
		return fmt.Errorf("%w: %s has no bucket %q", ErrBucket, t.path, name)
	case t.readOnly:
		return nil // an empty table
	}
	if len(name) == 0 {
		name = []byte(DefaultBucket)
	}
	err = t.update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(name)
		return err
	})
	if err == nil {
		t.bucket = name
	}
	return err
}

// view runs f in a transaction for reading. It must not call out: bbolt's
// writers may wait for it.
func (t *Table) view(f func(tx *bbolt.Tx) error) (err error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	defer t.guard(debug.SetPanicOnFault(true), &err, false)
	tx, err := t.begin(false)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return t.translate(f(tx))
}

// update runs f in a transaction for changing.
func (t *Table) update(f func(tx *bbolt.Tx) error) (err error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.readOnly {
		return fmt.Errorf("%w: %s", ErrReadOnly, t.path)
	}
	// bbolt has a lock of its own here, but one that a panic leaves locked.
	t.writing.Lock()
	defer t.writing.Unlock()
	defer t.guard(debug.SetPanicOnFault(true), &err, true)
	tx, err := t.begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := f(tx); err != nil {
		return t.translate(err)
	}
	return t.translate(tx.Commit())
}

// begin begins a transaction. A fault in here would leave all of bbolt's locks
// locked, with other goroutines waiting for them; so one begins at a time, and
// only while the meta pages are known to be there.
func (t *Table) begin(write bool) (tx *bbolt.Tx, err error) {
	t.beginning.Lock()
	defer t.beginning.Unlock()
	if err := t.usable(); err != nil {
		return nil, err
	}
	st, err := t.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("boltmap: %w", err)
	}
	if st.Size() < 2*int64(t.pageSize) {
		return nil, &CorruptError{Path: t.path, Offset: st.Size(), Reason: "the file was truncated while it was open"}
	}
	defer t.guard(debug.SetPanicOnFault(true), &err, true)
	tx, err = t.db.Begin(write)
	return tx, t.translate(err)
}

func (t *Table) usable() error {
	if t.db == nil {
		return errClosed
	}
	if e := t.broken.Load(); e != nil {
		return e
	}
	return nil
}

// Close ends the use of the file and its lock. It waits for calls that are
// running.
func (t *Table) Close() (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	db, file := t.db, t.file
	t.db, t.file = nil, nil
	if db == nil {
		return nil
	}
	if t.broken.Load() != nil {
		return abandon(file) // bbolt's own Close might wait for ever
	}
	defer t.guard(debug.SetPanicOnFault(true), &err, false)
	return t.translate(db.Close())
}

// Path returns the name of the file.
func (t *Table) Path() string { return t.path }
