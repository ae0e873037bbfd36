// Package atomicfile replaces files so that a reader, a crash or a failed
// write never meets half of one.
//
// The new content is written to PATH.tmp in the same folder, synced, and
// renamed over PATH; then the folder is synced. What the old file was stays:
// owner, group, mode, extended attributes (access control lists and security
// labels among them), and a symbolic link goes on pointing to the same place.
// When anything fails before the rename, PATH.tmp is removed and the old file
// is as it was.
//
// PATH.tmp may exist already and is locked with flock(2), as postconf(1)
// does with main.cf.tmp and postmap(1) with X.cdb.tmp: it keeps writers apart,
// Postfix's own among them, and what a killed writer left behind is reused.
//
// A file that is a mount point of its own (one file bind-mounted into a
// container), or that stands in a folder where nothing can be created, cannot
// be renamed over. It is written in place only when [Options.InPlace] allows
// it, and [Result.InPlace] says so: then a reader can see a mixture for a
// moment, and a crash at that moment leaves one. A failed write does not: what
// was overwritten is put back.
package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// InPlace says whether a file may be overwritten where rename cannot work.
type InPlace uint8

// The choices for [Options.InPlace].
const (
	InPlaceNever  InPlace = iota // fail with an error that wraps ErrNeedsInPlace
	InPlaceNeeded                // only where rename is impossible
	InPlaceAlways                // for files whose inode must stay the same
)

// ErrNeedsInPlace is wrapped by the error for a file that cannot be replaced
// by renaming when writing in place was not allowed.
var ErrNeedsInPlace = errors.New("file cannot be replaced by renaming (bind mount or read-only folder); allow writing in place")

// ErrChanged is wrapped by the error for a file that was changed, again and
// again, by a program that does not wait for the lock.
var ErrChanged = errors.New("file was changed meanwhile by a program that does not wait for the lock")

// ErrLocked is wrapped by the error for a file that another writer kept locked
// for longer than [Options.LockWait].
var ErrLocked = errors.New("another program is writing this file")

// Options of a replacement. The zero value keeps everything an existing file
// has and creates a new one with mode 0644.
type Options struct {
	// Mode is the mode of a file that does not exist yet, independent of the
	// umask; 0 means 0644.
	Mode fs.FileMode
	// Owner is the owner of a file that does not exist yet; nil is the caller.
	Owner *Owner
	// SetMode and SetOwner give Mode and Owner to an existing file too, also
	// to one that is overwritten in place.
	SetMode, SetOwner bool
	// Clear is taken from the mode of an existing file.
	Clear fs.FileMode
	// Fresh gives an existing file Mode and Owner too, as if it were new, and
	// replaces a symbolic link instead of its target (what postmap does for
	// cdb). One that is overwritten in place keeps what it has.
	Fresh bool
	// InPlace says what to do where rename is impossible.
	InPlace InPlace
	// LockWait limits the wait for another writer; 0 means a minute.
	LockWait time.Duration

	// Before, when set, is called by Commit, the last time right before the
	// file is replaced or overwritten. An error prevents that, and Commit
	// returns it.
	Before func() error

	// Fault, when set, is asked before every operation and makes it fail; for
	// tests of packages that write through this one.
	Fault func(op string) error

	ops *ops // tests make single operations fail
}

// Owner is a numeric user and group; -1 for one that stays: what an existing
// file has, or the caller's.
type Owner struct{ UID, GID int }

// Result tells what a replacement did.
type Result struct {
	Changed bool // the content differs from what was there, or there was no file
	InPlace bool // the file was overwritten in place, not replaced
}

// A File is new content on its way to its path. It is not safe for concurrent
// use. End it with Commit or Abort.
type File struct {
	path    string      // what was asked for, in messages
	target  string      // path with symbolic links followed
	old     fs.FileInfo // nil: no such file yet
	f       *os.File
	lock    *os.File // locked; is f when that will be renamed
	aside   string   // name of lock beside the target; "" where none can be made
	opts    Options
	ops     *ops
	pending bool

	written, begun int64 // bytes: by Write, and of those given to the disk
}

