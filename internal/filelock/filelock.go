// Package filelock takes the locks that Postfix takes on its table files, and
// never waits for ever.
//
//	f, err := filelock.Open(ctx, "/etc/postfix/virtual.db", os.O_RDWR, 0, filelock.Flock, filelock.Exclusive)
//
// Postfix uses two kinds which do not see each other, so the kind has to be the
// one of the file: [Flock] on Berkeley DB files and on the temporary file of a
// cdb build, [Record] on LMDB files. On Linux record locks are taken as open
// file description locks. They conflict with the POSIX locks of other
// programs as those do among themselves, but belong to the open file: a POSIX
// lock would vanish when the process closes any other descriptor of it. On the
// other Unix systems it is such a POSIX lock: there, open a locked LMDB file
// only once per process.
//
// Windows has no Postfix to agree with. There both kinds are one lock on a
// byte beyond the end of any file, which keeps out only programs that ask.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Kind says which of the two lock mechanisms a file uses. The zero Kind is
// invalid.
type Kind uint8

const (
	// Flock locks the open file, flock(2). On systems whose Postfix uses
	// fcntl everywhere (Solaris, AIX) it is the same as Record.
	Flock Kind = iota + 1
	// Record locks the whole range of the file, fcntl(2). Exclusive needs a
	// descriptor open for writing, Shared one open for reading.
	Record
)

// Mode says who else may hold the lock. The zero Mode is invalid.
type Mode uint8

const (
	Shared    Mode = iota + 1 // others may hold a shared lock too
	Exclusive                 // nobody else holds any
)

// DefaultWait is how long is waited for a lock when the context has no
// deadline.
const DefaultWait = 30 * time.Second

var (
	// ErrBusy reports that somebody else held the lock for the whole time. It
	// is what the error of a wait ended by its deadline wraps.
	ErrBusy = errors.New("locked by another process")
	// ErrUnsupported reports that the platform or the file system has no
	// locks of the kind.
	ErrUnsupported = errors.ErrUnsupported

	errInvalid = errors.New("filelock: invalid kind or mode")
)

// The waits between two attempts double from first to last: a postmap run ends
// within milliseconds or takes seconds.
const (
	firstPause = 500 * time.Microsecond
	lastPause  = 50 * time.Millisecond
)

// Lock takes the lock, or changes a held one to another mode. It waits until
// the end of ctx, and [DefaultWait] when ctx has no deadline; the error then
// wraps [ErrBusy]. A change of mode is not atomic: another process may
// get in between, and a change that fails may leave the file unlocked.
func Lock(ctx context.Context, f *os.File, kind Kind, mode Mode) error {
	wait := ctx
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, DefaultWait)
		defer cancel()
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		ok, err := TryLock(f, kind, mode)
		if ok || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-wait.Done():
			timer.Stop()
			// A caller's cancellation is not the other process's fault.
			if errors.Is(ctx.Err(), context.Canceled) {
				return &os.PathError{Op: "lock", Path: f.Name(), Err: ctx.Err()}
			}
			return &os.PathError{Op: "lock", Path: f.Name(), Err: ErrBusy}
		}
	}
}

// TryLock takes the lock when it is free now. It reports false without an
// error when somebody else holds it.
func TryLock(f *os.File, kind Kind, mode Mode) (bool, error) {
	if kind != Flock && kind != Record || mode != Shared && mode != Exclusive {
		return false, errInvalid
	}
	ok, err := tryLock(f, kind, mode)
	if err != nil {
		return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return ok, nil
}

// Unlock gives the lock back. Closing the file does so too.
func Unlock(f *os.File, kind Kind) error {
	if kind != Flock && kind != Record {
		return errInvalid
	}
	if err := unlock(f, kind); err != nil {
		return &os.PathError{Op: "unlock", Path: f.Name(), Err: err}
	}
	return nil
}

// Open opens a file as os.OpenFile does and locks it. When another program
// replaced the file while the lock was waited for, the lock would be one on a
// file nobody sees any more: Open then begins again with the new one.
func Open(ctx context.Context, path string, flag int, perm os.FileMode, kind Kind, mode Mode) (*os.File, error) {
	for range 100 {
		f, err := os.OpenFile(path, flag, perm)
		if err != nil {
			return nil, err
		}
		if err := Lock(ctx, f, kind, mode); err != nil {
			f.Close()
			return nil, err
		}
		same, err := isAt(f, path)
		if same {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("lock %s: the file is replaced faster than it can be locked", path)
}

// isAt reports whether f still is the file at path.
func isAt(f *os.File, path string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // gone: the next os.OpenFile says so, or makes it anew
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(opened, named), nil
}
