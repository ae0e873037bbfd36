package bdb

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt is wrapped by every *CorruptError.
	ErrCorrupt = errors.New("file is damaged")

	// ErrNotBerkeleyDB is returned for files that are no Berkeley DB hash or
	// btree file at all, the empty file among them.
	ErrNotBerkeleyDB = errors.New("not a Berkeley DB hash or btree file")

	// ErrUnsupported is returned for sound files this package does not read or
	// update: encrypted ones, sub-databases, record number trees, compressed
	// trees, partitions, blobs, and files of libdb before 3.1.
	ErrUnsupported = errors.New("not supported")

	// ErrTooLarge is returned when a key or value has 4 GiB or more, or when a
	// file would need more than 2^32-1 pages.
	ErrTooLarge = errors.New("too large for a Berkeley DB file")

	// ErrDuplicate is returned for a key that is there already.
	ErrDuplicate = errors.New("duplicate key")
)

// CorruptError says what is wrong with a file, and where. It wraps ErrCorrupt.
type CorruptError struct {
	Path   string // "" when the file was given as an io.ReaderAt
	Page   int64  // page number
	Offset int64  // byte in the file
	Reason string
}

func (e *CorruptError) Error() string {
	s := "bdb: "
	if e.Path != "" {
		s += e.Path + ": "
	}
	return s + fmt.Sprintf("%v: page %d, byte %d: %s", ErrCorrupt, e.Page, e.Offset, e.Reason)
}

func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// corrupt returns a *CorruptError about byte at of page pgno.
func (r *Reader) corrupt(pgno uint32, at int, format string, args ...any) error {
	return &CorruptError{
		Path:   r.path,
		Page:   int64(pgno),
		Offset: int64(pgno)*int64(r.size) + int64(at),
		Reason: fmt.Sprintf(format, args...),
	}
}

// named puts the package and the file in front of an error.
func named(path string, err error) error {
	if path == "" {
		return fmt.Errorf("bdb: %w", err)
	}
	return fmt.Errorf("bdb: %s: %w", path, err)
}
