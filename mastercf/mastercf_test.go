package mastercf

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func corpus(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("testdata/*/*.cf")
	if err != nil || len(all) < 60 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

func mustParse(t testing.TB, src string) *File {
	t.Helper()
	f, err := Parse("master.cf", []byte(src))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return f
}

func TestColumnsAndArguments(t *testing.T) {
	f := mustParse(t, "127.0.0.1:smtp\tinet n - y 60? 1 smtpd -vD\n"+
		"  -o a=b -vo c=d -oe=f\n# note\n"+
		"  -o { g = h  i } -o j={k l}m\n  word {} { two words } \"quo ted\"\n")
	s := f.Service("127.0.0.1:smtp", Inet)
	if s == nil {
		t.Fatal("not found")
	}
	var fields []string
	for c := FieldService; c <= FieldCommand; c++ {
		fields = append(fields, s.Field(c))
	}
	if got := strings.Join(fields, "|"); got != "127.0.0.1:smtp|inet|n|-|y|60?|1|smtpd" {
		t.Errorf("fields: %s", got)
	}
	want := []string{"-vD", "-o", "a=b", "-v", "-o", "c=d", "-o", "e=f", "-o", "g=h  i", "-o", "j={k l}m", "word", "", "two words", "\"quo", "ted\""}
	if got := s.Args(); !slices.Equal(got, want) {
		t.Errorf("args:\n got %q\nwant %q", got, want)
	}
	var options []string
	for o := range s.Options() {
		options = append(options, o.Name+"="+o.Value+"@"+o.Span.String())
	}
	if got := strings.Join(options, " "); got != "a=b@2:6 c=d@2:14 e=f@2:20 g=h  i@4:6 j={k l}m@4:22" {
		t.Errorf("options: %s", got)
	}
	if got := s.Words(); len(got) != 5 {
		t.Errorf("words: %q", got)
	}
	if s.Runtime()["service_name"] != "127.0.0.1:smtp" || s.Runtime()["process_name"] != "smtpd" {
		t.Errorf("runtime: %v", s.Runtime())
	}
}

func TestFindings(t *testing.T) {
	for src, want := range map[string]string{
		"  lost inet n - - - - smtpd\n":          "m:1:1: error: line starts with white space but continues nothing (start it in the first column)",
		"smtp inet n -\n - -\n":                  "m:1:1: error: 6 fields where a service has at least 8: service type private unprivileged chroot wakeup process_limit command",
		"smtp tcp n - - - - smtpd\n":             `m:1:6: error: invalid service type "tcp" (want inet, unix, unix-dgram, fifo or pass)`,
		"smtp inet N - - 1m x smtpd\n":           `m:1:11: error: invalid private field "N" (want y, n or -)` + "\n" + `m:1:17: error: invalid wakeup field "1m" (want seconds, seconds? or -)` + "\n" + `m:1:20: error: invalid process_limit field "x" (want a number or -)`,
		"smtp inet n - - - - smtpd -o {a}\n":     `m:1:30: error: missing '=' after parameter name in "{a}"`,
		"smtp inet n - - - - smtpd -o\n":         "m:1:27: error: missing name=value after -o",
		"smtp inet n - - - - smtpd -o { a = b\n": `m:1:30: error: missing '}' in "{ a = b"`,
		"smtp inet n - - - - smtpd -o {a=b}c\n":  `m:1:30: error: text after '}' in "{a=b}c"`,
		"smtp inet n - - - - smtpd \x00-o a=b\n": "m:1:27: error: NUL byte: Postfix does not read the rest of this entry",
		"mail in inet n - - - - - smtpd\n":       `m:1:6: error: invalid service type "in" (want inet, unix, unix-dgram, fifo or pass); the name before it contains white space` + "\n" + `m:1:9: error: invalid private field "inet" (want y, n or -)`,
	} {
		f, err := Parse("m", []byte(src))
		var l diag.List
		if !errors.As(err, &l) || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", src, err, want)
		}
		if string(f.Bytes()) != src {
			t.Errorf("%q: came back as %q", src, f.Bytes())
		}
	}
}

