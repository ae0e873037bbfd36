package atomicfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

var (
	ctx      = context.Background()
	errFault = errors.New("injected fault")
)

// faulty returns operations of which the n-th call (from 1) fails, and a
// count of the calls made. A failing write writes half of its bytes first.
func faulty(n int, fault error) (*ops, *int) {
	calls := new(int)
	hit := func() bool { *calls++; return *calls == n }
	o := realOps
	o.openAside = func(name string) (*os.File, bool, error) {
		if hit() {
			return nil, false, fault
		}
		return realOps.openAside(name)
	}
	o.truncate = func(f *os.File, size int64) error {
		if hit() {
			return fault
		}
		return realOps.truncate(f, size)
	}
	o.write = func(f *os.File, p []byte) (int, error) {
		if hit() {
			n, _ := f.Write(p[:len(p)/2])
			return n, fault
		}
		return realOps.write(f, p)
	}
	o.writeAt = func(f *os.File, p []byte, off int64) (int, error) {
		if hit() {
			n, _ := f.WriteAt(p[:len(p)/2], off)
			return n, fault
		}
		return realOps.writeAt(f, p, off)
	}
	o.sync = func(f *os.File) error {
		if hit() {
			return fault
		}
		return realOps.sync(f)
	}
	o.chown = func(f *os.File, uid, gid int) error {
		if hit() {
			return fault
		}
		return realOps.chown(f, uid, gid)
	}
	o.chmod = func(f *os.File, mode fs.FileMode) error {
		if hit() {
			return fault
		}
		return realOps.chmod(f, mode)
	}
	o.copyAttrs = func(f *os.File, from string, mode fs.FileMode) error {
		if hit() {
			return fault
		}
		return realOps.copyAttrs(f, from, mode)
	}
	o.rename = func(from, to string) error {
		if hit() {
			return fault
		}
		return realOps.rename(from, to)
	}
	return &o, calls
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	for _, e := range entries {
		s += e.Name() + " "
	}
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func writeParts(parts ...string) func(io.Writer) error {
	return func(w io.Writer) error {
		for _, p := range parts {
			if _, err := io.WriteString(w, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// Every operation fails once, for a new file, an existing one that belongs to
// somebody else, and one that is overwritten in place.
func TestEveryFault(t *testing.T) {
	for _, c := range []struct {
		name    string
		exists  bool
		inPlace InPlace
	}{
		{"new", false, InPlaceNever},
		{"existing", true, InPlaceNever},
		{"in place", true, InPlaceAlways},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; ; n++ {
				dir := t.TempDir()
				path := filepath.Join(dir, "f")
				const old = "the old content, which is longer than the new"
				if c.exists {
					put(t, path, old, 0o640)
					if os.Getuid() == 0 {
						if err := os.Chown(path, 1, 2); err != nil {
							t.Fatal(err)
						}
					}
				}
				o, calls := faulty(n, errFault)
				_, err := WriteFile(ctx, path, &Options{InPlace: c.inPlace, ops: o}, writeParts("new ", "content"))
				if *calls < n {
					if err != nil || read(t, path) != "new content" {
						t.Fatalf("without a fault: %v, content %q", err, read(t, path))
					}
					if n < 4 {
						t.Fatalf("only %d operations seen", n-1)
					}
					t.Logf("%d operations failed in turn", n-1)
					return
				}
				if !errors.Is(err, errFault) {
					t.Fatalf("operation %d: got %v, want the injected fault", n, err)
				}
				want := ""
				if c.exists {
					want = "f "
					if got := read(t, path); got != old {
						t.Fatalf("operation %d: content is %q", n, got)
					}
				}
				if got := names(t, dir); got != want {
					t.Fatalf("operation %d: folder holds %q, want %q", n, got, want)
				}
			}
		})
	}
}

// Mode and owner that were asked for are set in place too, and go back when a
// later operation fails.
func TestInPlaceModeAndOwner(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	path := filepath.Join(t.TempDir(), "f")
	was := &Owner{os.Getuid(), os.Getgid()}
	other := was
	if was.UID == 0 {
		was, other = &Owner{3, 4}, &Owner{5, 6}
	}
	for _, c := range []struct {
		opts  Options
		mode  fs.FileMode
		owner *Owner
	}{
		{Options{}, 0o664, was},
		{Options{Mode: 0o600, Owner: other}, 0o664, was},
		{Options{Mode: 0o600, SetMode: true}, 0o600, was},
		{Options{Mode: 0o750, SetMode: true, Owner: other, SetOwner: true}, 0o750, other},
		{Options{Mode: 0o600, Clear: 0o026}, 0o640, was},
		{Options{Owner: &Owner{-1, other.GID}, SetOwner: true}, 0o664, &Owner{was.UID, other.GID}},
		{Options{Owner: &Owner{other.UID, -1}, SetOwner: true}, 0o664, &Owner{other.UID, was.GID}},
		{Options{Mode: 0o600, Fresh: true}, 0o664, was},
		{Options{Mode: 0o600, Fresh: true, SetMode: true, Owner: &Owner{other.UID, -1}, SetOwner: true}, 0o600, &Owner{other.UID, was.GID}},
	} {
		for n := 1; ; n++ {
			put(t, path, "old content", 0o664)
			if err := os.Chown(path, was.UID, was.GID); err != nil {
				t.Fatal(err)
			}
			opts := c.opts
			var calls *int
			opts.ops, calls = faulty(n, errFault)
			opts.InPlace = InPlaceAlways
			_, err := WriteFile(ctx, path, &opts, writeParts("new content, longer"))
			fi, _ := os.Stat(path)
			if *calls < n {
				if err != nil || fi.Mode().Perm() != c.mode || *ownerOf(fi) != *c.owner {
					t.Errorf("%+v: %v, mode %v, owner %v, want %v", c.opts, err, fi.Mode(), ownerOf(fi), c.owner)
				}
				break
			}
			if !errors.Is(err, errFault) || fi.Mode() != 0o664 || *ownerOf(fi) != *was || read(t, path) != "old content" {
				t.Errorf("%+v, operation %d: %v, mode %v, owner %v, %q", c.opts, n, err, fi.Mode(), ownerOf(fi), read(t, path))
			}
		}
	}
}

// Owner with a -1: that part stays, and is the caller's for a new file.
func TestOwnerInParts(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() != 0 {
		return // only root gives files away
	}
	dir := t.TempDir()
	for i, c := range []struct {
		exists      bool
		owner, want Owner
	}{
		{true, Owner{5, -1}, Owner{5, 4}},
		{true, Owner{-1, 6}, Owner{3, 6}},
		{true, Owner{-1, -1}, Owner{3, 4}},
		{false, Owner{5, -1}, Owner{5, os.Getgid()}},
		{false, Owner{-1, 6}, Owner{0, 6}},
	} {
		for _, fresh := range []bool{false, true} {
			path := filepath.Join(dir, fmt.Sprint(i, fresh))
			if c.exists {
				put(t, path, "old", 0o644)
				if err := os.Chown(path, 3, 4); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := WriteFile(ctx, path, &Options{Fresh: fresh, Owner: &c.owner, SetOwner: true}, writeParts("new")); err != nil {
				t.Fatal(err)
			}
			if fi, _ := os.Stat(path); *ownerOf(fi) != c.want {
				t.Errorf("%+v, fresh %v: got %v", c, fresh, ownerOf(fi))
			}
		}
	}
}

// In place, growing: what does not fit shows before anything is overwritten,
// and every later fault is undone.
func TestInPlaceGrowingFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	grown := string(bytes.Repeat([]byte("0123456789"), 60000))
	for n := 1; ; n++ {
		put(t, path, "short", 0o644)
		o, calls := faulty(n, errFault)
		res, err := WriteFile(ctx, path, &Options{InPlace: InPlaceAlways, ops: o}, writeParts(grown))
		if *calls < n {
			if err != nil || !res.InPlace || read(t, path) != grown {
				t.Fatalf("without a fault: %+v, %v", res, err)
			}
			return
		}
		if !errors.Is(err, errFault) || read(t, path) != "short" {
			t.Fatalf("operation %d: %v, content %.20q", n, err, read(t, path))
		}
	}
}

// The folder cannot be synced: the error says that the file was replaced.
func TestSyncDirFault(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	put(t, path, "old", 0o644)
	o := realOps
	o.syncDir = func(string) error { return errFault }
	res, err := WriteFile(ctx, path, &Options{ops: &o}, writeParts("new"))
	if !errors.Is(err, errFault) || !res.Changed || read(t, path) != "new" || names(t, dir) != "f " {
		t.Fatalf("got %+v, %v, content %q, folder %q", res, err, read(t, path), names(t, dir))
	}
}

func TestBusyTarget(t *testing.T) {
	if !cannotRename(syscall.EBUSY) {
		return // nothing to tell apart on systems without mount points
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	put(t, path, "old", 0o640)
	before, _ := os.Stat(path)
	o := realOps
	o.rename = func(from, to string) error {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EBUSY}
	}
	if _, err := WriteFile(ctx, path, &Options{ops: &o}, writeParts("new")); !errors.Is(err, ErrNeedsInPlace) || read(t, path) != "old" {
		t.Fatalf("without permission: %v, content %q", err, read(t, path))
	}
	res, err := WriteFile(ctx, path, &Options{ops: &o, InPlace: InPlaceNeeded}, writeParts("new"))
	after, _ := os.Stat(path)
	if err != nil || !res.InPlace || read(t, path) != "new" || !os.SameFile(before, after) || names(t, dir) != "f " {
		t.Fatalf("got %+v, %v, content %q, folder %q", res, err, read(t, path), names(t, dir))
	}
	o.openAside = func(string) (*os.File, bool, error) { return nil, false, fs.ErrPermission }
	if _, err := WriteFile(ctx, path, &Options{ops: &o}, writeParts("newer")); !errors.Is(err, ErrNeedsInPlace) {
		t.Fatalf("read-only folder, without permission: %v", err)
	}
	res, err = WriteFile(ctx, path, &Options{ops: &o, InPlace: InPlaceNeeded}, writeParts("newer"))
	if err != nil || !res.InPlace || read(t, path) != "newer" {
		t.Fatalf("read-only folder: %+v, %v, content %q", res, err, read(t, path))
	}
}

func TestKeeps(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no modes or links to keep
	}
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	put(t, target, "old", 0o604)
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(target, 3, 4); err != nil {
			t.Fatal(err)
		}
	}
	old, _ := os.Stat(target)
	res, err := WriteFile(ctx, link, nil, writeParts("new"))
	if err != nil || !res.Changed || res.InPlace {
		t.Fatalf("got %+v, %v", res, err)
	}
	now, _ := os.Lstat(target)
	if now.Mode() != old.Mode() || *ownerOf(now) != *ownerOf(old) || os.SameFile(now, old) {
		t.Errorf("mode %v, owner %v, want %v, %v and a new inode", now.Mode(), ownerOf(now), old.Mode(), ownerOf(old))
	}
	if to, err := os.Readlink(link); to != "target" || read(t, target) != "new" {
		t.Errorf("link is %q, %v; target %q", to, err, read(t, target))
	}
	// Fresh: as if it were new; the link goes.
	if _, err := WriteFile(ctx, link, &Options{Fresh: true, Mode: 0o600}, writeParts("fresh")); err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Lstat(link); fi.Mode() != 0o600 || read(t, target) != "new" || read(t, link) != "fresh" {
		t.Errorf("fresh: mode %v, content %q, target %q", fi.Mode(), read(t, link), read(t, target))
	}
	// A link to nothing: its target is made.
	dangling := filepath.Join(dir, "dangling")
	os.Symlink(filepath.Join(dir, "made"), dangling)
	if _, err := WriteFile(ctx, dangling, nil, writeParts("x")); err != nil || read(t, filepath.Join(dir, "made")) != "x" {
		t.Errorf("dangling: %v", err)
	}
	os.Symlink("loop", filepath.Join(dir, "loop"))
	if _, err := WriteFile(ctx, filepath.Join(dir, "loop"), nil, writeParts("x")); err == nil {
		t.Error("a loop of links was written to")
	}
	if _, err := WriteFile(ctx, dir, nil, writeParts("x")); err == nil {
		t.Error("a folder was written to")
	}
}

// Relative links, whole chains of them, in folders that are reached through
// links: what ".." means is decided by where the link really is.
func TestLinksInLinkedFolders(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	dir := t.TempDir()
	for _, d := range []string{"etc", "etc/store", "srv/maps", "srv/store", "srv/other", "deep/store"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"etc/maps":        "../srv/maps",
		"srv/maps/t":      "../store/t",
		"srv/maps/chain":  "../store/chain",
		"srv/linked":      "../deep/store",
		"srv/store/chain": "../linked/end", // srv/linked is deep/store
		"deep/store/end":  "../../srv/other/end",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	// The names as given, not shortened by filepath.Join.
	for _, c := range []struct{ path, real string }{
		{"/etc/maps/t", "srv/store/t"},
		{"/etc/maps/../store/t", "srv/store/t"},
		{"/etc/maps/chain", "srv/other/end"},
		{"/etc/maps/../linked/../store/plain", "deep/store/plain"},
	} {
		for _, exists := range []bool{false, true} {
			content := fmt.Sprint(c, exists)
			var synced string
			o := realOps
			o.syncDir = func(d string) error { synced = d; return realOps.syncDir(d) }
			_, err := Update(ctx, dir+c.path, &Options{ops: &o}, func(_ []byte, there bool) ([]byte, error) {
				if there != exists {
					t.Errorf("%s: exists: %v", c.path, there)
				}
				return []byte(content), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			real := filepath.Join(dir, c.real)
			if got := read(t, real); got != content {
				t.Errorf("%s: %s holds %q", c.path, c.real, got)
			}
			got, err := os.Stat(synced)
			want, _ := os.Stat(filepath.Dir(real))
			if err != nil || !os.SameFile(got, want) {
				t.Errorf("%s: synced %s, %v", c.path, synced, err)
			}
		}
		os.Remove(filepath.Join(dir, c.real))
	}
	if got := names(t, filepath.Join(dir, "etc/store")); got != "" {
		t.Errorf("the wrong folder holds %s", got)
	}
	t.Chdir(dir + "/srv/maps")
	if _, err := WriteFile(ctx, "t", nil, writeParts("here")); err != nil || read(t, dir+"/srv/store/t") != "here" {
		t.Errorf("without a folder: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	res, err := Update(ctx, path, &Options{Mode: 0o600}, func(old []byte, exists bool) ([]byte, error) {
		if exists || old != nil {
			t.Errorf("new file: got %q, %v", old, exists)
		}
		return []byte("1"), nil
	})
	if err != nil || !res.Changed {
		t.Fatalf("got %+v, %v", res, err)
	}
	before, _ := os.Stat(path)
	res, err = Update(ctx, path, nil, func(old []byte, exists bool) ([]byte, error) { return old, nil })
	after, _ := os.Stat(path)
	if err != nil || res.Changed || !os.SameFile(before, after) {
		t.Errorf("nothing to change: got %+v, %v", res, err)
	}
	if _, err = Update(ctx, path, nil, func(old []byte, exists bool) ([]byte, error) { return nil, errFault }); err != errFault {
		t.Errorf("got %v", err)
	}
	if read(t, path) != "1" || names(t, dir) != "f " {
		t.Errorf("content %q, folder %q", read(t, path), names(t, dir))
	}
}

func TestLockWait(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	path := filepath.Join(t.TempDir(), "f")
	w, err := Create(ctx, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(ctx, path, &Options{LockWait: 20 * time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := Create(soon, path, nil); !errors.Is(err, ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrLocked and the deadline", err)
	}
	w.Abort()
	if _, err := WriteFile(ctx, path, nil, writeParts("x")); err != nil {
		t.Error(err)
	}
	// What a killed writer leaves behind is in nobody's way.
	put(t, path+".tmp", "half of", 0o600)
	if _, err := WriteFile(ctx, path, nil, writeParts("y")); err != nil || read(t, path) != "y" {
		t.Errorf("%v, content %q", err, read(t, path))
	}
}

func TestModeOfExisting(t *testing.T) {
	for _, c := range []struct {
		opts Options
		want fs.FileMode
	}{
		{Options{}, 0o664},
		{Options{Mode: 0o600}, 0o664},
		{Options{Mode: 0o600, SetMode: true}, 0o600},
		{Options{Mode: 0o600, Clear: 0o027}, 0o640},
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o664); err != nil {
			t.Fatal(err)
		}
		if _, err := WriteFile(context.Background(), path, &c.opts, writeParts("new")); err != nil {
			t.Fatal(err)
		}
		if st, _ := os.Stat(path); runtime.GOOS != "windows" && st.Mode().Perm() != c.want {
			t.Errorf("%+v: mode %v, want %v", c.opts, st.Mode().Perm(), c.want)
		}
	}
}

func TestFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var ops []string
	_, err := WriteFile(context.Background(), path, &Options{Fault: func(op string) error {
		ops = append(ops, op)
		if op == "sync" {
			return errors.New("no")
		}
		return nil
	}}, writeParts("new"))
	if err == nil || len(ops) < 4 {
		t.Errorf("got %v after %v", err, ops)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file is there")
	}
}

// Whoever may write to the folder must not make us write to a file elsewhere.
func TestForeignAsideFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // its links and owners are other things
	}
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "f"), filepath.Join(dir, "victim")
	put(t, victim, "precious", 0o600)
	if err := os.Link(victim, path+".tmp"); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFile(ctx, path, nil, writeParts("new")); err != nil || read(t, path) != "new" {
		t.Fatalf("hard link in the way: %v", err)
	}
	if got := read(t, victim); got != "precious" {
		t.Errorf("the linked file holds %q", got)
	}
	if err := os.Symlink(victim, path+".tmp"); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFile(ctx, path, nil, writeParts("newer")); err == nil {
		t.Error("a symbolic link was followed")
	}
	if got := read(t, victim); got != "precious" {
		t.Errorf("the linked file holds %q", got)
	}
	os.Remove(path + ".tmp")
	if os.Getuid() == 0 {
		put(t, path+".tmp", "of somebody else", 0o666)
		if err := os.Chown(path+".tmp", 1, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := WriteFile(ctx, filepath.Join(dir, "f"), nil, writeParts("mine")); err != nil {
			t.Fatal(err)
		}
		if fi, _ := os.Stat(path); ownerOf(fi).UID != 0 || read(t, path) != "mine" {
			t.Errorf("owner %v, content %q", ownerOf(fi), read(t, path))
		}
	}
}
