package table

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fileTable answers every key with the content its file had when opened, and
// fails once closed.
type fileTable struct {
	content string
	closed  atomic.Bool
	open    *atomic.Int64
}

func (f *fileTable) Lookup(context.Context, string) (string, bool, error) {
	for range 10 {
		if f.closed.Load() {
			return "", false, errors.New("lookup in a closed table")
		}
		runtime.Gosched()
	}
	return f.content, true, nil
}

func (f *fileTable) Close() error {
	if f.closed.Swap(true) {
		return errors.New("closed twice")
	}
	f.open.Add(-1)
	return nil
}

type opener struct {
	path  string
	open  atomic.Int64 // tables open now
	calls atomic.Int64
}

func (o *opener) openTable(context.Context) (Closer, error) {
	o.calls.Add(1)
	b, err := os.ReadFile(o.path)
	if err != nil {
		return nil, err
	}
	if string(b) == "broken" {
		return nil, errors.New("broken table")
	}
	o.open.Add(1)
	return &fileTable{content: string(b), open: &o.open}, nil
}

// put replaces the file as our writers do. The time tells two versions apart.
func put(t *testing.T, path, content string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path+".tmp", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path+".tmp", at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	ctx := context.Background()
	old := time.Now().Add(-time.Hour)
	clock := time.Now()
	o := &opener{path: filepath.Join(t.TempDir(), "f")}
	var reports []error
	opts := &ReloadOptions{OnReload: func(err error) { reports = append(reports, err) }}
	now := func() time.Time { return clock }
	if _, err := reload(ctx, o.openTable, opts, now, []string{o.path}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("missing file: got %v", err)
	}
	put(t, o.path, "one", old)
	r, err := reload(ctx, o.openTable, opts, now, []string{o.path})
	if err != nil {
		t.Fatal(err)
	}
	want := func(what, value string, calls int64, failed bool) {
		t.Helper()
		got, found, err := r.Lookup(ctx, "k")
		if got != value || !found || err != nil {
			t.Errorf("%s: got %q %v %v, want %q", what, got, found, err, value)
		}
		if n := o.calls.Load(); n != calls {
			t.Errorf("%s: opened %d times, want %d", what, n, calls)
		}
		if (len(reports) > 0 && reports[len(reports)-1] != nil) != failed {
			t.Errorf("%s: reports %v", what, reports)
		}
		if o.open.Load() != 1 {
			t.Errorf("%s: %d tables open", what, o.open.Load())
		}
	}
	o.calls.Store(1)
	want("first", "one", 1, false)
	put(t, o.path, "two", old)
	want("within the interval", "one", 1, false)
	clock = clock.Add(time.Second)
	want("replaced, same size and time", "two", 2, false)
	clock = clock.Add(time.Second)
	want("unchanged", "two", 2, false)
	if err := os.Chtimes(o.path, old, old.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(time.Second)
	want("touched", "two", 3, false)
	put(t, o.path, "broken", old)
	clock = clock.Add(time.Second)
	want("broken", "two", 4, true)
	want("broken, not tried at once again", "two", 4, true)
	clock = clock.Add(time.Second)
	want("still broken", "two", 5, true)
	os.Remove(o.path)
	clock = clock.Add(time.Second)
	want("gone", "two", 6, true)
	put(t, o.path, "three", old)
	clock = clock.Add(time.Second)
	want("back", "three", 7, false)

	// Written in the same moment it is opened: looked at once more, later.
	put(t, o.path, "young", clock)
	clock = clock.Add(time.Second)
	want("young", "young", 8, false)
	clock = clock.Add(time.Second)
	want("young, 1 s", "young", 8, false)
	clock = clock.Add(time.Second)
	want("young, 2 s", "young", 9, false)
	clock = clock.Add(time.Minute)
	want("settled", "young", 9, false)

	put(t, o.path, "asked", old)
	if err := r.Refresh(ctx); err != nil {
		t.Error(err)
	}
	want("refreshed", "asked", 10, false)
	if v, found, err := r.AppendLookup([]byte("x"), []byte("k")); string(v) != "xasked" || !found || err != nil {
		t.Errorf("AppendLookup: %q %v %v", v, found, err)
	}
	for _, err := range r.All(ctx) {
		if !errors.Is(err, errNoAll) {
			t.Errorf("All: %v", err)
		}
	}
	if err := r.Close(); err != nil || o.open.Load() != 0 {
		t.Errorf("close: %v, %d open", err, o.open.Load())
	}
	if _, _, err := r.Lookup(ctx, "k"); err == nil {
		t.Error("lookup after Close")
	}
	if err := errors.Join(r.Close(), nil); err != nil {
		t.Error(err)
	}
	if r.Refresh(ctx) == nil {
		t.Error("refresh after Close")
	}
}

func TestReloadNoFirst(t *testing.T) {
	ctx := context.Background()
	o := &opener{path: filepath.Join(t.TempDir(), "f")}
	r, err := Reload(ctx, o.openTable, &ReloadOptions{NoFirst: true, Interval: -1}, o.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Lookup(ctx, "k"); !IsTemporary(err) {
		t.Errorf("got %v, want a temporary error", err)
	}
	put(t, o.path, "here", time.Now().Add(-time.Hour))
	if v, _, err := r.Lookup(ctx, "k"); v != "here" || err != nil {
		t.Errorf("got %q %v", v, err)
	}
}

// A lookup in a table that is being opened for the first time does not wait for
// that.
func TestReloadNoFirstSlow(t *testing.T) {
	ctx := context.Background()
	begun, release := make(chan struct{}), make(chan struct{})
	calls := 0
	open := func(context.Context) (Closer, error) {
		if calls++; calls == 1 {
			return nil, errors.New("not yet")
		}
		close(begun)
		<-release
		return NopCloser(Static("here")), nil
	}
	r, err := Reload(ctx, open, &ReloadOptions{NoFirst: true, Interval: -1})
	if err != nil {
		t.Fatal(err)
	}
	first, second := make(chan error, 1), make(chan error, 1)
	lookup := func(to chan error) {
		_, _, err := r.Lookup(ctx, "k")
		to <- err
	}
	go lookup(first)
	<-begun
	go lookup(second)
	select {
	case err := <-second:
		if !IsTemporary(err) {
			t.Errorf("got %v, want a temporary error", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the lookup waits")
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// All keys of LookupMany are answered by one version of the table.
func TestReloadLookupMany(t *testing.T) {
	o := &opener{path: filepath.Join(t.TempDir(), "f")}
	put(t, o.path, "old", time.Now().Add(-time.Hour))
	r, err := Reload(context.Background(), o.openTable, &ReloadOptions{Interval: -1}, o.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := r.LookupMany([][]byte{[]byte("a"), []byte("b"), []byte("c")}, func(i int, value []byte) bool {
		if string(value) != "old" {
			t.Errorf("key %d: %s", i, value)
		}
		put(t, o.path, "newer", time.Now().Add(-time.Minute))
		return true
	})
	if n != 3 || err != nil {
		t.Error(n, err)
	}
}

// Lookups from many goroutines while the file is replaced: none fails, values
// never go back to an older version, and nothing stays open.
func TestReloadWithoutFailedLookup(t *testing.T) {
	ctx := context.Background()
	old := time.Now().Add(-time.Hour)
	o := &opener{path: filepath.Join(t.TempDir(), "f")}
	put(t, o.path, "000000", old)
	r, err := Reload(ctx, o.openTable, &ReloadOptions{Interval: -1}, o.path)
	if err != nil {
		t.Fatal(err)
	}
	const versions = 300
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			last := ""
			for {
				v, found, err := r.Lookup(ctx, "k")
				if err != nil || !found || v < last {
					t.Errorf("got %q %v %v after %q", v, found, err, last)
					return
				}
				last = v
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	for i := 1; i <= versions; i++ {
		put(t, o.path, fmt.Sprintf("%06d", i), old.Add(time.Duration(i)*time.Second))
	}
	close(done)
	readers.Wait()
	if v, _, _ := r.Lookup(ctx, "k"); v != fmt.Sprintf("%06d", versions) {
		t.Errorf("last version: got %q", v)
	}
	t.Logf("%d versions opened for %d written", o.calls.Load(), versions)
	if err := r.Close(); err != nil || o.open.Load() != 0 {
		t.Errorf("close: %v, %d tables still open", err, o.open.Load())
	}
}

func BenchmarkReload(b *testing.B) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	inner := NopCloser(Func(func(context.Context, string) (string, bool, error) { return "v", true, nil }))
	r, err := Reload(ctx, func(context.Context) (Closer, error) { return inner, nil }, nil, path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Lookup(ctx, "k")
	}
}