func TestCorpusRoundTrip(t *testing.T) {
	for _, name := range corpus(t) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(name, src)
		if err != nil {
			t.Logf("%v", err)
		}
		if !bytes.Equal(f.Bytes(), src) {
			t.Errorf("%s: bytes differ", name)
		}
		var whole strings.Builder
		for e := range f.Entries() {
			whole.WriteString(e.Raw())
		}
		if whole.String() != string(src) {
			t.Errorf("%s: entries do not add up", name)
		}
		if len(f.active) == 0 && len(src) > 100 {
			t.Errorf("%s: no services", name)
		}
	}
}

func TestDisabledStock(t *testing.T) {
	for name, want := range map[string]int{"stock/debian-3.7.11.cf": 12, "stock/postfix-3.12.cf": 18} {
		f := mustParse(t, string(read(t, name)))
		var names []string
		for s := range f.Disabled() {
			names = append(names, s.Name()+"/"+string(s.Type()))
		}
		if len(names) != want {
			t.Errorf("%s: %d commented-out services, want %d: %q", name, len(names), want, names)
		}
	}
}

// Switching the submission services on changes nothing but their own lines.
func TestEnableStock(t *testing.T) {
	for _, name := range []string{"stock/debian-3.7.11.cf", "stock/postfix-3.12.cf"} {
		src := string(read(t, name))
		for _, service := range []string{"submission", "submissions"} {
			f := mustParse(t, src)
			s := f.DisabledService(service, Inet)
			if s == nil {
				t.Fatalf("%s: no %s", name, service)
			}
			want := s.Args()
			if err := f.Enable(s); err != nil {
				t.Fatal(err)
			}
			if s.Disabled() || s != f.Service(service, Inet) || !slices.Equal(s.Args(), want) || len(want) < 20 {
				t.Errorf("%s: %s: args %q, want %q", name, service, s.Args(), want)
			}
			before, after := strings.Split(src, "\n"), strings.Split(string(f.Bytes()), "\n")
			if len(before) != len(after) {
				t.Fatalf("%s: %d lines became %d", name, len(before), len(after))
			}
			changed := 0
			for i := range before {
				if before[i] != after[i] {
					changed++
					if before[i] != "#"+after[i] {
						t.Errorf("%s: %q became %q", name, before[i], after[i])
					}
				}
			}
			if changed != 1+len(want)/2 {
				t.Errorf("%s: %s: %d lines changed, %d options", name, service, changed, len(want)/2)
			}
			if err := f.CommentOut(s); err != nil || string(f.Bytes()) != src {
				t.Errorf("%s: %s: commenting out does not give the file back: %v", name, service, err)
			}
		}
	}
}

