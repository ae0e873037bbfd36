package casefold

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "",
		"Alice@Example.ORG": "alice@example.org",
		"Straße":            "strasse",
		"STRASSE":           "strasse",
		"ΣΊΣΥΦΟΣ":           "σίσυφοσ",
		"İ":                 "i̇",
		"ﬃX":                "ffix",
		"日本@EXAMPLE":        "日本@example",
		"bad\xffÄ":          "bad\xffÄ", // not UTF-8: ASCII only
	} {
		if got := String(in, true); got != want {
			t.Errorf("String(%q) = %q, want %q", in, got, want)
		}
		if got := string(Append([]byte("x"), []byte(in))); got != "x"+want {
			t.Errorf("Append(%q) = %q, want %q", in, got, want)
		}
	}
	if got := String("Ä@Example", false); got != "Ä@example" {
		t.Errorf("without UTF-8: %q", got)
	}
}

// The table against Go's own, simpler one: what folds to a single code point
// lies on the same orbit.
func TestTableIsInOrder(t *testing.T) {
	for i, s := range spans {
		if s.hi < s.lo || (s.hi-s.lo)%s.stride != 0 || i > 0 && s.lo <= spans[i-1].hi {
			t.Errorf("span %d %+v is out of order", i, s)
		}
		for r := s.lo; r <= s.hi; r += s.stride {
			same := false
			for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
				same = same || o == r+s.delta
			}
			if !same {
				t.Errorf("%U folds to %U, which is not on its orbit", r, r+s.delta)
			}
		}
	}
}

// TestAgainstPostmap asks the real postmap for the folding of every code point
// that has one, and of every 16th other.
func TestAgainstPostmap(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:hash")
	real.Configure("smtputf8_enable = yes", "compatibility_level = 3.6")
	var src strings.Builder
	lines := map[string]string{}
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		folded := String(string(r), true)
		if folded == string(r) && r%16 != 5 {
			continue
		}
		fmt.Fprintf(&src, "%x-%s %x\n", r, string(r), r)
		lines[fmt.Sprintf("%x", r)] = fmt.Sprintf("%x-%s", r, folded)
	}
	path := filepath.Join(t.TempDir(), "fold")
	if err := os.WriteFile(path, []byte(src.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"hash:" + path}})
	dump := real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-s", "hash:" + path}})
	n, wrong := 0, 0
	for line := range strings.Lines(dump.Stdout) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if n++; lines[value] != key {
			if wrong++; wrong < 10 {
				t.Errorf("U+%s: ours %q, Postfix %q", value, lines[value], key)
			}
		}
	}
	if n != len(lines) || n < 60000 {
		t.Errorf("%d code points came back, want %d", n, len(lines))
	}
}

func FuzzFold(f *testing.F) {
	f.Add([]byte("Straße"))
	f.Add([]byte("\xff"))
	f.Fuzz(func(t *testing.T, key []byte) {
		once := Append(nil, key)
		if twice := Append(nil, once); string(twice) != string(once) {
			t.Fatalf("folding %q twice: %q, then %q", key, once, twice)
		}
		if utf8.Valid(key) && !utf8.Valid(once) {
			t.Fatalf("folding %q gives %q, not UTF-8", key, once)
		}
		if s := String(string(key), true); s != string(once) {
			t.Fatalf("String and Append differ on %q: %q, %q", key, s, once)
		}
	})
}
