package cdb

import (
	"errors"
	"fmt"
	"io"

	"github.com/postfixkit/postfixkit/internal/arena"
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
	opts  BuildOptions
	store arena.Store
	size  int64 // of the file, if all records stay
	limit int64 // what size may reach
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
		return fmt.Errorf("%w: record %d of %d+%d bytes no longer fits", ErrTooLarge, b.store.Len()+1, len(key), len(value))
	}
	if err := b.store.Add(key, value); err != nil {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	b.size += need
	return nil
}

// Len returns how many records were added.
func (b *Builder) Len() int { return b.store.Len() }

// WriteTo writes the table to w, from the first byte to the last. Repeated keys
// are found and reported before anything is written. It may be called again.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	hashed, err := b.store.Hashed(hash, arena.Duplicates{
		Policy: arena.Policy(b.opts.Duplicates), // the same constants
		Report: b.opts.OnDuplicate,
	})
	if err != nil {
		var dup *arena.DuplicateError
		if errors.As(err, &dup) {
			return 0, (*DuplicateError)(dup)
		}
		return 0, fmt.Errorf("cdb: %w", err)
	}
	l := newLayout(&b.store, hashed)
	out := sink.New(w)
	l.write(out)
	n, err := out.Flush()
	if err != nil {
		return n, fmt.Errorf("cdb: %w", err)
	}
	return n, nil
}

// A layout is what is known of a file before its first byte is written.
type layout struct {
	store  *arena.Store
	hashes []uint32    // of every record added
	drop   []bool      // records that do not stay; nil when all do
	counts [tables]int // records by hash table
	first  [tables]int // where the slots of a table begin in slots
	slots  []uint64    // filled slots by table, in the order of their records
	end    uint32      // of the records
}

func newLayout(store *arena.Store, hashed []arena.Hashed) *layout {
	n := store.Len()
	l := &layout{store: store, hashes: make([]uint32, n), slots: make([]uint64, len(hashed))}
	if len(hashed) < n {
		l.drop = make([]bool, n)
		for i := range l.drop {
			l.drop[i] = true
		}
	}
	for _, h := range hashed {
		l.hashes[h.Seq()] = h.Hash()
		l.counts[tableOf(h.Hash())]++
		if l.drop != nil {
			l.drop[h.Seq()] = false
		}
	}
	at := 0
	for i, c := range l.counts {
		l.first[i] = at
		at += c
	}
	size := headerSize + store.Size() + recordHead*int64(n)
	for i, drop := range l.drop {
		if drop {
			key, value := store.Record(i)
			size -= recordHead + int64(len(key)) + int64(len(value))
		}
	}
	l.end = uint32(size) // Add kept it below 4 GiB
	return l
}

func (l *layout) write(w *sink.Writer) {
	pos := l.end
	for _, c := range l.counts {
		// An empty table too says where it would be: TinyCDB takes the
		// position of table 0 as the end of the records.
		w.Pair(pos, uint32(2*c))
		pos += uint32(2 * c * slotSize)
	}
	at := l.first
	pos = headerSize
	for i, h := range l.hashes {
		if l.drop != nil && l.drop[i] {
			continue
		}
		t := tableOf(h)
		l.slots[at[t]] = uint64(pos)<<32 | uint64(h)
		at[t]++
		key, value := l.store.Record(i)
		w.Pair(uint32(len(key)), uint32(len(value)))
		w.Bytes(key)
		w.Bytes(value)
		pos += recordHead + uint32(len(key)) + uint32(len(value))
	}
	var table []uint64
	for i, c := range l.counts {
		table = fillTable(table, l.slots[l.first[i]:][:c])
		for _, slot := range table {
			w.Pair(uint32(slot), uint32(slot>>32))
		}
	}
}

// fillTable returns the hash table for the given slots, made in the memory of
// table: each slot goes to the first free place from where its search starts.
func fillTable(table, slots []uint64) []uint64 {
	n := 2 * len(slots)
	if cap(table) < n {
		table = make([]uint64, n)
	}
	table = table[:n]
	clear(table)
	budget := 32 * n // keys that were chosen to collide take more steps
	for done, slot := range slots {
		i := startSlot(uint32(slot), uint32(n))
		for ; table[i] != 0; budget-- {
			if i++; i == uint32(n) {
				i = 0
			}
		}
		table[i] = slot
		if budget < 0 {
			fillSlowly(table, slots[done+1:])
			break
		}
	}
	return table
}

// fillSlowly does the same in a time that does not depend on how often the
// slots collide: it remembers for every place how far the next free one is and
// shortens the path each time it is walked (a union-find forest).
func fillSlowly(table, slots []uint64) {
	n := uint32(len(table))
	next := make([]uint32, n) // free: itself. Taken: a later place, free or taken
	for i := range next {
		next[i] = uint32(i)
		if table[i] != 0 {
			next[i] = (uint32(i) + 1) % n
		}
	}
	for _, slot := range slots {
		i := startSlot(uint32(slot), n)
		for next[i] != i {
			next[i] = next[next[i]]
			i = next[i]
		}
		table[i] = slot
		next[i] = (i + 1) % n
	}
}
