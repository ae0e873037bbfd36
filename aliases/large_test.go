//go:build unix

package aliases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/postfixkit/postfixkit/table"
)

// lines is how large the large files are: a million lines with
// POSTFIXKIT_LONG=1.
func lines() int {
	if os.Getenv("POSTFIXKIT_LONG") == "1" {
		return 1_000_000
	}
	return 20_000
}

// cpuTime returns the processor time this process has used: on a machine that
// does other things a better measure than the clock.
func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure logs time, allocations and what is held afterwards of a step.
func measure(t *testing.T, what string, step func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime(t)
	step()
	took, used := time.Since(start), cpuTime(t)-cpu
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%-28s %8.1f ms (%8.1f ms of processor), allocated %7.1f MB, holds %7.1f MB more", what, took.Seconds()*1e3, used.Seconds()*1e3,
		float64(allocated)/1e6, float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1e6)
}

func TestLargeFile(t *testing.T) {
	n := lines()
	src := bigSource(n)
	t.Logf("%d lines, %.1f MB", n, float64(len(src))/1e6)
	var f *File
	var g *Graph
	measure(t, "Scanner", func() {
		s, count := NewScanner("big", bytes.NewReader(src), nil), 0
		for s.Scan() {
			count++
		}
		if count != n || s.Err() != nil {
			t.Errorf("%d aliases, %v", count, s.Err())
		}
	})
	measure(t, "Parse", func() {
		var err error
		if f, err = Parse("big", src, nil); err != nil {
			t.Error(err)
		}
	})
	measure(t, "Get, every name", func() {
		for i := range n {
			if targets, ok := f.Get(fmt.Sprintf("USER%d", i)); !ok || len(targets) != 2 {
				t.Fatalf("user%d: %v", i, targets)
			}
		}
	})
	measure(t, "AddTarget and WriteTo", func() {
		if ok, err := f.AddTarget("user7", addr("new")); !ok || err != nil {
			t.Error(err)
		}
		if size, err := f.WriteTo(io.Discard); size != int64(len(src)+len(", new")) || err != nil {
			t.Error(size, err)
		}
	})
	measure(t, "Check", func() {
		if found := f.Check(); len(found) > 0 {
			t.Error(found)
		}
	})
	measure(t, "NewGraph", func() {
		var err error
		if g, err = NewGraph(context.Background(), f, nil); err != nil || len(g.Findings()) > 0 {
			t.Error(err)
		}
	})
	measure(t, "Reaching", func() {
		if got := g.Reaching(addr("mailbox9@example.com")); len(got) != 1 {
			t.Error(names(got))
		}
	})
	x := &Expander{Aliases: []table.Table{f}}
	measure(t, "Expand, every name", func() {
		for i := range n {
			if out, err := x.Expand(context.Background(), fmt.Sprintf("user%d", i)); err != nil || len(out) < 2 {
				t.Fatal(out, err)
			}
		}
	})
	runtime.KeepAlive(f)
	runtime.KeepAlive(g)
}

// TestLargeList expands one alias with as many members as the file has lines.
func TestLargeList(t *testing.T) {
	n := lines()
	var list bytes.Buffer
	for i := range n {
		fmt.Fprintf(&list, "member%d@example.com\n", i)
	}
	x := &Expander{
		Aliases: []table.Table{parse(t, "list: :include:/list\n")},
		FS:      fstest.MapFS{"list": {Data: list.Bytes()}}, MaxTargets: n + 1,
	}
	measure(t, "Expand, one list", func() {
		out, err := x.Expand(context.Background(), "list")
		if len(out) != n || err != nil {
			t.Errorf("%d destinations, %v", len(out), err)
		}
	})
	x.MaxTargets, x.MaxSize = n/2, 0
	if out, err := x.Expand(context.Background(), "list"); len(out) != n/2-1 || !errors.Is(err, ErrLimit) {
		t.Errorf("%d destinations, %v", len(out), err)
	}
}

// TestIncludeChain follows ten thousand :include: files, each of which names
// the next.
func TestIncludeChain(t *testing.T) {
	const n = 10_000
	fsys := fstest.MapFS{}
	for i := range n {
		fsys[fmt.Sprintf("lists/%d", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "member%d@example.com\n:include:/lists/%d\n", i, i+1)}
	}
	fsys[fmt.Sprintf("lists/%d", n)] = &fstest.MapFile{Data: []byte("last@example.com\n")}
	x := &Expander{Aliases: []table.Table{parse(t, "list: :include:/lists/0\n")}, FS: fsys}

	out, err := x.Expand(context.Background(), "list")
	if len(out) != 97 || !errors.Is(err, ErrLimit) || !errors.Is(err, ErrLoop) {
		t.Errorf("with Postfix's limit: %d destinations, %v", len(out), err)
	}
	x.MaxDepth = 2 * n
	measure(t, "Expand, chain of includes", func() {
		if out, err = x.Expand(context.Background(), "list"); len(out) != n+1 || err != nil || len(out[n].Via()) != n+2 {
			t.Errorf("%d destinations, %v", len(out), err)
		}
	})
	measure(t, "NewGraph, chain of includes", func() {
		g, err := NewGraph(context.Background(), parse(t, "list: :include:/lists/0\n"), x)
		if err != nil || len(g.Findings()) > 0 || names(g.Reaching(addr("last@example.com"))) != "list" {
			t.Errorf("%v, %v", err, g.Findings())
		}
	})
	x.MaxSize = 100_000
	if _, err := x.Expand(context.Background(), "list"); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v", err)
	}
}
