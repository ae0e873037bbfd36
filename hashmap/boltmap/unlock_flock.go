//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package boltmap

import (
	"errors"
	"os"
	"syscall"
)

// abandon closes the file of a DB that cannot be closed. Its mapping stays, and
// would keep the lock with it.
func abandon(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
