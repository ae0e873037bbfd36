package faultio

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestModes(t *testing.T) {
	run := func(f *Faults) (failed []int) {
		for i := 1; i <= 4; i++ {
			if err := f.Next("op"); err != nil {
				if !errors.Is(err, ErrInjected) || !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("got %v", err)
				}
				failed = append(failed, i)
			}
		}
		return failed
	}
	for _, c := range []struct {
		f    *Faults
		want []int
	}{{nil, nil}, {&Faults{}, nil}, {New(Once, 2), []int{2}}, {New(Crash, 3), []int{3, 4}}} {
		if got := run(c.f); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: failed %v, want %v", c.f, got, c.want)
		}
	}
}

func TestEach(t *testing.T) {
	var runs [][]string
	Each(t, Once, func(t *testing.T, f *Faults) {
		for _, op := range []string{"write", "sync", "rename"} {
			if f.Do(op, func() error { return nil }) != nil {
				break
			}
		}
		runs = append(runs, f.Calls())
	})
	want := [][]string{{"write"}, {"write", "sync"}, {"write", "sync", "rename"}, {"write", "sync", "rename"}}
	if !reflect.DeepEqual(runs, want) {
		t.Errorf("got %v", runs)
	}
}

func TestWrappers(t *testing.T) {
	var b bytes.Buffer
	w := Writer(&b, New(Once, 2))
	io.WriteString(w, "first ")
	if n, err := io.WriteString(w, "second"); n != 3 || !errors.Is(err, ErrInjected) {
		t.Errorf("got %d %v", n, err)
	}
	if b.String() != "first sec" {
		t.Errorf("got %q", b.String())
	}
	p := make([]byte, 2)
	ra := ReaderAt(strings.NewReader("abcd"), New(Crash, 2))
	if _, err := ra.ReadAt(p, 1); err != nil || string(p) != "bc" {
		t.Errorf("got %q %v", p, err)
	}
	if _, err := ra.ReadAt(p, 1); !errors.Is(err, ErrInjected) {
		t.Errorf("got %v", err)
	}
	if _, err := io.ReadAll(Reader(strings.NewReader("abcd"), New(Once, 1))); !errors.Is(err, ErrInjected) {
		t.Errorf("got %v", err)
	}
}
