package bdb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"

	"github.com/postfixkit/postfixkit/internal/arena"
)

// Duplicates says what becomes of a key that is added more than once.
type Duplicates uint8

const (
	RejectDuplicates Duplicates = iota // WriteTo fails with a *DuplicateError
	KeepFirst                          // the first record stays: postmap without flags
	KeepLast                           // the last record stays: postmap -r
	KeepAll                            // all stay, in a file that allows it (DB_DUP); lookups find the first
)

// DuplicateError reports that one key was added twice to a Builder whose policy
// is RejectDuplicates. It wraps ErrDuplicate.
type DuplicateError struct {
	Key          []byte
	First, Again int // which calls of Add, counted from 0
	Count        int // how many records repeat a key
}

func (e *DuplicateError) Error() string {
	return "bdb: " + (*arena.DuplicateError)(e).Error()
}

func (e *DuplicateError) Unwrap() error { return ErrDuplicate }

// BuildOptions are the choices for a new file. The zero value and nil give what
// postmap makes on most machines: little endian, pages of 4096 bytes, no
// repeated keys.
type BuildOptions struct {
	PageSize   int  // a power of two from 512 to 65536; 0: 4096
	BigEndian  bool // as machines like s390x write it; every machine reads both
	Checksums  bool // libdb then refuses pages that changed by accident
	Duplicates Duplicates

	// OnDuplicate, when set, is called by WriteTo before it writes, for every
	// record whose key was added before, in the order they were added. first
	// and again count the calls of Add from 0. key must not be kept.
	OnDuplicate func(key []byte, first, again int)
}

// A Builder collects records and writes them as one file. The same records give
// the same bytes, in whatever order they were added (with KeepAll the order of
// the values of one key counts). It is not safe for concurrent use.
//
// Memory: keys and values, 6 bytes more per record (16 from a Batch for a btree),
// and 18 bytes more per record while WriteTo runs; see the package comment for a
// measurement.
type Builder struct {
	layout
	kind  Kind
	opts  BuildOptions
	err   error // of the options, returned by Add and WriteTo
	store arena.Store
	sum   contentSum
	bytes int64 // space of all records on hash pages
}

// NewBuilder returns an empty Builder for a file of the given kind. What is wrong
// with its arguments, Add and WriteTo return.
func NewBuilder(kind Kind, opts *BuildOptions) *Builder {
	b := &Builder{kind: kind}
	if opts != nil {
		b.opts = *opts
	}
	b.size = cmp.Or(b.opts.PageSize, 4096)
	b.big, b.sums, b.overhead = b.opts.BigEndian, b.opts.Checksums, overhead
	if b.sums {
		b.overhead = overheadSum
	}
	switch {
	case kind != Hash && kind != Btree:
		b.err = fmt.Errorf("bdb: a builder for %v, want Hash or Btree", kind)
	case b.size < minPageSize || b.size > maxPageSize || b.size&(b.size-1) != 0:
		b.err = fmt.Errorf("bdb: page size %d, want a power of two from 512 to 65536", b.size)
	case b.opts.Duplicates > KeepAll:
		b.err = fmt.Errorf("bdb: unknown policy %d for duplicate keys", b.opts.Duplicates)
	}
	return b
}

// Add adds a copy of one record, to be stored exactly as given: Postfix by
// default ends key and value with a zero byte. Both may be empty. It fails with
// ErrTooLarge for 4 GiB or more.
func (b *Builder) Add(key, value []byte) error {
	if b.err != nil {
		return b.err
	}
	if err := storable(len(key), len(value)); err != nil {
		return err
	}
	if err := b.store.Add(key, value); err != nil {
		return fmt.Errorf("bdb: %w (%w)", ErrTooLarge, err)
	}
	b.sum.add(key, value)
	b.bytes += b.pairRoom(len(key), len(value))
	return nil
}

func storable(keyLen, valueLen int) error {
	if uint64(keyLen) > math.MaxUint32 || uint64(valueLen) > math.MaxUint32 {
		return fmt.Errorf("bdb: key of %d and value of %d bytes: %w", keyLen, valueLen, ErrTooLarge)
	}
	return nil
}

