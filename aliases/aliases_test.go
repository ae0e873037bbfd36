package aliases

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

var (
	_ table.Table   = (*File)(nil)
	_ table.Locator = (*File)(nil)
)

// everything is the corpus and the small sources.
func everything(t testing.TB) map[string][]byte {
	all := corpus(t)
	for i, s := range sources {
		all[fmt.Sprintf("source%02d", i)] = []byte(s)
	}
	return all
}

func parse(t testing.TB, src string) *File {
	t.Helper()
	f, _ := Parse("aliases", []byte(src), nil)
	if string(f.Bytes()) != src {
		t.Fatalf("Bytes of %q: %q", src, f.Bytes())
	}
	return f
}

// compareScanAndParse checks what holds for any source: the file keeps its
// bytes, Scanner and File see the same aliases at the same places and report
// the same lines, and what is stored reads as the same targets.
func compareScanAndParse(t testing.TB, src []byte, opts *Options) {
	t.Helper()
	f, err := Parse("x", src, opts)
	if !bytes.Equal(f.Bytes(), src) {
		t.Fatalf("Bytes of %q: %q", src, f.Bytes())
	}
	var aliases, scanned []string
	for a := range f.All() {
		aliases = append(aliases, fmt.Sprintf("%d %s %s", a.Line(), a.Key(), a.Value()))
		if again, _ := ParseTargets(a.Value()); !slices.Equal(a.Targets(), again) {
			t.Fatalf("%q: targets %q, but those of the stored value %q are %q", src, a.Targets(), a.Value(), again)
		}
		if s := a.NameSpan(); !s.IsValid() || s.Start.Line != a.Line() || s.End.Offset > len(src) {
			t.Fatalf("%q: name at %v", src, s)
		}
		if found := f.Find(a.Name()); found == nil || f.fold(found.Name()) != f.fold(a.Name()) {
			t.Fatalf("%q: Find(%q) = %v", src, a.Name(), found)
		}
	}
	var said, reported []string
	list, _ := err.(diag.List)
	for _, d := range list {
		if d.Check != CheckDuplicate {
			said = append(said, d.Check+": "+d.Message)
		}
	}
	o := Options{NoFold: true}
	if opts != nil {
		o.NoUTF8 = opts.NoUTF8
	}
	s := NewScanner("x", bytes.NewReader(src), &o)
	s.Report = func(d diag.Diagnostic) { reported = append(reported, d.Check+": "+d.Message) }
	for s.Scan() {
		scanned = append(scanned, fmt.Sprintf("%d %s %s", s.Line(), s.Key(), s.Value()))
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if !slices.Equal(aliases, scanned) {
		t.Fatalf("%q:\nFile    %q\nScanner %q", src, aliases, scanned)
	}
	slices.Sort(said)
	slices.Sort(reported)
	if !slices.Equal(said, reported) {
		t.Fatalf("%q:\nParse   %q\nScanner %q", src, said, reported)
	}
}

func TestScannerAgreesWithParse(t *testing.T) {
	for name, src := range everything(t) {
		t.Run(name, func(t *testing.T) {
			compareScanAndParse(t, src, nil)
			compareScanAndParse(t, src, &Options{NoUTF8: true})
		})
	}
}

func TestGet(t *testing.T) {
	f := parse(t, strings.Join([]string{
		`Root: alice, Bob@Example.COM`,
		`"two words": "|/bin/x -f \"a b\"", /var/mail/x,`,
		`  :include:/etc/list`,
		`none: <>`, ``,
	}, "\n"))
	for name, want := range map[string]string{
		"root":      `address alice, address Bob@Example.COM`,
		"TWO words": `command /bin/x -f "a b", path /var/mail/x, include /etc/list`,
		"none":      ``,
	} {
		targets, ok := f.Get(name)
		var got []string
		for _, tg := range targets {
			got = append(got, tg.Kind.String()+" "+tg.Value)
		}
		if !ok || strings.Join(got, ", ") != want {
			t.Errorf("Get(%q) = %q, %v, want %s", name, got, ok, want)
		}
	}
	if _, ok := f.Get("nobody"); ok {
		t.Error("found what is not there")
	}
	ctx := context.Background()
	for _, key := range []string{"nobody", `two\ words`, `roo\t`, `root\`, `"root`} {
		if v, ok, err := f.Lookup(ctx, key); ok || err != nil {
			t.Errorf("Lookup(%q) = %q, %v: another spelling is another key", key, v, err)
		}
	}
	for _, key := range []string{`two words`, `"Two Words"`} {
		if v, ok, err := f.Lookup(ctx, key); v != `"|/bin/x -f \"a b\"", /var/mail/x, :include:/etc/list` || !ok || err != nil {
			t.Errorf("Lookup(%q) = %q, %v, %v", key, v, ok, err)
		}
		if file, line, ok := f.Locate(ctx, key); file != "aliases" || line != 2 || !ok {
			t.Errorf("Locate(%q) = %q, %d, %v", key, file, line, ok)
		}
	}
}

func TestParseFindings(t *testing.T) {
	_, err := Parse("a", []byte("# c\na: b\nx y\nA: c\nd@e: f\n\xff: g\n"), nil)
	want := []string{
		"a:3:1: error: need name:value pair [need-name-value]",
		"a:4:1: warning: duplicate entry: \"a\" [duplicate-key]",
		"a:5:1: error: name must be local and have no domain [name-not-local]",
		"a:6:1: error: non-UTF-8 input \"?: g\" -- ignoring this line [not-utf8]",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
	list := err.(diag.List)
	fixed, skipped, err := diag.ApplyFixes("a", []byte("# c\na: b\nx y\nA: c\nd@e: f\n\xff: g\n"), list)
	if string(fixed) != "# c\na: b\nx y\nd@e: f\n\xff: g\n" || err != nil {
		t.Errorf("fixed %q, %v, %v", fixed, skipped, err)
	}
}

// endless is a line without an end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += len(p)
	return len(p), nil
}

func TestMaxLine(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	src := &endless{}
	s := NewScanner("endless", src, &Options{MaxLine: 1 << 20})
	if s.Scan() || s.Err() == nil || s.Err().Error() != "endless: logical line of more than 1048576 bytes: limit exceeded" {
		t.Errorf("got %v", s.Err())
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; src.read > 4<<20 || used > 8<<20 {
		t.Errorf("read %d bytes and allocated %d for a limit of 1 MiB", src.read, used)
	}
	if _, err := Parse("long", []byte("a: "+strings.Repeat("b", 30)), &Options{MaxLine: 20}); err == nil || !strings.Contains(err.Error(), "33 bytes is too long (limit 20)") {
		t.Errorf("got %v", err)
	}
}

func TestTargetString(t *testing.T) {
	for _, c := range []struct {
		t    Target
		want string
	}{
		{Target{Address, "alice"}, "alice"},
		{Target{Address, "a.b+c@example.com"}, "a.b+c@example.com"},
		{Target{Address, "two words@example.com"}, `"two words"@example.com`},
		{Target{Address, "a@b@c"}, `"a@b"@c`},
		{Target{Address, `a"b\c`}, `"a\"b\\c"`},
		{Target{Address, "#x"}, `"#x"`},
		{Target{Address, "#x@y"}, `"#x"@y`},
		{Target{Address, "x@[1.2.3.4]"}, "x@[1.2.3.4]"},
		{Target{Address, ""}, `""`},
		{Target{Address, "a|b!c%d@e"}, "a|b!c%d@e"},
		{Target{Command, "/bin/true"}, `"|/bin/true"`},
		{Target{Command, `/bin/x -f "a \b"`}, `"|/bin/x -f \"a \\b\""`},
		{Target{Path, "/var/mail/x.y"}, "/var/mail/x.y"},
		{Target{Path, "/var/mail/x y"}, `"/var/mail/x y"`},
		{Target{Path, "/a,b"}, `"/a,b"`},
		{Target{Path, "/a(b)"}, `"/a(b)"`},
		{Target{Path, `/a\b`}, `"/a\\b"`},
		{Target{Path, "~/Mail/x"}, "~/Mail/x"},
		{Target{Include, "/etc/list-1.txt"}, ":include:/etc/list-1.txt"},
		{Target{Include, "/etc/a b"}, `":include:/etc/a b"`},
		{Target{Include, "/etc/a;b"}, `":include:/etc/a;b"`},
	} {
		if got := c.t.String(); got != c.want {
			t.Errorf("%q: String gives %s, want %s", c.t, got, c.want)
		}
		if err := c.t.Check(); err != nil {
			t.Errorf("%q: %v", c.t, err)
		}
	}
	for _, bad := range []Target{
		{}, {Address, "/x"}, {Address, "~x"}, {Address, "|x"}, {Address, ":include:/x"}, {Address, ":INCLUDE:/x"}, {Address, "a\x00b"},
		{Address, "a@b c"}, {Address, "a\tb"}, {Command, ""}, {Command, " "}, {Command, "a\nb"}, {Path, "x"}, {Path, ""}, {Path, "~x/y"}, {Include, "x"}, {7, "x"},
	} {
		if err := bad.Check(); err == nil {
			t.Errorf("%q can be written as %s", bad, bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, src := range sources {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<12 {
			return
		}
		compareScanAndParse(t, src, nil)
	})
}

// FuzzTarget: what passes Check reads back after quoting, and what is read can
// be written, with the exceptions Check names.
func FuzzTarget(f *testing.F) {
	for _, src := range sources {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, rhs string) {
		targets, err := ParseTargets(rhs)
		if err != nil {
			return
		}
		writable := targets[:0]
		for _, tg := range targets {
			if tg.Check() == nil {
				writable = append(writable, tg)
			}
		}
		if len(writable) == 0 {
			return
		}
		text := FormatTargets(writable)
		if again, err := ParseTargets(text); err != nil || !slices.Equal(again, writable) {
			t.Fatalf("%q has %q, written as %s, which reads %q, %v", rhs, writable, text, again, err)
		}
	})
}

func bigSource(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "user%d: mailbox%d@example.com, \"|/usr/bin/filter -u %d\"\n", i, i, i)
	}
	return b.Bytes()
}

func BenchmarkScanner(b *testing.B) {
	src := bigSource(20000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner("x", bytes.NewReader(src), nil)
		for s.Scan() {
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := bigSource(20000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		Parse("x", src, nil)
	}
}
