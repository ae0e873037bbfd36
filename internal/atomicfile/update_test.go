package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Many updates at once, through a symbolic link and through the real name, by
// renaming, in place, and where no lock file can be made.
func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no lock there, see tryLock
	}
	noAside := realOps
	noAside.openAside = func(string) (*os.File, bool, error) { return nil, false, fs.ErrPermission }
	for _, c := range []struct {
		name   string
		exists bool
		opts   Options
	}{
		{"existing", true, Options{}},
		{"new", false, Options{}},
		{"in place", true, Options{InPlace: InPlaceAlways}},
		{"new, in place", false, Options{InPlace: InPlaceAlways}},
		{"in place if needed", true, Options{InPlace: InPlaceNeeded}},
		{"no lock file", true, Options{InPlace: InPlaceNeeded, ops: &noAside}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// What is tested is not how long a sync takes on a loaded machine.
			c.opts.LockWait = 10 * time.Minute
			dir := t.TempDir()
			path, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
			if c.exists {
				put(t, path, "0", 0o644)
			}
			if err := os.Symlink("f", link); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			const writers = 24
			for i := range writers {
				wg.Add(1)
				go func() {
					defer wg.Done()
					_, err := Update(ctx, []string{path, link}[i%2], &c.opts, func(old []byte, exists bool) ([]byte, error) {
						if !exists {
							return []byte("1"), nil
						}
						n, err := strconv.Atoi(string(old))
						return fmt.Append(nil, n+1), err
					})
					if err != nil {
						t.Error(err)
					}
				}()
			}
			wg.Wait()
			if got := read(t, path); got != strconv.Itoa(writers) {
				t.Errorf("counted to %s, want %d", got, writers)
			}
			if got := names(t, dir); got != "f link " {
				t.Errorf("folder holds %s", got)
			}
		})
	}
}

// Somebody who does not know of the lock changes the file while it is edited:
// his change is kept, and what he does again and again ends in an error.
func TestForeignChange(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	replace := func(content string) {
		put(t, path+".new", content, 0o644)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write := func(content string) { put(t, path, content, 0o644) }
	for _, how := range []InPlace{InPlaceNever, InPlaceAlways} {
		for _, c := range []struct {
			name, was, want string
			change          func()
		}{
			{"replaced", "a", "other+ours", func() { replace("other") }},
			{"replaced, same size", "a", "b+ours", func() { replace("b") }},
			{"written", "a", "longer+ours", func() { write("longer") }},
			{"written, same size", "a", "b+ours", func() { time.Sleep(20 * time.Millisecond); write("b") }},
			{"removed", "a", "none+ours", func() { os.Remove(path) }},
			{"made", "", "other+ours", func() { write("other") }},
		} {
			os.Remove(path)
			if c.was != "" {
				write(c.was)
			}
			calls := 0
			_, err := Update(ctx, path, &Options{InPlace: how}, func(old []byte, exists bool) ([]byte, error) {
				if calls++; calls == 1 {
					c.change()
				}
				if !exists {
					old = []byte("none")
				}
				return append(old, "+ours"...), nil
			})
			if err != nil || calls != 2 || read(t, path) != c.want {
				t.Errorf("%s, %d: %v after %d calls, %q, want %q", c.name, how, err, calls, read(t, path), c.want)
			}
		}
		write("0")
		calls := 0
		_, err := Update(ctx, path, &Options{InPlace: how}, func(old []byte, exists bool) ([]byte, error) {
			calls++
			write(fmt.Sprintf("%0*d", calls, calls))
			return append(old, "+ours"...), nil
		})
		if !errors.Is(err, ErrChanged) || calls != maxTries || read(t, path) != fmt.Sprintf("%0*d", calls, calls) {
			t.Errorf("%d: %v after %d calls, %q", how, err, calls, read(t, path))
		}
		if got := names(t, dir); got != "f " {
			t.Errorf("folder holds %s", got)
		}
	}
	// Before of the caller still counts.
	if _, err := Update(ctx, path, &Options{Before: func() error { return errFault }}, func(old []byte, _ bool) ([]byte, error) {
		return append(old, "x"...), nil
	}); !errors.Is(err, errFault) {
		t.Errorf("got %v", err)
	}
}

// A writer that died when all was ready left a file that may only be read.
func TestReadOnlyAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	put(t, path, "old", 0o444)
	put(t, path+".tmp", "left behind", 0o444)
	if _, err := WriteFile(ctx, path, &Options{LockWait: time.Second}, writeParts("new")); err != nil || read(t, path) != "new" {
		t.Errorf("%v, content %q", err, read(t, path))
	}
}
