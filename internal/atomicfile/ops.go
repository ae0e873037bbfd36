package atomicfile

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// ops are the operations that can fail, so that tests can make each of them
// fail.
type ops struct {
	openAside func(name string) (f *os.File, created bool, err error)
	truncate  func(f *os.File, size int64) error
	write     func(f *os.File, p []byte) (int, error)
	writeAt   func(f *os.File, p []byte, off int64) (int, error)
	sync      func(f *os.File) error
	chown     func(f *os.File, uid, gid int) error
	chmod     func(f *os.File, mode fs.FileMode) error
	copyAttrs func(to *os.File, from string, mode fs.FileMode) error
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

// failing returns operations that ask fault first. A write that fails writes
// half of its bytes, as a full disk does.
func (o *ops) failing(fault func(op string) error) *ops {
	half := func(p []byte, write func([]byte) (int, error)) (int, error) {
		if err := fault("write"); err != nil {
			n, _ := write(p[:len(p)/2])
			return n, err
		}
		return write(p)
	}
	do := func(op string, run func() error) error {
		if err := fault(op); err != nil {
			return err
		}
		return run()
	}
	return &ops{
		openAside: func(name string) (f *os.File, created bool, err error) {
			err = do("open", func() error { f, created, err = o.openAside(name); return err })
			return f, created, err
		},
		write: func(f *os.File, p []byte) (int, error) {
			return half(p, func(p []byte) (int, error) { return o.write(f, p) })
		},
		writeAt: func(f *os.File, p []byte, off int64) (int, error) {
			return half(p, func(p []byte) (int, error) { return o.writeAt(f, p, off) })
		},
		truncate: func(f *os.File, n int64) error { return do("truncate", func() error { return o.truncate(f, n) }) },
		sync:     func(f *os.File) error { return do("sync", func() error { return o.sync(f) }) },
		chown:    func(f *os.File, u, g int) error { return do("chown", func() error { return o.chown(f, u, g) }) },
		chmod:    func(f *os.File, m fs.FileMode) error { return do("chmod", func() error { return o.chmod(f, m) }) },
		copyAttrs: func(f *os.File, from string, m fs.FileMode) error {
			return do("xattr", func() error { return o.copyAttrs(f, from, m) })
		},
		close: func(f *os.File) error { // gives up the descriptor also when it fails
			err := o.close(f)
			return cmp.Or(fault("close"), err)
		},
		rename:  func(from, to string) error { return do("rename", func() error { return o.rename(from, to) }) },
		syncDir: func(dir string) error { return do("syncdir", func() error { return o.syncDir(dir) }) },
	}
}

// openAside opens a file that will be renamed, and tells whether it is new.
func openAside(name string) (f *os.File, created bool, err error) {
	const mode = 0o600
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|noFollow, mode)
	if !errors.Is(err, fs.ErrExist) {
		return f, err == nil, err
	}
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|noFollow, mode)
	if errors.Is(err, fs.ErrPermission) {
		// Ready to be renamed, with the mode of a file that is only read: good
		// enough to wait for its lock.
		if r, e := os.OpenFile(name, os.O_RDONLY|noFollow, 0); e == nil {
			return r, false, nil
		}
	}
	return f, false, err
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
