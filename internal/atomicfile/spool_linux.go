package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

func memoryFile() *os.File {
	fd, err := unix.MemfdCreate("postfixkit", unix.MFD_CLOEXEC)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "postfixkit")
}