// Create locks PATH.tmp and returns it for writing. ctx limits the wait for
// the lock, in addition to [Options.LockWait].
func Create(ctx context.Context, path string, opts *Options) (*File, error) {
	w := &File{path: path, target: path, ops: &realOps}
	if opts != nil {
		w.opts = *opts
		if opts.ops != nil {
			w.ops = opts.ops
		}
		if opts.Fault != nil {
			w.ops = w.ops.failing(opts.Fault)
		}
	}
	if w.opts.Mode == 0 {
		w.opts.Mode = 0o644
	}
	if w.opts.LockWait == 0 {
		w.opts.LockWait = time.Minute
	}
	if err := w.open(ctx); err != nil {
		return nil, fmt.Errorf("replace %s: %w", path, err)
	}
	w.pending = true
	return w, nil
}

func (w *File) open(ctx context.Context) (err error) {
	if !w.opts.Fresh {
		if w.target, err = FollowLinks(w.path); err != nil {
			return err
		}
	}
	w.old, err = w.look()
	switch {
	case err != nil:
		return err
	case w.old != nil && !w.old.Mode().IsRegular() && !(w.opts.Fresh && w.old.Mode()&fs.ModeSymlink != 0):
		return errors.New("not a regular file")
	}
	aside := w.target + ".tmp"
	lock, err := w.lockAside(ctx, aside)
	switch {
	case err == nil:
		w.lock, w.aside = lock, aside
		// The file may have been replaced while we waited for the lock.
		if w.old, err = w.look(); err != nil {
			w.discard()
			return err
		}
		if w.old == nil || w.opts.InPlace != InPlaceAlways {
			w.f = w.lock
			return nil
		}
	case w.old == nil || !cannotCreate(err):
		return err
	case w.opts.InPlace == InPlaceNever:
		return fmt.Errorf("%w: %w", ErrNeedsInPlace, err)
	}
	if w.f, err = spool(); err != nil {
		w.discard()
	}
	return err
}

// renames reports whether the new content is where it can be renamed.
func (w *File) renames() bool { return w.f != nil && w.f == w.lock }

// Locked reports whether w holds the lock of PATH.tmp. Where that cannot be made
// an existing file is overwritten in place without one.
func (w *File) Locked() bool { return w.lock != nil }

// lastPause is the longest between two looks at a lock: short, or those who
// came last would often get it first.
const lastPause = 20 * time.Millisecond

// lockAside opens and locks the file that will be renamed. A holder of the
// lock may have renamed or removed it while we waited, hence the second look.
func (w *File) lockAside(ctx context.Context, name string) (*os.File, error) {
	deadline := time.Now().Add(w.opts.LockWait)
	for pause := time.Millisecond; ; pause = min(2*pause, lastPause) {
		f, created, err := w.ops.openAside(name)
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if err == nil && locked {
			if mine, e1 := f.Stat(); e1 == nil {
				if named, e2 := os.Lstat(name); e2 == nil && os.SameFile(mine, named) {
					if !created && (!ours(mine) || mine.Mode()&0o200 == 0) {
						// Somebody put it there, perhaps as another name of a
						// file of ours that was to be damaged. It is not
						// written to; a new one takes its place. So with one
						// that was ready to be renamed when its writer died.
						err := os.Remove(name)
						f.Close()
						if err != nil {
							return nil, err
						}
						continue
					}
					if err := w.ops.truncate(f, 0); err != nil {
						w.ops.close(f)
						os.Remove(name)
						return nil, err
					}
					return f, nil
				}
			}
		}
		f.Close()
		switch {
		case err != nil:
			return nil, err
		case locked:
			continue
		}
		if err := w.wait(ctx, name, deadline, pause); err != nil {
			return nil, err
		}
	}
}

// wait waits between two looks at the lock on the file called name.
func (w *File) wait(ctx context.Context, name string, deadline time.Time, pause time.Duration) error {
	if time.Now().After(deadline) {
		return fmt.Errorf("%w (lock on %s)", ErrLocked, name)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w (lock on %s): %w", ErrLocked, name, context.Cause(ctx))
	case <-time.After(pause):
		return nil
	}
}

// Old opens the content that is about to be replaced. The error wraps
// [fs.ErrNotExist] when there is none.
func (w *File) Old() (*os.File, error) {
	if w.old == nil {
		return nil, &fs.PathError{Op: "open", Path: w.path, Err: fs.ErrNotExist}
	}
	return os.Open(w.target)
}

// earlySync is how much is written before the disk gets it.
const earlySync = 1 << 20

// Write appends to the new content. The disk begins with it at once, as it must
// be there before the content is put in place.
func (w *File) Write(p []byte) (int, error) {
	n, err := w.ops.write(w.f, p)
	w.written += int64(n)
	if err == nil && w.renames() && w.written-w.begun >= earlySync {
		beginSync(w.f, w.begun, w.written-w.begun)
		w.begun = w.written
	}
	return n, err
}

