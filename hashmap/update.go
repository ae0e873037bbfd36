package hashmap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"

	"github.com/postfixkit/postfixkit/hashmap/bdb"
	"github.com/postfixkit/postfixkit/internal/atomicfile"
	"github.com/postfixkit/postfixkit/internal/filelock"
)

// UpdateOptions for [Update]. The zero value and nil change an existing table
// of any format and reject keys that are there.
type UpdateOptions struct {
	// Format of a table that does not exist yet, or is an empty file; 0: it
	// must exist. An existing table of another format is an error.
	Format Format
	// Duplicates says what Put does with a key that is there. KeepAll counts
	// as KeepFirst.
	Duplicates Duplicates
	// NUL is the form of keys that are put, and of those that are looked for
	// to delete them: with [NULAuto] first with NUL, then without.
	NUL NUL
	// FoldKeys and UTF8 are those of [BuildOptions].
	FoldKeys, UTF8 bool
	// File says how the changed table is put in place.
	File FileOptions
	// Verify reads the changed table back before it takes its place.
	Verify bool
	// NoMmap reads the old table instead of mapping it.
	NoMmap bool
}

// An Edit changes a table in [Update]. Not safe for concurrent use.
type Edit struct {
	opts   UpdateOptions
	format Format
	old    *Reader // nil: there was no table
	nul    bool    // form of keys that are put
	form   NUL     // form of keys that are deleted, once one was found
	// changes by stored key: the place in added, or -1 for a deleted key.
	changes map[string]int
	added   []Record // those of deleted keys are nil
	over    []bool   // of each in added: it replaces one that the table has
	changed bool
}

// Update changes the table in the file at path: edit puts and deletes entries,
// and the result replaces the file, once, when edit returns nil and has changed
// something. When it returns an error, or anything fails later, the file is as
// it was.
//
// Any format can be changed, cdb too: a new file with all records is written in
// each case. It has the mode and owner of the old one, also with cdb, and a
// symbolic link goes on leading to it.
//
// Any number of Updates at once, in any number of processes, lose nothing: from
// before the table is read until it is replaced each holds a lock on NAME.tmp
// beside it and Postfix's lock on the table. Builders take them as well. Readers
// go on reading the old table. On Windows NAME.tmp is not locked, and Updates at
// once are not kept apart.
//
// Programs of Postfix lock the table alone, and lmdb tables not at all, so the
// table is looked at once more right before it is replaced. When it is not the
// one that was read, the same puts and deletes are made on what it is now,
// without edit being called again: a key that was new to Put and is there now is
// treated as UpdateOptions.Duplicates say. When that has happened ten times in
// turn the error wraps [ErrChanged].
//
// Do not run the original postmap -i (or -d) beside programs that use this
// package: it opens the table, waits for the lock if there is one, and does not
// look whether the table was replaced meanwhile. It then changes the file that
// was replaced, or one that it does not hold the lock of, and entries may be
// lost: nearly always its own, one of ours where the table was just made. Several
// of the original at once can leave an lmdb table that cannot be read.
func Update(ctx context.Context, path string, opts *UpdateOptions, edit func(*Edit) error) (Result, error) {
	e := &Edit{changes: map[string]int{}}
	if opts != nil {
		e.opts = *opts
	}
	// One name for all: there is one lock however the table is reached.
	target, err := atomicfile.FollowLinks(path)
	if err != nil {
		return Result{Path: path}, fmt.Errorf("hashmap: %s: %w", path, err)
	}
	var res Result
	var own error // of edit, which may be any
	err = atomicfile.Retry(func() (err error) {
		p := placement{path: target, opts: e.opts.File, update: true}
		defer p.release()
		res, err = e.update(ctx, &p, func(e *Edit) error { own = edit(e); return own })
		if own != nil {
			return nil
		}
		if errors.Is(err, ErrChanged) {
			edit = e.again()
		}
		return err
	})
	res.Path = path
	return res, cmp.Or(own, err)
}

// update makes the changes on what the table is now.
func (e *Edit) update(ctx context.Context, p *placement, edit func(*Edit) error) (res Result, err error) {
	zero, err := e.lock(ctx, p)
	if err != nil {
		return res, err
	}
	seen, err := p.old()
	if err != nil {
		return res, err
	}
	p.before = func() error { return unchanged(p, seen) }
	e.old = nil
	if seen != nil && !zero {
		// Opened under our own locks; bbolt would not get in beside another.
		e.old, err = Open(p.path, &OpenOptions{Format: p.format, NUL: e.opts.NUL, KeepNUL: true, NoLock: true, NoMmap: e.opts.NoMmap})
		if err != nil {
			return res, cmp.Or(p.before(), err)
		}
		defer e.old.Close()
	}
	if err := edit(e); err != nil {
		return res, err
	}
	if !e.changed && e.old != nil {
		return res, nil
	}
	if res, err = e.write(ctx, p); errors.Is(err, ErrCorrupt) {
		err = cmp.Or(p.before(), err) // it may have been read half changed
	}
	res.ZeroLength = zero
	return res, err
}

