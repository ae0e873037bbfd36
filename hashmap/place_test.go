package hashmap

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/filelock"
	"github.com/postfixkit/postfixkit/table"
)

func stat(t testing.TB, path string) fs.FileInfo {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	dir := t.TempDir()
	source := func(mode fs.FileMode) fs.FileInfo {
		path := filepath.Join(dir, "src")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return stat(t, path)
	}
	for _, c := range []struct {
		name            string
		existing        fs.FileMode // 0: none
		opts            FileOptions
		want, wantFresh fs.FileMode
	}{
		{"new", 0, FileOptions{}, 0o644, 0o644},
		{"new, secret source", 0, FileOptions{Source: source(0o600)}, 0o600, 0o600},
		{"new, group source", 0, FileOptions{Source: source(0o640)}, 0o640, 0o640},
		{"new, odd source", 0, FileOptions{Source: source(0o755)}, 0o644, 0o644},
		{"new, read only source", 0, FileOptions{Source: source(0o400)}, 0o600, 0o600},
		{"new, folder as source", 0, FileOptions{Source: stat(t, dir)}, 0o644, 0o644},
		{"new, mode", 0, FileOptions{Mode: 0o640, Source: source(0o600)}, 0o640, 0o640},
		{"existing", 0o664, FileOptions{}, 0o664, 0o644},
		{"existing, open source", 0o660, FileOptions{Source: source(0o644)}, 0o640, 0o644},
		{"existing, source was closed", 0o664, FileOptions{Source: source(0o600)}, 0o600, 0o600},
		{"existing, mode", 0o664, FileOptions{Mode: 0o604}, 0o604, 0o604},
	} {
		for _, f := range Formats() {
			path := FileName(f, filepath.Join(t.TempDir(), "m"))
			if c.existing != 0 {
				if _, err := builderOf(t, f, nil, version(1)).WriteFile(ctx, path); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(path, c.existing); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := builderOf(t, f, &BuildOptions{File: c.opts}, version(2)).WriteFile(ctx, path); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if f == CDB {
				want = c.wantFresh
			}
			if got := stat(t, path).Mode().Perm(); got != want {
				t.Errorf("%s, %v: mode %v, want %v", c.name, f, got, want)
			}
		}
	}
}

func TestSymlinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	for _, f := range Formats() {
		real := built(t, f, nil, "k old")
		link := filepath.Join(t.TempDir(), "link"+f.Ext())
		if err := os.Symlink(real, link); err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(f, nil)
		b.Add("k", "new")
		if _, err := b.WriteFile(ctx, link); err != nil {
			t.Fatal(err)
		}
		replaced := f == CDB
		if isLink := stat(t, link).Mode()&fs.ModeSymlink != 0; isLink == replaced {
			t.Errorf("%v: symbolic link afterwards: %v", f, isLink)
		}
		want(t, open(t, link, nil), "k", "new", true)
		want(t, open(t, real, nil), "k", map[bool]string{true: "old", false: "new"}[replaced], true)
	}
}

