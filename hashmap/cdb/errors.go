package cdb

import (
	"errors"
	"fmt"
	"os"

	"github.com/postfixkit/postfixkit/internal/arena"
)

var (
	// ErrCorrupt is wrapped by every error about the content of a file.
	ErrCorrupt = errors.New("cdb: file is damaged")

	// ErrTooLarge is wrapped when the records do not fit a file of 4 GiB.
	ErrTooLarge = errors.New("cdb: table would exceed 4 GiB")

	// ErrDuplicate is wrapped by [*DuplicateError].
	ErrDuplicate = errors.New("cdb: duplicate key")

	errClosed = fmt.Errorf("cdb: %w", os.ErrClosed)
)

// CorruptError says where a file is damaged and how. It wraps [ErrCorrupt].
type CorruptError struct {
	Path   string // file name, "" for a Reader without one
	Page   int64  // always 0: the format has no pages
	Offset int64  // byte offset of the damage in the file
	Reason string
}

func (e *CorruptError) Error() string {
	name := e.Path
	if name == "" {
		name = "damaged file"
	}
	return fmt.Sprintf("cdb: %s: offset %d: %s", name, e.Offset, e.Reason)
}

// Unwrap returns [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// DuplicateError reports that one key was added twice to a [Builder] whose
// policy is [RejectDuplicates]. It wraps [ErrDuplicate].
type DuplicateError struct {
	Key          []byte
	First, Again int // which calls of Add, counted from 0
	Count        int // how many records repeat a key
}

func (e *DuplicateError) Error() string {
	return "cdb: " + (*arena.DuplicateError)(e).Error()
}

// Unwrap returns [ErrDuplicate].
func (e *DuplicateError) Unwrap() error { return ErrDuplicate }
