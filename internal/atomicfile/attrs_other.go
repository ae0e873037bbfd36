//go:build !linux

package atomicfile

import (
	"io/fs"
	"os"
)

func copyAttrs(*os.File, string, fs.FileMode) error { return nil }