// pairRoom returns the space that a record takes on hash pages, with its index.
func (l *layout) pairRoom(key, value int) int64 {
	return int64(l.hashItemSize(key) + l.hashItemSize(value) + 4)
}

// A Batch is records that are collected apart from a Builder: with one for each,
// several goroutines can work for one Builder.
type Batch struct {
	layout  *layout
	nul     int // how many zero bytes there are behind a key
	records arena.Batch
	sum     contentSum
	bytes   int64
}

// NewBatch returns an empty Batch for this Builder, with room for size bytes.
// With nul, Add puts a zero byte behind keys and values. It may be called by
// several goroutines.
func (b *Builder) NewBatch(size int, nul bool) *Batch {
	t := &Batch{layout: &b.layout}
	if nul {
		t.nul = 1
	}
	if b.kind == Btree {
		t.records = b.store.NewBatch(size, nul, b.plainSize)
	} else {
		t.records = b.store.NewBatch(size, nul, nil)
	}
	return t
}

// Add adds a copy of one record. It fails as [Builder.Add] does.
func (t *Batch) Add(key, value []byte) error {
	if err := storable(len(key)+t.nul, len(value)+t.nul); err != nil {
		return err
	}
	if !t.records.Add(key, value) {
		return fmt.Errorf("bdb: %d records in a batch: %w", t.records.Len(), ErrTooLarge)
	}
	t.sum.add(t.records.Last())
	t.bytes += t.layout.pairRoom(len(key)+t.nul, len(value)+t.nul)
	return nil
}

// AddBatch adds all records of a Batch in the order they have there, and leaves
// it empty. That of a Builder for other pages is refused.
func (b *Builder) AddBatch(t *Batch) error {
	if b.err != nil {
		return b.err
	}
	if t.records.Len() > 0 && *t.layout != b.layout {
		return errors.New("bdb: a batch of a builder with other options")
	}
	if err := b.store.AddBatch(&t.records); err != nil {
		return fmt.Errorf("bdb: %w (%w)", ErrTooLarge, err)
	}
	b.sum.join(t.sum)
	b.bytes += t.bytes
	t.sum, t.bytes = contentSum{}, 0
	return nil
}

// Len returns how many records were added.
func (b *Builder) Len() int { return b.store.Len() }

// WriteTo writes the file to w, from the first byte to the last. Repeated keys
// are found and reported before anything is written. It may be called again.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.kind == Hash {
		return b.writeHash(w)
	}
	return b.writeBtree(w)
}

// content is the records that a file will have.
type content struct {
	b     *Builder
	sum   contentSum
	sets  map[int][]arena.Ref // with KeepAll: the further records of a key, by the number of its first
	pages uint64              // counted while planning

	anyLong bool // some records have something elsewhere
}

// policy turns the builder's options into the arena's. A key kept with several
// values is one record with a set of further ones.
func (b *Builder) policy(c *content) arena.Duplicates {
	d := arena.Duplicates{Report: b.opts.OnDuplicate}
	switch b.opts.Duplicates {
	case KeepFirst:
		d.Policy = arena.KeepFirst
	case KeepLast:
		d.Policy = arena.KeepLast
	case KeepAll:
		d.Policy = arena.KeepFirst
		c.sets = map[int][]arena.Ref{}
		d.Report = func(key []byte, first, again int) {
			c.sets[first] = append(c.sets[first], b.store.Ref(again))
			if b.opts.OnDuplicate != nil {
				b.opts.OnDuplicate(key, first, again)
			}
		}
	}
	return d
}

func duplicateError(err error) error {
	var dup *arena.DuplicateError
	if errors.As(err, &dup) {
		return (*DuplicateError)(dup)
	}
	return err
}

// flags returns the database flags of the metadata.
func (c *content) flags() uint32 {
	if c.b.opts.Duplicates != KeepAll {
		return 0
	}
	return hashDup // the same bit for both kinds
}

// contentSum becomes the file's unique id. It does not depend on the order of
// the records.
type contentSum struct {
	count, a, b uint64
}

