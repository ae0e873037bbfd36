package aliases

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/cflines"
)

func addr(s string) Target { return Target{Address, s} }

func TestEdits(t *testing.T) {
	set := func(name string, targets ...Target) func(*File) error {
		return func(f *File) error { return f.Set(name, targets...) }
	}
	add := func(name string, tg Target) func(*File) error {
		return func(f *File) error { _, err := f.AddTarget(name, tg); return err }
	}
	remove := func(name string, tg Target) func(*File) error {
		return func(f *File) error { _, err := f.RemoveTarget(name, tg); return err }
	}
	for _, c := range []struct {
		name, src string
		edit      func(*File) error
		want      string
	}{
		{"set-changes-in-place", "# x\nroot:   alice  \n# y\nb: c\n", set("ROOT", addr("bob"), addr("c d@e")), "# x\nroot:   bob, \"c d\"@e  \n# y\nb: c\n"},
		{"set-joins-lines", "a: b,\n# about c\n  c, (x)\n\n  d\n# y\n", set("a", addr("e")), "a: e\n# about c\n\n# y\n"},
		{"set-value-on-next-line", "a:\n\tb\n", set("a", addr("e")), "a:\n\te\n"},
		{"set-same-changes-nothing", "a: b   c(x)\n", set("a", addr("b"), addr("c")), "a: b   c(x)\n"},
		{"set-new", "a:\tb", set("two words", Target{Command, `/bin/x "y"`}), "a:\tb\n\"two words\":\t\"|/bin/x \\\"y\\\"\"\n"},
		{"set-new-in-empty", "", set("a", Target{Include, "/etc/x"}, Target{Path, "/a b"}), "a: :include:/etc/x, \"/a b\"\n"},
		{"set-odd-names", "", set("a@b%c", addr("x")), "\"a@b%c\": x\n"},
		{"set-hash-name", "", set("#x", addr("#y")), "\\#x: \"#y\"\n"},
		{"set-bang-name", "", set("a!b|c", addr("x")), "a!b|c: x\n"},
		{"set-crlf", "a: b,\r\n  c\r\nd: e\r\n", set("a", addr("x")), "a: x\r\nd: e\r\n"},
		{"set-duplicate-keeps-later", "a: b\na: c\n", set("a", addr("x")), "a: x\na: c\n"},
		{"set-unterminated", "a: b \"c\nd: e\n", set("a", addr("x")), "a: x\nd: e\n"},
		{"add-same-line", "a: b # c\nb: x, y # no comment\n", add("a", addr("d")), "a: b # c, d\nb: x, y # no comment\n"},
		{"add-own-line", "a: b,\n   c\nd: e\n", add("a", addr("f")), "a: b,\n   c,\n   f\nd: e\n"},
		{"add-own-line-trailing-comma", "a: b,\n   c,\n", add("a", addr("f")), "a: b,\n   c,\n   f\n"},
		{"add-value-below-name", "a:\n   b\n", add("a", addr("f")), "a:\n   b,\n   f\n"},
		{"add-wrapped-list", "a: b, c,\n   d, e\n", add("a", addr("f")), "a: b, c,\n   d, e, f\n"},
		{"add-crlf", "a: b,\r\n   c\r\n", add("a", addr("f")), "a: b,\r\n   c,\r\n   f\r\n"},
		{"add-present", "a: B@C\n", add("a", addr("b@c")), "a: B@C\n"},
		{"add-new", "a: b\n", add("c", addr("d")), "a: b\nc: d\n"},
		{"add-after-unterminated", "a: b, \"c\n", add("a", addr("d")), "a: b, c, d\n"},
		{"add-after-comment", "a: b (c)\n", add("a", addr("d")), "a: b (c), d\n"},
		{"add-no-final-newline", "a: b", add("a", addr("d")), "a: b, d"},
		{"remove-middle", "a: b, c, d\n", remove("a", addr("C")), "a: b, d\n"},
		{"remove-first", "a: b, c, d\n", remove("a", addr("b")), "a: c, d\n"},
		{"remove-last", "a: b, c , d\n", remove("a", addr("d")), "a: b, c\n"},
		{"remove-own-line", "a: b,\n# c\n   c,\n   d\n", remove("a", addr("c")), "a: b,\n# c\n   d\n"},
		{"remove-last-line", "a: b,\n   c,\n   d\ne: f\n", remove("a", addr("d")), "a: b,\n   c\ne: f\n"},
		{"remove-first-of-lines", "a: b,\n   c\n", remove("a", addr("b")), "a:\n   c\n"},
		{"remove-all-of-it", "a: b, c, b, b\n", remove("a", addr("b")), "a: c\n"},
		{"remove-without-commas", "a: b c d\n", remove("a", addr("c")), "a: b d\n"},
		{"remove-with-phrase", "a: Some Body <b@c>, d\n", remove("a", addr("b@c")), "a: d\n"},
		{"remove-command", "a: \"|x, y\", d\n", remove("a", Target{Command, "x, y"}), "a: d\n"},
		{"remove-from-group", "a: list: b, c;, d\n", remove("a", addr("b")), "a: c, d\n"},
		{"remove-absent", "a: b\n", remove("a", addr("c")), "a: b\n"},
		{"remove-no-alias", "a: b\n", remove("x", addr("c")), "a: b\n"},
		{"delete", "# x\na: b,\n# c\n c\n# y\nA: d\n", func(f *File) error { f.Delete("a"); return nil }, "# x\n# y\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := parse(t, c.src)
			if err := c.edit(f); err != nil {
				t.Fatal(err)
			}
			if got := string(f.Bytes()); got != c.want {
				t.Errorf("%q became\n     %q\nwant %q", c.src, got, c.want)
			}
		})
	}
}

