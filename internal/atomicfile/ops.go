package atomicfile

import (
	"io/fs"
	"os"
	"runtime"
)

// ops are the operations that can fail, so that tests can make each of them
// fail.
type ops struct {
	openAside func(name string) (*os.File, error)
	truncate  func(f *os.File, size int64) error
	write     func(f *os.File, p []byte) (int, error)
	writeAt   func(f *os.File, p []byte, off int64) (int, error)
	sync      func(f *os.File) error
	chown     func(f *os.File, uid, gid int) error
	chmod     func(f *os.File, mode fs.FileMode) error
	copyAttrs func(to *os.File, from string) error
	close     func(f *os.File) error
	rename    func(from, to string) error
	syncDir   func(dir string) error
}

var realOps = ops{
	openAside: openAside,
	truncate:  (*os.File).Truncate,
	write:     (*os.File).Write,
	writeAt:   (*os.File).WriteAt,
	sync:      (*os.File).Sync,
	chown:     (*os.File).Chown,
	chmod:     (*os.File).Chmod,
	copyAttrs: copyAttrs,
	close:     (*os.File).Close,
	rename:    os.Rename,
	syncDir:   syncDir,
}

func openAside(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
}

// syncDir makes a rename in dir survive a power loss.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened for syncing there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
