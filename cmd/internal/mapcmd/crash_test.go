//go:build unix

package mapcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/hashmap"
)

func ownedBy(fi fs.FileInfo, uid, gid uint32) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Uid == uid && st.Gid == gid
}

var allTypes = []string{"hash", "btree", "lmdb", "cdb", "bolt"}

// generation writes a source of n entries whose values tell which it is.
func generation(t *testing.T, path string, n, number int) {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "user%d@example.org generation-%d-%d\n", i, number, i)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// generationOf checks the table, all of it, and returns which generation it is.
func generationOf(t *testing.T, typ, path string, n int) string {
	t.Helper()
	f, err := hashmap.ParseFormat(typ)
	if err != nil {
		t.Fatal(err)
	}
	r, err := hashmap.Open(hashmap.FileName(f, path), nil)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	defer r.Close()
	if err := r.Check(context.Background(), nil); err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	seen, which := 0, ""
	for e, err := range r.All(context.Background()) {
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		text, isGeneration := strings.CutPrefix(e.Value, "generation-")
		g, _, _ := strings.Cut(text, "-")
		if !isGeneration {
			t.Fatalf("%s: entry %q is of no generation", typ, e)
		}
		if which != "" && g != which {
			t.Fatalf("%s: entries of generations %s and %s in one table", typ, g, which)
		}
		which = g
		seen++
	}
	if seen != n {
		t.Fatalf("%s: %d entries, want %d", typ, seen, n)
	}
	return which
}

// TestKilledBuild kills builds at random moments: the table is always the old
// one or the new one, whole.
func TestKilledBuild(t *testing.T) {
	bin := buildTools(t)
	const entries, kills = 10000, 3
	for _, typ := range allTypes {
		path := filepath.Join(t.TempDir(), "m")
		generation(t, path, entries, 0)
		start := time.Now()
		if out, err := exec.Command(bin+"/postmap", typ+":"+path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		took := time.Since(start)
		killed, was := 0, "0"
		for i := 1; i <= kills; i++ {
			generation(t, path, entries, i)
			cmd := exec.Command(bin+"/postmap", typ+":"+path)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rand.Int64N(int64(took) + 1)))
			cmd.Process.Kill()
			if cmd.Wait() != nil {
				killed++
			}
			got := generationOf(t, typ, path, entries)
			if got != was && got != fmt.Sprint(i) {
				t.Errorf("%s: generation %s in place, want %s or %d", typ, got, was, i)
			}
			was = got
		}
		t.Logf("%s: %d of %d builds were killed", typ, killed, kills)
		// What the killed left behind is in nobody's way.
		generation(t, path, entries, 99)
		if out, err := exec.Command(bin+"/postmap", typ+":"+path).CombinedOutput(); err != nil || generationOf(t, typ, path, entries) != "99" {
			t.Errorf("%s: after the kills: %v\n%s", typ, err, out)
		}
	}
}

// TestFailedBuild makes builds fail half-way for other reasons. The old table
// goes on answering and nothing is left behind.
func TestFailedBuild(t *testing.T) {
	bin := buildTools(t)
	for _, typ := range allTypes {
		dir := t.TempDir()
		path := filepath.Join(dir, "m")
		generation(t, path, 100, 1)
		if out, err := exec.Command(bin+"/postmap", typ+":"+path).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		before := listing(t, dir)
		unchanged := func(what string, out []byte, err error) {
			t.Helper()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "postmap: fatal: ") {
				t.Errorf("%s, %s: %v, %q", typ, what, err, out)
			}
			if after := listing(t, dir); after != before {
				t.Errorf("%s, %s: folder holds %q, before %q", typ, what, after, before)
			}
			if g := generationOf(t, typ, path, 100); g != "1" {
				t.Errorf("%s, %s: generation %s", typ, what, g)
			}
		}
		generation(t, path, 50000, 2)
		out, err := exec.Command("sh", "-c", "ulimit -f 64; exec "+bin+"/postmap "+typ+":"+path).CombinedOutput()
		unchanged("file size limit", out, err)
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			cmd := exec.Command(bin+"/postmap", "-i", typ+":"+path)
			in, perr := cmd.StdinPipe()
			if perr != nil {
				t.Fatal(perr)
			}
			var msg bytes.Buffer
			cmd.Stderr = &msg
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if typ == "cdb" { // refuses -i at once
				in.Close()
				cmd.Wait()
				continue
			}
			// More than a pipe holds: once it is written, the command reads. Its
			// input does not end; the signal alone ends it, however long that
			// takes on a loaded machine.
			in.Write(bytes.Repeat([]byte("added now\n"), 20_000))
			cmd.Process.Signal(signal)
			ignored := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
			werr := cmd.Wait()
			ignored.Stop()
			unchanged(signal.String(), msg.Bytes(), werr)
		}
		if os.Geteuid() == 0 {
			full := filepath.Join(dir, "full")
			os.Mkdir(full, 0o755)
			if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", full).CombinedOutput(); err != nil {
				t.Logf("no small file system on this machine (%v, %s): the size limit stands for a full disk", err, out)
			} else {
				onFull := filepath.Join(full, "m")
				generation(t, filepath.Join(dir, "src"), 20000, 3)
				generation(t, onFull, 50, 1)
				exec.Command(bin+"/postmap", typ+":"+onFull).Run()
				os.Remove(onFull)
				os.Symlink(filepath.Join(dir, "src"), onFull)
				out, err := exec.Command(bin+"/postmap", typ+":"+onFull).CombinedOutput()
				if err == nil || !strings.Contains(string(out), "No space left on device") && !strings.Contains(string(out), "no space left on device") {
					t.Errorf("%s, disk full: %v, %q", typ, err, out)
				}
				if g := generationOf(t, typ, onFull, 50); g != "1" {
					t.Errorf("%s, disk full: generation %s", typ, g)
				}
				if names := listing(t, full); strings.Contains(names, ".tmp") {
					t.Errorf("%s, disk full: folder holds %s", typ, names)
				}
				exec.Command("umount", full).Run()
			}
			os.RemoveAll(full)
			os.Remove(filepath.Join(dir, "src"))
		}
		os.Chmod(path, 0)
		if os.Geteuid() != 0 { // root reads everything
			out, err := exec.Command(bin+"/postmap", typ+":"+path).CombinedOutput()
			unchanged("unreadable source", out, err)
		}
		os.Remove(path)
		before = listing(t, dir)
		out, err = exec.Command(bin+"/postmap", typ+":"+path).CombinedOutput()
		unchanged("missing source", out, err)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// The binaries are static and small.
func TestBinaries(t *testing.T) {
	bin := buildTools(t)
	for _, tool := range []string{"postmap", "postalias"} {
		fi, err := os.Stat(filepath.Join(bin, tool))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", tool, fi.Size())
		if fi.Size() > 12<<20 {
			t.Errorf("%s has %d bytes", tool, fi.Size())
		}
		if out, err := exec.Command("ldd", filepath.Join(bin, tool)).CombinedOutput(); err == nil {
			t.Errorf("%s needs libraries:\n%s", tool, out)
		}
	}
}
