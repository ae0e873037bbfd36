//go:build !unix && !windows

package filelock

import "os"

func tryLock(*os.File, Kind, Mode) (bool, error) { return false, ErrUnsupported }

func unlock(*os.File, Kind) error { return ErrUnsupported }
