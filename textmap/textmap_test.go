package textmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// sources are small files that show one thing each; they also seed the fuzz
// targets and are asked of the real postmap.
var sources = []string{
	"",
	"a 1\nb 2\n",
	"A@Example.ORG  one\na@example.org two\n",
	"# c\n\na\t1\n  more\n\n# inside\n  end\nb 2",
	"\"two words\"@x  v\n\"a\\\"b\" c\nback\\ slash d\n",
	"\"open quote v\nx y\n",
	"  leading white space that is longer than thirty bytes\n and goes on\nx y\n",
	" short\nx y\n",
	"keyonly\nempty-value   \nx y\n",
	"alias: x\n",
	"a 1\r\nb 2\r\n\r\n  c\r\n",
	"c 2\x00tail\na\x00b 1\nd 4\n",
	"bad\xff 1\nStra\xc3\x9fe@x 2\nSTRASSE@X 3\n",
	"esc\x1b[31m\nx y\n",
	"d 1 # no comment\n",
	"k\n  v on the next line\n",
	"\"over\n two lines\" v\n",
	"k one\n# c\n  two\n",
	"\\\nx\\ y\n\\",
}

func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*")
	if err != nil || len(files) < 30 {
		t.Fatalf("corpus: %d files, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = b
	}
	return all
}

func scan(t testing.TB, name string, src []byte, opts *Options) (entries []string, found []string) {
	t.Helper()
	s := NewScanner(name, bytes.NewReader(src), opts)
	s.Report = func(d diag.Diagnostic) {
		found = append(found, fmt.Sprint(d.Span.Start.Line, " ", d.Check, " ", d.Message))
	}
	for s.Scan() {
		entries = append(entries, fmt.Sprintf("%d %q %q %q", s.Line(), s.Key(), s.RawKey(), s.Value()))
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return entries, found
}

// The stream and the file must see the same, on everything we have.
func TestScannerAgreesWithParse(t *testing.T) {
	all := corpus(t)
	for i, s := range sources {
		all[fmt.Sprint("source ", i)] = []byte(s)
	}
	for name, src := range all {
		for _, o := range []*Options{nil, {NoFold: true}, {NoUTF8: true}} {
			compareScanAndParse(t, name, src, o)
			compareAhead(t, src, o, 10, 1000)
			compareBatches(t, src, o, 10, 1000)
		}
	}
}

func compareScanAndParse(t testing.TB, name string, src []byte, o *Options) {
	t.Helper()
	entries, found := scan(t, name, src, o)
	f, err := Parse(name, src, o)
	if !bytes.Equal(f.Bytes(), src) {
		t.Fatalf("%s: Bytes() differ from the source", name)
	}
	var parsed []string
	for e := range f.All() {
		parsed = append(parsed, fmt.Sprintf("%d %q %q %q", e.Span.Start.Line, e.Key, e.RawKey, e.Value))
	}
	if !slices.Equal(entries, parsed) {
		t.Errorf("%s: entries differ\nscanner %v\n  parse %v", name, entries, parsed)
	}
	var list diag.List
	if err != nil && !errors.As(err, &list) {
		t.Fatalf("%s: error is a %T", name, err)
	}
	// A finding inside a continuation has its own line in a file, while the
	// stream only knows where the logical line starts.
	continued := false
	for it := range cflines.Split(src) {
		continued = continued || it.Kind == cflines.Logical && it.Text(src).LastLine() != it.Line
	}
	var reported []string
	for _, d := range list {
		if d.Check != CheckDuplicate {
			line := d.Span.Start.Line
			if d.Span.Start.Offset > len(src) {
				t.Fatalf("%s: %v is outside the file", name, d)
			}
			if continued {
				line = 0
			}
			reported = append(reported, fmt.Sprint(line, " ", d.Check, " ", d.Message))
		}
	}
	if continued {
		for i, f := range found {
			found[i] = "0" + f[strings.IndexByte(f, ' '):]
		}
	}
	slices.Sort(found)
	slices.Sort(reported)
	if !slices.Equal(found, reported) {
		t.Errorf("%s: findings differ\nscanner %q\n  parse %q", name, found, reported)
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"a 1\n", ""},
		{"  x y\na 1\n", `m:1:1: error: logical line must not start with whitespace: "  x y" [leading-whitespace]`},
		{sources[6], `m:1:1: error: logical line must not start with whitespace: "  leading white space that is ..." [leading-whitespace]`},
		{"a 1\nb \"x\nc \"y z\n\"d e\n", `m:4:1: error: unbalanced '"' in '"d e' -- ignoring this line [unbalanced-quote]`},
		{"a 1\nab\"d e", `m:2:3: error: unbalanced '"' in 'ab"d e' -- ignoring this line [unbalanced-quote]`},
		{"k\n", `m:1:1: error: expected format: key whitespace value [expected-key-value]`},
		{"k: v\n", `m:1:2: warning: record is in "key: value" format; is this an alias file? [alias-format]`},
		{"a 1\n\nb 2\nA 3\n", "m:4:1: warning: duplicate entry: \"a\" [duplicate-key]"},
		{"ok v\n\xc3\xa4\xff v\n", "m:2:3: error: non-UTF-8 input \"\xc3\xa4? v\" -- ignoring this line [not-utf8]"},
		{"c 2\x00tail\n", "m:1:4: warning: text after null byte may be ignored [text-after-null]"},
		{"k v\n  more\x00\n", "m:2:7: warning: text after null byte may be ignored [text-after-null]"},
		{"esc\x1b[31m\"\n", "m:1:9: error: unbalanced '\"' in 'esc?[31m\"' -- ignoring this line [unbalanced-quote]"},
	} {
		_, err := Parse("m", []byte(c.src), nil)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.src, got, c.want)
		}
	}
	_, err := Parse("m", []byte("a 1\nb 2\nA 3\n more\nc 4\n"), nil)
	var l diag.List
	if !errors.As(err, &l) || len(l) != 1 || len(l[0].Related) != 1 || l[0].Related[0].Span.Start.Line != 1 {
		t.Fatalf("duplicate: both places wanted, got %+v", l)
	}
	fixed, _, err := diag.ApplyFixes("m", []byte("a 1\nb 2\nA 3\n more\nc 4\n"), l)
	if err != nil || string(fixed) != "a 1\nb 2\nc 4\n" {
		t.Errorf("fix: %q, %v", fixed, err)
	}
}

