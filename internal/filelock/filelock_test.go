package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func try(t *testing.T, f *os.File, kind Kind, mode Mode) bool {
	t.Helper()
	ok, err := TryLock(f, kind, mode)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// perOpenFile tells whether two descriptors of one process exclude each other.
func perOpenFile(kind Kind) bool {
	return kind == Flock || runtime.GOOS == "linux" || runtime.GOOS == "windows"
}

func TestModes(t *testing.T) {
	for _, kind := range []Kind{Flock, Record} {
		if !perOpenFile(kind) {
			continue
		}
		path := filepath.Join(t.TempDir(), "f")
		a, b := open(t, path), open(t, path)
		for _, step := range []struct {
			f    *os.File
			mode Mode
			want bool
		}{
			{a, Shared, true}, {b, Shared, true}, {a, Exclusive, false}, {b, 0, true},
			{a, Exclusive, true}, {b, Shared, false}, {b, Exclusive, false},
			{a, Shared, true}, {b, Shared, true}, {a, 0, true}, {b, Exclusive, true}, {a, Shared, false},
		} {
			if step.mode == 0 {
				if err := Unlock(step.f, kind); err != nil {
					t.Fatal(err)
				}
				continue
			}
			// On Windows a refused change of mode gives up the old lock.
			if runtime.GOOS == "windows" && step.f == a && step.mode == Exclusive && !step.want {
				try(t, a, kind, Exclusive)
				try(t, a, kind, Shared)
				continue
			}
			if got := try(t, step.f, kind, step.mode); got != step.want {
				t.Fatalf("kind %d, %+v: got %v", kind, step, got)
			}
		}
	}
}

// Closing another descriptor of the file must not give the lock up, as it
// would with POSIX locks.
func TestOtherDescriptorClosed(t *testing.T) {
	for _, kind := range []Kind{Flock, Record} {
		if !perOpenFile(kind) {
			continue
		}
		path := filepath.Join(t.TempDir(), "f")
		a, b := open(t, path), open(t, path)
		if !try(t, a, kind, Exclusive) {
			t.Fatal("not locked")
		}
		open(t, path).Close()
		if try(t, b, kind, Shared) {
			t.Errorf("kind %d: the lock vanished", kind)
		}
	}
}

func TestWaitEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	a, b := open(t, path), open(t, path)
	if !try(t, a, Flock, Exclusive) {
		t.Fatal("not locked")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if err := Lock(ctx, b, Flock, Shared); !errors.Is(err, ErrBusy) {
		t.Errorf("deadline: got %v, want ErrBusy", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	if err := Lock(ctx, b, Flock, Shared); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { a.Close() })
	if err := Lock(context.Background(), b, Flock, Exclusive); err != nil {
		t.Errorf("after release: %v", err)
	}
}

func TestInvalid(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "f"))
	for _, bad := range []struct {
		k Kind
		m Mode
	}{{}, {Flock, 0}, {0, Shared}, {3, Shared}} {
		if _, err := TryLock(f, bad.k, bad.m); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
	if err := Unlock(f, 0); err == nil {
		t.Error("unlock: no error")
	}
	f.Close()
	if _, err := TryLock(f, Flock, Shared); err == nil {
		t.Error("closed file: no error")
	}
}

// The file is replaced while Open waits for the lock on it.
func TestOpenFollowsReplacement(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // an open file cannot be replaced there
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	old := open(t, path)
	if !try(t, old, Flock, Exclusive) {
		t.Fatal("not locked")
	}
	time.AfterFunc(20*time.Millisecond, func() {
		os.WriteFile(path+".new", []byte("new"), 0o644)
		os.Rename(path+".new", path)
		old.Close()
	})
	f, err := Open(context.Background(), path, os.O_RDWR, 0, Flock, Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 3)
	if _, err := f.Read(got); err != nil || string(got) != "new" {
		t.Errorf("locked the old file: %q %v", got, err)
	}
	if _, err := Open(context.Background(), filepath.Join(dir, "none"), os.O_RDWR, 0, Flock, Shared); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: got %v", err)
	}
}
