//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filelock

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// waits reports whether the process is waiting for a lock, from /proc/locks.
// Elsewhere a process that has not ended after half a second counts.
func waits(pid int, since time.Time) bool {
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return time.Since(since) > 500*time.Millisecond
	}
	for line := range bytes.Lines(locks) {
		fields := strings.Fields(string(line))
		for i, f := range fields {
			if f == "->" && len(fields) > i+4 && fields[i+4] == fmt.Sprint(pid) {
				return true
			}
		}
	}
	return false
}

// Which postmap operation waits for which of our locks.
func TestBlocksPostmap(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:hash", "map:btree", "map:lmdb", "map:cdb")
	ops := map[string][]string{"-q": {"-q", "k"}, "-s": {"-s"}, "-d": {"-d", "k"}, "-i": {"-i"}, "build": nil}
	for _, c := range []struct {
		mapType, suffix string
		kind            Kind
		mode            Mode
		blocked         string
	}{
		{"hash", ".db", Flock, Exclusive, "-q -s -d -i build"},
		{"btree", ".db", Flock, Exclusive, "-q -s -d -i build"},
		{"hash", ".db", Flock, Shared, "-d -i build"},
		{"hash", ".db", Record, Exclusive, ""},
		{"lmdb", ".lmdb", Flock, Exclusive, ""},
		{"lmdb", ".lmdb", Record, Exclusive, "-q -s -d build"},
		{"lmdb", ".lmdb", Record, Shared, "-d build"},
		{"cdb", ".cdb.tmp", Flock, Exclusive, "build"},
		{"cdb", ".cdb.tmp", Record, Exclusive, ""},
	} {
		for op, args := range ops {
			if c.mapType == "cdb" && (op == "-s" || op == "-d" || op == "-i") {
				continue // cdb has none of them
			}
			t.Run(fmt.Sprintf("%s/%d/%d/%s", c.mapType, c.kind, c.mode, op), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "m")
				if err := os.WriteFile(path, []byte("k v\nother v\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{c.mapType + ":" + path}})
				f := open(t, path+c.suffix)
				if !try(t, f, c.kind, c.mode) {
					t.Fatal("we did not get the lock")
				}
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				cmd := real.Command(ctx, "postmap", append(append([]string{}, args...), c.mapType+":"+path)...)
				cmd.Stdin = strings.NewReader("new v\n")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				blocked, start := false, time.Now()
				for !blocked {
					select {
					case err := <-ended:
						if strings.Contains(" "+c.blocked+" ", " "+op+" ") {
							t.Errorf("did not wait for our lock (%v)", err)
						}
						if err != nil {
							t.Error(err)
						}
						return
					case <-time.After(5 * time.Millisecond):
						blocked = waits(cmd.Process.Pid, start)
					}
				}
				if !strings.Contains(" "+c.blocked+" ", " "+op+" ") {
					t.Error("waits for our lock")
				}
				if err := Unlock(f, c.kind); err != nil {
					t.Fatal(err)
				}
				if err := <-ended; err != nil {
					t.Errorf("after the lock was free: %v", err)
				}
			})
		}
	}
}

// The other way round: a running postmap keeps us out. hash updates read
// standard input with the lock held, builds read a named pipe.
func TestBlockedByPostmap(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:hash", "map:lmdb", "map:cdb")
	for _, c := range []struct {
		mapType, suffix   string
		kind              Kind
		shared, exclusive bool // what we may get meanwhile
	}{
		{"hash", ".db", Flock, false, false},
		{"lmdb", ".lmdb", Record, true, false},
		{"cdb", ".cdb.tmp", Flock, false, false},
	} {
		t.Run(c.mapType, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "m")
			if err := os.WriteFile(path, []byte("k v\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{c.mapType + ":" + path}})
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			var cmd *exec.Cmd
			var feed io.WriteCloser
			var err error
			if c.mapType == "hash" {
				cmd = real.Command(ctx, "postmap", "-i", c.mapType+":"+path)
				if feed, err = cmd.StdinPipe(); err != nil {
					t.Fatal(err)
				}
			} else {
				os.Remove(path)
				if err := syscall.Mkfifo(path, 0o644); err != nil {
					t.Fatal(err)
				}
				if feed, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
					t.Fatal(err)
				}
				cmd = real.Command(ctx, "postmap", c.mapType+":"+path)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// Wait until it has its lock: an exclusive one of ours is refused.
			var f *os.File
			for refused := false; !refused; time.Sleep(2 * time.Millisecond) {
				if ctx.Err() != nil {
					t.Fatal("postmap took no lock that we see")
				}
				if f, err = os.OpenFile(path+c.suffix, os.O_RDWR, 0); err != nil {
					continue // the cdb temporary is not there yet
				}
				refused = !try(t, f, c.kind, Exclusive)
				if !refused {
					f.Close()
				}
			}
			defer f.Close()
			time.Sleep(50 * time.Millisecond) // lmdb: the short exclusive lock at the start passes
			if got := try(t, f, c.kind, Shared); got != c.shared {
				t.Errorf("shared: got %v, want %v", got, c.shared)
			}
			if c.shared {
				if err := Unlock(f, c.kind); err != nil {
					t.Fatal(err)
				}
			}
			if got := try(t, f, c.kind, Exclusive); got != c.exclusive {
				t.Errorf("exclusive: got %v, want %v", got, c.exclusive)
			}
			io.WriteString(feed, "x y\n")
			feed.Close()
			if err := Lock(ctx, f, c.kind, Exclusive); err != nil {
				t.Error(err)
			}
			Unlock(f, c.kind)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
