package boltmap

import (
	"errors"
	"fmt"
	"strings"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/postfixkit/postfixkit/internal/arena"
)

var (
	// ErrCorrupt is wrapped by every error about the content of a file.
	ErrCorrupt = errors.New("boltmap: file is damaged")

	// ErrLocked is wrapped when another process keeps the file locked for
	// longer than the timeout.
	ErrLocked = errors.New("boltmap: file is locked")

	// ErrReadOnly is wrapped by changes to a table opened with Open.
	ErrReadOnly = errors.New("boltmap: table is open for reading only")

	// ErrBucket is wrapped when a file does not have the bucket asked for, or
	// several when none was asked for.
	ErrBucket = errors.New("boltmap: which bucket is not clear")

	// ErrKeySize is wrapped by [*KeyError].
	ErrKeySize = errors.New("boltmap: key too long or empty")

	// ErrTooLarge is wrapped for values of 2 GiB and more.
	ErrTooLarge = errors.New("boltmap: value too large")

	// ErrDuplicate is wrapped by [*DuplicateError].
	ErrDuplicate = errors.New("boltmap: duplicate key")
)

// CorruptError says where a file is damaged and how. It wraps [ErrCorrupt].
// Damage that bbolt itself ran into has no place: Page and Offset are 0.
type CorruptError struct {
	Path   string
	Page   int64 // page number
	Offset int64 // byte offset of the damage in the file
	Reason string
}

func (e *CorruptError) Error() string {
	name := e.Path
	if name == "" {
		name = "damaged file"
	}
	return fmt.Sprintf("boltmap: %s: page %d, offset %d: %s", name, e.Page, e.Offset, e.Reason)
}

// Unwrap returns [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// KeyError reports a key that bbolt cannot store. It wraps [ErrKeySize].
type KeyError struct {
	Key   []byte
	Limit int // the longest key, in bytes
}

func (e *KeyError) Error() string {
	if len(e.Key) == 0 {
		return "boltmap: empty key: bbolt stores keys of 1 byte and more"
	}
	return fmt.Sprintf("boltmap: key %s has %d bytes, bbolt stores at most %d", arena.Quoted(e.Key), len(e.Key), e.Limit)
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
	return "boltmap: " + (*arena.DuplicateError)(e).Error()
}

// Unwrap returns [ErrDuplicate].
func (e *DuplicateError) Unwrap() error { return ErrDuplicate }

// translate gives errors of bbolt the names they have here.
func (t *Table) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: %s, waited %s", ErrLocked, t.path, t.opts.LockTimeout)
	case errors.Is(err, bolterrors.ErrDatabaseReadOnly), errors.Is(err, bolterrors.ErrTxNotWritable):
		return fmt.Errorf("%w: %s", ErrReadOnly, t.path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return &CorruptError{Path: t.path, Reason: "no valid meta page: " + err.Error()}
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return errClosed
	case strings.HasPrefix(err.Error(), "boltmap: "):
		return err
	}
	return fmt.Errorf("boltmap: %w", err)
}
