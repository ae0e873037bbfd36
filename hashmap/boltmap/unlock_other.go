//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package boltmap

import "os"

// abandon closes the file of a DB that cannot be closed, and with it its lock.
func abandon(f *os.File) error { return f.Close() }
