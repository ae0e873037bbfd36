//go:build unix

package mapcmd

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSignalWhileReading sends signals to lookups and listings that are busy
// with something a context does not reach: output nobody takes, an answer that
// does not come. The default action of the signal ends them.
func TestSignalWhileReading(t *testing.T) {
	bin := buildTools(t)
	path := filepath.Join(t.TempDir(), "m")
	generation(t, path, 20_000, 1)
	if out, err := exec.Command(bin+"/postmap", "lmdb:"+path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	asked := make(chan struct{})
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			conn.Read(make([]byte, 1))
			asked <- struct{}{}
		}
	}()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		for _, args := range [][]string{
			{"-s", "lmdb:" + path}, {"--to-text", "lmdb:" + path}, {"-q", "-", "lmdb:" + path}, {"-q", "x", "tcp:" + silent.Addr().String()},
		} {
			// Whatever does not end is ended after a while, so that the test
			// fails instead of standing still.
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			cmd := exec.CommandContext(ctx, bin+"/postmap", args...)
			in, err1 := cmd.StdinPipe()
			out, err2 := cmd.StdoutPipe()
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go func() { // keys, and no end of them
				for _, err := io.WriteString(in, "user1@example.org\n"); err == nil; {
					_, err = io.WriteString(in, "user2@example.org\n")
				}
			}()
			if args[len(args)-1] == "lmdb:"+path {
				io.ReadFull(out, make([]byte, 1)) // it is at work
			} else {
				<-asked
			}
			cmd.Process.Signal(sig)
			cmd.Wait()
			cancel()
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != sig {
				t.Errorf("postmap %q, %v: ended with %v", args, sig, cmd.ProcessState)
			}
		}
	}
}

// A build from a pipe that says nothing ends at the first signal, and one whose
// pipe nobody has opened yet at the second.
func TestSignalWhileWaiting(t *testing.T) {
	bin := buildTools(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, bin+"/postmap", "hash:"+pipe)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	cmd := start()
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for the reader
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString("key value\n"); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("silent: ended with %v", cmd.ProcessState)
	}
	w.Close()

	cmd = start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait()
	}()
	for range 600 {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("nobody there: ended with %v", cmd.ProcessState)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Error("nobody there: it did not end")
	cmd.Process.Kill()
	<-done
}
