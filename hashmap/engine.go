package hashmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/postfixkit/postfixkit/hashmap/bdb"
	"github.com/postfixkit/postfixkit/hashmap/boltmap"
	"github.com/postfixkit/postfixkit/hashmap/cdb"
	"github.com/postfixkit/postfixkit/hashmap/lmdb"
)

// A Record is one key and value exactly as a table stores them. Its slices are
// valid until the next step of the iteration it came from and must not be
// changed.
type Record struct{ Key, Value []byte }

// A Fault is one thing that is wrong with a table file.
type Fault struct {
	Page   int64 // 0 where the format has no pages
	Offset int64 // in the file
	Reason string
}

// An engine is an open table of one of the formats. The pointers are those of
// the packages and not an interface, so that keys and buffers of a lookup stay
// on the caller's stack.
type engine struct {
	bdb  *bdb.Reader
	cdb  *cdb.Reader
	lmdb *lmdb.Reader
	bolt *boltmap.Table
}

func openEngine(f Format, path string, noMmap bool, wait time.Duration) (e engine, err error) {
	switch f {
	case Hash, Btree:
		e.bdb, err = bdb.Open(path, &bdb.Options{NoMmap: noMmap})
	case CDB:
		e.cdb, err = cdb.Open(path, &cdb.Options{NoMmap: noMmap})
	case LMDB:
		e.lmdb, err = lmdb.Open(path, &lmdb.Options{NoMmap: noMmap})
	case Bolt: // always mapped; bbolt locks it
		e.bolt, err = boltmap.Open(path, &boltmap.Options{LockTimeout: wait})
	default:
		err = fmt.Errorf("hashmap: cannot open format %v", f)
	}
	return e, err
}

func newEngine(f Format, r io.ReaderAt, size int64) (e engine, err error) {
	switch f {
	case Hash, Btree:
		e.bdb, err = bdb.NewReader(r, size, nil)
	case CDB:
		e.cdb, err = cdb.NewReader(r, size, nil)
	case LMDB:
		e.lmdb, err = lmdb.NewReader(r, size, nil)
	default:
		err = fmt.Errorf("hashmap: cannot read format %v from memory", f)
	}
	return e, err
}

func (e *engine) appendLookup(dst, key []byte) ([]byte, bool, error) {
	switch {
	case e.bdb != nil:
		return e.bdb.AppendLookup(dst, key)
	case e.cdb != nil:
		return e.cdb.AppendLookup(dst, key)
	case e.lmdb != nil:
		return e.lmdb.AppendLookup(dst, key)
	case e.bolt != nil:
		return e.bolt.AppendLookup(dst, key)
	}
	return dst, false, ErrClosed
}

func (e *engine) lookup(key []byte) (string, bool, error) {
	switch {
	case e.bdb != nil:
		return e.bdb.Lookup(key)
	case e.cdb != nil:
		return e.cdb.Lookup(key)
	case e.lmdb != nil:
		return e.lmdb.Lookup(key)
	case e.bolt != nil:
		return e.bolt.Lookup(key)
	}
	return "", false, ErrClosed
}

func (e *engine) all() iter.Seq2[Record, error] {
	switch {
	case e.bdb != nil:
		return func(yield func(Record, error) bool) {
			for r, err := range e.bdb.All() {
				if !yield(Record(r), err) {
					return
				}
			}
		}
	case e.cdb != nil:
		return func(yield func(Record, error) bool) {
			for r, err := range e.cdb.All() {
				if !yield(Record(r), err) {
					return
				}
			}
		}
	case e.lmdb != nil:
		return func(yield func(Record, error) bool) {
			for r, err := range e.lmdb.All() {
				if !yield(Record(r), err) {
					return
				}
			}
		}
	case e.bolt != nil:
		return func(yield func(Record, error) bool) {
			for r, err := range e.bolt.All() {
				if !yield(Record(r), err) {
					return
				}
			}
		}
	}
	return func(yield func(Record, error) bool) { yield(Record{}, ErrClosed) }
}

func (e *engine) check(ctx context.Context, report func(Fault) bool) error {
	switch {
	case e.bdb != nil:
		return e.bdb.Check(ctx, func(f bdb.Fault) bool { return report(Fault(f)) })
	case e.cdb != nil:
		return e.cdb.Check(ctx, func(f cdb.Fault) bool { return report(Fault(f)) })
	case e.lmdb != nil:
		return e.lmdb.Check(ctx, func(f lmdb.Fault) bool { return report(Fault(f)) })
	case e.bolt != nil:
		return e.bolt.Check(ctx, func(f boltmap.Fault) bool { return report(Fault(f)) })
	}
	return ErrClosed
}

func (e *engine) info(in *Info) error {
	switch {
	case e.bdb != nil:
		i := e.bdb.Info()
		in.Version, in.BigEndian, in.PageSize = i.Version, i.BigEndian, i.PageSize
		in.Size = i.Pages * int64(i.PageSize)
	case e.cdb != nil:
		i := e.cdb.Info()
		in.Size, in.Records = i.Size, i.Records
	case e.lmdb != nil:
		i, err := e.lmdb.Info()
		if err != nil {
			return err
		}
		in.Size, in.Records, in.Version = i.Size, i.Records, 1
		in.BigEndian, in.PageSize, in.WordSize = i.BigEndian, i.PageSize, i.WordSize
	case e.bolt != nil:
		i, err := e.bolt.Info()
		if err != nil {
			return err
		}
		in.Size, in.Records, in.Version, in.PageSize = i.Size, i.Records, 2, i.PageSize
	default:
		return ErrClosed
	}
	return nil
}

