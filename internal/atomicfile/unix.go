//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const noFollow = unix.O_NOFOLLOW

// tryLock takes the exclusive lock if nobody has it.
func tryLock(f *os.File) (bool, error) {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case nil:
			return true, nil
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return false, nil
		default:
			return false, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}

func ownerOf(fi fs.FileInfo) *Owner {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return &Owner{int(st.Uid), int(st.Gid)}
	}
	return nil
}

// ours reports whether a file that stands where new content will be written
// was left there by this user and has no other name.
func ours(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && fi.Mode().IsRegular() && st.Nlink == 1 && int(st.Uid) == os.Geteuid()
}

// cannotRename reports an error that says that the target cannot be renamed
// over, though it may be writable: a mount point.
func cannotRename(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EXDEV)
}

// cannotCreate reports an error that says that nothing can be created beside
// the target.
func cannotCreate(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission)
}
