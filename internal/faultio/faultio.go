// Package faultio makes file operations fail on purpose, one after the other,
// to show what a crash or a full disk leaves behind.
//
//	faultio.Each(t, faultio.Crash, func(t *testing.T, faults *faultio.Faults) {
//		// Run the code under test with every operation going through
//		// faults.Next("rename") and the like, then look at the files.
//	})
package faultio

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
)

// Mode says what happens at the chosen operation.
type Mode uint8

const (
	// Once makes the chosen operation fail and lets later ones, such as
	// cleaning up, succeed.
	Once Mode = iota + 1
	// Crash makes the chosen operation and all after it fail without doing
	// anything, as if the process had been killed there.
	Crash
)

// ErrInjected is wrapped by every failure made here. Failures also wrap
// ENOSPC, the error such code meets most in practice.
var ErrInjected = errors.New("injected failure")

// Faults counts operations and fails the chosen one. The zero value never
// fails and only counts. Safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	mode  Mode
	at    int
	calls []string
}

// New makes the n-th operation fail, counted from 1.
func New(mode Mode, n int) *Faults { return &Faults{mode: mode, at: n} }

// Next counts one operation and returns the error it has to fail with, or nil.
// A nil *Faults never fails.
func (f *Faults) Next(op string) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, op)
	n := len(f.calls)
	if f.at > 0 && (n == f.at || n > f.at && f.mode == Crash) {
		return fmt.Errorf("%w at operation %d (%s): %w", ErrInjected, n, op, syscall.ENOSPC)
	}
	return nil
}

// Do runs the operation unless it has to fail.
func (f *Faults) Do(op string, run func() error) error {
	if err := f.Next(op); err != nil {
		return err
	}
	return run()
}

// Fired reports whether the chosen operation was reached.
func (f *Faults) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at > 0 && len(f.calls) >= f.at
}

// Calls are the operations so far, by name.
func (f *Faults) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// Each calls fn in a subtest with the first operation failing, then the
// second, and so on, until a run needs no more operations than were already
// tried. Code under test that does nothing through the Faults fails the test.
func Each(t *testing.T, mode Mode, fn func(t *testing.T, faults *Faults)) {
	t.Helper()
	const most = 10000
	for n := 1; n <= most; n++ {
		faults := New(mode, n)
		ok := t.Run(fmt.Sprintf("fail%d", n), func(t *testing.T) { fn(t, faults) })
		if !faults.Fired() {
			if n == 1 {
				t.Error("faultio: no operation went through the Faults")
			}
			return
		}
		if !ok {
			t.Logf("faultio: operations of the failed run: %v", faults.Calls())
			return
		}
	}
	t.Errorf("faultio: more than %d operations", most)
}

// Writer counts writes to w as "write". A write that has to fail writes the
// first half of its bytes, as a full disk does.
func Writer(w io.Writer, f *Faults) io.Writer { return &writer{w, f} }

type writer struct {
	w io.Writer
	f *Faults
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.f.Next("write"); err != nil {
		n, werr := w.w.Write(p[:len(p)/2])
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	return w.w.Write(p)
}

// ReaderAt counts reads from r as "read".
func ReaderAt(r io.ReaderAt, f *Faults) io.ReaderAt { return &readerAt{r, f} }

type readerAt struct {
	r io.ReaderAt
	f *Faults
}

func (r *readerAt) ReadAt(p []byte, off int64) (int, error) {
	if err := r.f.Next("read"); err != nil {
		return 0, err
	}
	return r.r.ReadAt(p, off)
}

// Reader counts reads from r as "read".
func Reader(r io.Reader, f *Faults) io.Reader { return &reader{r, f} }

type reader struct {
	r io.Reader
	f *Faults
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.f.Next("read"); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
