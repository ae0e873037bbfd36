//go:build unix

package postfixkit_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
)

// "make dist" in two folders gives the same bytes, and binaries that need
// nothing of the machine they run on.
func TestDistIsReproducible(t *testing.T) {
	source := snapshot(t)
	var sums [2]string
	for i, folder := range []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another/folder, deeper", "b")} {
		if out, err := run(".", nil, "git", "clone", "-q", source, folder); err != nil {
			t.Fatalf("git clone: %v\n%s", err, out)
		}
		if out, err := run(folder, []string{"GOFLAGS="}, "make", "dist"); err != nil {
			t.Fatalf("make dist: %v\n%s", err, out)
		}
		b, err := os.ReadFile(filepath.Join(folder, "dist/SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(b)
		binaries, err := filepath.Glob(filepath.Join(folder, "dist/linux-amd64/*"))
		if err != nil || len(binaries) != 3 {
			t.Fatalf("got %v, %v, want three binaries", binaries, err)
		}
		for _, b := range binaries {
			static(t, b)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("one folder:\n%s\nthe other:\n%s", sums[0], sums[1])
	}
}

// static sees to it that a binary has no interpreter and no shared libraries,
// and is under 12 MB.
func static(t *testing.T, path string) {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Size() > 12e6 {
		t.Errorf("%s has %d bytes", filepath.Base(path), fi.Size())
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s has an interpreter", filepath.Base(path))
		}
	}
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("%s needs %v, %v", filepath.Base(path), libs, err)
	}
}
