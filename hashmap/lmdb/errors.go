package lmdb

import (
	"errors"
	"fmt"
	"os"

	"github.com/postfixkit/postfixkit/internal/arena"
)

var (
	// ErrCorrupt is wrapped by every error about the content of a file.
	ErrCorrupt = errors.New("lmdb: file is damaged")

	// ErrUnsupported is wrapped when a file is sound but uses something that
	// this package does not read: LMDB 1.0, named databases, several values
	// for one key.
	ErrUnsupported = errors.New("lmdb: unsupported kind of LMDB file")

	// ErrChanged is returned when another process changes a table faster than
	// it can be read.
	ErrChanged = errors.New("lmdb: table changed while it was read")

	// ErrKeySize is wrapped by [*KeyError].
	ErrKeySize = errors.New("lmdb: key too long or empty")

	// ErrTooLarge is wrapped when a table does not fit the format.
	ErrTooLarge = errors.New("lmdb: table too large")

	// ErrDuplicate is wrapped by [*DuplicateError].
	ErrDuplicate = errors.New("lmdb: duplicate key")

	errClosed = fmt.Errorf("lmdb: %w", os.ErrClosed)
)

// CorruptError says where a file is damaged and how. It wraps [ErrCorrupt].
type CorruptError struct {
	Path   string // file name, "" for a Reader without one
	Page   int64  // page number
	Offset int64  // byte offset of the damage in the file
	Reason string
}

func (e *CorruptError) Error() string {
	name := e.Path
	if name == "" {
		name = "damaged file"
	}
	return fmt.Sprintf("lmdb: %s: page %d, offset %d: %s", name, e.Page, e.Offset, e.Reason)
}

// Unwrap returns [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// KeyError reports a key that LMDB cannot store. It wraps [ErrKeySize].
type KeyError struct {
	Key   []byte
	Limit int // the longest key, in bytes
}

func (e *KeyError) Error() string {
	if len(e.Key) == 0 {
		return "lmdb: empty key: LMDB stores keys of 1 byte and more"
	}
	return fmt.Sprintf("lmdb: key %s has %d bytes, LMDB stores at most %d", arena.Quoted(e.Key), len(e.Key), e.Limit)
}

// Unwrap returns [ErrKeySize].
func (e *KeyError) Unwrap() error { return ErrKeySize }

// DuplicateError reports that one key was added twice to a [Builder] whose
// policy is [RejectDuplicates]. It wraps [ErrDuplicate].
type DuplicateError struct {
	Key          []byte
	First, Again int // which calls of Add, counted from 0
	Count        int // how many records repeat a key
}

func (e *DuplicateError) Error() string {
	return "lmdb: " + (*arena.DuplicateError)(e).Error()
}

// Unwrap returns [ErrDuplicate].
func (e *DuplicateError) Unwrap() error { return ErrDuplicate }
