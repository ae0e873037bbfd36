package mastercf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var seeds = []string{
	"", "\n", "smtp inet n - n - - smtpd\n", "  x\nsmtp inet n - n - - smtpd -o a=b\n\t-o { c = d }\r\n#  -o e=f\n  -vog=h {w w}\n",
	"#a unix - - n - - smtp\n#  -o q=r\n# prose\n##  -v\n#-o s=t\nb unix - - n 60? 1 pipe\n flags=R argv=/x ${y}\n",
	"a unix - - - - - x -o\x00\n", "a\n\vunix - -\n# c\n n - - smtp -o{a=b}c -o {\n", "#\n#a unix - - - - - x\n -o y=z\n",
	"##a unix - - - - - x\n#b unix - - - - - x\n## -o c=d\n# -o e=f\n\n#\n# -v\n",
}

// simple reads services the way the rules read: lines are joined, then split.
func simple(src string) (all []string) {
	var logical []string
	for _, line := range strings.Split(src, "\n") {
		trimmed := strings.Trim(line, " \t\n\v\f\r")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if strings.ContainsRune(" \t\v\f\r", rune(line[0])) && len(logical) > 0 {
			logical[len(logical)-1] += line
		} else {
			logical = append(logical, line)
		}
	}
	for i, l := range logical {
		if i == 0 && strings.ContainsRune(" \t\v\f\r", rune(l[0])) {
			continue
		}
		l, _, _ = strings.Cut(l, "\x00")
		var words []string
		word, level := "", 0
		for _, c := range []byte(l + " ") {
			if c == '{' {
				level++
			} else if c == '}' && level > 0 {
				level--
			}
			if level == 0 && strings.IndexByte(" \t\r", c) >= 0 {
				if word != "" {
					words = append(words, word)
				}
				word = ""
			} else {
				word += string([]byte{c})
			}
		}
		if word = strings.TrimSuffix(word, " "); level > 0 {
			words = append(words, word)
		}
		if len(words) >= 8 {
			all = append(all, strings.Join(words, "\x00"))
		}
	}
	return all
}

// consistent checks what holds for every File.
func consistent(t *testing.T, f *File) {
	t.Helper()
	var whole strings.Builder
	at := 0
	for e := range f.Entries() {
		if e.Span().Start.Offset != at {
			t.Fatalf("entry at %d, want %d", e.Span().Start.Offset, at)
		}
		whole.WriteString(e.Raw())
		if at = e.Span().End.Offset; at != whole.Len() {
			t.Fatalf("entry ends at %d, want %d", at, whole.Len())
		}
	}
	if whole.String() != string(f.src) {
		t.Fatalf("entries give %q, want %q", whole.String(), f.src)
	}
	var got []string
	for s := range f.Services() {
		var words []string
		for _, tok := range tokens(s.text.s) {
			words = append(words, s.text.s[tok.start:tok.end])
		}
		got = append(got, strings.Join(words, "\x00"))
	}
	if want := simple(string(f.src)); !slices.Equal(got, want) {
		t.Fatalf("services of %q:\n got %q\nwant %q", f.src, got, want)
	}
	for _, s := range f.all() {
		for c := FieldService; c <= FieldCommand; c++ {
			sp, v := s.FieldSpan(c), s.Field(c)
			if sp.End.Offset-sp.Start.Offset == len(v) && string(f.src[sp.Start.Offset:sp.End.Offset]) != v {
				t.Fatalf("%s of %q is at %q", c, f.src, f.src[sp.Start.Offset:sp.End.Offset])
			}
		}
		if s.file != f {
			t.Fatalf("%s belongs to another file", s.Name())
		}
	}
	again := &File{}
	again.parse(f.src, nil)
	if x, y := dump(f), dump(again); x != y {
		t.Fatalf("state\n%s\nreads as\n%s", x, y)
	}
}

func dump(f *File) string {
	var b strings.Builder
	for _, s := range f.all() {
		fmt.Fprintf(&b, "%v %q %q %v\n", s.disabled, s.Spec(), s.Raw(), s.span)
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	for _, name := range corpus(f)[:12] {
		src, _ := os.ReadFile(name)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<12 {
			return
		}
		file, err := Parse("m", src)
		if !bytes.Equal(file.Bytes(), src) {
			t.Fatalf("%q came back as %q", src, file.Bytes())
		}
		consistent(t, file)
		for _, d := range append(file.Findings(), file.Check(nil)...) {
			if !d.Span.IsValid() || d.Span.End.Offset > len(src) || d.Message == "" {
				t.Fatalf("finding %+v of %q", d, src)
			}
			for _, fix := range d.Fixes {
				for _, e := range fix.Edits {
					if e.Start < 0 || e.End > len(src) || e.Start > e.End {
						t.Fatalf("fix %+v of %q", e, src)
					}
				}
			}
		}
		if err == nil && len(file.Findings()) > 0 {
			t.Fatal("findings without error")
		}
	})
}

// linesOf returns the physical lines of the file that are not lines of s, nor
// comments between or behind its lines that read as its arguments.
func linesOf(f *File, s *Service) (others []string) {
	own := map[int]bool{}
	from, to := len(f.src), 0
	if s != nil && s.file == f {
		for _, p := range s.text.pieces {
			own[p.lineStart] = true
			from, to = min(from, p.lineStart), max(to, p.lineEnd)
		}
	}
	for r := range f.lines(0, len(f.src)) {
		if own[r.start] || r.isComment && f.argsOrHeader(r.remark) {
			continue
		}
		others = append(others, strings.TrimRight(string(f.src[r.start:r.end]), "\n"))
	}
	return others
}

