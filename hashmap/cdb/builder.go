package cdb

import (
	"fmt"
	"io"

	"github.com/postfixkit/postfixkit/internal/sink"
)

// Duplicates says what becomes of a key that is added more than once.
type Duplicates uint8

const (
	RejectDuplicates Duplicates = iota // WriteTo fails with a *DuplicateError
	KeepFirst                          // the first record stays: postmap without flags
	KeepLast                           // the last record stays, in its own place: postmap -r
	KeepAll                            // all stay, lookups find the first: postmap -w
)

// BuildOptions for [NewBuilder]. The zero value and nil reject repeated keys.
type BuildOptions struct {
	Duplicates Duplicates

	// OnDuplicate, when set, is called by WriteTo before it writes, for every
	// record whose key was added before, in the order they were added. first
	// and again count the calls of Add from 0. key must not be kept.
	OnDuplicate func(key []byte, first, again int)
}

// A Builder collects records and writes them as one table. The same records in
// the same order give the same bytes, and they are the bytes TinyCDB and
// postmap write. It is not safe for concurrent use.
type Builder struct {
	opts    BuildOptions
	records records
	slots   slotList
	size    int64 // of the file, if all records stay
	limit   int64 // what size may reach
}

// NewBuilder returns an empty Builder. A nil opts is the default.
func NewBuilder(opts *BuildOptions) *Builder {
	b := &Builder{size: headerSize, limit: maxSize - 1}
	if opts != nil {
		b.opts = *opts
	}
	return b
}

// Add adds a copy of one record. Keys and values may be empty and of any
// length. It fails with [ErrTooLarge] when the file would reach 4 GiB; records
// that a policy for repeated keys will drop count until then.
func (b *Builder) Add(key, value []byte) error {
	need := recordHead + int64(len(key)) + int64(len(value)) + 2*slotSize
	if need > b.limit-b.size {
		return fmt.Errorf("%w: record %d of %d+%d bytes no longer fits", ErrTooLarge, b.Len()+1, len(key), len(value))
	}
	b.slots.add(newSlot(hash(key), b.records.end()))
	b.records.add(key, value)
	b.size += need
	return nil
}

// Len returns how many records were added.
func (b *Builder) Len() int { return b.slots.n }

// WriteTo writes the table to w, from the first byte to the last. Repeated keys
// are found and reported before anything is written. It may be called again.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	t := b.slots.byTable()
	repeats := b.repeats(t)
	for _, r := range repeats {
		if b.opts.OnDuplicate != nil {
			b.opts.OnDuplicate(b.records.key(r.again), b.slots.number(r.first), b.slots.number(r.again))
		}
	}
	if len(repeats) > 0 && b.opts.Duplicates == RejectDuplicates {
		return 0, b.duplicateError(repeats)
	}
	gaps := b.gaps(repeats)
	if len(gaps) > 0 {
		t = b.slots.without(gaps).byTable()
	}

	out := sink.New(w)
	pos := b.records.end()
	if n := len(gaps); n > 0 {
		pos -= gaps[n-1].gone
	}
	for i := range tables {
		// An empty table too says where it would be: TinyCDB takes the
		// position of table 0 as the end of the records.
		n := uint32(len(t.of(i)))
		out.Pair(pos, 2*n)
		pos += 2 * n * slotSize
	}
	b.records.write(out, gaps)
	t.write(out)
	n, err := out.Flush()
	if err != nil {
		return n, fmt.Errorf("cdb: %w", err)
	}
	return n, nil
}