func TestDisabled(t *testing.T) {
	src := `#
# smtp inet n - n - - smtpd
#   -o a=b
# prose about it
#-o c=d
#
# service type  private unpriv  chroot  wakeup  maxproc command + args

real inet n - n - - smtpd
  -o x=y
#hidden inet n - n - - smtpd
#  -o z=1
  -o w=2
## deep unix - - n - - smtp
##  -o q=r
#  -o notmine=1
#pipes unix - n n - - pipe
#  flags=R user=nobody argv=/bin/x
#    ${recipient}
`
	f := mustParse(t, src)
	var got []string
	for s := range f.Disabled() {
		got = append(got, s.Name()+" "+strings.Join(s.Args(), " "))
	}
	want := []string{"smtp -o a=b -o c=d", "hidden -o z=1", "deep -o q=r", "pipes flags=R user=nobody argv=/bin/x ${recipient}"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if err := f.Enable(f.DisabledService("hidden", Inet)); err == nil || !strings.Contains(err.Error(), "belong to another service") {
		t.Errorf("enabling inside another service: %v", err)
	}
	if string(f.Bytes()) != src {
		t.Error("a failed edit changed the file")
	}
	if err := f.Enable(f.DisabledService("smtp", Inet)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(f.Bytes()), "#\nsmtp inet n - n - - smtpd\n   -o a=b\n# prose about it\n -o c=d\n#\n") {
		t.Errorf("got %.120q", f.Bytes())
	}
	if err := f.Enable(f.DisabledService("deep", Unix)); err != nil || f.Service("deep", Unix) == nil {
		t.Errorf("deep: %v", err)
	}
}

// An edit by its result: the service is always the first one.
func TestEdits(t *testing.T) {
	option := func(name, value string) func(*Service) error {
		return func(s *Service) error { return s.SetOption(name, value) }
	}
	field := func(c Field, v string) func(*Service) error {
		return func(s *Service) error { return s.SetField(c, v) }
	}
	remove := func(name string) func(*Service) error {
		return func(s *Service) error { s.DeleteOption(name); return nil }
	}
	args := func(all ...string) func(*Service) error {
		return func(s *Service) error { return s.SetArgs(all) }
	}
	const head = "a unix - - n - - smtp"
	for _, c := range []struct {
		name, src string
		edit      func(*Service) error
		want      string
	}{
		{"add-first", head + "\nb unix - - n - - smtp\n", option("x", "y"), head + "\n  -o x=y\nb unix - - n - - smtp\n"},
		{"add-keeps-indent", head + "\n\t-o q=1\n#c\n", option("x", "y"), head + "\n\t-o q=1\n\t-o x=y\n#c\n"},
		{"add-indent-of-file", head + "\nb unix - - n - - smtp\n      -o q=r\n", option("x", "y"), head + "\n      -o x=y\nb unix - - n - - smtp\n      -o q=r\n"},
		{"add-before-words", head + " {w w} x\n", option("x", "y"), head + " -o x=y {w w} x\n"},
		{"add-before-words-on-own-line", head + "\n  w x\n", option("x", "y"), head + "\n  -o x=y\n  w x\n"},
		{"add-without-final-newline", head, option("x", "y"), head + "\n  -o x=y"},
		{"add-crlf", head + "\r\nb unix - - n - - smtp\r\n", option("x", "y"), head + "\r\n  -o x=y\r\nb unix - - n - - smtp\r\n"},
		{"add-spaces", head + "\n", option("x", "y z"), head + "\n  -o { x = y z }\n"},
		{"replace", head + "\n  -o x=1 # no comment\n", option("x", "22"), head + "\n  -o x=22 # no comment\n"},
		{"replace-last", head + " -o x=1 -o x=2\n", option("x", "3"), head + " -o x=1 -o x=3\n"},
		{"replace-in-braces", head + " -o {  x = 1 2  } -v\n", option("x", "3"), head + " -o {  x = 3  } -v\n"},
		{"replace-needs-braces", head + " -ox=1 -v\n", option("x", "3 4"), head + " -o { x = 3 4 } -v\n"},
		{"replace-empty", head + " -o x=\n  -o y=1\n", option("x", "3"), head + " -o x=3\n  -o y=1\n"},
		{"replace-by-empty", head + " -o x=3\n  -o y=1\n", option("x", ""), head + " -o x=\n  -o y=1\n"},
		{"replace-over-comment", head + " -o { x =\n# why\n  1 }\n  -o y=1\n", option("x", "7"), head + " -o { x =\n# why\n  7 }\n  -o y=1\n"},
		{"same", head + " -o x=3\n", option("x", "3"), head + " -o x=3\n"},
		{"delete-line", head + "\n  -o x=1\n# c\n  -o y=2\n", remove("x"), head + "\n# c\n  -o y=2\n"},
		{"delete-inline", head + " -o x=1   -o y=2 \n", remove("x"), head + " -o y=2 \n"},
		{"delete-end-of-line", head + " -o y=2 -o x=1\n", remove("x"), head + " -o y=2\n"},
		{"delete-all", head + " -o x=2\n -o x=1\n", remove("x"), head + "\n"},
		{"delete-grouped", head + " -vo x=2 -Do y=1\n", remove("x"), head + " -v -Do y=1\n"},
		{"delete-no-newline", head + "\n  -o x=2", remove("x"), head + "\n"},
		{"field-aligned", "a         unix  -       -       n       -       -       smtp\n", field(FieldWakeup, "1000?"), "a         unix  -       -       n       1000?   -       smtp\n"},
		{"field-longer-than-column", "a    unix  -       -       n       -       -       smtp\n", field(FieldService, "abcdefgh"), "abcdefgh unix -    -       n       -       -       smtp\n"},
		{"field-tabs", "smtp\t\tunix\t-\t-\tn\t-\t-\tsmtp\n", field(FieldService, "abcdefghi"), "abcdefghi\tunix\t-\t-\tn\t-\t-\tsmtp\n"},
		{"field-tabs-shorter", "abcdefghi\tunix\t-\t-\tn\t-\t-\tsmtp\n", field(FieldService, "a"), "a\t\tunix\t-\t-\tn\t-\t-\tsmtp\n"},
		{"field-over-lines", "a\n unix -\n# c\n - n - - smtp\n", field(FieldUnprivileged, "n"), "a\n unix -\n# c\n n n - - smtp\n"},
		{"field-disabled", "#a         unix  -       -       n       -       -       smtp\n", field(FieldChroot, "-"), "#a         unix  -       -       -       -       -       smtp\n"},
		{"option-disabled", "#" + head + "\n#  -o x=1\n# prose\n", option("y", "2"), "#" + head + "\n#  -o x=1\n#  -o y=2\n# prose\n"},
		{"args-replace-word", "a unix - n n - - pipe\n  flags=R user=x\n  argv=/bin/y ${z}\n", args("flags=DR", "user=x", "argv=/bin/y", "${z}"), "a unix - n n - - pipe\n  flags=DR user=x\n  argv=/bin/y ${z}\n"},
		{"args-append", head + " -v\n", args("-v", "-o", "a=b c", "w", "x y", ""), head + " -v\n  -o { a = b c }\n  w {x y} {}\n"},
		{"args-none", head + " -v\n  -o a=b\n  x\n", args(), head + "\n"},
		{"args-middle", head + " -o a=1 -o b=2 -o c=3\n", args("-o", "a=1", "-o", "d=2", "-o", "c=3"), head + " -o a=1 -o d=2 -o c=3\n"},
		{"args-flag-in-group", head + " -vo a=1\n", args("-o", "a=1"), head + " -o a=1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := mustParse(t, c.src)
			s := f.all()[0]
			for range 2 { // the second time changes nothing
				if err := c.edit(s); err != nil {
					t.Fatal(err)
				}
				if got := string(f.Bytes()); got != c.want {
					t.Fatalf("got\n%s\nwant\n%s", got, c.want)
				}
			}
		})
	}
}