// lock takes the locks and decides which format the table has or will have.
func (e *Edit) lock(ctx context.Context, p *placement) (zero bool, err error) {
	switch err := p.create(ctx, p.opts.InPlace == InPlaceAlways); {
	case errors.Is(err, ErrNeedsInPlace):
		// No NAME.tmp can be made, but nothing may have to be written.
	case err != nil:
		return false, err
	}
	if p.format, _, err = e.find(p.path); err != nil {
		return false, err
	}
	mode := filelock.Shared
	if p.opts.InPlace != InPlaceNever && p.format != Bolt { // bbolt locks the file it reads
		mode = filelock.Exclusive
	}
	if err := p.lock(ctx, mode); err != nil {
		return false, err
	}
	if p.format == Bolt && p.file != nil && !p.file.Locked() && !p.opts.NoLock && runtime.GOOS != "windows" {
		// No NAME.tmp could be made, and it will be overwritten in place. The
		// other kind of lock, which bbolt does not take, keeps others from
		// reading what will be overwritten.
		if err := p.lockAs(ctx, filelock.Record, filelock.Exclusive); err != nil {
			return false, err
		}
	}
	// The table may have become another one while we waited.
	found := p.format
	if p.format, zero, err = e.find(p.path); err == nil && formats[p.format].lock != formats[found].lock {
		err = ErrChanged
	}
	if err == nil && e.format != 0 && e.format != p.format { // the keys are in the form of that one
		err = notThat(p.path, p.format, e.format)
	}
	e.format, e.nul, e.form = p.format, e.opts.NUL.written(p.format), e.opts.NUL
	return zero, err
}

// unchanged returns an error when the table is not the one that was seen.
func unchanged(p *placement, seen fs.FileInfo) error {
	now, err := p.old()
	if err != nil || atomicfile.Same(seen, now) {
		return err
	}
	return fmt.Errorf("hashmap: %s: %w", p.path, ErrChanged)
}

// again returns an edit that makes the same changes, and forgets them.
func (e *Edit) again() func(*Edit) error {
	changes, added, over := e.changes, e.added, e.over
	e.changes, e.added, e.over, e.changed = map[string]int{}, nil, nil, false
	return func(e *Edit) error {
		for key, i := range changes {
			if i >= 0 {
				continue
			}
			if _, err := e.DeleteRaw([]byte(key)); err != nil {
				return err
			}
		}
		policy := e.opts.Duplicates
		defer func() { e.opts.Duplicates = policy }()
		for i, r := range added {
			if r.Key == nil {
				continue
			}
			if e.opts.Duplicates = policy; over[i] {
				e.opts.Duplicates = KeepLast
			}
			if _, err := e.PutRaw(r.Key, r.Value); err != nil {
				return err
			}
		}
		return nil
	}
}