func FuzzEdit(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), []byte{byte(i), 0, byte(i), 1, byte(i + 3), 2, byte(i + 5), 0}, "x", "y z")
	}
	f.Fuzz(func(t *testing.T, src, program []byte, name, value string) {
		if len(src) > 1<<10 || len(program) > 16 || len(name)+len(value) > 60 {
			return
		}
		file, _ := Parse("m", src)
		for ; len(program) >= 2; program = program[2:] {
			all := file.all()
			var s *Service
			if len(all) > 0 {
				s = all[int(program[1])%len(all)]
			}
			if program[0]%11 == 0 {
				s = nil
			}
			before := string(file.src)
			others := linesOf(file, s)
			kept := map[*Service]Spec{}
			for _, o := range all {
				if o != s {
					kept[o] = o.Spec()
				}
			}
			after, err := edit(t, file, s, program[0]%11, name, value)
			if err == errSkip {
				consistent(t, file)
				continue
			}
			if err != nil && string(file.src) != before {
				t.Fatalf("failed edit %d (%v) changed\n%q\nto\n%q", program[0]%11, err, before, file.src)
			}
			consistent(t, file)
			for o, spec := range kept {
				if fmt.Sprint(o.Spec()) != fmt.Sprint(spec) || o.file != file {
					t.Fatalf("edit %d of\n%q\ngave\n%q\nand changed %v to %v", program[0]%11, before, file.src, spec, o.Spec())
				}
			}
			// Behind a NUL a line has text that belongs to nothing.
			if got := linesOf(file, after); !slices.Equal(got, others) && !strings.Contains(before, "\x00") {
				t.Fatalf("edit %d of\n%q\ngave\n%q\nother lines were %q, are %q", program[0]%11, before, file.src, others, got)
			}
		}
	})
}

// errSkip says that the lines were compared already, or that a commented-out
// service has a line that reads as prose, as documented for CommentOut, or that
// Postfix does not read because of a NUL before it.
var errSkip = errors.New("skip")

// edit makes one edit, checks its result and returns the service it is about.
func edit(t *testing.T, file *File, s *Service, op byte, name, value string) (*Service, error) {
	if op == 0 {
		n, err := file.Add(Spec{Name: name, Type: Unix, Command: "smtp", Args: []string{"-v", "-o", "a=b c", value}})
		if err == nil && !strings.HasPrefix(value, "-") && (n.Name() != name || file.Service(name, Unix) != n || !slices.Equal(n.Args(), []string{"-v", "-o", "a=b c", value})) {
			t.Fatalf("Add: %q", n.Spec())
		}
		return n, err
	}
	if s == nil {
		return nil, nil
	}
	spec, before := s.Spec(), string(file.src)
	was := s.Disabled()
	switch op {
	case 1:
		err := s.SetOption(name, value)
		if got, ok := s.Option(name); err == nil && (!ok || got != value) {
			t.Fatalf("option %q is %q, want %q in %q", name, got, value, file.src)
		}
		return s, err
	case 2:
		if s.DeleteOption(name); s.file == nil {
			t.Fatal("gone")
		}
		if _, ok := s.Option(name); ok {
			t.Logf("option %q of %q stays", name, file.src)
		}
	case 3:
		err := s.SetField(FieldService, name)
		if err == nil && s.Name() != name {
			t.Fatalf("name is %q, want %q", s.Name(), name)
		}
		return s, err
	case 4:
		return s, s.SetField(FieldWakeup, "1000?")
	case 5:
		args := append(s.Args(), name, value)
		// Option letters that are joined come back apart.
		joined := strings.HasPrefix(name, "-") || slices.ContainsFunc(s.Words(), func(w string) bool { return strings.HasPrefix(w, "-") })
		err := s.SetArgs(args)
		if got := s.Args(); err == nil && !slices.Equal(got, args) && !joined {
			t.Fatalf("args are %q, want %q", got, args)
		}
		return s, err
	case 6:
		args := s.Args()
		if len(args) > 0 {
			args = slices.Delete(args, len(args)/2, len(args)/2+1)
		}
		return s, s.SetArgs(args)
	case 7:
		if err := file.Delete(s); err != nil {
			return s, err
		}
		if s.file != nil {
			t.Fatal("still there")
		}
		return nil, nil
	case 8:
		err := file.Enable(s)
		if err == nil && (s.Disabled() || was && file.Service(s.Name(), s.Type()) != s) {
			t.Fatalf("not enabled: %q", file.src)
		}
		return s, err
	case 9:
		err := file.CommentOut(s)
		if err != nil || was {
			return s, err
		}
		// The way back gives the same bytes when every line was found again.
		if fmt.Sprint(s.Spec()) != fmt.Sprint(spec) || strings.Contains(before, "\x00") {
			return s, errSkip
		}
		c := file.Clone()
		if d := c.all()[slices.Index(file.all(), s)]; c.Enable(d) == nil && string(c.src) != before {
			t.Fatalf("commented out\n%q\ngives\n%q\nand back\n%q", before, file.src, c.src)
		}
		return s, nil
	case 10:
		n, err := file.Duplicate(s, name, Unix)
		if err == nil && !strings.HasPrefix(value, "-") && (n.Name() != name || n.Disabled() != was) {
			t.Fatalf("copy is %q", n.Spec())
		}
		// The copy repeats the comments of the original; nothing else changes.
		if e := diffEdit([]byte(before), file.src); err == nil && (e.Start != e.End || e.New == "") {
			t.Fatalf("copy made\n%q of\n%q", file.src, before)
		} else if err == nil {
			return s, errSkip
		}
		return s, err
	}
	return s, nil
}
