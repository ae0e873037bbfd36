package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginSync has the disk begin with a range that was written. It is a hint: the
// sync at the end finds out about errors.
func beginSync(f *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}
