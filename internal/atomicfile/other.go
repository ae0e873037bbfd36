//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
)

const noFollow = 0

// tryLock does not lock here: Postfix does not run on these systems, and of
// our own writers the last one wins.
func tryLock(*os.File) (bool, error) { return true, nil }

func ownerOf(fs.FileInfo) *Owner { return nil }

func ours(fi fs.FileInfo) bool { return fi.Mode().IsRegular() }

func cannotRename(error) bool { return false }

func cannotCreate(err error) bool { return errors.Is(err, fs.ErrPermission) }
