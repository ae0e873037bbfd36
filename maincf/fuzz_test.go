package maincf

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

// corpus returns the main.cf files of testdata/corpus by name.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/corpus/*.cf")
	if err != nil || len(names) < 60 {
		t.Fatalf("testdata/corpus: %d files, %v", len(names), err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

var shapes = []string{
	"", "\n", "a", "a\n", "a=", "=a\n", "# c", "a = b", "a = b\r\nc = d\r\n", "a\n = b\n", "a\n# c\n = b\n",
	" a = b\n c\n# d\ne = f\n", "a = b\n\n# c\n\n d\n\n# e\n", "a = b\x00c\n d\ne=f\n", "a = \x00\n", "a\x00=b\n",
	"a = 1\na = 2\n# x\na = 3", "a = b, c\n    d, # e\n    f\n", "a =\n    b,\n    # c\n    d\nz = 1\n",
	"a =\n\t{ b, c\n\t# in\n\t d }, e\n", "#a = b\n#  c\n#d = e\n", "#a =\n# b,\n# c\n", "a = { b\n", "a = b }\n",
	"a = b c\v\n", "a = b\n , c\n , d\n", "a = ,\n", "a = ,,b,,\n", "a = #b\n", "a = b #c\n", "  #\n a\n", "\xff\xfe = \xff\n",
	"a = b,\n #\n\n\t c,\n", "a = b, c", "a =\r\n  b\r\n  # x\r\n  c", "a=b\n\x00\n", "a = b\r", "\r\na\r = b\r\n",
}

// consistent checks that f is what its own bytes say.
func consistent(t *testing.T, what string, f *File) {
	t.Helper()
	src := f.Bytes()
	var entries strings.Builder
	for e := range f.Entries() {
		entries.WriteString(e.Raw())
	}
	if entries.String() != string(src) {
		t.Fatalf("%s: entries hold %q, the file is %q", what, entries.String(), src)
	}
	if len(src) != f.Len() {
		t.Fatalf("%s: %d bytes, Len says %d", what, len(src), f.Len())
	}
	g, _ := Parse("again", src)
	if len(f.entries) != len(g.entries) {
		t.Fatalf("%s: %d entries, its bytes %q have %d", what, len(f.entries), src, len(g.entries))
	}
	last := map[string]*Assignment{} // what Find shall find
	for i, e := range f.entries {
		if a, ok := e.(*Assignment); ok {
			last[a.Name()] = a
		}
		h := g.entries[i]
		if e.Raw() != h.Raw() || e.Span() != h.Span() {
			t.Fatalf("%s: entry %d is %q at %+v, parsed again %q at %+v", what, i, e.Raw(), e.Span(), h.Raw(), h.Span())
		}
		if a, ok := e.(*Assignment); ok {
			if b, ok := h.(*Assignment); !ok || a.Value() != b.Value() || a.Name() != b.Name() || a.ValueSpan() != b.ValueSpan() {
				t.Fatalf("%s: entry %d differs from its bytes %q", what, i, a.Raw())
			}
		} else if e, bad := e.(*Bad); bad {
			if h, ok := h.(*Bad); !ok || e.why != h.why {
				t.Fatalf("%s: entry %d: bad no more", what, i)
			}
		}
	}
	for name, a := range last {
		if found := f.Find(name); found != a {
			t.Fatalf("%s: Find(%q) gives %p, the last one is %p", what, name, found, a)
		}
	}
	if have := len(f.names()); have != len(last) {
		t.Fatalf("%s: %d names are found, %d are there", what, have, len(last))
	}
}

// otherLines returns the raw text of everything but the assignments of name.
func otherLines(f *File, name string) (lines []string) {
	for e := range f.Entries() {
		if a, ok := e.(*Assignment); !ok || a.Name() != name {
			lines = append(lines, e.Raw())
		}
	}
	return lines
}

// subsequence reports whether all of want are in got in that order, a missing
// final newline aside; more of got is allowed.
func subsequence(want, got []string) bool {
	for _, g := range got {
		if len(want) > 0 && (want[0] == g || g == want[0]+"\n" || g == want[0]+"\r\n") {
			want = want[1:]
		}
	}
	return len(want) == 0
}

// checkFile checks what is said about a file as it is.
func checkFile(t *testing.T, src []byte) *File {
	f, err := Parse("main.cf", src)
	if f == nil || !bytes.Equal(f.Bytes(), src) {
		t.Fatalf("%q printed as %q", src, f.Bytes())
	}
	consistent(t, "parsed", f)
	bad := 0
	end := diag.Position{Line: 1, Col: 1}
	for e := range f.Entries() {
		if e.Span().Start != end {
			t.Fatalf("entry %q starts at %+v, the one before ended at %+v", e.Raw(), e.Span().Start, end)
		}
		end = e.Span().End
		if _, ok := e.(*Bad); ok {
			bad++
		}
		if a, ok := e.(*Assignment); ok {
			v := a.ValueSpan()
			if got := string(src[v.Start.Offset:v.End.Offset]); !a.multi && got != a.Value() || a.Value() != "" && got == "" {
				t.Fatalf("value %q stands at %q", a.Value(), got)
			}
			spans := a.ItemSpans()
			for i, item := range a.Items() {
				s := spans[i]
				if got := string(src[s.Start.Offset:s.End.Offset]); got != item && !strings.Contains(got, "\n") {
					t.Fatalf("item %q stands at %q", item, got)
				}
			}
			if n := len(spans); n > 0 && (a.ItemSpan(n-1) != spans[n-1] || a.ItemSpan(n) != v) {
				t.Fatalf("the last of %d items stands at %v and %v", n, a.ItemSpan(n-1), spans[n-1])
			}
		}
	}
	if (err != nil) != (bad > 0) {
		t.Fatalf("%d bad lines, error %v", bad, err)
	}
	return f
}

// checkEdits checks every edit of name in f, which is what checkFile made of
// src, and leaves f as it is.
func checkEdits(t *testing.T, f *File, src []byte, name, value string) {
	// Set: the value is there, everything else is as it was.
	before := otherLines(f, name)
	old, had := f.Get(name)
	g := f.Clone()
	if err := g.Set(name, value); err == nil {
		consistent(t, "Set", g)
		if got, ok := g.Get(name); !ok || got != trim(value) {
			t.Fatalf("Set(%q, %q) of %q: got %q", name, value, src, got)
		}
		if after := otherLines(g, name); !subsequence(before, after) {
			t.Fatalf("Set(%q, %q) of %q: other lines changed: %q", name, value, src, after)
		}
		if had && old == trim(value) && !bytes.Equal(g.Bytes(), src) {
			t.Fatalf("Set(%q, %q) changed %q though the value was there", name, value, src)
		}
		again := g.Bytes()
		if err := g.Set(name, value); err != nil || !bytes.Equal(g.Bytes(), again) {
			t.Fatalf("second Set(%q, %q) of %q changed something: %v", name, value, src, err)
		}
	} else if !bytes.Equal(g.Bytes(), src) {
		t.Fatalf("Set failed (%v) and changed %q", err, src)
	}
	if !bytes.Equal(f.Bytes(), src) {
		t.Fatal("an edit of the clone changed the original")
	}

	g = f.Clone()
	count := 0
	for a := range f.All() {
		if a.Name() == name {
			count++
		}
	}
	if n := g.Delete(name); n != count || g.Find(name) != nil || !slices.Equal(otherLines(g, name), before) {
		t.Fatalf("Delete(%q) of %q: %d of %d, %q", name, src, n, count, g.Bytes())
	}
	consistent(t, "Delete", g)

	g = f.Clone()
	if n := g.CommentOut(name); n != count || g.Find(name) != nil || !subsequence(before, otherLines(g, name)) {
		t.Fatalf("CommentOut(%q) of %q: %d of %d, %q", name, src, n, count, g.Bytes())
	}
	consistent(t, "CommentOut", g)
	g.Uncomment(name)
	consistent(t, "Uncomment", g)
	g = f.Clone()
	g.Find(name)
	g.Uncomment(name)
	consistent(t, "Uncomment first", g)

	g = f.Clone()
	n := g.FoldDuplicates(name)
	if got, ok := g.Get(name); ok != had || got != old || n != max(0, count-1) {
		t.Fatalf("FoldDuplicates(%q) of %q: %q", name, src, g.Bytes())
	}
	consistent(t, "FoldDuplicates", g)

	items := func(f *File) []string {
		v, _ := f.Get(name)
		return SplitList(v)
	}
	g = f.Clone()
	changed, err := g.AddItem(name, value)
	consistent(t, "AddItem", g)
	if changed != !bytes.Equal(g.Bytes(), src) && err == nil || err != nil && !bytes.Equal(g.Bytes(), src) {
		t.Fatalf("AddItem(%q, %q) of %q: changed %v, error %v, %q", name, value, src, changed, err, g.Bytes())
	}
	if err == nil {
		if got, want := items(g), append(items(f), SplitList(trim(value))...); changed && had && !slices.Equal(got, want) {
			t.Fatalf("AddItem(%q, %q) of %q: %q, want %q: %q", name, value, src, g.Bytes(), want, got)
		}
		if !subsequence(before, otherLines(g, name)) {
			t.Fatalf("AddItem(%q, %q) of %q: other lines changed: %q", name, value, src, g.Bytes())
		}
		if changed, err := g.RemoveItem(name, value); err == nil {
			consistent(t, "RemoveItem", g)
			if !changed || (list{items: listOf(items(g))}).find(SplitList(trim(value))) >= 0 {
				t.Fatalf("RemoveItem(%q, %q) after AddItem to %q: %v %q", name, value, src, changed, g.Bytes())
			}
			if !subsequence(before, otherLines(g, name)) {
				t.Fatalf("RemoveItem(%q, %q) of %q: other lines changed: %q", name, value, src, g.Bytes())
			}
		}
	}

	for i := range f.entries[:min(1, len(f.entries))] {
		g := f.Clone()
		g.Find(name)
		if err := g.InsertBefore(g.entries[i], name+" = "+value); err == nil && checkName(name) == nil {
			consistent(t, "InsertBefore", g)
			if a, ok := g.entries[i].(*Assignment); !ok {
				continue // the name starts a comment
			} else if got := a.Value(); got != trim(cutNUL(value)) && !strings.Contains(value, "\n") {
				t.Fatalf("InsertBefore: %q", got)
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	for i, s := range shapes {
		f.Add([]byte(s), "a", []string{"x", "b", "{ x, y }", "", "c\td", " e "}[i%6])
	}
	f.Fuzz(func(t *testing.T, src []byte, name, value string) {
		if len(src) > 1<<12 || len(name) > 64 || len(value) > 256 {
			return
		}
		f := checkFile(t, src)
		checkEdits(t, f, src, name, value)
		// A name that is there tells more than one that is not.
		for _, line := range bytes.SplitN(src, []byte("\n"), 4) {
			if n, _, ok := bytes.Cut(line, []byte("=")); ok {
				checkEdits(t, f, src, trim(string(n)), value)
			}
		}
	})
}

// FuzzCheck: what Env.Check finds is at a place in the file, in the order of the
// file, and its fixes can be made.
func FuzzCheck(f *testing.F) {
	for i, s := range shapes {
		f.Add([]byte(s), uint8(i))
	}
	for i, s := range []string{
		"mynetwork = x\nmyorigin = ${x\nrelay_domains = $typo\n maps\nprocess_id = 7\n",
		"mydomain = ${{$compatibility_level} <level {3.6} ? {no} :\n# c\n {yes}} ${f{x}}\nmydomain = $mydomain\n",
		"virtual_maps = hash:/x\nsmtpd_recipient_limit = many\nqueue_run_delay = 1\n2\n",
		"smtpd_client_restrictions = a, check_client_access hash:$x\na = permit\nb = $a$b${c?$d}${e:{$f}}\n",
	} {
		f.Add([]byte(s), uint8(i))
	}
	releases := []Version{{}, {Major: 1, Minor: 1}, {Major: 2, Minor: 11}, {Major: 3, Minor: 5}, {Major: 3, Minor: 7, Patch: 11, Build: Debian}}
	f.Fuzz(func(t *testing.T, src []byte, release uint8) {
		if len(src) > 1<<12 {
			return
		}
		file, _ := Parse("main.cf", src)
		e := &Env{Main: file, Version: releases[int(release)%len(releases)]}
		found := e.Check()
		var last diag.Position
		for i, d := range found {
			for _, p := range []diag.Position{d.Span.Start, d.Span.End} {
				if p.IsValid() && p != place(src, p.Offset) {
					t.Fatalf("%v: at %+v, byte %d is %+v", d, p, p.Offset, place(src, p.Offset))
				}
			}
			if !d.Span.IsValid() || d.Span.Start.Before(last) || d.Span.End.IsValid() && d.Span.End.Before(d.Span.Start) {
				t.Fatalf("%v: at %+v, after %+v", d, d.Span, last)
			}
			last = d.Span.Start
			if i >= 3 {
				continue // one Check for each fix takes long
			}
			for _, fix := range d.Fixes {
				mended, err := diag.ApplyEdits(src, fix.Edits)
				if err != nil {
					t.Fatalf("%v: %v", d, err)
				}
				again, _ := Parse("main.cf", mended)
				for _, still := range (&Env{Main: again, Version: e.Version}).Check() {
					if still.Message == d.Message && still.Span.Start == d.Span.Start {
						t.Fatalf("%v: still there after %q: %q", d, fix.Message, mended)
					}
				}
			}
		}
	})
}

// place is where byte offset of src is.
func place(src []byte, offset int) diag.Position {
	if offset < 0 || offset > len(src) {
		return diag.Position{}
	}
	before := src[:offset]
	return diag.Position{Offset: offset, Line: 1 + bytes.Count(before, []byte("\n")), Col: offset - bytes.LastIndexByte(before, '\n')}
}

func TestShapes(t *testing.T) {
	for _, src := range shapes {
		f := checkFile(t, []byte(src))
		for _, name := range []string{"a", "c", "e", "new"} {
			for _, value := range []string{"", "x", "b", "c", "d", "x, y", "{ x }", "#x", "x\ty", " x "} {
				checkEdits(t, f, []byte(src), name, value)
			}
		}
	}
}

func TestCorpusEdits(t *testing.T) {
	seen := map[string]bool{} // settings that another file has in the same way
	for _, src := range corpus(t) {
		f := checkFile(t, src)
		checkEdits(t, f, src, "relayhost", "[mx.example.net]:587")
		for a := range f.All() {
			// One line like another tells the same everywhere; what has more, or
			// comes again, depends on what is around it.
			if a.multi || f.Find(a.Name()) != a || !seen[a.Raw()] {
				checkEdits(t, f, src, a.Name(), "value")
			}
			seen[a.Raw()] = true
		}
	}
}
