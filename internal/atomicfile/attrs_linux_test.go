package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestKeepsExtendedAttributes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	put(t, path, "old", 0o644)
	const name, value = "user.origin", "written by hand"
	if err := unix.Setxattr(path, name, []byte(value), 0); errors.Is(err, unix.ENOTSUP) {
		t.Logf("this file system has no user attributes; copying none is what is tested")
	} else if err != nil {
		t.Fatal(err)
	}
	want, wantErr := getAttr(path, name)
	if _, err := WriteFile(ctx, path, nil, writeParts("new")); err != nil {
		t.Fatal(err)
	}
	got, gotErr := getAttr(path, name)
	if string(got) != string(want) || !errors.Is(gotErr, wantErr) || read(t, path) != "new" {
		t.Errorf("got %q, %v; want %q, %v", got, gotErr, want, wantErr)
	}
}

// aclFor is an access control list that gives user 7 these rights, with a mask
// that does too.
func aclFor(owner, named, group, other byte) []byte {
	const none = "\xff\xff\xff\xff"
	entry := func(kind, rights byte, id string) string { return string([]byte{kind, 0, rights, 0}) + id }
	return []byte("\x02\x00\x00\x00" + entry(aclOwner, owner, none) + entry(0x02, named, "\x07\x00\x00\x00") +
		entry(aclGroup, group, none) + entry(aclMask, named|group, none) + entry(aclOther, other, none))
}

// A file with an access control list has the mode that was asked for at each
// moment, and the list is kept otherwise.
func TestModeWithACL(t *testing.T) {
	for _, c := range []struct {
		opts    Options
		mode    fs.FileMode
		inPlace bool
	}{
		{Options{}, 0o664, false},
		{Options{Mode: 0o600, SetMode: true}, 0o600, false},
		{Options{Clear: 0o077}, 0o600, false},
		{Options{Clear: 0o026}, 0o640, false},
		{Options{Mode: 0o600, SetMode: true, InPlace: InPlaceAlways}, 0o600, true},
		{Options{Clear: 0o077, InPlace: InPlaceAlways}, 0o600, true},
	} {
		path := filepath.Join(t.TempDir(), "f")
		put(t, path, "old", 0o644)
		if err := unix.Setxattr(path, aclName, aclFor(6, 6, 4, 4), 0); errors.Is(err, unix.ENOTSUP) {
			t.Log("this file system has no access control lists")
			return
		} else if err != nil {
			t.Fatal(err)
		}
		o := realOps
		o.chmod = func(f *os.File, mode fs.FileMode) error {
			if fi, err := f.Stat(); !c.inPlace && (err != nil || fi.Mode()&^mode != 0) {
				t.Errorf("%+v: for a moment the mode was %v", c.opts, fi.Mode())
			}
			return realOps.chmod(f, mode)
		}
		c.opts.ops = &o
		if _, err := WriteFile(ctx, path, &c.opts, writeParts("new")); err != nil {
			t.Fatal(err)
		}
		fi, _ := os.Stat(path)
		want := aclFor(6, 6, 4, 4)
		setACLMode(want, c.mode)
		got, err := getAttr(path, aclName)
		if err != nil || fi.Mode() != c.mode || !bytes.Equal(got, want) {
			t.Errorf("%+v: mode %v, list % x (%v), want % x", c.opts, fi.Mode(), got, err, want)
		}
	}
}

// A real bind mount, where the machine lets us make one.
func TestBindMount(t *testing.T) {
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "main.cf"), filepath.Join(dir, "host.cf")
	put(t, inside, "", 0o644)
	put(t, outside, "old, on the host", 0o640)
	if out, err := exec.Command("mount", "--bind", outside, inside).CombinedOutput(); err != nil {
		t.Logf("no bind mount on this machine (%v, %s); TestBusyTarget has the same case without one", err, out)
		return
	}
	defer exec.Command("umount", inside).Run()
	if _, err := WriteFile(ctx, inside, nil, writeParts("new")); !errors.Is(err, ErrNeedsInPlace) {
		t.Fatalf("got %v, want ErrNeedsInPlace", err)
	}
	res, err := WriteFile(ctx, inside, &Options{InPlace: InPlaceNeeded}, writeParts("new"))
	if err != nil || !res.InPlace || read(t, outside) != "new" {
		t.Fatalf("got %+v, %v, host file %q", res, err, read(t, outside))
	}
	if _, err := os.Stat(inside + ".tmp"); err == nil {
		t.Error("main.cf.tmp was left behind")
	}
}

func TestSpoolInMemory(t *testing.T) {
	m := memoryFile()
	if m == nil {
		t.Fatal("no memory file")
	}
	defer m.Close()
	if _, err := m.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", "/nonexistent")
	s, err := spool()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
