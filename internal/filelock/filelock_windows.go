package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// The locked byte. Windows locks are mandatory, so that a lock on the content
// would make readers fail.
const farByte = 0x7ffffffffffffffe

func overlapped() *windows.Overlapped {
	return &windows.Overlapped{Offset: farByte & 0xffffffff, OffsetHigh: farByte >> 32}
}

func tryLock(f *os.File, kind Kind, mode Mode) (bool, error) {
	// Windows would count a second lock beside the first; a change of mode
	// means the first has to go.
	_ = unlock(f, kind)
	var flags uint32 = windows.LOCKFILE_FAIL_IMMEDIATELY
	if mode == Exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, overlapped())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File, _ Kind) error {
	err := windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, overlapped())
	if errors.Is(err, windows.ERROR_NOT_LOCKED) {
		return nil
	}
	return err
}
