package mmap

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func mapped(t *testing.T, content []byte) (*os.File, []byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "f"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	b, err := Map(f, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Unmap(b) })
	return f, b
}

func TestMap(t *testing.T) {
	want := bytes.Repeat([]byte("postfix "), 4096)
	_, got := mapped(t, want)
	if !bytes.Equal(got, want) {
		t.Fatalf("mapped content differs: got %d bytes, want %d", len(got), len(want))
	}
	if _, empty := mapped(t, nil); len(empty) != 0 {
		t.Fatalf("empty file: got %d bytes", len(empty))
	}
}

func TestTruncatedUnderMapping(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a mapped file cannot be truncated there
	}
	f, b := mapped(t, bytes.Repeat([]byte{7}, 1<<16))
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	read := func() (sum byte, err error) {
		defer Recover(Protect(), &err)
		for _, c := range b {
			sum += c
		}
		return sum, nil
	}
	if _, err := read(); !errors.Is(err, ErrFault) {
		t.Fatalf("got %v, want ErrFault", err)
	}
}

func TestOtherPanicsGoOn(t *testing.T) {
	defer func() {
		if got := recover(); got != "mine" {
			t.Fatalf("got %v, want the panic that was thrown", got)
		}
	}()
	var err error
	func() {
		defer Recover(Protect(), &err)
		panic("mine")
	}()
}

var sink byte

func BenchmarkProtect(b *testing.B) {
	f := func(p []byte) (c byte, err error) {
		defer Recover(Protect(), &err)
		return p[3], nil
	}
	p := make([]byte, 8)
	for b.Loop() {
		c, _ := f(p)
		sink += c
	}
}
