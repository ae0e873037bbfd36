package hashmap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/faultio"
)

// versions are two contents of a table that differ in every record.
func version(n int) (entries []string) {
	for i := range 200 {
		entries = append(entries, fmt.Sprintf("key%04d version%d", i, n))
	}
	return entries
}

func builderOf(t testing.TB, f Format, opts *BuildOptions, entries []string) *Builder {
	t.Helper()
	b := NewBuilder(f, opts)
	for _, e := range entries {
		if err := b.Add(e[:7], e[8:]); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// Every operation of every way to write a table fails once, or is the last one
// before a crash. What is there afterwards is the old table or the new one,
// sound, and the old one whenever the call failed before the replacement.
func TestFailedWriteKeepsTable(t *testing.T) {
	old, replacement := version(1), version(2)
	ways := map[string]func(t *testing.T, f Format, path string, file FileOptions) error{
		"build": func(t *testing.T, f Format, path string, file FileOptions) error {
			_, err := builderOf(t, f, &BuildOptions{File: file}, replacement).WriteFile(ctx, path)
			return err
		},
		"verified build": func(t *testing.T, f Format, path string, file FileOptions) error {
			_, err := builderOf(t, f, &BuildOptions{File: file, Verify: true}, replacement).WriteFile(ctx, path)
			return err
		},
		"update": func(t *testing.T, f Format, path string, file FileOptions) error {
			_, err := Update(ctx, path, &UpdateOptions{Duplicates: KeepLast, File: file}, func(e *Edit) error {
				for _, r := range replacement {
					if _, err := e.Put(r[:7], r[8:]); err != nil {
						return err
					}
				}
				return nil
			})
			return err
		},
		"convert": func(t *testing.T, f Format, path string, file FileOptions) error {
			src := open(t, built(t, CDB, nil, replacement...), nil)
			_, err := Convert(ctx, src, f, path, &BuildOptions{File: file})
			return err
		},
	}
	for _, f := range Formats() {
		before, after := contentOf(t, built(t, f, nil, old...)), contentOf(t, built(t, f, nil, replacement...))
		for name, write := range ways {
			for _, mode := range []faultio.Mode{faultio.Once, faultio.Crash} {
				if mode == faultio.Crash && (name == "convert" || name == "verified build") {
					continue // the same steps as a build
				}
				t.Run(fmt.Sprintf("%v/%s/%d", f, name, mode), func(t *testing.T) {
					t.Parallel()
					faultio.Each(t, mode, func(t *testing.T, faults *faultio.Faults) {
						path := built(t, f, nil, old...)
						replaced := false
						err := write(t, f, path, FileOptions{fault: func(op string) error {
							err := faults.Next(op)
							replaced = replaced || op == "rename" && err == nil
							return err
						}})
						got := contentOf(t, path)
						switch {
						case replaced && !slices.Equal(got, after):
							t.Errorf("after the replacement (%v): not the new table: %.200s", err, got)
						case !replaced && !slices.Equal(got, before):
							t.Errorf("before the replacement (%v): not the old table: %.200s", err, got)
						case !replaced && !errors.Is(err, faultio.ErrInjected):
							t.Errorf("got %v, want the injected failure", err)
						}
						// The next build works, whatever was left behind.
						if err := write(t, f, path, FileOptions{}); err != nil {
							t.Errorf("next build: %v", err)
						}
						if got := contentOf(t, path); !slices.Equal(got, after) {
							t.Errorf("next build: %.200s", got)
						}
					})
				})
			}
		}
	}
}

// Overwriting in place cannot survive a crash, but a failed operation is undone.
func TestFailedWriteInPlace(t *testing.T) {
	for _, f := range Formats() {
		before := contentOf(t, built(t, f, nil, version(1)...))
		faultio.Each(t, faultio.Once, func(t *testing.T, faults *faultio.Faults) {
			path := built(t, f, nil, version(1)...)
			inode, _ := os.Stat(path)
			_, err := builderOf(t, f, &BuildOptions{File: FileOptions{InPlace: InPlaceAlways, fault: faults.Next}}, version(2)).WriteFile(ctx, path)
			if got := contentOf(t, path); err != nil && !slices.Equal(got, before) {
				t.Errorf("%v: %.200s", err, got)
			}
			if now, _ := os.Stat(path); !os.SameFile(inode, now) {
				t.Error("another inode")
			}
		})
	}
}

const killEnv = "POSTFIXKIT_TEST_KILLED_WRITER"

// TestMain makes the test binary a program that writes tables for ever, or one
// that updates a table.
func TestMain(m *testing.M) {
	if job := os.Getenv(updateEnv); job != "" {
		runUpdates(job)
	}
	if dir := os.Getenv(killEnv); dir != "" {
		for n := 1; ; n++ {
			for _, f := range Formats() {
				b := NewBuilder(f, nil)
				for _, e := range version(n % 10) {
					b.Add(e[:7], e[8:])
				}
				if _, err := b.WriteFile(ctx, FileName(f, filepath.Join(dir, "m"))); err != nil {
					fmt.Println(err)
					os.Exit(3)
				}
			}
		}
	}
	os.Exit(m.Run())
}

// A writer killed at any moment leaves a sound table with one version in it.
func TestKilledWriter(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a rename over an open file is refused there
	}
	dir := t.TempDir()
	for _, f := range Formats() {
		if _, err := builderOf(t, f, nil, version(0)).WriteFile(ctx, FileName(f, filepath.Join(dir, "m"))); err != nil {
			t.Fatal(err)
		}
	}
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killEnv+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+rand.IntN(120)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		for _, f := range Formats() {
			path := FileName(f, filepath.Join(dir, "m"))
			sound(t, path)
			all := listAll(t, open(t, path, nil))
			if len(all) != 200 {
				t.Fatalf("%v: %d records", f, len(all))
			}
			for _, e := range all {
				if e.Value != all[0].Value {
					t.Fatalf("%v: mixture of %q and %q", f, e.Value, all[0].Value)
				}
			}
		}
	}
}
