package golden

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestForms(t *testing.T) {
	src := "about\n-- a --\none\ntwo\n-- b noeol --\nno end\n-- c crlf --\nx\n\n-- d noeol crlf --\nx\ny\n" +
		"-- e escaped --\n\\x2d- a --\ntail \\x00\\\n-- f --\n"
	a, err := Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := []File{{"a", "one\ntwo\n"}, {"b", "no end"}, {"c", "x\r\n\r\n"}, {"d", "x\r\ny"}, {"e", "-- a --\ntail \x00"}, {"f", ""}}
	if a.Comment != "about\n" || !reflect.DeepEqual(a.Files, want) {
		t.Errorf("got %q", a.Files)
	}
	if got := string(a.Format()); got != src {
		t.Errorf("format differs:\n%s", Diff(src, got))
	}
}

func TestParseErrors(t *testing.T) {
	for _, src := range []string{"-- a noeof --\n", "-- a --\n-- a --\n", "-- a escaped --\n\\q\n", "-- a escaped --\n\\x0", "-- a escaped --\nx\\"} {
		if _, err := Parse([]byte(src)); err == nil {
			t.Errorf("%q: no error", src)
		}
	}
}

func TestUpdateWritesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "case.txtar")
	if err := os.WriteFile(path, []byte("-- in --\nx\n-- out --\nold\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	*update = true
	defer func() { *update = false }()
	Run(t, path, func(t *testing.T, a *Archive) { a.Want(t, "out", strings.ToUpper(a.Need(t, "in"))+"\r\n") })
	if got, _ := os.ReadFile(path); string(got) != "-- in --\nx\n-- out escaped --\nX\n\\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestDiff(t *testing.T) {
	got := Diff("1\n2\n3\n4\n5\nold\n6\n7\n", "1\n2\n3\n4\n5\nnew\r\nmore\n6\n7")
	want := "  ... 2 equal lines\n  3\n  4\n  5\n- old\n+ \"new\\r\"\n+ more\n  6\n- 7\n+ 7 (no newline)\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Any bytes come back from an archive.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", "a\n", "a", "a\r\nb\r\n", "a\r\nb", "a\r\nb\n", "-- x --\n", "\\\n", "\x00\xff\n\n", "\r", "\uFFFD"} {
		f.Add(s, "plain\n")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		a := &Archive{Files: []File{{"one", one}, {"two", two}}}
		got, err := Parse(a.Format())
		if err != nil || !reflect.DeepEqual(got.Files, a.Files) {
			t.Fatalf("got %q (%v), want %q\narchive:\n%s", got.Files, err, a.Files, a.Format())
		}
	})
}