// WriteAt writes into the new content at an offset, for formats that fill in
// their first page last. It does not mix with Write.
func (w *File) WriteAt(p []byte, off int64) (int, error) { return w.ops.writeAt(w.f, p, off) }

// OSFile returns the file behind w, for writers that can use more than Write:
// copying ranges of another file, or preallocating. It must not be closed.
func (w *File) OSFile() *os.File { return w.f }

// Abort drops the new content. After Commit it does nothing, so it can be
// deferred.
func (w *File) Abort() {
	if w.pending {
		w.pending = false
		w.discard()
	}
}

func (w *File) discard() {
	if w.aside != "" {
		// Removed before the lock goes, or it might be somebody else's by then.
		os.Remove(w.aside)
		w.lock.Close()
	}
	if w.f != nil && w.f != w.lock {
		w.f.Close()
	}
}

// Commit makes the new content the file's. On an error before the file was
// replaced nothing has changed; the message of a later one (the folder could
// not be synced) says so.
func (w *File) Commit() (Result, error) {
	if !w.pending {
		return Result{}, fmt.Errorf("replace %s: already ended", w.path)
	}
	w.pending = false
	res, err := w.commit()
	if err != nil {
		return res, fmt.Errorf("replace %s: %w", w.path, err)
	}
	return res, nil
}

func (w *File) commit() (Result, error) {
	res := Result{Changed: true}
	if err := w.before(); err != nil { // the file may be gone
		w.discard()
		return Result{}, err
	}
	if !w.renames() {
		defer w.discard()
		res.InPlace = true
		return res, w.overwrite()
	}
	if err := w.dress(); err != nil {
		w.discard()
		return Result{}, err
	}
	if err := w.ops.sync(w.f); err != nil {
		w.discard()
		return Result{}, err
	}
	if err := w.before(); err != nil {
		w.discard()
		return Result{}, err
	}
	if runtime.GOOS == "windows" { // an open file cannot be renamed there
		if err := w.ops.close(w.f); err != nil {
			w.discard()
			return Result{}, err
		}
	}
	switch err := w.ops.rename(w.aside, w.target); {
	case err == nil:
	case w.old != nil && cannotRename(err) && w.opts.InPlace == InPlaceNeeded:
		defer w.discard()
		res.InPlace = true
		return res, w.overwrite()
	case w.old != nil && cannotRename(err):
		w.discard()
		return Result{}, fmt.Errorf("%w: %w", ErrNeedsInPlace, err)
	default:
		w.discard()
		return Result{}, err
	}
	dir, _ := filepath.Split(w.target) // filepath.Dir would shorten it
	if err := w.ops.syncDir(dir + "."); err != nil {
		w.f.Close()
		return res, fmt.Errorf("replaced, but the folder could not be synced: %w", err)
	}
	if runtime.GOOS != "windows" {
		// All content is synced: an error of close has nothing to tell.
		w.ops.close(w.f)
	}
	return res, nil
}

func (w *File) before() error {
	if w.opts.Before == nil {
		return nil
	}
	return w.opts.Before()
}

// wanted is the mode and owner the file gets; owner is nil when it is not to
// be set.
func (w *File) wanted() (mode fs.FileMode, owner *Owner) {
	mode, owner = w.opts.Mode, w.opts.Owner
	if w.old == nil {
		return mode, owner
	}
	had := ownerOf(w.old)
	if !w.opts.Fresh && !w.opts.SetMode {
		mode = w.old.Mode() &^ w.opts.Clear
	}
	switch {
	case !w.opts.Fresh && !w.opts.SetOwner:
		owner = had
	case owner != nil && had != nil:
		o := *owner
		if o.UID < 0 {
			o.UID = had.UID
		}
		if o.GID < 0 {
			o.GID = had.GID
		}
		owner = &o
	}
	return mode, owner
}

// modeBits are those that chmod sets.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// dress gives the new file what the old one has, or what was asked for.
func (w *File) dress() error {
	mode, owner := w.wanted()
	if err := w.chown(w.f, owner); err != nil {
		return err
	}
	if w.old != nil && !w.opts.Fresh {
		// An access control list holds the mode, too: the new one is put in,
		// so that nobody can open the file whom it keeps out.
		if err := w.ops.copyAttrs(w.f, w.target, mode); err != nil {
			return err
		}
	}
	// After chown, which clears set-id bits; and independent of the umask.
	return w.ops.chmod(w.f, mode&modeBits)
}

