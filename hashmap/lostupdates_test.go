package hashmap

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is a wait for locks that does not end on a loaded machine.
const patience = 10 * time.Minute

// failEach returns a fault that makes one operation fail each time.
func failEach(op string, err error) func(string) error {
	return func(now string) error {
		if now == op {
			return err
		}
		return nil
	}
}

// updateWays are the ways for an update to put a table in its place.
var updateWays = map[string]FileOptions{
	"renamed":          {LockWait: patience},
	"renamed, or not":  {LockWait: patience, InPlace: InPlaceNeeded},
	"in place":         {LockWait: patience, InPlace: InPlaceAlways},
	"a mount point":    {LockWait: patience, InPlace: InPlaceNeeded, fault: failEach("rename", syscall.EBUSY)},
	"read-only folder": {LockWait: patience, InPlace: InPlaceNeeded, fault: failEach("open", fs.ErrPermission)},
}

// startings put a table where updates begin, or nothing.
var startings = map[string]func(t *testing.T, f Format, path string){
	"missing": func(*testing.T, Format, string) {},
	"empty": func(t *testing.T, _ Format, path string) {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	},
	"existing": func(t *testing.T, f Format, path string) {
		if _, err := builderOf(t, f, nil, version(1)).WriteFile(ctx, path); err != nil {
			t.Fatal(err)
		}
	},
}

// tableAndLink returns names of one table: its own and that of a link to it.
func tableAndLink(t *testing.T, f Format) [2]string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	path, link := FileName(f, filepath.Join(dir, "m")), FileName(f, filepath.Join(dir, "etc", "m"))
	if err := os.Symlink("../"+filepath.Base(path), link); err != nil {
		t.Fatal(err)
	}
	return [2]string{path, link}
}

// hasKeys checks that a table has all keys, and nothing was left beside it.
func hasKeys(t *testing.T, names [2]string, keys int) {
	t.Helper()
	sound(t, names[0])
	r := open(t, names[0], nil)
	lost := 0
	for i := range keys {
		if v, found, err := r.Lookup(ctx, fmt.Sprintf("new%d", i)); v != "v" || !found || err != nil {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d entries are lost", lost, keys)
	}
	if st := stat(t, names[1]); st.Mode()&fs.ModeSymlink == 0 {
		t.Error("the symbolic link was replaced")
	}
	for _, name := range names {
		if _, err := os.Lstat(name + ".tmp"); err == nil {
			t.Errorf("%s.tmp was left behind", name)
		}
	}
}

// Many goroutines add one entry each, through both names, however the table is
// put in place and whatever was there: each entry is there in the end.
func TestConcurrentUpdates(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a rename over an open file is refused there
	}
	writers := 6
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		writers = 60
	}
	for _, f := range Formats() {
		for how, file := range updateWays {
			for what, start := range startings {
				if what == "missing" && updateWays[how].fault != nil {
					continue // nothing can be made there
				}
				t.Run(fmt.Sprintf("%v/%s/%s", f, how, what), func(t *testing.T) {
					t.Parallel()
					names := tableAndLink(t, f)
					start(t, f, names[0])
					var wg sync.WaitGroup
					for i := range writers {
						wg.Add(1)
						go func() {
							defer wg.Done()
							_, err := Update(ctx, names[i%2], &UpdateOptions{Format: f, File: file}, func(e *Edit) error {
								_, err := e.Put(fmt.Sprintf("new%d", i), "v")
								return err
							})
							if err != nil {
								t.Error(err)
							}
						}()
					}
					wg.Wait()
					hasKeys(t, names, writers)
				})
			}
		}
	}
}

const updateEnv = "POSTFIXKIT_TEST_UPDATES"

