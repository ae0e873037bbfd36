package hashmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
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
	// LockWait limits the wait for locks; 0 means 30 seconds.
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

// ErrChanged is wrapped when [Update] met, again and again, changes by a program
// that does not wait for the locks.
var ErrChanged = atomicfile.ErrChanged

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
//
// Writers of this package take two locks, in this order: that of NAME.tmp, which
// keeps them apart, also where there is no table yet or the format has no lock,
// and then Postfix's own on the table. Who holds a lock on the table never waits
// for NAME.tmp, and neither do Postfix's programs, except that its cdb builder
// takes NAME.tmp alone.
type placement struct {
	path   string
	format Format
	opts   FileOptions
	// update: the new table is made from the old one, which keeps its links,
	// mode and owner whatever the format.
	update bool
	// before is asked right before the table is replaced.
	before func() error

	end  time.Time        // of the wait for locks
	file *atomicfile.File // the new table, with the lock of NAME.tmp
	held []*os.File       // locks on the table
}

// fresh formats replace what is there, a symbolic link included, instead of
// taking over its mode and owner: postmap(1) makes a new cdb file each time.
func (p *placement) fresh() bool { return p.format == CDB && !p.update }

// put writes the file with write and, before it becomes visible, has check
// read it if that is set.
//
// A writer in this package holds a shared lock while it replaces a table: no
// program that changes it in place can, and readers go on reading the old one.
func (p *placement) put(ctx context.Context, write func(io.Writer) (int64, error), check func(file string) error) (Result, error) {
	res := Result{Path: p.path}
	defer p.release()
	inPlace, err := p.replace(ctx, p.opts.InPlace == InPlaceAlways, write, check, &res)
	if errors.Is(err, ErrNeedsInPlace) && p.opts.InPlace == InPlaceNeeded && !p.update {
		p.release()
		// Now readers have to wait.
		inPlace, err = p.replace(ctx, true, write, check, &res)
	}
	res.InPlace = inPlace
	return res, err
}

// release gives all locks back; what was not put in place is dropped.
func (p *placement) release() {
	if p.file != nil {
		p.file.Abort()
		p.file = nil
	}
	for _, f := range p.held {
		f.Close() // which unlocks; the table was not written through f
	}
	p.held = nil
}

// create takes the lock of NAME.tmp, where the new table will be written.
func (p *placement) create(ctx context.Context, inPlace bool) (err error) {
	p.startWait()
	o := &atomicfile.Options{Fresh: p.fresh(), LockWait: time.Until(p.end), Fault: p.opts.fault}
	o.Before = func() error {
		if p.before == nil {
			return nil
		}
		return p.before()
	}
	switch {
	case inPlace:
		o.InPlace = atomicfile.InPlaceAlways
	case p.update && p.opts.InPlace == InPlaceNeeded:
		// It has the lock that is needed, and must not give up NAME.tmp.
		o.InPlace = atomicfile.InPlaceNeeded
	}
	p.attributes(o)
	p.file, err = atomicfile.Create(ctx, p.path, o)
	return placeError(err)
}

func (p *placement) startWait() {
	wait := p.opts.LockWait
	if wait <= 0 {
		wait = filelock.DefaultWait
	}
	p.end = time.Now().Add(wait)
}

// lock takes Postfix's lock on the table, if there is one.
func (p *placement) lock(ctx context.Context, mode filelock.Mode) error {
	kind := formats[p.format].lock
	if kind == 0 && (p.update || mode == filelock.Exclusive) {
		kind = filelock.Flock // nobody else takes one on a cdb file
	}
	if p.opts.NoLock || kind == 0 || len(p.held) > 0 {
		return nil
	}
	return p.lockAs(ctx, kind, mode)
}

func (p *placement) lockAs(ctx context.Context, kind filelock.Kind, mode filelock.Mode) error {
	ctx, cancel := context.WithDeadline(ctx, p.end)
	defer cancel()
	flag := os.O_RDONLY
	if mode == filelock.Exclusive {
		flag = os.O_RDWR // a record lock for writing asks for it
	}
	f, err := filelock.Open(ctx, p.path, flag, 0, kind, mode)
	switch {
	case err == nil:
		p.held = append(p.held, f)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, filelock.ErrUnsupported):
	default:
		return fmt.Errorf("hashmap: %w", err)
	}
	return nil
}

func (p *placement) replace(ctx context.Context, inPlace bool, write func(io.Writer) (int64, error), check func(file string) error, res *Result) (bool, error) {
	if p.file == nil {
		if err := p.create(ctx, inPlace); err != nil {
			return false, err
		}
	}
	w := p.file
	p.startWait()
	mode := filelock.Shared
	if inPlace {
		mode = filelock.Exclusive
	}
	if err := p.lock(ctx, mode); err != nil {
		return false, err
	}
	old, err := p.old()
	if err != nil {
		return false, err
	}
	res.Created = old == nil
	res.ZeroLength = old != nil && old.Size() == 0
	if _, err := write(cancellable{ctx, w}); err != nil {
		return false, err
	}
	if check != nil {
		if err := checkNamed(w.OSFile(), check); err != nil {
			return false, err
		}
	}
	done, err := w.Commit()
	return done.InPlace, placeError(err)
}

// checkNamed has check read the new table. What will overwrite a file in place
// has no name; its copy has.
func checkNamed(f *os.File, check func(file string) error) error {
	if _, err := os.Stat(f.Name()); err == nil {
		return check(f.Name())
	}
	named, err := os.CreateTemp("", "postfixkit-*")
	if err != nil {
		return fmt.Errorf("hashmap: %w", err)
	}
	defer os.Remove(named.Name())
	_, err = io.Copy(named, io.NewSectionReader(f, 0, math.MaxInt64))
	if err := errors.Join(err, named.Close()); err != nil {
		return fmt.Errorf("hashmap: %w", err)
	}
	return check(named.Name())
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
func (p *placement) attributes(o *atomicfile.Options) {
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
	if errors.Is(err, atomicfile.ErrLocked) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("hashmap: %w", &wrapped{err, ErrBusy})
	}
	return fmt.Errorf("hashmap: %w", err)
}
