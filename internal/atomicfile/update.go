package atomicfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"time"
)

// maxTries is how often an update begins again after somebody else's change.
const maxTries = 10

// Update replaces the content of the file at path by what edit makes of it.
// A file that does not exist is given to edit as nil with exists == false.
// When edit returns what it was given nothing is written, and Result.Changed
// is false.
//
// The lock is held from before the file is read until it is replaced, so that
// two updates never lose one. For those who do not know of the lock, an editor
// for example, the file is looked at again right before it is replaced: when it
// is not the one that was read, it is read again and edit is called again, with
// what it holds now, see [Retry]. Where Postfix does not run, on Windows, there
// is no lock.
func Update(ctx context.Context, path string, opts *Options, edit func(old []byte, exists bool) ([]byte, error)) (Result, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	var res Result
	err := Retry(func() (err error) {
		res, err = update(ctx, path, o, edit)
		return err
	})
	return res, err
}

// Retry calls update, and again after somebody else's change: while its error
// wraps [ErrChanged], ten times in all.
func Retry(update func() error) error {
	for try := 1; ; try++ {
		err := update()
		switch {
		case !errors.Is(err, ErrChanged):
			return err
		case try == maxTries:
			return fmt.Errorf("%w (%d times in turn; it is as that program left it)", err, try)
		}
	}
}

func update(ctx context.Context, path string, opts Options, edit func(old []byte, exists bool) ([]byte, error)) (Result, error) {
	var w *File
	before := opts.Before
	opts.Before = func() error {
		if now, err := w.look(); err != nil || !Same(w.old, now) {
			return errors.Join(ErrChanged, err)
		}
		if before != nil {
			return before()
		}
		return nil
	}
	w, err := Create(ctx, path, &opts)
	if err != nil {
		return Result{}, err
	}
	defer w.Abort()
	var old []byte
	f, err := w.oldLocked(ctx)
	exists := err == nil
	if exists {
		defer f.Close()
		old, err = io.ReadAll(f)
		if runtime.GOOS == "windows" {
			f.Close() // an open file cannot be replaced there
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Result{}, err
	}
	edited, err := edit(bytes.Clone(old), exists)
	if err != nil {
		return Result{}, err
	}
	if exists && bytes.Equal(old, edited) {
		return Result{}, nil
	}
	if _, err := w.Write(edited); err != nil {
		return Result{}, fmt.Errorf("replace %s: %w", path, err)
	}
	return w.Commit()
}

// oldLocked opens the old content. Where PATH.tmp could not be made the file
// itself is locked instead.
func (w *File) oldLocked(ctx context.Context) (*os.File, error) {
	if w.aside != "" {
		return w.Old()
	}
	deadline := time.Now().Add(w.opts.LockWait)
	for pause := time.Millisecond; ; pause = min(2*pause, lastPause) {
		f, err := w.Old()
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if err == nil && locked {
			mine, e1 := f.Stat()
			named, e2 := w.look()
			if err = errors.Join(e1, e2); err == nil && named != nil && os.SameFile(mine, named) {
				w.old = mine
				return f, nil
			}
			w.old = named // replaced while we waited
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		if locked {
			continue
		}
		if err := w.wait(ctx, w.target, deadline, pause); err != nil {
			return nil, fmt.Errorf("replace %s: %w", w.path, err)
		}
	}
}

// look tells what the target is now; nil without an error when there is none.
func (w *File) look() (fs.FileInfo, error) {
	now, err := os.Lstat(w.target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return now, err
}

// Same reports whether two looks at a name saw the same file with, as far as
// size and time tell, the same content. nil stands for no file.
func Same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