func TestValueFiles(t *testing.T) {
	files := map[string]string{"one": "1\n", "two": "zwei", "empty": ""}
	opts := &Options{ReadFile: func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return os.ReadFile(filepath.Join(t.TempDir(), "none", name))
	}}
	f, err := Parse("m", []byte("a one, two\nb empty\nc nosuch\nd ,\n"), opts)
	if v, _ := f.Get("a"); v != "MQoKendlaQ==" { // "1\n" "\n" "zwei"
		t.Errorf("a: got %q", v)
	}
	if v, ok := f.Get("b"); v != "" || !ok {
		t.Errorf("b: got %q, %v", v, ok)
	}
	want := []string{"m:3:3: error: open nosuch: No such file or directory: skipping this entry [value-file]",
		"m:4:3: error: empty pathname list: >>,<<': skipping this entry [value-file]"}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if f.Set("a", "one") == nil {
		t.Error("Set on values that are files was accepted")
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct{ name, src, key, value, want string }{
		{"keeps spacing and comments", "# c\na  \t1 \nb 2\n", "a", "x y", "# c\na  \tx y\nb 2\n"},
		{"same value changes nothing", "a   1  \n", "a", "1", "a   1  \n"},
		{"first duplicate counts", "a 1\na 2\n", "A", "3", "a 3\na 2\n"},
		{"several lines become one", "a 1,\n# why\n\t2,\n 3\nb 2\n", "a", "4", "a 4\n# why\nb 2\n"},
		{"value starts on the second line", "a\n  1\n  2\n", "a", "x", "a\n  x\n"},
		{"no final newline", "a 1", "a", "2", "a 2"},
		{"no final newline, new key", "a 1", "b", "2", "a 1\nb 2\n"},
		{"new key uses the separator of the file", "a\t1\n", "b", "2", "a\t1\nb\t2\n"},
		{"empty file", "", "b", "2", "b\t2\n"},
		{"CRLF stays", "a 1\r\nb 2\r\n", "a", "x", "a x\r\nb 2\r\n"},
		{"quoted key over two lines", "\"a\n b\" 1\n 2\nc 3\n", "\"a b\"", "x", "\"a\n b\" x\nc 3\n"},
		{"a value on a line of its own must not become a comment", "a\n# c\n 1\nb 2\n", "a", "# 2", "a # 2\n# c\nb 2\n"},
		{"text after a NUL goes with the value", "a 1\x00 rest\n", "a", "2", "a 2\n"},
	} {
		f, _ := Parse("m", []byte(c.src), nil)
		if err := f.Set(c.key, c.value); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := string(f.Bytes()); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	f, _ := Parse("m", []byte("a 1\nb 2\n# x\nA 3\n# in\n more\nc 4\n"), nil)
	if n := f.Delete("a"); n != 2 || string(f.Bytes()) != "b 2\n# x\nc 4\n" {
		t.Errorf("Delete: %d, %q", n, f.Bytes())
	}
	if n := f.Delete("a"); n != 0 {
		t.Errorf("Delete again: %d", n)
	}
	if err := f.Set("a", "5"); err != nil || string(f.Bytes()) != "b 2\n# x\nc 4\na 5\n" {
		t.Errorf("Set after Delete: %v, %q", err, f.Bytes())
	}
	if v, ok, err := f.Lookup(context.Background(), "A"); v != "5" || !ok || err != nil {
		t.Errorf("Lookup: %q %v %v", v, ok, err)
	}
	var zero File
	if err := zero.Set("k", "v"); err != nil || string(zero.Bytes()) != "k\tv\n" {
		t.Errorf("zero File: %v, %q", err, zero.Bytes())
	}
}

// Many entries of one key: looking for each among all of them would take 10¹¹
// steps, and the fix of each has to take its own lines away.
func TestManyOfOneKey(t *testing.T) {
	const n = 500_000
	src := []byte(strings.Repeat("k v\n", n))
	f, err := Parse("m", src, nil)
	found, _ := err.(diag.List)
	if len(found) != n-1 || len(f.nodes) != n {
		t.Fatalf("%d entries, %d findings", len(f.nodes), len(found))
	}
	for i, d := range found {
		if e := d.Fixes[0].Edits[0]; e.Start != 4*(i+1) || e.End != 4*(i+2) || d.Span.Start.Line != i+2 {
			t.Fatalf("finding %d: %v, %+v", i, d, e)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range [][2]string{{"", "v"}, {"k", ""}, {"a b", "v"}, {"\"a", "v"}, {"a\\", "v"}, {"#k", "v"},
		{"k", " v"}, {"k", "v\t"}, {"k", "a\nb"}, {"k\x00", "v"}, {"k\xff", "v"}, {" k", "v"}, {"\"a\" b", "v"}} {
		if Check(c[0], c[1], nil) == nil {
			t.Errorf("%q was accepted", c)
		}
	}
	for _, c := range [][2]string{{"k", "v"}, {"\"a b\"@c", "x  y"}, {"a\\ b", "v"}, {"k", "# v"}, {"k:", "v"}, {"\xc3\xa4", "v"}} {
		if err := Check(c[0], c[1], nil); err != nil {
			t.Errorf("%q: %v", c, err)
		}
	}
	if Check("k\xff", "v", &Options{NoUTF8: true}) != nil {
		t.Error("without UTF-8 checks any byte will do")
	}
}

func TestUpdateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "virtual")
	set := func(f *File) error { return f.Set("a", "1") }
	if changed, err := UpdateFile(path, nil, set); !changed || err != nil {
		t.Fatalf("new file: %v, %v", changed, err)
	}
	if changed, err := UpdateFile(path, nil, set); changed || err != nil {
		t.Fatalf("again: %v, %v", changed, err)
	}
	if b, _ := os.ReadFile(path); string(b) != "a\t1\n" {
		t.Errorf("content %q", b)
	}
}

func FuzzFile(f *testing.F) {
	for _, s := range sources {
		f.Add([]byte(s), "key", "a value")
		f.Add([]byte(s), "a", "x")
	}
	f.Fuzz(func(t *testing.T, src []byte, key, value string) {
		if len(src) > 1<<12 {
			return
		}
		compareScanAndParse(t, "fuzz", src, nil)
		compareAhead(t, src, nil, 1+len(key)%50)
		compareBatches(t, src, nil, 1+len(key)%50)
		file, _ := Parse("fuzz", src, nil)
		type pair struct{ key, value string }
		others := func(f *File) (p []pair) {
			for e := range f.All() {
				if e.Key != file.fold(key) {
					p = append(p, pair{e.Key, e.Value})
				}
			}
			return p
		}
		before := others(file)
		if err := file.Set(key, value); err != nil {
			if Check(key, value, nil) == nil || !bytes.Equal(file.Bytes(), src) {
				t.Fatalf("Set failed (%v), but Check agrees with it or the file changed", err)
			}
			return
		}
		again, _ := Parse("fuzz", file.Bytes(), nil)
		for _, f := range []*File{file, again} {
			if v, ok := f.Get(key); v != value || !ok {
				t.Fatalf("after Set(%q, %q) of %q: Get gives %q, %v; file %q", key, value, src, v, ok, file.Bytes())
			}
			if after := others(f); !slices.Equal(before, after) {
				t.Fatalf("Set(%q, %q) of %q changed other entries: %q became %q", key, value, src, before, after)
			}
		}
		again.Delete(key)
		last, _ := Parse("fuzz", again.Bytes(), nil)
		if _, ok := last.Get(key); ok || !slices.Equal(before, others(last)) {
			t.Fatalf("Delete(%q) of %q: found %v, file %q", key, file.Bytes(), ok, again.Bytes())
		}
	})
}

func benchSource(n int) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "user%d@example.org  destination%d@example.com\n", i, i)
	}
	return b
}

func BenchmarkScanner(b *testing.B) {
	src := benchSource(20000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner("m", bytes.NewReader(src), nil)
		for s.Scan() {
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := benchSource(20000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		Parse("m", src, nil)
	}
}

// BenchmarkParseDuplicates is linear in the number of entries: every finding has
// the lines of its entry in a fix.
func BenchmarkParseDuplicates(b *testing.B) {
	for _, n := range []int{10_000, 40_000} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			src := []byte(strings.Repeat("a b\n", n))
			for b.Loop() {
				if _, err := Parse("m", src, nil); len(err.(diag.List)) != n-1 {
					b.Fatal("findings are missing")
				}
			}
		})
	}
}