func TestEditsRefused(t *testing.T) {
	const src = "a unix - - n - - smtp -o x=1\nb unix - - n - - smtp\n"
	f := mustParse(t, src)
	a := f.Service("a", Unix)
	for name, edit := range map[string]func() error{
		"exists":          func() error { return f.Rename(a, "b") },
		"blank-name":      func() error { return f.Rename(a, "b c") },
		"comment-name":    func() error { return f.Rename(a, "#b") },
		"brace-name":      func() error { return f.Rename(a, "b{") },
		"bad-type":        func() error { return a.SetField(FieldType, "tcp") },
		"bad-bool":        func() error { return a.SetField(FieldChroot, "yes") },
		"default-command": func() error { return a.SetField(FieldCommand, "-") },
		"newline":         func() error { return a.SetOption("x", "1\n2") },
		"edge-space":      func() error { return a.SetOption("x", " 1") },
		"open-brace":      func() error { return a.SetOption("y", "{ 1") },
		"name":            func() error { return a.SetOption("y z", "1") },
		"args-dash":       func() error { return a.SetArgs([]string{"x y }"}) },
		"args-edge":       func() error { return a.SetArgs([]string{" x"}) },
		"add-exists":      func() error { _, err := f.Add(Spec{Name: "b", Type: Unix, Command: "smtp"}); return err },
		"add-no-command":  func() error { _, err := f.Add(Spec{Name: "c", Type: Unix}); return err },
		"duplicate":       func() error { _, err := f.Duplicate(a, "b", Unix); return err },
	} {
		if err := edit(); err == nil {
			t.Errorf("%s: no error; the file is\n%s", name, f.Bytes())
		}
		if string(f.Bytes()) != src {
			t.Fatalf("%s: the file was changed:\n%s", name, f.Bytes())
		}
	}
	if err := f.Rename(a, "b"); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if err := f.Delete(a); err != nil {
		t.Fatal(err)
	}
	if err := a.SetOption("x", "2"); err != ErrDeleted || a.Name() != "a" {
		t.Errorf("after Delete: %v, name %q", err, a.Name())
	}
}

