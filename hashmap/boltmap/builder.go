package boltmap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/postfixkit/postfixkit/internal/arena"
	"go.etcd.io/bbolt"
)

// Duplicates says what becomes of a key that is added more than once.
type Duplicates uint8

const (
	RejectDuplicates Duplicates = iota // WriteTo fails with a *DuplicateError
	KeepFirst                          // the first record stays
	KeepLast                           // the last record stays
)

// BuildOptions for [NewBuilder]. The zero value and nil reject repeated keys.
type BuildOptions struct {
	Duplicates Duplicates

	// OnDuplicate, when set, is called by WriteTo before it writes, for every
	// record whose key was added before, in the order they were added. first
	// and again count the calls of Add from 0. key must not be kept.
	OnDuplicate func(key []byte, first, again int)

	// Bucket is the name of the bucket made; "" is DefaultBucket.
	Bucket string

	// TempDir is where WriteTo makes the file that it then copies; "" is the
	// system's place for such files.
	TempDir string
}

// A Builder collects records and writes them as one bbolt file. The same
// records give the same bytes on machines of one kind. It is not safe for
// concurrent use.
type Builder struct {
	opts  BuildOptions
	store arena.Store
}

// NewBuilder returns an empty Builder. A nil opts is the default.
func NewBuilder(opts *BuildOptions) *Builder {
	b := &Builder{}
	if opts != nil {
		b.opts = *opts
	}
	if b.opts.Bucket == "" {
		b.opts.Bucket = DefaultBucket
	}
	return b
}

// Add adds a copy of one record. It fails with a [*KeyError] for a key that is
// empty or too long, and wraps [ErrTooLarge] for a value of 2 GiB; then the
// record is not added.
func (b *Builder) Add(key, value []byte) error {
	switch {
	case len(key) == 0 || len(key) > maxKey:
		return &KeyError{Key: bytes.Clone(key), Limit: maxKey}
	case int64(len(value)) > maxValue:
		return fmt.Errorf("%w: key %s has a value of %d bytes", ErrTooLarge, arena.Quoted(key), len(value))
	}
	if err := b.store.Add(key, value); err != nil {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return nil
}

// Len returns how many records were added.
func (b *Builder) Len() int { return b.store.Len() }

// WriteTo writes the table to w. Repeated keys are found and reported before
// anything is written. It may be called again.
func (b *Builder) WriteTo(w io.Writer) (n int64, err error) {
	order, err := b.store.Sorted(arena.Duplicates{
		Policy: arena.Policy(b.opts.Duplicates), // the same constants
		Report: b.opts.OnDuplicate,
	}, nil)
	if err != nil {
		var dup *arena.DuplicateError
		if errors.As(err, &dup) {
			return 0, (*DuplicateError)(dup)
		}
		return 0, fmt.Errorf("boltmap: %w", err)
	}
	f, err := os.CreateTemp(b.opts.TempDir, "boltmap-*")
	if err != nil {
		return 0, fmt.Errorf("boltmap: %w", err)
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return 0, fmt.Errorf("boltmap: %w", err)
	}
	t, err := OpenWrite(f.Name(), &Options{Bucket: b.opts.Bucket, NoSync: true})
	if err != nil {
		return 0, err
	}
	defer t.Close()
	if err := b.fill(t, order); err != nil {
		return 0, err
	}
	return t.WriteTo(w)
}

// fill puts the records, already in order, into pages that are left full. A
// transaction of bbolt keeps what it changes in memory, with much around it, so
// that there are several.
func (b *Builder) fill(t *Table, order []arena.Item) error {
	const records, size = 50_000, 64 << 20
	for len(order) > 0 {
		err := t.update(func(tx *bbolt.Tx) error {
			bucket := t.in(tx)
			bucket.FillPercent = 1
			sum := 0
			for i := 0; i < records && sum < size && len(order) > 0; i++ {
				key, value := b.store.Record(order[0].Ref)
				if err := bucket.Put(key, value); err != nil {
					return err
				}
				sum += len(key) + len(value)
				order = order[1:]
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteTo writes a copy of the whole file to w, as it is at this moment. Changes may
// have to wait until it is over, so that w must not make any.
func (t *Table) WriteTo(w io.Writer) (n int64, err error) {
	var failed error // of w, whose panics and errors are its own
	err = t.view(func(tx *bbolt.Tx) error {
		n, failed = tx.WriteTo(w)
		return nil
	})
	if err == nil && failed != nil {
		err = fmt.Errorf("boltmap: %w", failed)
	}
	return n, err
}
