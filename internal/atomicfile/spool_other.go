//go:build !linux

package atomicfile

import "os"

func memoryFile() *os.File { return nil }