// Tables that are overwritten in place can be verified before.
func TestVerifyInPlace(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // nothing can be removed while it is open there
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, f := range Formats() {
		path := built(t, f, nil, "k old")
		before := stat(t, path)
		file := FileOptions{InPlace: InPlaceAlways}
		b := NewBuilder(f, &BuildOptions{Verify: true, File: file})
		b.Add("k", "new")
		res, err := b.WriteFile(ctx, path)
		if err != nil || !res.InPlace || !os.SameFile(before, stat(t, path)) {
			t.Errorf("%v: %+v, %v", f, res, err)
		}
		if _, err := Update(ctx, path, &UpdateOptions{Verify: true, File: file}, func(e *Edit) error {
			_, err := e.Put("more", "v")
			return err
		}); err != nil {
			t.Errorf("%v: %v", f, err)
		}
		r := open(t, path, nil)
		want(t, r, "k", "new", true)
		want(t, r, "more", "v", true)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A foreign lock of the right kind is waited for, but not for ever; one of the
// wrong kind does not matter.
func TestLocks(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // locks of one process exclude each other only there
	}
	busy := func(what string, err error, want bool) {
		t.Helper()
		if errors.Is(err, ErrBusy) != want || !want && err != nil {
			t.Errorf("%s: got %v, want busy: %v", what, err, want)
		}
	}
	const wait = 20 * time.Millisecond
	for _, f := range []Format{Hash, Btree, LMDB} {
		for _, kind := range []filelock.Kind{filelock.Flock, filelock.Record} {
			for _, mode := range []filelock.Mode{filelock.Shared, filelock.Exclusive} {
				path := built(t, f, nil, "k v")
				file, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				if err := filelock.Lock(ctx, file, kind, mode); err != nil {
					t.Fatal(err)
				}
				right := kind == formats[f].lock
				excluded := right && mode == filelock.Exclusive
				r, err := Open(path, &OpenOptions{LockWait: wait})
				busy("open", err, excluded)
				if err == nil {
					r.Close()
				}
				b := NewBuilder(f, &BuildOptions{File: FileOptions{LockWait: wait}})
				b.Add("k", "v2")
				_, err = b.WriteFile(ctx, path)
				busy("build", err, excluded)
				file.Close()

				if file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
					t.Fatal(err)
				}
				if err := filelock.Lock(ctx, file, kind, mode); err != nil {
					t.Fatal(err)
				}
				put := func(e *Edit) error { _, err := e.Put("n", "v"); return err }
				_, err = Update(ctx, path, &UpdateOptions{File: FileOptions{LockWait: wait, InPlace: InPlaceAlways}}, put)
				busy("update in place", err, right)
				_, err = Update(ctx, path, &UpdateOptions{Duplicates: KeepLast, File: FileOptions{LockWait: wait}}, put)
				busy("update", err, excluded)
				r, err = Open(path, &OpenOptions{NoLock: true})
				busy("open without lock", err, false)
				r.Close()
				file.Close()
			}
		}
	}
	// cdb: the temporary file, among writers.
	path := built(t, CDB, nil, "k v")
	file, err := os.OpenFile(path+".tmp", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := filelock.Lock(ctx, file, filelock.Flock, filelock.Exclusive); err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(CDB, &BuildOptions{File: FileOptions{LockWait: wait}})
	_, err = b.WriteFile(ctx, path)
	busy("cdb build", err, true)
	_, err = Open(path, nil)
	busy("cdb open", err, false)

	// bolt: bbolt's own lock, which is flock.
	path = built(t, Bolt, nil, "k v")
	if file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	if err := filelock.Lock(ctx, file, filelock.Flock, filelock.Exclusive); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, &OpenOptions{LockWait: wait})
	busy("bolt open", err, true)
	b = NewBuilder(Bolt, &BuildOptions{File: FileOptions{LockWait: wait}})
	_, err = b.WriteFile(ctx, path)
	busy("bolt build", err, true)
	_, err = Update(ctx, path, &UpdateOptions{File: FileOptions{LockWait: wait}}, func(e *Edit) error { return nil })
	busy("bolt update", err, true)
	file.Close()
}

func TestOlderThan(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		table, source time.Duration // before now
		want          bool
	}{
		{3 * time.Hour, 2 * time.Hour, true},
		{2 * time.Hour, 3 * time.Hour, false},
		{time.Hour, time.Hour, false},
		{time.Hour, 99 * time.Second, false},
		{time.Hour, 102 * time.Second, true},
	} {
		if got := olderThan(now.Add(-c.table), now.Add(-c.source), now); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	path := built(t, Hash, nil, "k v")
	source := filepath.Join(t.TempDir(), "src")
	if err := os.WriteFile(source, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	old := now.Add(-time.Hour)
	os.Chtimes(path, old, old.Add(-time.Hour))
	os.Chtimes(source, old, old)
	var notices []string
	open(t, path, &OpenOptions{Source: source, Notice: func(d diag.Diagnostic) { notices = append(notices, d.Message) }})
	if want := []string{"database " + path + " is older than source file " + source}; !slices.Equal(notices, want) {
		t.Errorf("got %q", notices)
	}
}

// Tables opened by their type follow replacements, through a file system too.
func TestTypes(t *testing.T) {
	for name := range Types() {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "m"), []byte("ABCDEFG v1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if f, err := ParseFormat(name); err == nil {
			path := FileName(f, filepath.Join(dir, "m"))
			if _, err := builderOf(t, f, nil, []string{"abcdefg v1"}).WriteFile(ctx, path); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range []*table.Opener{{Types: Types()}, {Types: Types(), FS: os.DirFS(dir)}} {
			spec := name + ":" + filepath.Join(dir, "m")
			if o.FS != nil {
				if name == "bolt" {
					continue
				}
				spec = name + ":/m"
			}
			tab, err := o.Open(ctx, spec)
			if err != nil {
				t.Errorf("%s: %v", spec, err)
				continue
			}
			if v, found, err := tab.Lookup(ctx, "AbcDefg"); v != "v1" || !found || err != nil {
				t.Errorf("%s: got %q %v %v", spec, v, found, err)
			}
			if err := tab.Close(); err != nil {
				t.Errorf("%s: close: %v", spec, err)
			}
		}
	}
	o := &table.Opener{Types: Types()}
	if _, err := o.Open(ctx, "hash:/nonexistent/m"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing table: %v", err)
	}
	name := filepath.Join(t.TempDir(), "m")
	if _, err := builderOf(t, Btree, nil, version(1)).WriteFile(ctx, name+".db"); err != nil {
		t.Fatal(err)
	}
	if r, err := OpenTable("btree:"+name, nil); err != nil || r.Format() != Btree {
		t.Errorf("OpenTable: %v", err)
	} else {
		r.Close()
	}
	if _, err := OpenTable("hash:"+name, nil); !errors.Is(err, ErrUnknownFormat) || err.Error() != "hashmap: "+name+".db: it is a btree file, not hash" {
		t.Errorf("btree as hash: %v", err)
	}
}
