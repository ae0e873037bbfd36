package textmap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postfixkit/postfixkit/diag"
)

// events runs a scanner to its end and writes down everything it tells, in
// order.
func events(s *Scanner) (log []string) {
	s.Report = func(d diag.Diagnostic) {
		log = append(log, fmt.Sprintf("%d %d %v", d.Span.Start.Offset, d.Span.End.Col, d))
	}
	for s.Scan() {
		log = append(log, fmt.Sprintf("%v %q %q %q", s.Pos(), s.Key(), s.RawKey(), s.Value()))
	}
	return append(log, fmt.Sprint(s.Err(), s.Scan(), s.Key() == nil))
}

// scanAhead is a Scanner that parses ahead in chunks of that size.
func scanAhead(src io.Reader, opts *Options, most, size int) *Scanner {
	s := NewScanner("name", src, opts)
	s.ahead = &ahead{src: src, most: most, size: size, line: 1}
	return s
}

// compareAhead wants chunks of these sizes to give what one reader gives.
func compareAhead(t testing.TB, src []byte, opts *Options, sizes ...int) {
	t.Helper()
	for _, end := range []error{io.EOF, errors.New("broken")} {
		reader := func() io.Reader {
			return io.MultiReader(bytes.NewReader(src), iotest.ErrReader(end))
		}
		want := events(NewScanner("name", reader(), opts))
		for _, size := range sizes {
			if len(src)/size > 100 {
				continue // files of real life
			}
			if got := events(scanAhead(reader(), opts, 2, size)); !slices.Equal(got, want) {
				t.Fatalf("chunks of %d bytes of %q:\n got %q\nwant %q", size, src, got, want)
			}
		}
	}
}

func TestReadAhead(t *testing.T) {
	for _, src := range sources {
		compareAhead(t, []byte(src), nil, 1, 10, 100, 1000)
		compareAhead(t, []byte(strings.Repeat(src, 7)), &Options{NoFold: true}, 1, 10, 100, 1000)
	}
	large := benchSource(50000)
	opts := &Options{ReadAhead: true}
	want := events(NewScanner("name", bytes.NewReader(large), nil))
	for _, r := range []io.Reader{bytes.NewReader(large), iotest.HalfReader(bytes.NewReader(large)), iotest.DataErrReader(bytes.NewReader(large))} {
		if got := events(NewScanner("name", r, opts)); !slices.Equal(got, want) {
			t.Fatalf("%T: %d events, want %d, or others", r, len(got), len(want))
		}
	}
}

// Comments without end after an entry, which may go on behind them, are not
// collected.
func TestReadAheadLongLine(t *testing.T) {
	comments := strings.Repeat("# comment\n\n", 5000)
	src := "a 1\nb 2\n" + comments + "  continued\nc 3\n" + comments + "bad\n" + comments + "d 4\n"
	compareAhead(t, []byte(src), nil, 1000)
	s := scanAhead(strings.NewReader(src), nil, 2, 100)
	want := events(NewScanner("name", strings.NewReader(src), nil))
	if got := events(s); !slices.Equal(got, want) || s.ahead != nil {
		t.Errorf("got %q, want %q; went on ahead %v", got, want, s.ahead != nil)
	}
}

// A source that gives nothing, again and again, is an error and not a hang.
func TestReadAheadNoProgress(t *testing.T) {
	s := scanAhead(nothing{}, nil, 2, 100)
	if s.Scan() || s.Err() != io.ErrNoProgress {
		t.Errorf("got %v", s.Err())
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func BenchmarkReadAhead(b *testing.B) {
	src := benchSource(1_000_000)
	for _, ahead := range []bool{false, true} {
		b.Run(fmt.Sprint(ahead), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				s := NewScanner("m", bytes.NewReader(src), &Options{ReadAhead: ahead})
				for s.Scan() {
				}
			}
		})
	}
}
