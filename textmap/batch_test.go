package textmap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

// entryList is a Collector that takes so many entries.
type entryList struct {
	entries []string
	most    int
}

var errEnough = errors.New("enough")

func (l *entryList) Add(key, value []byte) error {
	if len(l.entries) == l.most {
		return errEnough
	}
	l.entries = append(l.entries, fmt.Sprintf("%q %q", key, value))
	return nil
}

// collected runs a scanner to its end, taking every Batch that use wants, and
// returns the entries with their lines and the findings.
func collected(t testing.TB, s *Scanner, use func() bool) (entries, findings []string) {
	t.Helper()
	s.Report = func(d diag.Diagnostic) { findings = append(findings, fmt.Sprint(d.Span.Start.Offset, d)) }
	for {
		if b := s.Batch(); b != nil && use() {
			l := b.Collector().(*entryList)
			if b.Len() != len(l.entries) || b.Len() == 0 {
				t.Fatalf("a batch of %d entries, its collector has %d", b.Len(), len(l.entries))
			}
			for i, e := range l.entries {
				entries = append(entries, fmt.Sprint(b.Line(i), " ", e))
			}
			s.Skip(b)
			if s.Key() != nil || s.Value() != nil {
				t.Fatal("there is an entry after Skip")
			}
			continue
		}
		if !s.Scan() {
			return append(entries, fmt.Sprint(s.Err())), findings
		}
		entries = append(entries, fmt.Sprintf("%d %q %q", s.Line(), s.Key(), s.Value()))
	}
}

// compareBatches wants what collectors have to be what Scan returns, whether they
// take all entries or only some chunks, and whether anybody asks for them or not.
func compareBatches(t testing.TB, src []byte, opts *Options, sizes ...int) {
	t.Helper()
	never, always := func() bool { return false }, func() bool { return true }
	wantEntries, wantFindings := collected(t, NewScanner("name", bytes.NewReader(src), opts), never)
	n := 0
	uses := map[string]func() bool{"always": always, "never": never, "now and then": func() bool { n++; return n%3 > 0 }}
	for _, size := range sizes {
		if len(src)/size > 100 {
			continue
		}
		for _, most := range []int{0, 2, 1 << 30} {
			for name, use := range uses {
				s := scanAhead(bytes.NewReader(src), opts, 2, size)
				s.Collect = func(int) Collector { return &entryList{most: most} }
				entries, findings := collected(t, s, use)
				if !slices.Equal(entries, wantEntries) {
					t.Fatalf("chunks of %d bytes of %q, %d collected, used %s:\n got %q\nwant %q", size, src, most, name, entries, wantEntries)
				}
				if !slices.Equal(findings, wantFindings) {
					t.Fatalf("chunks of %d bytes of %q, %d collected, used %s:\n got findings %q\nwant %q", size, src, most, name, findings, wantFindings)
				}
			}
		}
	}
}

func TestBatches(t *testing.T) {
	for _, src := range sources {
		compareBatches(t, []byte(src), nil, 1, 10, 100, 1000)
		compareBatches(t, bytes.Repeat([]byte(src), 7), &Options{NoFold: true}, 1, 10, 100, 1000)
	}
	large := benchSource(50000)
	s := NewScanner("name", bytes.NewReader(large), &Options{ReadAhead: true})
	s.Collect = func(size int) Collector {
		if size < 1 || size > 2*chunkSize {
			t.Errorf("a collector for %d bytes", size)
		}
		return &entryList{most: 1 << 30}
	}
	batches := 0
	got, _ := collected(t, s, func() bool { batches++; return true })
	want, _ := collected(t, NewScanner("name", bytes.NewReader(large), nil), nil)
	if !slices.Equal(got, want) {
		t.Errorf("%d entries, want %d, or others", len(got), len(want))
	}
	if s.ahead != nil && batches < 2 {
		t.Errorf("%d batches", batches)
	}
	if s.Batch() != nil {
		t.Error("a batch at the end")
	}
}

// Without Collect, and for a source that is not read ahead, there is no Batch.
func TestNoBatch(t *testing.T) {
	for _, opts := range []*Options{nil, {ReadAhead: true}} {
		s := NewScanner("name", bytes.NewReader([]byte("a 1\nb 2\n")), opts)
		if opts == nil {
			s.Collect = func(int) Collector { t.Error("a collector was asked for"); return nil }
		}
		for range 2 {
			if s.Batch() != nil || !s.Scan() {
				t.Error("a batch, or no entry")
			}
		}
		if s.Batch() != nil || s.Scan() || s.Err() != nil {
			t.Error("more than two entries")
		}
	}
}

// What is wrong with the source comes after the entries before it.
func TestBatchError(t *testing.T) {
	broken := errors.New("broken")
	source := func() io.Reader {
		return io.MultiReader(bytes.NewReader([]byte("a 1\nb 2\nc 3\n")), errorReader{broken})
	}
	s := scanAhead(source(), nil, 2, 5)
	s.Collect = func(int) Collector { return &entryList{most: 1 << 30} }
	got, _ := collected(t, s, func() bool { return true })
	want, _ := collected(t, NewScanner("name", source(), nil), nil)
	if !slices.Equal(got, want) || got[len(got)-1] != "broken" {
		t.Errorf("got %q, want %q", got, want)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
