package atomicfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// copyAttrs gives to the extended attributes of the file named from. One that
// may not be set by this user, or that the file system does not know, is left
// out: the kernel sets the important ones (security labels) by itself. An access
// control list gets the mode the file is to have.
func copyAttrs(to *os.File, from string, mode fs.FileMode) error {
	names, err := listAttrs(from)
	if err != nil || len(names) == 0 {
		return err
	}
	fd := int(to.Fd())
	for _, name := range names {
		value, err := getAttr(from, name)
		if name == aclName {
			setACLMode(value, mode)
		}
		if err == nil {
			err = unix.Fsetxattr(fd, name, value, 0)
		}
		if err != nil && !leaveOut(err) {
			return &os.PathError{Op: "copy attribute " + name, Path: from, Err: err}
		}
	}
	return nil
}

// aclName is the attribute with the access control list, acl(5): a version,
// then entries of 8 bytes, all little endian: kind, rights, and for a named user
// or group its number.
const aclName = "system.posix_acl_access"

// The kinds of entries that are part of the mode.
const (
	aclOwner = 0x01
	aclGroup = 0x04
	aclMask  = 0x10 // stands in the mode's place of the group, where there is one
	aclOther = 0x20
)

// setACLMode changes the rights in a list as chmod(2) does.
func setACLMode(list []byte, mode fs.FileMode) {
	var group []byte
	for i := 4; i+8 <= len(list); i += 8 {
		rights := list[i+2 : i+4]
		switch binary.LittleEndian.Uint16(list[i:]) {
		case aclOwner:
			setRights(rights, mode>>6)
		case aclOther:
			setRights(rights, mode)
		case aclMask:
			group = rights
		case aclGroup:
			if group == nil {
				group = rights
			}
		}
	}
	if group != nil {
		setRights(group, mode>>3)
	}
}

func setRights(rights []byte, mode fs.FileMode) {
	binary.LittleEndian.PutUint16(rights, uint16(mode&7))
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
