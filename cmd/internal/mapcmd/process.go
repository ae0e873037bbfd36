package mapcmd

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Process runs the command of this process and returns its exit status.
//
// A hangup, interrupt or termination signal ends a build or an edit while it
// reads: nothing has changed then. When all is read and the table is being
// written and put in place that is finished first, as with the original; a
// second signal does not wait for that. A lookup or a listing has nothing to put
// right: a signal ends the process at once, whatever it is busy with.
func Process(tool Tool) int {
	if os.Getenv("GOGC") == "" {
		// Nearly all memory is tables, which stay to the end, and there is little
		// garbage beside them: with small tables looking for it is a quarter of
		// the work, with large ones it finds a tenth of the memory.
		debug.SetGCPercent(400)
	}
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	// A second signal ends the process, whatever it waits for.
	context.AfterFunc(ctx, stop)
	env := Env{
		Stdin: &interruptible{ctx: ctx, r: os.Stdin}, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Terminal: isTerminal(os.Stderr),
		Reading:  func() { signal.Reset(signals...) },
	}
	// Without standard input there is nothing to take rights from.
	env.StdinInfo, _ = os.Stdin.Stat()
	return Main(ctx, tool, os.Args[1:], env)
}

// errInterrupted ends reading after a signal.
var errInterrupted = errors.New("interrupted")

// interruptible is a reader that gives up when its context ends, though a read
// from a terminal or pipe cannot be called back.
type interruptible struct {
	ctx context.Context
	r   io.Reader
	buf []byte // belongs to the read that is under way
}

type readResult struct {
	n   int
	err error
}

func (in *interruptible) Read(p []byte) (int, error) {
	if in.ctx.Err() != nil {
		return 0, errInterrupted
	}
	if len(in.buf) < len(p) {
		in.buf = make([]byte, len(p))
	}
	buf := in.buf[:len(p)]
	done := make(chan readResult, 1)
	go func() {
		n, err := in.r.Read(buf)
		done <- readResult{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buf[:r.n]), r.err
	case <-in.ctx.Done():
		in.buf = nil
		return 0, errInterrupted
	}
}

// untilSignal returns the source as a reader that ends with the context. Only a
// pipe or a terminal can keep a read waiting.
func (c *command) untilSignal(j *job) io.Reader {
	if f, ok := j.src.(*os.File); ok && (j.info == nil || !j.info.Mode().IsRegular()) {
		return &interruptible{ctx: c.ctx, r: f}
	}
	return stoppable{c.ctx, j.src}
}

// stoppable is a reader that ends with an error when the context ends.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, errInterrupted
	}
	return s.r.Read(p)
}

func isTerminal(f *os.File) bool {
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}