// castagnoli is made when it is first needed: it would be a tenth of the start of
// a command that only reads.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

func (s *contentSum) add(key, value []byte) {
	poly := castagnoli()
	c := uint64(crc32.Update(crc32.Checksum(key, poly), poly, value))
	// Spread the bits, so that sums of different sets of records differ.
	h := (c<<32 | uint64(uint32(len(key)*31+len(value)))) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	s.count++
	s.a += h
	s.b += h * h >> 7
}

func (s *contentSum) join(t contentSum) {
	s.count, s.a, s.b = s.count+t.count, s.a+t.a, s.b+t.b
}

// putMeta fills the part of page 0 that hash and btree share.
func (c *content) putMeta(p []byte, magic uint32, typ byte, lastPgno uint32) {
	l := &c.b.layout
	l.put32(p, offMagic, magic)
	l.put32(p, offVersion, 9)
	l.put32(p, offPageSize, uint32(l.size))
	p[offType] = typ
	if l.sums {
		p[offMetaFlags] = flagSums
	}
	l.put32(p, offLastPgno, lastPgno)
	l.put32(p, offFlags, c.flags())
	l.put32(p, offUID, uint32(c.sum.a))
	l.put32(p, offUID+4, uint32(c.sum.a>>32))
	l.put32(p, offUID+8, uint32(c.sum.b))
	l.put32(p, offUID+12, uint32(c.sum.b>>32)^uint32(c.sum.count))
}

// longItem is something that goes to pages of its own behind the others: a long
// key or value, or the duplicate tree of a record.
type longItem struct {
	ref arena.Ref
	key bool
	cut uint32 // key: only so many bytes of it, unless 0
	set bool   // the duplicate tree
}

// longItems hands out their page numbers in the order they will be written.
type longItems struct {
	next uint32 // page
	list []longItem
}

func (c *content) place(ls *longItems, it longItem) (pgno uint32) {
	pgno = ls.next
	ls.list = append(ls.list, it)
	if it.set {
		ls.next += uint32(c.dupTreePages(c.set(it.ref)))
	} else {
		ls.next += uint32(c.b.chainPages(c.long(it)))
	}
	return pgno
}

func (c *content) long(it longItem) []byte {
	key, value := c.b.store.Record(it.ref)
	switch {
	case it.cut > 0:
		return key[:it.cut]
	case it.key:
		return key
	}
	return value
}

// chainPages returns how many overflow pages data needs.
func (l *layout) chainPages(data []byte) uint64 {
	return (uint64(len(data)) + uint64(l.capacity()) - 1) / uint64(l.capacity())
}

func (c *content) writeLong(pw *pageWriter, ls *longItems) {
	for _, it := range ls.list {
		if it.set {
			c.writeDupTree(pw, c.set(it.ref))
		} else {
			pw.chain(c.long(it))
		}
	}
}

// set returns the values of a record and of those that repeat its key, nil when
// there is only one.
func (c *content) set(ref arena.Ref) []arena.Ref {
	if further := c.repeats(ref); further != nil {
		return append([]arena.Ref{ref}, further...)
	}
	return nil
}

// repeats returns the records that repeat the key of this one.
func (c *content) repeats(ref arena.Ref) []arena.Ref {
	if len(c.sets) == 0 {
		return nil
	}
	return c.sets[c.b.store.Seq(ref)]
}

// recount is needed when records were dropped.
func (c *content) recount(ref arena.Ref) {
	key, value := c.b.store.Record(ref)
	c.sum.add(key, value)
	for _, r := range c.repeats(ref) {
		key, value := c.b.store.Record(r)
		c.sum.add(key, value)
	}
}

// checkPages refuses what page numbers cannot count.
func checkPages(n uint64) (lastPgno uint32, err error) {
	if n > math.MaxUint32 {
		return 0, fmt.Errorf("bdb: %w: %d pages", ErrTooLarge, n)
	}
	return uint32(n), nil
}

// Bytes returns the file that WriteTo would write.
func (b *Builder) Bytes() ([]byte, error) {
	var buf bytes.Buffer
	_, err := b.WriteTo(&buf)
	return buf.Bytes(), err
}
