package hashmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/postfixkit/postfixkit/internal/atomicfile"
	"github.com/postfixkit/postfixkit/internal/filelock"
)

// FileOptions say how a table file is put in place. The zero value is right
// for most: an existing file keeps its mode, owner and the symbolic link that
// leads to it, a new one is the caller's with mode 0644, and it is written
// beside its place and renamed. A cdb file is always a new one, as with Postfix:
// a symbolic link is replaced by it.
type FileOptions struct {
	// Source, when set, is what the table was made from. A new file gets the
	// mode postmap gives it ([ModeFor]), and an existing one loses the rights
	// of group and others that the source does not give.
	Source fs.FileInfo
	// Mode, when not 0, is the mode of the file, also of an existing one and of
	// one that is overwritten in place.
	Mode fs.FileMode
	// Owner, when set, is the owner of the file, as Mode.
	Owner *Owner
	// InPlace says whether a file may be overwritten where it is.
	InPlace InPlace
	// NoLock replaces the file without Postfix's lock on it.
	NoLock bool
	// LockWait limits the wait for a lock; 0 means 30 seconds.
	LockWait time.Duration

	fault func(op string) error // tests make operations fail
}

// Owner is a numeric user and group; -1 for one that stays: what the existing
// file has, the caller's for a new one.
type Owner struct{ UID, GID int }

// InPlace says whether a table may be overwritten where it is instead of being
// replaced by a new file.
type InPlace uint8

const (
	// InPlaceNever fails with [ErrNeedsInPlace] where a file cannot be
	// replaced: one that is a mount point of its own, or that stands in a
	// folder the caller cannot write to.
	InPlaceNever InPlace = iota
	// InPlaceNeeded overwrites a file that cannot be replaced. Readers wait
	// for the lock meanwhile if they take it; a crash leaves a damaged table.
	InPlaceNeeded
	// InPlaceAlways overwrites an existing file.
	InPlaceAlways
)

// ErrNeedsInPlace is wrapped when a file can only be overwritten and that was
// not allowed.
var ErrNeedsInPlace = atomicfile.ErrNeedsInPlace

// ErrBusy is wrapped when another program kept the table locked.
var ErrBusy = filelock.ErrBusy

// Result tells how a table was put in place.
type Result struct {
	Path    string
	InPlace bool // overwritten, not replaced
	Created bool // there was no file before
	// ZeroLength reports that an empty file was there, which Postfix removes
	// with a warning.
	ZeroLength bool
}

// ModeFor is the mode postmap gives a new table made from a source with this
// mode: writable by the owner, readable for those who can read the source.
func ModeFor(source fs.FileMode) fs.FileMode { return 0o600 | source&0o044 }

// A placement puts one table file in its place.
type placement struct {
	path   string
	format Format
	opts   FileOptions
}

// fresh formats replace what is there, a symbolic link included, instead of
// taking over its mode and owner: postmap(1) makes a new cdb file each time.
func (p *placement) fresh() bool { return p.format == CDB }

// put writes the file with write and, before it becomes visible, has check
// read it if that is set.
//
// A writer in this package holds a shared lock while it replaces a table: no
// program that changes it in place can, and readers go on reading the old one.
func (p *placement) put(ctx context.Context, write func(io.Writer) (int64, error), check func(file string) error) (Result, error) {
	res := Result{Path: p.path}
	mode := filelock.Shared
	if p.opts.InPlace == InPlaceAlways {
		mode = filelock.Exclusive
	}
	held, err := p.lock(ctx, mode)
	if err != nil {
		return res, err
	}
	defer func() { held.release() }()
	inPlace, err := p.replace(ctx, p.opts.InPlace == InPlaceAlways, write, check, &res)
	if errors.Is(err, ErrNeedsInPlace) && p.opts.InPlace == InPlaceNeeded {
		// Now readers have to wait.
		held.release()
		if held, err = p.lock(ctx, filelock.Exclusive); err != nil {
			return res, err
		}
		inPlace, err = p.replace(ctx, true, write, check, &res)
	}
	res.InPlace = inPlace
	return res, err
}

// held is a lock on the table that is being replaced, or nothing.
type held struct{ f *os.File }

func (h *held) release() {
	if h != nil && h.f != nil {
		h.f.Close() // which unlocks; the file was not written through f
		h.f = nil
	}
}

// lock takes Postfix's lock on the existing table.
func (p *placement) lock(ctx context.Context, mode filelock.Mode) (*held, error) {
	kind := formats[p.format].lock
	if p.opts.NoLock || kind == 0 {
		return nil, nil
	}
	ctx, cancel := lockContext(ctx, p.opts.LockWait)
	defer cancel()
	flag := os.O_RDONLY
	if mode == filelock.Exclusive {
		flag = os.O_RDWR // a record lock for writing asks for it
	}
	f, err := filelock.Open(ctx, p.path, flag, 0, kind, mode)
	switch {
	case err == nil:
		return &held{f}, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, filelock.ErrUnsupported):
		return nil, nil
	}
	return nil, fmt.Errorf("hashmap: %w", err)
}

func (p *placement) replace(ctx context.Context, inPlace bool, write func(io.Writer) (int64, error), check func(file string) error, res *Result) (bool, error) {
	old, err := p.old()
	if err != nil {
		return false, err
	}
	res.Created = old == nil
	res.ZeroLength = old != nil && old.Size() == 0
	o := &atomicfile.Options{Fresh: p.fresh(), LockWait: p.opts.LockWait, Fault: p.opts.fault}
	if inPlace {
		o.InPlace = atomicfile.InPlaceAlways
	}
	if o.LockWait == 0 {
		o.LockWait = filelock.DefaultWait
	}
	p.attributes(o, old)
	w, err := atomicfile.Create(ctx, p.path, o)
	if err != nil {
		return false, placeError(err)
	}
	defer w.Abort()
	if _, err := write(cancellable{ctx, w}); err != nil {
		return false, err
	}
	if check != nil {
		if err := check(w.OSFile().Name()); err != nil {
			return false, err
		}
	}
	done, err := w.Commit()
	return done.InPlace, placeError(err)
}

// cancellable ends a write when its context ends.
type cancellable struct {
	ctx context.Context
	w   io.Writer
}

func (c cancellable) Write(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// old is the file that will be replaced, nil when there is none.
func (p *placement) old() (fs.FileInfo, error) {
	stat := os.Stat
	if p.fresh() {
		stat = os.Lstat
	}
	old, err := stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hashmap: %w", err)
	}
	return old, nil
}

// attributes decides on mode and owner.
func (p *placement) attributes(o *atomicfile.Options, old fs.FileInfo) {
	o.Mode = 0o644
	if p.opts.Source != nil && p.opts.Source.Mode().IsRegular() {
		o.Mode = ModeFor(p.opts.Source.Mode())
		o.Clear = 0o077 &^ p.opts.Source.Mode() // of an existing file
	}
	if p.opts.Mode != 0 {
		o.Mode, o.SetMode = p.opts.Mode, true
	}
	if p.opts.Owner != nil {
		o.Owner, o.SetOwner = &atomicfile.Owner{UID: p.opts.Owner.UID, GID: p.opts.Owner.GID}, true
	}
}

func placeError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, atomicfile.ErrLocked) {
		return fmt.Errorf("hashmap: %w", &wrapped{err, ErrBusy})
	}
	return fmt.Errorf("hashmap: %w", err)
}
