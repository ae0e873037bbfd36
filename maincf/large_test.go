package maincf

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// The tests of this file have no clock. What they do is done at once when its
// work grows with the file, and takes minutes when it grows with the square.

// repeat is n lines made of their numbers.
func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "@", fmt.Sprint(i)))
	}
	return b.String()
}

func parse(t *testing.T, src string) *File {
	t.Helper()
	f, err := Parse("main.cf", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLargeCheck(t *testing.T) {
	const n = 15_000
	for name, c := range map[string]struct {
		src      string
		findings int
	}{
		"own parameters":            {"mydestination =" + repeat(n, " $user@") + "\n" + repeat(n, "user@ = x\n"), 0},
		"undefined, on lines":       {"mydestination = x\n" + strings.Repeat(" $nosuchname\n", 3*n), 3 * n},
		"undefined, on one line":    {"mydestination =" + strings.Repeat(" $nosuchname", 3*n) + "\n", 3 * n},
		"newer expressions":         {"mydestination = x\n" + strings.Repeat(" ${a{}}\n", 3*n), 3 * n},
		"equal settings":            {strings.Repeat("myorigin = x\n", 3*n), 0},
		"a chain in every setting":  {"user0 = x\n" + repeat(n, "own@ = $user@\n"), 2*n - 1},
		"references, many settings": {repeat(n, "a@ = $b@\nb@ = $c@\nc@ = $mydomain\n"), n},
	} {
		e := &Env{Main: parse(t, c.src), Version: Version{Major: 3, Minor: 7, Patch: 11}}
		if found := e.Check(); len(found) != c.findings {
			t.Errorf("%s: %d findings, want %d, such as %v", name, len(found), c.findings, found[:min(len(found), 3)])
		}
	}
}

func TestLargeLists(t *testing.T) {
	const n = 100_000
	e := &Env{Main: parse(t, "mynetworks = 127.0.0.0/8\n"+strings.Repeat(" [2001:db8::1]/128\n", n)+" hash:/x\n")}
	uses := 0
	for u := range e.TableUses() {
		if u.Param == "mynetworks" {
			uses++
			if s := u.Span.Start; s.Line != n+2 || s.Col != 2 {
				t.Errorf("%v is at %v", u.Spec, s)
			}
		}
	}
	if uses != 1 {
		t.Errorf("%d tables", uses)
	}
	// A value that cannot be expanded as a whole, as it would be too large,
	// brings no tables: its elements would be 6 GB.
	big := "p0 = hash:/x\n"
	for i := range 15 {
		big += fmt.Sprintf("p%d = $p%d $p%d\n", i+1, i, i)
	}
	e = &Env{Main: parse(t, big+"virtual_alias_maps ="+strings.Repeat(" $p15", n/10)+"\n")}
	for u := range e.TableUses() {
		if u.Param == "virtual_alias_maps" {
			t.Fatalf("%v", u)
		}
	}
	f := parse(t, "a = x\n"+repeat(n, "  i@\n"))
	a := f.Find("a")
	for i, s := range a.ItemSpans() {
		if s.Start.Line != i+1 {
			t.Fatalf("item %d in line %d", i, s.Start.Line)
		}
	}
	if changed, err := f.AddItem("a", "i"); err != nil || !changed {
		t.Fatal(changed, err)
	}
	// Equal elements, on one line and on lines of their own, go all at once.
	f = parse(t, "a = y"+strings.Repeat(" x", n)+strings.Repeat("\n x, w", n/2)+"\n z\n")
	if changed, err := f.RemoveItem("a", "x"); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got, want := string(f.Bytes()), "a = y"+strings.Repeat("\n w", n/2)+"\n z\n"; got != want {
		t.Errorf("%d bytes are left, want %d: %.100q", len(got), len(want), got)
	}
}

func TestLargeEdits(t *testing.T) {
	const n = 40_000
	for _, edit := range []func(f *File, name string) int{(*File).Delete, (*File).CommentOut, (*File).FoldDuplicates} {
		f := parse(t, repeat(n, "a = @\nb =\n @\n"))
		if got := edit(f, "a") + edit(f, "b"); got < 2*n-2 {
			t.Errorf("%d of %d", got, 2*n)
		}
		consistent(t, "edit", f)
	}
	const names = 50_000
	f := parse(t, repeat(names, "a@ = @\n z\n"))
	for i := range names {
		// Up and down in the file, and now and then by more than a line.
		if err := f.Set(fmt.Sprint("a", i*7919%names), "x"+strings.Repeat("y", i%3)); err != nil {
			t.Fatal(err)
		}
		if at := f.Find("a7919"); i%5000 == 4999 {
			if err := f.InsertBefore(at, "# comment\n"); err != nil {
				t.Fatal(err)
			}
			consistent(t, "InsertBefore", f)
		}
	}
	for i := range names / 10 {
		if err := f.Set(fmt.Sprint("b", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Set("a0", "other"); err != nil {
		t.Fatal(err)
	}
	consistent(t, "Set and Clone", f.Clone())
	consistent(t, "Set", f)
	f = parse(t, "#a = x,\n"+repeat(4*n, "#  y@,\n"))
	if !f.Uncomment("a") {
		t.Error("not uncommented")
	}
	if got := len(f.Find("a").Items()); got != 4*n+1 {
		t.Errorf("%d items", got)
	}
}

// Looking for names is reading: it may happen in several goroutines at once.
func TestFindConcurrently(t *testing.T) {
	f := parse(t, repeat(500, "a@ = @\n"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				if v, _ := f.Get(fmt.Sprint("a", i)); v != fmt.Sprint(i) {
					t.Errorf("a%d = %q", i, v)
				}
			}
		})
	}
	wg.Wait()
	if f.Doc(f.Find("nosuch")) != "" {
		t.Error("a comment for nothing")
	}
}