// runUpdates is a process that adds entries one after the other, or one that
// stays in the middle of an update.
func runUpdates(job string) {
	var path, format, way string
	var from, n int
	for _, field := range strings.Split(job, "\n") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "path":
			path = value
		case "format":
			format = value
		case "way":
			way = value
		case "from":
			from, _ = strconv.Atoi(value)
		case "n":
			n, _ = strconv.Atoi(value)
		}
	}
	f, err := ParseFormat(format)
	for i := from; err == nil && i < from+n; i++ {
		_, err = Update(ctx, path, &UpdateOptions{Format: f, File: updateWays[way]}, func(e *Edit) error {
			_, err := e.Put(fmt.Sprintf("new%d", i), "v")
			return err
		})
	}
	if n == 0 {
		_, err = Update(ctx, path, &UpdateOptions{Format: f, File: updateWays[way]}, func(e *Edit) error {
			fmt.Println("in the middle")
			time.Sleep(time.Hour)
			return nil
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(0)
}

func updateProcess(path string, f Format, way string, from, n int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=path=%s\nformat=%v\nway=%s\nfrom=%d\nn=%d", updateEnv, path, f, way, from, n))
	cmd.Stderr = os.Stderr
	return cmd
}

// The same with processes.
func TestConcurrentUpdatingProcesses(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	processes, each := 4, 3
	ways := []string{"renamed"}
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		processes, each = 40, 10
		ways = []string{"renamed", "renamed, or not", "in place", "a mount point", "read-only folder"}
	}
	for _, f := range Formats() {
		for _, way := range ways {
			for what, start := range startings {
				if what == "missing" && updateWays[way].fault != nil {
					continue
				}
				t.Run(fmt.Sprintf("%v/%s/%s", f, way, what), func(t *testing.T) {
					names := tableAndLink(t, f)
					start(t, f, names[0])
					var running []*exec.Cmd
					for i := range processes {
						cmd := updateProcess(names[i%2], f, way, i*each, each)
						if err := cmd.Start(); err != nil {
							t.Fatal(err)
						}
						running = append(running, cmd)
					}
					for _, cmd := range running {
						if err := cmd.Wait(); err != nil {
							t.Error(err)
						}
					}
					hasKeys(t, names, processes*each)
				})
			}
		}
	}
}

// An update in another process is waited for until LockWait ends; when that
// process is killed, its lock goes with it.
func TestUpdateWaits(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	for _, f := range Formats() {
		for _, way := range []string{"renamed", "in place"} {
			for what, start := range startings {
				names := tableAndLink(t, f)
				start(t, f, names[0])
				holder := updateProcess(names[0], f, way, 0, 0)
				out, err := holder.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := holder.Start(); err != nil {
					t.Fatal(err)
				}
				if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
					t.Fatal(line, err)
				}
				put := func(wait time.Duration) error {
					_, err := Update(ctx, names[1], &UpdateOptions{Format: f, File: FileOptions{LockWait: wait}}, func(e *Edit) error {
						_, err := e.Put("new0", "v")
						return err
					})
					return err
				}
				err = put(20 * time.Millisecond)
				if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), filepath.Base(names[0])+".tmp") {
					t.Errorf("%v, %s, %s: got %v, want ErrBusy and the name of the lock", f, way, what, err)
				}
				holder.Process.Kill()
				holder.Wait()
				if err := put(patience); err != nil {
					t.Errorf("%v, %s, %s: after the kill: %v", f, way, what, err)
				}
				hasKeys(t, names, 1)
			}
		}
	}
}