func (e *engine) close() error {
	old := *e
	*e = engine{}
	switch {
	case old.bdb != nil:
		return old.bdb.Close()
	case old.cdb != nil:
		return old.cdb.Close()
	case old.lmdb != nil:
		return old.lmdb.Close()
	case old.bolt != nil:
		return old.bolt.Close()
	}
	return nil
}

// A writer is the part of a format's builder that is the same for all.
type writer interface {
	Add(key, value []byte) error
	Len() int
	io.WriterTo
}

func newWriter(f Format, o *BuildOptions, report func(key []byte, first, again int)) (writer, error) {
	switch f {
	case Hash, Btree:
		kind := bdb.Hash
		if f == Btree {
			kind = bdb.Btree
		}
		policy := []bdb.Duplicates{bdb.RejectDuplicates, bdb.KeepFirst, bdb.KeepLast, bdb.KeepFirst}[o.Duplicates]
		return bdb.NewBuilder(kind, &bdb.BuildOptions{Duplicates: policy, OnDuplicate: report, PageSize: o.PageSize, BigEndian: o.BigEndian, Checksums: o.checksums}), nil
	case CDB:
		policy := []cdb.Duplicates{cdb.RejectDuplicates, cdb.KeepFirst, cdb.KeepLast, cdb.KeepAll}[o.Duplicates]
		return cdb.NewBuilder(&cdb.BuildOptions{Duplicates: policy, OnDuplicate: report}), nil
	case LMDB:
		policy := []lmdb.Duplicates{lmdb.RejectDuplicates, lmdb.KeepFirst, lmdb.KeepLast, lmdb.KeepFirst}[o.Duplicates]
		opts := &lmdb.BuildOptions{Duplicates: policy, OnDuplicate: report, PageSize: o.PageSize, WordSize: o.WordSize}
		if o.BigEndian {
			opts.ByteOrder = lmdb.BigEndian
		} else if o.sameOrder {
			opts.ByteOrder = lmdb.LittleEndian
		}
		return lmdb.NewBuilder(opts), nil
	case Bolt:
		policy := []boltmap.Duplicates{boltmap.RejectDuplicates, boltmap.KeepFirst, boltmap.KeepLast, boltmap.KeepFirst}[o.Duplicates]
		return boltmap.NewBuilder(&boltmap.BuildOptions{Duplicates: policy, OnDuplicate: report}), nil
	}
	return nil, fmt.Errorf("hashmap: cannot build format %v", f)
}

// explain turns an error of a format's package into one of this package that
// still wraps it.
func explain(err error, path string) error {
	if err == nil {
		return nil
	}
	var (
		inBDB   *bdb.CorruptError
		inCDB   *cdb.CorruptError
		inLMDB  *lmdb.CorruptError
		inBolt  *boltmap.CorruptError
		keyLMDB *lmdb.KeyError
		keyBolt *boltmap.KeyError
	)
	switch {
	case errors.As(err, &inBDB):
		return &CorruptError{path, inBDB.Page, inBDB.Offset, inBDB.Reason, err}
	case errors.As(err, &inCDB):
		return &CorruptError{path, inCDB.Page, inCDB.Offset, inCDB.Reason, err}
	case errors.As(err, &inLMDB):
		return &CorruptError{path, inLMDB.Page, inLMDB.Offset, inLMDB.Reason, err}
	case errors.As(err, &inBolt):
		return &CorruptError{path, inBolt.Page, inBolt.Offset, inBolt.Reason, err}
	case errors.As(err, &keyBolt):
		return &KeyError{Key: string(keyBolt.Key), Format: Bolt, Limit: keyBolt.Limit, err: err}
	case errors.As(err, &keyLMDB):
		return &KeyError{Key: string(keyLMDB.Key), Format: LMDB, Limit: keyLMDB.Limit, err: err}
	}
	for _, same := range []struct{ theirs, ours error }{
		{bdb.ErrTooLarge, ErrTooLarge}, {cdb.ErrTooLarge, ErrTooLarge}, {lmdb.ErrTooLarge, ErrTooLarge}, {boltmap.ErrTooLarge, ErrTooLarge},
		{boltmap.ErrLocked, ErrBusy}, {boltmap.ErrBucket, ErrUnsupported},
		{bdb.ErrUnsupported, ErrUnsupported}, {lmdb.ErrUnsupported, ErrUnsupported},
		{bdb.ErrNotBerkeleyDB, ErrUnknownFormat},
		{bdb.ErrCorrupt, ErrCorrupt}, {cdb.ErrCorrupt, ErrCorrupt}, {lmdb.ErrCorrupt, ErrCorrupt}, {boltmap.ErrCorrupt, ErrCorrupt},
	} {
		if errors.Is(err, same.theirs) {
			return &wrapped{err, same.ours}
		}
	}
	return err
}

// wrapped is an error that is also another one.
type wrapped struct{ err, also error }

func (w *wrapped) Error() string   { return w.err.Error() }
func (w *wrapped) Unwrap() []error { return []error{w.also, w.err} }
