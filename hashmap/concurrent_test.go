package hashmap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/table"
)

// Lookups from many goroutines, with every way to open, while the table is
// replaced: each finds the key, in the old table or in the new one.
func TestConcurrentReplacement(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a rename over an open file is refused there
	}
	for _, f := range Formats() {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "m")
			path := FileName(f, name)
			write := func(n int) {
				if _, err := builderOf(t, f, nil, version(n)).WriteFile(ctx, path); err != nil {
					t.Error(err)
				}
			}
			write(0)
			tab, err := table.Reload(ctx, func(context.Context) (table.Closer, error) { return Open(path, nil) }, &table.ReloadOptions{Interval: -1}, path)
			if err != nil {
				t.Fatal(err)
			}
			defer tab.Close()
			fixed := open(t, path, &OpenOptions{FoldKeys: true, NoMmap: true})
			done := make(chan struct{})
			var readers sync.WaitGroup
			for i := range 3 {
				readers.Add(1)
				go func() {
					defer readers.Done()
					for n := i; ; n++ {
						key := fmt.Sprintf("key%04d", n%200)
						if v, found, err := tab.Lookup(ctx, key); !found || err != nil || !strings.HasPrefix(v, "version") {
							t.Errorf("%s: %q %v %v", key, v, found, err)
							return
						}
						if v, found, err := fixed.AppendLookup(nil, []byte(strings.ToUpper(key))); !found || err != nil || string(v) != "version0" {
							t.Errorf("%s: %q %v %v", key, v, found, err)
							return
						}
						select {
						case <-done:
							return
						default:
						}
					}
				}()
			}
			for n := range 5 {
				write(n + 1)
			}
			close(done)
			readers.Wait()
			if err := tab.Refresh(ctx); err != nil {
				t.Error(err)
			}
			if v, _, err := tab.Lookup(ctx, "key0000"); v != "version5" || err != nil {
				t.Errorf("at the end: %q %v", v, err)
			}
		})
	}
}

// With LockLookups a lookup opens a changed file anew; what goes on for longer
// ends with the file as it was when it began.
func TestLockLookupsDuringAll(t *testing.T) {
	for _, f := range []Format{Hash, Btree, LMDB} {
		path := FileName(f, filepath.Join(t.TempDir(), "m"))
		if _, err := builderOf(t, f, nil, version(0)).WriteFile(ctx, path); err != nil {
			t.Fatal(err)
		}
		r := open(t, path, &OpenOptions{LockLookups: true})
		touched := time.Now().Add(-time.Hour)
		look := func() {
			touched = touched.Add(time.Second)
			if err := os.Chtimes(path, touched, touched); err != nil {
				t.Error(err)
			}
			if v, found, err := r.Lookup(ctx, "key0007"); v != "version0" || !found || err != nil {
				t.Errorf("%v: Lookup: %q, %v, %v", f, v, found, err)
			}
		}
		n := 0
		for _, err := range r.All(ctx) {
			if err != nil {
				t.Fatalf("%v: All after %d entries: %v", f, n, err)
			}
			if n++; n%20 == 0 {
				look()
			}
		}
		if n != len(version(0)) {
			t.Errorf("%v: All had %d entries, want %d", f, n, len(version(0)))
		}
		if len(r.old) != 0 {
			t.Errorf("%v: %d old files are open", f, len(r.old))
		}
		var others sync.WaitGroup
		done := make(chan struct{})
		for range 2 {
			others.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if err := r.Check(ctx, nil); err != nil {
						t.Errorf("%v: Check: %v", f, err)
						return
					}
					if in, err := r.Info(); in.Size == 0 || err != nil {
						t.Errorf("%v: Info: %+v, %v", f, in, err)
						return
					}
				}
			})
		}
		for range 50 {
			look()
		}
		close(done)
		others.Wait()
	}
}

// A file cut off under a mapping costs an error, not the process.
func TestTruncatedUnderReader(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a mapped file cannot be truncated there
	}
	for _, f := range Formats() {
		path := FileName(f, filepath.Join(t.TempDir(), "m"))
		b := NewBuilder(f, nil)
		value := "some value that takes room"
		if f == CDB { // which reads files up to 8 MiB into memory
			value = strings.Repeat(value, 50)
		}
		for i := range 8000 {
			b.Add(fmt.Sprintf("key%06d", i), value)
		}
		if _, err := b.WriteFile(ctx, path); err != nil {
			t.Fatal(err)
		}
		for _, o := range []*OpenOptions{nil, {NoMmap: true}} {
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := open(t, path, o)
			if err := os.Truncate(path, int64(len(whole)/8)); err != nil {
				t.Fatal(err)
			}
			failed := 0
			for i := range 8000 {
				if _, _, err := r.Lookup(ctx, fmt.Sprintf("key%06d", i)); err != nil {
					failed++
				}
			}
			if failed == 0 {
				t.Errorf("%v: no lookup failed", f)
			}
			for _, err := range r.Records() {
				if err != nil {
					break
				}
			}
			if r.Check(ctx, nil) == nil {
				t.Errorf("%v: Check found nothing", f)
			}
			r.Close()
			if err := os.WriteFile(path, whole, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCancelledWrite(t *testing.T) {
	for _, f := range Formats() {
		path := built(t, f, nil, "k old")
		stopped, cancel := context.WithCancel(ctx)
		cancel()
		b := NewBuilder(f, nil)
		b.Add("k", "new")
		if _, err := b.WriteFile(stopped, path); !errors.Is(err, context.Canceled) {
			t.Errorf("%v: got %v", f, err)
		}
		want(t, open(t, path, nil), "k", "old", true)
	}
}

func TestClosed(t *testing.T) {
	for _, f := range Formats() {
		r := open(t, built(t, f, nil, "k v"), nil)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, _, err := r.Lookup(ctx, "k"); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: lookup: %v", f, err)
		}
		for _, err := range r.All(ctx) {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%v: All: %v", f, err)
			}
		}
		if _, err := r.Info(); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: Info: %v", f, err)
		}
		if err := r.Check(ctx, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%v: Check: %v", f, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%v: second Close: %v", f, err)
		}
	}
}
