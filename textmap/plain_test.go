package textmap

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// TestPlainLines reads random sources with and without the short way for plain
// lines.
func TestPlainLines(t *testing.T) {
	pieces := []string{
		" ", " ", "\t", "\n", "\n", "\n", "\r\n", "\n# comment\n", "\n  ", "\v", "\f", "\r", "!", "\"", "\\", "#", ":", ": ",
		"@", "A", "M", "Z", "[", "`", "a", "z", "{", "\x7f", "\x00", "\x1f", "\x80", "\xff", "ä", "ß",
		"user", "User ", "Example.ORG", "user@example.org  ", "  destination@example.com", "\nkey value\n", "\nsome.key  some, value\n",
	}
	all := func(opts *Options, src []byte, next func(*Scanner) bool) (log []string) {
		s := &Scanner{name: "name", lines: cflines.Resume(src, 1, 0, nil, io.EOF)}
		if opts != nil {
			s.opts = *opts
		}
		s.Report = func(d diag.Diagnostic) { log = append(log, fmt.Sprint(d.Span, d)) }
		for next(s) {
			log = append(log, fmt.Sprintf("%v %q %q %q", s.Pos(), s.Key(), s.RawKey(), s.Value()))
		}
		return append(log, fmt.Sprint(s.Err()))
	}
	rnd := rand.New(rand.NewPCG(6, 7))
	plain := 0
	for range 20_000 {
		var src []byte
		for range rnd.IntN(40) {
			src = append(src, pieces[rnd.IntN(len(pieces))]...)
		}
		for _, opts := range []*Options{nil, {NoFold: true}, {NoUTF8: true}} {
			want := all(opts, src, (*Scanner).logical)
			got := all(opts, src, func(s *Scanner) bool {
				if cutPlain(s.lines.Buffered()).next > 0 {
					plain++
				}
				return s.next()
			})
			if !slices.Equal(got, want) {
				t.Fatalf("%q, %+v:\n got %q\nwant %q", src, opts, got, want)
			}
		}
	}
	if plain < 10_000 {
		t.Errorf("only %d lines were plain", plain)
	}
	// The lines it is for.
	for _, line := range []string{
		"user0@example0.org  destination0@example.com\n", "User@Example.ORG\tx, y, z\r\n",
		"192.0.2 REJECT no mail from here, please\n", "a b\n",
	} {
		if p := cutPlain([]byte(line + "next line\n")); p.next != len(line) {
			t.Errorf("%q is not plain", line)
		}
		if p := cutPlain([]byte(line + strings.Repeat(" ", 8))); p.next != 0 {
			t.Errorf("%q with another line is plain", line)
		}
	}
}