// chown gives f to owner where it is not the owner's already.
func (w *File) chown(f *os.File, owner *Owner) error {
	if owner == nil {
		return nil
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	have := ownerOf(now)
	if have != nil && (owner.UID < 0 || owner.UID == have.UID) && (owner.GID < 0 || owner.GID == have.GID) {
		return nil
	}
	if err := w.ops.chown(f, owner.UID, owner.GID); err != nil {
		return fmt.Errorf("cannot set owner %d:%d: %w", owner.UID, owner.GID, err)
	}
	return nil
}

// redress gives a file that is overwritten in place what was asked for, and
// returns how to undo that. What nothing was said about stays.
func (w *File) redress(dst *os.File) (undo func() error, err error) {
	undo = func() error { return nil }
	was, err := dst.Stat()
	if err != nil {
		return undo, err
	}
	mode, owner := w.wanted()
	if !w.opts.SetMode {
		mode = was.Mode() &^ w.opts.Clear
	}
	if !w.opts.SetOwner {
		owner = nil
	}
	had := ownerOf(was)
	undo = func() error {
		err := w.chown(dst, had)
		if now, e := dst.Stat(); e != nil || now.Mode() != was.Mode() {
			err = errors.Join(err, w.ops.chmod(dst, was.Mode()&modeBits))
		}
		return err
	}
	if err := w.chown(dst, owner); err != nil {
		return undo, err
	}
	now, err := dst.Stat()
	if err == nil && now.Mode()&modeBits != mode&modeBits {
		err = w.ops.chmod(dst, mode&modeBits)
	}
	return undo, err
}

// overwrite copies the new content over the old one, in the file itself. What
// does not fit is found out before anything is overwritten; what fails later
// is undone.
func (w *File) overwrite() (err error) {
	dst, err := os.OpenFile(w.target, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer dst.Close()
	old, err := io.ReadAll(dst)
	if err != nil {
		return err
	}
	size, err := w.f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if err := w.before(); err != nil { // reading it took its time
		return err
	}
	undress, err := w.redress(dst)
	defer func() {
		if err != nil {
			_, e1 := dst.WriteAt(old, 0)
			e2 := dst.Truncate(int64(len(old)))
			if e := errors.Join(e1, e2, undress()); e != nil {
				err = fmt.Errorf("%w; and the old content could not be put back: %w", err, e)
			}
		}
	}()
	if err != nil {
		return err
	}
	// What lies beyond the old end first: a full disk shows here.
	shared := min(size, int64(len(old)))
	if err := w.copyRange(dst, shared, size); err != nil {
		return err
	}
	if err := w.copyRange(dst, 0, shared); err != nil {
		return err
	}
	if err := w.ops.truncate(dst, size); err != nil {
		return err
	}
	return w.ops.sync(dst)
}

func (w *File) copyRange(dst *os.File, from, to int64) error {
	buf := make([]byte, min(to-from, 256<<10))
	for from < to {
		n, err := w.f.ReadAt(buf[:min(to-from, int64(len(buf)))], from)
		if n == 0 {
			return err
		}
		if _, err := w.ops.writeAt(dst, buf[:n], from); err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// WriteFile replaces the file at path with what write writes.
func WriteFile(ctx context.Context, path string, opts *Options, write func(io.Writer) error) (Result, error) {
	w, err := Create(ctx, path, opts)
	if err != nil {
		return Result{}, err
	}
	defer w.Abort()
	if err := write(w); err != nil {
		return Result{}, err
	}
	return w.Commit()
}

// FollowLinks returns what path leads to when it is a symbolic link, which
// need not exist. Links among the folders stay in the name: ".." after one is
// not what the letters say, so nothing is shortened.
func FollowLinks(path string) (string, error) {
	for range 40 {
		target, err := os.Readlink(path)
		if err != nil { // not a link, or nothing there
			return path, nil
		}
		if !filepath.IsAbs(target) {
			dir, _ := filepath.Split(path)
			if target != "" && os.IsPathSeparator(target[0]) { // Windows: from the root of the volume
				dir = filepath.VolumeName(path)
			}
			target = dir + target
		}
		path = target
	}
	return "", errors.New("too many levels of symbolic links")
}
