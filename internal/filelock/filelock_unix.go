//go:build unix

package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// attempt calls try with the descriptor until no signal interrupts it, and
// sorts the result. It leaves the file in the poller's non-blocking mode, which
// File.Fd would not.
func attempt(f *os.File, try func(fd uintptr) error) (bool, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var result error
	err = conn.Control(func(fd uintptr) {
		for {
			if result = try(fd); result != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return false, err
	}
	switch {
	case result == nil:
		return true, nil
	case errors.Is(result, unix.EAGAIN), errors.Is(result, unix.EACCES):
		return false, nil
	case errors.Is(result, unix.ENOSYS), errors.Is(result, unix.EOPNOTSUPP):
		return false, ErrUnsupported
	}
	return false, result
}

func record(f *os.File, typ int16) (bool, error) {
	return attempt(f, func(fd uintptr) error {
		// Start and length 0: the whole file, however long it gets.
		return unix.FcntlFlock(fd, setRecordLock, &unix.Flock_t{Type: typ})
	})
}

func tryRecord(f *os.File, mode Mode) (bool, error) {
	if mode == Exclusive {
		return record(f, unix.F_WRLCK)
	}
	return record(f, unix.F_RDLCK)
}

func unlockRecord(f *os.File) error {
	_, err := record(f, unix.F_UNLCK)
	return err
}
