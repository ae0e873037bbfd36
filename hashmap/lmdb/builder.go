package lmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/postfixkit/postfixkit/internal/arena"
	"github.com/postfixkit/postfixkit/internal/sink"
)

// Duplicates says what becomes of a key that is added more than once.
type Duplicates uint8

const (
	RejectDuplicates Duplicates = iota // WriteTo fails with a *DuplicateError
	KeepFirst                          // the first record stays: postmap without flags
	KeepLast                           // the last record stays: postmap -r
)

// ByteOrder is the order of the bytes in numbers, which in an LMDB file is that
// of the machine that uses it.
type ByteOrder uint8

const (
	NativeEndian ByteOrder = iota // that of this machine
	LittleEndian                  // x86, ARM
	BigEndian                     // s390x
)

// BuildOptions for [NewBuilder]. The zero value and nil reject repeated keys
// and write for 64-bit machines like this one.
type BuildOptions struct {
	Duplicates Duplicates

	// OnDuplicate, when set, is called by WriteTo before it writes, for every
	// record whose key was added before, in the order they were added. first
	// and again count the calls of Add from 0. key must not be kept.
	OnDuplicate func(key []byte, first, again int)

	// PageSize is a power of two from 512 to 32768, 0 for 4096. liblmdb opens
	// files of any page size. Small pages limit the length of keys.
	PageSize int
	// WordSize is 8, or 4 for a file that liblmdb on a 32-bit machine will
	// open; 0 is 8, whatever machine this is.
	WordSize int
	// ByteOrder of the machine that will open the file.
	ByteOrder ByteOrder

	// MapSize is the least map size written to the file, in bytes. Postfix
	// raises it when it needs more; 0 is its default of 16 MiB.
	MapSize int64
}

// A Builder collects records and writes them as one table: pages filled in key
// order, nothing free, one transaction. The same records give the same bytes.
// It is not safe for concurrent use.
type Builder struct {
	opts  BuildOptions
	geo   geometry
	store arena.Store
	err   error // of the options
}

// NewBuilder returns an empty Builder. A nil opts is the default; impossible
// options become the error of Add and WriteTo.
func NewBuilder(opts *BuildOptions) *Builder {
	b := &Builder{}
	if opts != nil {
		b.opts = *opts
	}
	if b.opts.PageSize == 0 {
		b.opts.PageSize = 4096
	}
	if b.opts.WordSize == 0 {
		b.opts.WordSize = 8
	}
	b.geo = geometry{word: b.opts.WordSize, page: b.opts.PageSize}
	switch b.opts.ByteOrder {
	case BigEndian:
		b.geo.big = true
	case NativeEndian:
		b.geo.big = binary.NativeEndian.Uint16([]byte{0, 1}) == 1
	}
	switch p := b.geo.page; {
	case p < minPage || p > maxPage || p&(p-1) != 0:
		b.err = fmt.Errorf("lmdb: page size %d, want a power of two from %d to %d", p, minPage, maxPage)
	case b.geo.word != 4 && b.geo.word != 8:
		b.err = fmt.Errorf("lmdb: word size %d, want 4 or 8", b.geo.word)
	case b.opts.Duplicates > KeepLast:
		b.err = fmt.Errorf("lmdb: unknown policy for duplicates %d", b.opts.Duplicates)
	case b.opts.MapSize < 0:
		b.err = fmt.Errorf("lmdb: map size %d", b.opts.MapSize)
	}
	return b
}

// MaxKey returns the length of the longest key that can be added: 511 bytes,
// less with pages below 2048 bytes.
func (b *Builder) MaxKey() int { return b.geo.maxKey() }

// Add adds a copy of one record. It fails with a [*KeyError] for a key that is
// empty or too long, and wraps [ErrTooLarge] for a value of 4 GiB; then the
// record is not added.
func (b *Builder) Add(key, value []byte) error {
	if b.err != nil {
		return b.err
	}
	if err := b.geo.storable(key, value, 0); err != nil {
		return err
	}
	if err := b.store.Add(key, value); err != nil {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return nil
}

// storable tells why a record with more bytes behind key and value cannot be
// stored.
func (g *geometry) storable(key, value []byte, more int) error {
	if n := len(key) + more; n == 0 || n > g.maxKey() {
		return &KeyError{Key: append([]byte(nil), key...), Limit: g.maxKey()}
	}
	if uint64(len(value))+uint64(more) > math.MaxUint32 {
		return fmt.Errorf("%w: key %s has a value of %d bytes", ErrTooLarge, arena.Quoted(key), len(value))
	}
	return nil
}

// A Batch is records that are collected apart from a Builder: with one for each,
// several goroutines can work for one Builder.
type Batch struct {
	geo     geometry
	nul     int // how many NULs there are behind a key
	records arena.Batch
}

// NewBatch returns an empty Batch for this Builder, with room for size bytes.
// With nul, Add puts a NUL behind keys and values. It may be called by several
// goroutines.
func (b *Builder) NewBatch(size int, nul bool) *Batch {
	t := &Batch{geo: b.geo, records: b.store.NewBatch(size, nul, b.geo.need)}
	if nul {
		t.nul = 1
	}
	return t
}

// Add adds a copy of one record. It fails as [Builder.Add] does.
func (t *Batch) Add(key, value []byte) error {
	if err := t.geo.storable(key, value, t.nul); err != nil {
		return err
	}
	if !t.records.Add(key, value) {
		return fmt.Errorf("%w: %d records in a batch", ErrTooLarge, t.records.Len())
	}
	return nil
}

// AddBatch adds all records of a Batch in the order they have there, and leaves
// it empty. That of a Builder for other pages is refused.
func (b *Builder) AddBatch(t *Batch) error {
	if b.err != nil {
		return b.err
	}
	if t.records.Len() > 0 && t.geo != b.geo {
		return errors.New("lmdb: a batch of a builder with other options")
	}
	if err := b.store.AddBatch(&t.records); err != nil {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return nil
}

// Len returns how many records were added.
func (b *Builder) Len() int { return b.store.Len() }

// WriteTo writes the table to w, from the first byte to the last. Repeated keys
// are found and reported before anything is written. It may be called again.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	order, err := b.store.Sorted(arena.Duplicates{
		Policy: arena.Policy(b.opts.Duplicates), // the same constants
		Report: b.opts.OnDuplicate,
	}, b.geo.need)
	if err != nil {
		var dup *arena.DuplicateError
		if errors.As(err, &dup) {
			return 0, (*DuplicateError)(dup)
		}
		return 0, fmt.Errorf("lmdb: %w", err)
	}
	p := newPlan(b.geo, &b.store, order)
	size := p.pages * int64(b.geo.page)
	mapSize := max(size, b.opts.MapSize, minMapSize)
	if b.geo.word == 4 && max(size, mapSize) > math.MaxUint32 {
		return 0, fmt.Errorf("%w: %d bytes, a file for 32-bit machines has less than 4 GiB", ErrTooLarge, size)
	}
	out := sink.New(w)
	p.write(out, uint64(mapSize))
	n, err := out.Flush()
	if err != nil {
		return n, fmt.Errorf("lmdb: %w", err)
	}
	return n, nil
}
