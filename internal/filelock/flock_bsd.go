//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filelock

import (
	"os"

	"golang.org/x/sys/unix"
)

func tryLock(f *os.File, kind Kind, mode Mode) (bool, error) {
	if kind == Record {
		return tryRecord(f, mode)
	}
	how := unix.LOCK_SH
	if mode == Exclusive {
		how = unix.LOCK_EX
	}
	return attempt(f, func(fd uintptr) error { return unix.Flock(int(fd), how|unix.LOCK_NB) })
}

func unlock(f *os.File, kind Kind) error {
	if kind == Record {
		return unlockRecord(f)
	}
	_, err := attempt(f, func(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_UN) })
	return err
}
