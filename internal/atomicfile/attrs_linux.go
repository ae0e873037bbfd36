package atomicfile

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// copyAttrs gives to the extended attributes of the file named from. One that
// may not be set by this user, or that the file system does not know, is left
// out: the kernel sets the important ones (security labels) by itself.
func copyAttrs(to *os.File, from string) error {
	names, err := listAttrs(from)
	if err != nil || len(names) == 0 {
		return err
	}
	fd := int(to.Fd())
	for _, name := range names {
		value, err := getAttr(from, name)
		if err == nil {
			err = unix.Fsetxattr(fd, name, value, 0)
		}
		if err != nil && !leaveOut(err) {
			return &os.PathError{Op: "copy attribute " + name, Path: from, Err: err}
		}
	}
	return nil
}

func leaveOut(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) ||
		errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENODATA)
}

func listAttrs(path string) ([]string, error) {
	list, err := sized(func(buf []byte) (int, error) { return unix.Listxattr(path, buf) })
	if leaveOut(err) {
		return nil, nil
	}
	var names []string
	for _, n := range bytes.Split(list, []byte{0}) {
		if len(n) > 0 {
			names = append(names, string(n))
		}
	}
	return names, err
}

func getAttr(path, name string) ([]byte, error) {
	return sized(func(buf []byte) (int, error) { return unix.Getxattr(path, name, buf) })
}

// sized calls get with a buffer that is large enough.
func sized(get func([]byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := get(buf)
		if errors.Is(err, unix.ERANGE) && size < 1<<20 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}
