// Package mmap maps table files into memory, read only, and keeps a file that
// shrinks under the mapping from killing the process.
//
// A lookup in mapped memory is wrapped like this:
//
//	func (r *Reader) Lookup(key string) (value string, err error) {
//		defer mmap.Recover(mmap.Protect(), &err)
//		...
//	}
//
// Touching a page that no longer exists behind the mapping then becomes
// [ErrFault] instead of SIGBUS. Both calls together cost a few nanoseconds.
package mmap

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
)

var (
	// ErrUnsupported is returned by [Map] where the platform has no mapping we
	// know of, and for files that do not fit the address space. The caller
	// falls back to reading.
	ErrUnsupported = errors.New("mmap: not supported here")

	// ErrFault reports that mapped memory could not be read: the file was
	// truncated after it was mapped, or the disk failed.
	ErrFault = errors.New("mmap: file changed or could not be read under its mapping")
)

// Map maps the first size bytes of f read only. A size of 0 gives an empty
// slice and no mapping. The file may be closed afterwards.
func Map(f *os.File, size int64) ([]byte, error) {
	if size < 0 || int64(int(size)) != size {
		return nil, ErrUnsupported
	}
	if size == 0 {
		return []byte{}, nil
	}
	return mapFile(f, int(size))
}

// Unmap releases what Map returned. The slice must not be used afterwards.
func Unmap(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return unmap(b)
}

// Protect makes a fault in mapped memory a panic of this goroutine until the
// matching [Recover], and returns the setting to go back to.
func Protect() (old bool) { return debug.SetPanicOnFault(true) }

// Recover ends what [Protect] began. A fault becomes ErrFault in *err; every
// other panic goes on. It must be deferred directly.
func Recover(old bool, err *error) {
	debug.SetPanicOnFault(old)
	switch e := recover().(type) {
	case nil:
	case interface {
		runtime.Error
		Addr() uintptr
	}: // only a memory fault has an address
		*err = ErrFault
	default:
		panic(e)
	}
}
