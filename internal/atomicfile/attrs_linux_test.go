package atomicfile

import (
	"errors"
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
