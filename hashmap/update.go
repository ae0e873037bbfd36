package hashmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/postfixkit/postfixkit/hashmap/bdb"
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
	changed bool
}

// Update changes the table in the file at path: edit puts and deletes entries,
// and the result replaces the file, once, when edit returns nil and has changed
// something. When it returns an error, or anything fails later, the file is as
// it was.
//
// Nobody who takes Postfix's lock can change the table meanwhile; readers go on
// reading the old one. The original postmap -i does not lock lmdb tables.
//
// Any format can be changed, cdb too: a new file with all records is written in
// each case.
func Update(ctx context.Context, path string, opts *UpdateOptions, edit func(*Edit) error) (Result, error) {
	e := &Edit{changes: map[string]int{}}
	if opts != nil {
		e.opts = *opts
	}
	format, zero, err := e.find(path)
	if err != nil {
		return Result{Path: path}, err
	}
	p := placement{path: path, format: format, opts: e.opts.File}
	mode := filelock.Shared
	if e.opts.File.InPlace != InPlaceNever && format != Bolt { // bbolt locks the file it reads
		mode = filelock.Exclusive
	}
	held, err := p.lock(ctx, mode)
	if err != nil {
		return Result{Path: path}, err
	}
	defer held.release()
	// Only one of our own writers is in here with a lock of its own kind, so
	// the table is opened under it.
	p.opts.NoLock = true
	e.format, e.nul, e.form = format, e.opts.NUL.written(format), e.opts.NUL
	if !zero {
		e.old, err = Open(path, &OpenOptions{Format: format, NUL: e.opts.NUL, KeepNUL: true, NoLock: true, NoMmap: e.opts.NoMmap})
		switch {
		case err == nil:
			defer e.old.Close()
		case !errors.Is(err, fs.ErrNotExist) || e.opts.Format == 0:
			return Result{Path: path}, err
		}
	}
	if err := edit(e); err != nil {
		return Result{Path: path}, err
	}
	if !e.changed && e.old != nil {
		return Result{Path: path}, nil
	}
	res, err := e.write(ctx, &p)
	res.ZeroLength = zero
	return res, err
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
			opts.PageSize, opts.BigEndian = in.PageSize, in.BigEndian
		}
	}
	b := NewBuilder(e.format, opts)
	if e.old != nil {
		n := 0
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
		e.added = append(e.added, r)
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