// A program without our locks changes the table while it is updated: nothing of
// his is lost, and edit is called once.
func TestForeignChangeDuringUpdate(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	foreign := map[string]func(t *testing.T, path, with string){
		"replaced": func(t *testing.T, path, with string) {
			if err := os.Rename(with, path); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, path, with string) {
			b, err := os.ReadFile(with)
			if err == nil {
				err = os.WriteFile(path, b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	}
	for _, f := range Formats() {
		for name, change := range foreign {
			for what, start := range startings {
				for _, c := range []struct {
					policy Duplicates
					both   string // what the key has that both put
				}{{KeepFirst, "his"}, {KeepLast, "ours"}, {RejectDuplicates, ""}} {
					for _, inPlace := range []InPlace{InPlaceNever, InPlaceAlways} {
						path := FileName(f, filepath.Join(t.TempDir(), "m"))
						start(t, f, path)
						others := []string{"his    1", "both   his", "gone   1"}
						if what == "existing" {
							others = append(others, version(1)[1:]...) // without key0000
							others[len(others)-1] = "key0199 changed"
						}
						with := FileName(f, filepath.Join(t.TempDir(), "m"))
						b := NewBuilder(f, nil)
						for _, e := range others {
							b.Add(strings.TrimRight(e[:7], " "), strings.TrimLeft(e[7:], " "))
						}
						if _, err := b.WriteFile(ctx, with); err != nil {
							t.Fatal(err)
						}
						calls := 0
						_, err := Update(ctx, path, &UpdateOptions{Format: f, Duplicates: c.policy, File: FileOptions{InPlace: inPlace}}, func(e *Edit) error {
							calls++
							var errs []error
							put := func(key string) {
								_, err := e.Put(key, "ours")
								errs = append(errs, err)
							}
							del := func(key string) {
								_, err := e.Delete(key)
								errs = append(errs, err)
							}
							put("ours")
							put("both")
							put("gone") // in vain
							del("gone")
							if what == "existing" {
								del("key0000")
								del("key0001")
								del("key0199") // his change comes first
								put("key0199")
							}
							change(t, path, with)
							return errors.Join(errs...)
						})
						label := fmt.Sprintf("%v, %s, %s, policy %d, in place %d", f, name, what, c.policy, inPlace)
						var expect []string
						if c.policy == RejectDuplicates {
							if !errors.Is(err, ErrDuplicate) {
								t.Errorf("%s: got %v, want ErrDuplicate", label, err)
							}
							err = nil
							for _, e := range others {
								expect = append(expect, strings.Join(strings.Fields(e), " "))
							}
						} else {
							expect = []string{"his 1", "ours ours", "both " + c.both}
							if what == "existing" {
								expect = append(expect, version(1)[2:]...)
								expect[len(expect)-1] = "key0199 ours"
							}
						}
						var got []string
						for _, e := range listAll(t, open(t, path, nil)) {
							got = append(got, e.Key+" "+e.Value)
						}
						slices.Sort(got)
						slices.Sort(expect)
						if err != nil || calls != 1 || !slices.Equal(got, expect) {
							t.Errorf("%s: %v after %d calls\ngot  %.300q\nwant %.300q", label, err, calls, got, expect)
						}
						sound(t, path)
					}
				}
			}
		}
	}
}

// Whoever changes the table each time right before it is replaced keeps what he
// wrote, and the update fails in the end.
func TestForeignChangesWithoutEnd(t *testing.T) {
	const tries = 10 // as Update says
	if runtime.GOOS == "windows" {
		return
	}
	for _, f := range Formats() {
		path := built(t, f, nil, "k v")
		n := 0
		_, err := Update(ctx, path, &UpdateOptions{File: FileOptions{fault: func(op string) error {
			if op == "sync" {
				n++
				b := NewBuilder(f, nil)
				b.Add("k", strconv.Itoa(n))
				other := path + ".other"
				if _, err := b.WriteFile(ctx, other); err != nil {
					t.Error(err)
				}
				if err := os.Rename(other, path); err != nil {
					t.Error(err)
				}
			}
			return nil
		}}}, func(e *Edit) error { _, err := e.Put("ours", "v"); return err })
		if !errors.Is(err, ErrChanged) || n != tries {
			t.Errorf("%v: got %v after %d tries", f, err, n)
		}
		want(t, open(t, path, nil), "k", strconv.Itoa(tries), true)
		want(t, open(t, path, nil), "ours", "", false)
	}
	// An error of edit is its own affair.
	path, calls := built(t, Hash, nil, "k v"), 0
	if _, err := Update(ctx, path, nil, func(*Edit) error { calls++; return ErrChanged }); err != ErrChanged || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}
