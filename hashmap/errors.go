package hashmap

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt is wrapped by every error about the content of a table file;
	// [CorruptError] has the place.
	ErrCorrupt = errors.New("hashmap: table file is damaged")
	// ErrDuplicate is wrapped by [DuplicateError].
	ErrDuplicate = errors.New("hashmap: duplicate key")
	// ErrTooLarge is wrapped when a key, a value or the whole table exceeds
	// what the format holds.
	ErrTooLarge = errors.New("hashmap: too large for the format")
	// ErrUnknownFormat is wrapped when a file is no table of any known format.
	ErrUnknownFormat = errors.New("hashmap: not a table file")
	// ErrUnsupported is wrapped when a file is sound but uses something that is
	// not read here, such as encryption or several databases in one file.
	ErrUnsupported = errors.New("hashmap: unsupported kind of table file")
	// ErrKeySize is wrapped by [KeyError].
	ErrKeySize = errors.New("hashmap: key too long or empty for the format")
	// ErrClosed is wrapped by lookups in a closed table.
	ErrClosed = errors.New("hashmap: table is closed")
)

// CorruptError says where a table file is damaged and how. It wraps
// [ErrCorrupt] and the error of the format's own package.
type CorruptError struct {
	Path   string // "" for a table that is no file
	Page   int64  // page number, for formats that have pages
	Offset int64  // byte offset in the file
	Reason string

	err error
}

func (e *CorruptError) Error() string {
	name := e.Path
	if name == "" {
		name = "table"
	}
	return fmt.Sprintf("%s: damaged at byte %d: %s", name, e.Offset, e.Reason)
}

// Unwrap returns ErrCorrupt and the error it was made from.
func (e *CorruptError) Unwrap() []error {
	if e.err == nil {
		return []error{ErrCorrupt}
	}
	return []error{ErrCorrupt, e.err}
}

// DuplicateError reports a key that was added twice where that is not allowed.
// It wraps [ErrDuplicate].
type DuplicateError struct {
	Key          string
	First, Again int // which calls of Add, counted from 0
	Count        int // how many entries repeat a key
	Source       string
	FirstLine    int // lines of Source, when the entries came from one; else 0
	AgainLine    int
}

func (e *DuplicateError) Error() string {
	if e.AgainLine > 0 {
		return fmt.Sprintf("%s:%d: duplicate key %q, first in line %d", e.Source, e.AgainLine, e.Key, e.FirstLine)
	}
	return fmt.Sprintf("hashmap: duplicate key %q: entry %d repeats entry %d", e.Key, e.Again+1, e.First+1)
}

// Unwrap returns [ErrDuplicate].
func (e *DuplicateError) Unwrap() error { return ErrDuplicate }

// KeyError reports a key that the format cannot store. It wraps [ErrKeySize].
type KeyError struct {
	Key    string // as it would be stored, with its NUL if it has one
	Format Format
	Limit  int    // the longest key the format stores, in bytes
	Source string // where the key comes from, if from a source; with Line
	Line   int

	err error
}

func (e *KeyError) Error() string {
	where := "hashmap: "
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d: ", e.Source, e.Line)
	}
	key, more, nul := cString(e.Key), "", ""
	if len(key) < len(e.Key) {
		nul = ", its NUL included"
	}
	if len(key) > 100 {
		key, more = key[:100], "..."
	}
	return fmt.Sprintf("%skey %q%s has %d bytes%s; %v keys have 1 to %d", where, key, more, len(e.Key), nul, e.Format, e.Limit)
}

// Unwrap returns [ErrKeySize] and the error it was made from.
func (e *KeyError) Unwrap() []error { return []error{ErrKeySize, e.err} }

// ValueError reports a value that is not UTF-8 in a table that is asked with
// [OpenOptions].UTF8.
type ValueError struct{ Path, Key, Value string }

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s: key %q: non-UTF-8 value %q: malformed UTF-8 or invalid codepoint", e.Path, e.Key, e.Value)
}

// notThat is the error for a file of another format than the one asked for.
func notThat(path string, is, want Format) error {
	if path != "" {
		path += ": "
	}
	return &wrapped{fmt.Errorf("hashmap: %sit is a %v file, not %v", path, is, want), ErrUnknownFormat}
}