func TestEditErrors(t *testing.T) {
	const src = "a: b\n"
	f := parse(t, src)
	for what, err := range map[string]error{
		"no target":      f.Set("a"),
		"bad target":     f.Set("a", Target{Path, "x"}),
		"newline name":   f.Set("a\nb", addr("x")),
		"name not UTF-8": f.Set("a\xff", addr("x")),
		"not UTF-8":      f.Set("a", addr("x\xff")),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if _, err := f.RemoveTarget("a", addr("b")); err == nil || !strings.Contains(err.Error(), "only target") {
		t.Errorf("removing the only target: %v", err)
	}
	if string(f.Bytes()) != src {
		t.Errorf("an error left %q", f.Bytes())
	}
	if n := parse(t, "a: b\na: c\n").Delete("A"); n != 2 {
		t.Errorf("Delete: %d", n)
	}
}

func TestUpdateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "aliases")
	edit := func(f *File) error { _, err := f.AddTarget("root", addr("alice")); return err }
	for _, want := range []bool{true, false} {
		changed, err := UpdateFile(path, nil, edit)
		if changed != want || err != nil {
			t.Errorf("changed %v, %v, want %v", changed, err, want)
		}
	}
	if got, err := os.ReadFile(path); string(got) != "root: alice\n" || err != nil {
		t.Errorf("file is %q, %v", got, err)
	}
}

// FuzzEdit: after an edit the alias has the targets asked for, everything
// outside its lines is as before, and a second look at the text agrees.
func FuzzEdit(f *testing.F) {
	for i, src := range sources {
		f.Add([]byte(src), "a", "new, \"|x y\"", uint8(i))
	}
	f.Add([]byte("a: b,\n# c\n   c,\n   d\n"), "a", "c", uint8(2))
	f.Fuzz(func(t *testing.T, src []byte, name, rhs string, op uint8) {
		if len(src) > 1<<11 {
			return
		}
		targets, err := ParseTargets(rhs)
		if err != nil {
			return
		}
		file, _ := Parse("x", src, nil)
		var want []Target
		if a := file.Find(name); a != nil {
			want = a.Targets()
		}
		switch op % 4 {
		case 0:
			err, want = file.Set(name, targets...), targets
		case 1:
			if slices.ContainsFunc(want, targets[0].same) == false {
				want = append(want, targets[0])
			}
			_, err = file.AddTarget(name, targets[0])
		case 2:
			want = slices.DeleteFunc(want, targets[0].same)
			_, err = file.RemoveTarget(name, targets[0])
		case 3:
			file.Delete(name)
			want = nil
		}
		out := file.Bytes()
		if err != nil {
			if !bytes.Equal(out, src) {
				t.Fatalf("%v, but %q became %q", err, src, out)
			}
			return
		}
		again, _ := Parse("x", out, nil)
		for _, f := range []*File{file, again} {
			got, _ := f.Get(name)
			if !slices.Equal(got, want) {
				t.Fatalf("%q, name %q, op %d %q became %q: targets %q, want %q", src, name, op%4, rhs, out, got, want)
			}
		}
		// Lines of other aliases and comments are there, in order.
		before, after := outside(file.fold(name), src), outside(file.fold(name), out)
		if !slices.Equal(before, after) {
			t.Fatalf("%q, name %q, op %d %q became %q\noutside %q\nwant    %q", src, name, op%4, rhs, out, after, before)
		}
	})
}

// outside returns the logical lines of a source that are not aliases of name.
func outside(name string, src []byte) (lines []string) {
	f, _ := Parse("x", src, nil)
	at := 0
	for it := range cflines.Split(src) {
		n := f.nodes[at]
		at++
		if it.Kind != cflines.Logical || n.Entry != nil && f.fold(n.Entry.name) == name {
			continue
		}
		lines = append(lines, strings.TrimSuffix(string(n.Raw), "\n"))
	}
	return lines
}