func TestAdd(t *testing.T) {
	spec := Spec{Name: "submission", Type: Inet, Private: "n", Command: "smtpd", Args: []string{"-v", "-o", "a=b", "-o", "c=d e", "w"}}
	for _, c := range []struct{ name, src, want string }{
		{"empty", "", "submission inet n       -       -       -       -       smtpd -v\n  -o a=b\n  -o { c = d e }\n  w\n"},
		{"aligned", "a          unix  -       -       n       -       -       smtp\n", "a          unix  -       -       n       -       -       smtp\nsubmission inet  n       -       -       -       -       smtpd -v\n  -o a=b\n  -o { c = d e }\n  w\n"},
		{"tabs", "a\t\tunix\t-\t-\tn\t-\t-\tsmtp\n\t-o x=y", "a\t\tunix\t-\t-\tn\t-\t-\tsmtp\n\t-o x=y\nsubmission\tinet\tn\t-\t-\t-\t-\tsmtpd -v\n\t-o a=b\n\t-o { c = d e }\n\tw\n"},
	} {
		f := mustParse(t, c.src)
		s, err := f.Add(spec)
		if err != nil || s != f.Service("submission", Inet) {
			t.Fatalf("%s: %v, %v", c.name, s, err)
		}
		if got := string(f.Bytes()); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	f := mustParse(t, "a unix - - n - - smtp\n  -o x=y # no\n#  -o z=1\n  -o q=r\nb unix - - n - - smtp\n")
	n, err := f.Duplicate(f.Service("a", Unix), "c", Unix)
	if err != nil || n.Name() != "c" {
		t.Fatal(err)
	}
	want := "a unix - - n - - smtp\n  -o x=y # no\n#  -o z=1\n  -o q=r\nc unix - - n - - smtp\n  -o x=y # no\n#  -o z=1\n  -o q=r\nb unix - - n - - smtp\n"
	if string(f.Bytes()) != want {
		t.Errorf("Duplicate: got\n%s\nwant\n%s", f.Bytes(), want)
	}
	if err := f.Delete(f.Service("a", Unix)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.AddAfter(n, Spec{Name: "d", Type: Unix, Command: "error"}); err != nil {
		t.Fatal(err)
	}
	if got := string(f.Bytes()); got != "c unix - - n - - smtp\n  -o x=y # no\n#  -o z=1\n  -o q=r\nd unix - - - - - error\nb unix - - n - - smtp\n" {
		t.Errorf("AddAfter: got\n%s", got)
	}
}

func TestCommentOutAndBack(t *testing.T) {
	for _, src := range []string{
		"a unix - - n - - smtp\n  -o x=y\n#  -o z=1\n# prose\n  -o q=r\nb unix - - n - - smtp\n",
		"a unix - - n - - smtp\n  -o x=y\n#  -o z=1\n# prose\n#\n#  -o q=r\n\nb unix - - n - - smtp\n",
		"a unix - - n - - smtp\n#b unix - - n - - smtp\n#  -o z=1\n  -o q=r\n#c unix - - n - - smtp\n#  -o u=1\n",
		"a unix - - n - - smtp\n\n  -o q=r\n#\n\n\t-v",
		"#z unix - - n - - smtp\n#  -o q=0\na unix - - n - - smtp\n#  -o z=1\n",
	} {
		f := mustParse(t, src)
		s := f.Service("a", Unix)
		args := s.Args()
		if err := f.CommentOut(s); err != nil {
			t.Fatal(err)
		}
		if !s.Disabled() || !slices.Equal(s.Args(), args) || f.Service("a", Unix) != nil {
			t.Errorf("args are %q, want %q\n%s", s.Args(), args, f.Bytes())
		}
		out := string(f.Bytes())
		if err := f.Enable(s); err != nil || string(f.Bytes()) != src {
			t.Errorf("got back (%v)\n%s\nfrom\n%s\nwant\n%s", err, f.Bytes(), out, src)
		}
	}
}

func TestUpdateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.cf")
	if _, err := UpdateFile(path, func(*File) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(path, read(t, "stock/postfix-3.12.cf"), 0o640); err != nil {
		t.Fatal(err)
	}
	on := func(f *File) error {
		if s := f.DisabledService("submission", Inet); s != nil {
			return f.Enable(s)
		}
		return f.Service("submission", Inet).SetOption("smtpd_tls_security_level", "encrypt")
	}
	for i, want := range []bool{true, false} {
		if changed, err := UpdateFile(path, on); err != nil || changed != want {
			t.Errorf("run %d: changed %v, %v", i, changed, err)
		}
	}
	boom := errors.New("boom")
	if changed, err := UpdateFile(path, func(f *File) error { return errors.Join(f.Delete(f.active[0]), boom) }); changed || !errors.Is(err, boom) {
		t.Errorf("failing edit: %v, %v", changed, err)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v", fi.Mode())
	}
}
