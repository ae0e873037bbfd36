//go:build unix && !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filelock

import "os"

func tryLock(f *os.File, _ Kind, mode Mode) (bool, error) { return tryRecord(f, mode) }

func unlock(f *os.File, _ Kind) error { return unlockRecord(f) }