// find decides which format the table has or will have.
func (e *Edit) find(path string) (f Format, zero bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && e.opts.Format != 0 {
		return e.opts.Format, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("hashmap: %w", err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err == nil && st.Size() == 0 && e.opts.Format != 0 {
		return e.opts.Format, true, nil
	}
	if f, err = detectFile(file); err != nil {
		return 0, false, err
	}
	if want := e.opts.Format; want != 0 && want != f {
		return 0, false, notThat(path, f, want)
	}
	return f, false, nil
}

// fewChanges is up to how many changes a Berkeley DB file is changed page by
// page. A file that changes more is built anew, which packs it.
const fewChanges = 10_000

// write puts the table with the changes in place of the old one.
func (e *Edit) write(ctx context.Context, p *placement) (Result, error) {
	if e.old == nil || e.old.eng.bdb == nil || e.opts.Verify || len(e.changes) > fewChanges {
		return e.rebuild(ctx, p)
	}
	u, err := e.old.eng.bdb.Update()
	if errors.Is(err, bdb.ErrUnsupported) {
		return e.rebuild(ctx, p)
	}
	if err != nil {
		return Result{Path: p.path}, explain(err, p.path)
	}
	// In an order of their own, so that the same changes give the same bytes.
	for _, key := range slices.Sorted(maps.Keys(e.changes)) {
		if e.changes[key] >= 0 {
			continue
		}
		if _, err := u.Delete([]byte(key)); err != nil {
			return Result{Path: p.path}, explain(err, p.path)
		}
	}
	for _, r := range e.added {
		if r.Key == nil {
			continue
		}
		if _, err := u.Put(r.Key, r.Value); err != nil {
			return Result{Path: p.path}, explain(err, p.path)
		}
	}
	return p.put(ctx, u.WriteTo, nil)
}

// rebuild merges the old records and the changes into a new table.
func (e *Edit) rebuild(ctx context.Context, p *placement) (Result, error) {
	opts := &BuildOptions{Duplicates: KeepAll, NUL: NoNUL, Verify: e.opts.Verify, File: p.opts}
	if e.old != nil {
		if in, err := e.old.Info(); err == nil {
			opts.PageSize, opts.WordSize, opts.BigEndian, opts.sameOrder = in.PageSize, in.WordSize, in.BigEndian, true
		}
		if r := e.old.eng.bdb; r != nil {
			opts.checksums = r.Info().Checksums
		}
	}
	b := NewBuilder(e.format, opts)
	if e.old != nil {
		n := 0
		var last []byte
		for r, err := range e.old.Records() {
			if n++; err == nil && n%1024 == 0 {
				err = ctx.Err()
			}
			if err != nil {
				return Result{Path: p.path}, err
			}
			if _, gone := e.changes[string(r.Key)]; gone {
				continue
			}
			if e.old.eng.bdb != nil { // it may have several values for a key, which stand together
				if b.Len() > 0 && bytes.Equal(r.Key, last) {
					return Result{Path: p.path}, fmt.Errorf("%w: %s: key %q has several values, a new file would lose all but one", ErrUnsupported, p.path, trimNUL(r.Key))
				}
				last = append(last[:0], r.Key...)
			}
			if err := b.AddRaw(r.Key, r.Value); err != nil {
				return Result{Path: p.path}, err
			}
		}
	}
	for _, r := range e.added {
		if r.Key == nil {
			continue
		}
		if err := b.AddRaw(r.Key, r.Value); err != nil {
			return Result{Path: p.path}, err
		}
	}
	if b.err != nil {
		return Result{Path: p.path}, b.err
	}
	var check func(string) error
	if opts.Verify {
		check = func(file string) error { return b.verify(ctx, file) }
	}
	return p.put(ctx, b.WriteTo, check)
}

// Put adds an entry. For a key that is there it returns existed, and does what
// [UpdateOptions.Duplicates] say: nothing and an error wrapping [ErrDuplicate],
// nothing, or the new value takes the place of the old one.
func (e *Edit) Put(key, value string) (existed bool, err error) {
	k, v := e.fold(key), []byte(value)
	if e.nul {
		k, v = append(k, 0), append(v, 0)
	}
	return e.PutRaw(k, v)
}

// PutRaw is Put for a key and value in the form they will be stored in.
func (e *Edit) PutRaw(key, value []byte) (existed bool, err error) {
	existed, err = e.has(key)
	if err != nil {
		return existed, err
	}
	if existed && e.opts.Duplicates != KeepLast {
		if e.opts.Duplicates == RejectDuplicates {
			return true, fmt.Errorf("%w: %q is in the table", ErrDuplicate, trimNUL(key))
		}
		return true, nil
	}
	// The format's own builder says what it can store. Most records are of a
	// size that all can.
	if len(key) == 0 || len(key) > 255 || len(value) > 1<<30 {
		if err := e.try(key, value); err != nil {
			return existed, err
		}
	}
	r := Record{append([]byte{}, key...), append([]byte{}, value...)}
	if i, ok := e.changes[string(key)]; ok && i >= 0 {
		e.added[i] = r
	} else {
		e.changes[string(key)] = len(e.added)
		e.added, e.over = append(e.added, r), append(e.over, existed || ok)
	}
	e.changed = true
	return existed, nil
}

func (e *Edit) try(key, value []byte) error {
	w, err := newWriter(e.format, &BuildOptions{}, nil)
	if err != nil {
		return err
	}
	return explain(w.Add(key, value), "")
}

// Delete removes the entry of key and reports whether there was one.
func (e *Edit) Delete(key string) (existed bool, err error) {
	k := e.fold(key)
	for _, form := range []NUL{WithNUL, NoNUL} {
		if e.form != NULAuto && e.form != form {
			continue
		}
		stored := k
		if form == WithNUL {
			stored = append(bytes.Clone(k), 0)
		}
		existed, err = e.DeleteRaw(stored)
		if existed || err != nil {
			if existed {
				e.form = form // as a Reader does
			}
			return existed, err
		}
	}
	return false, nil
}

// DeleteRaw is Delete for a key in the form it is stored in.
func (e *Edit) DeleteRaw(key []byte) (existed bool, err error) {
	existed, err = e.has(key)
	if !existed || err != nil {
		return false, err
	}
	if i, ok := e.changes[string(key)]; ok && i >= 0 {
		e.added[i] = Record{}
	}
	e.changes[string(key)] = -1
	e.changed = true
	return true, nil
}

func (e *Edit) fold(key string) []byte {
	if e.opts.FoldKeys {
		return foldKey([]byte(key), e.opts.UTF8)
	}
	return []byte(key)
}

// has reports whether the table has a stored key as of now.
func (e *Edit) has(key []byte) (bool, error) {
	if i, ok := e.changes[string(key)]; ok {
		return i >= 0, nil
	}
	if e.old == nil {
		return false, nil
	}
	_, found, err := e.old.eng.appendLookup(nil, key)
	return found, explain(err, e.old.path)
}
