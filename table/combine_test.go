package table

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
)

func lookup(t *testing.T, tab Table, key string) string {
	t.Helper()
	v, found, err := tab.Lookup(context.Background(), key)
	switch {
	case err != nil && (found || v != ""):
		t.Errorf("%s: %q, %v with error %v", key, v, found, err)
	case err != nil:
		return "error"
	case !found && v != "":
		t.Errorf("%s: not found, but %q", key, v)
	case !found:
		return "miss"
	}
	return v
}

func TestCombinations(t *testing.T) {
	one, two := Inline(Entry{"a", "1"}, Entry{"b", "x"}), Inline(Entry{"a", "2"}, Entry{"x", "y"}, Entry{"c", "3"})
	fail := Fail(errors.New("no"))
	for _, c := range []struct {
		name string
		t    Table
		want string // for the keys a, b, c, d
	}{
		{"First", First(one, two), "1 x 3 miss"},
		{"First with failure", First(one, fail, two), "1 x error error"},
		{"First of none", First(), "miss miss miss miss"},
		{"Union", Union(one, two), "1,2 x 3 miss"},
		{"Union with failure", Union(one, fail), "error error error error"},
		{"Pipe", Pipe(one, two), "miss y miss miss"},
		{"Pipe with failure", Pipe(one, fail), "error error miss miss"},
		{"Pipe of none", Pipe(), "miss miss miss miss"},
		{"Static", Static("v"), "v v v v"},
		{"Random", Random("v"), "v v v v"},
		{"Random of none", Random(), "miss miss miss miss"},
		{"Fail", Fail(nil), "error error error error"},
		{"Fold", Fold(one), "1 x miss miss"},
		{"Cached", Cached(one, 2), "1 x miss miss"},
		{"Cached nothing", Cached(one, 0), "1 x miss miss"},
		{"Debug", Debug(one, "x:y", func(string) {}), "1 x miss miss"},
	} {
		for range 2 {
			var got []string
			for _, key := range []string{"a", "b", "c", "d"} {
				got = append(got, lookup(t, c.t, key))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%s: got %s, want %s", c.name, got, c.want)
			}
		}
	}
	if got := lookup(t, Fold(one), "A"); got != "1" {
		t.Errorf("Fold: %s", got)
	}
	if !IsTemporary(func() error { _, _, err := Fail(nil).Lookup(context.Background(), "k"); return err }()) {
		t.Error("fail: is not temporary")
	}
	var lines []string
	d := Debug(First(one, Fail(nil)), "x:y", func(l string) { lines = append(lines, l) })
	lookup(t, d, "a")
	lookup(t, d, "z")
	if want := []string{`x:y lookup: "a" = "1"`, `x:y lookup: "z" = error`}; !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
}

func TestRandomGivesAll(t *testing.T) {
	seen := map[string]int{}
	r := Random("a", "b", "c")
	for range 600 {
		seen[lookup(t, r, "k")]++
	}
	if len(seen) != 3 || min(seen["a"], seen["b"], seen["c"]) < 100 {
		t.Errorf("got %v", seen)
	}
}

func TestMemory(t *testing.T) {
	m := Inline(Entry{"k", "1"}, Entry{"k", "2"})
	var all sync.WaitGroup
	for i := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			m.Put(fmt.Sprint(i), "v")
			m.Lookup(context.Background(), "k")
			m.Delete(fmt.Sprint(i))
		}()
	}
	all.Wait()
	if got := m.Entries(); !slices.Equal(got, []Entry{{"k", "2"}}) || m.Delete("x") || !m.Delete("k") {
		t.Errorf("got %v", got)
	}
}

// A list keeps its tables apart, so that each gets the keys that are for it.
func TestSearchInLists(t *testing.T) {
	o := &Opener{Types: map[string]OpenFunc{
		"stored":  func(context.Context, *Opener, string) (Closer, error) { return NopCloser(Static("stored")), nil },
		"pattern": func(context.Context, *Opener, string) (Closer, error) { return NopCloser(Random()), nil },
	}}
	l, err := o.OpenList(context.Background(), "pattern:x, stored:y")
	if err != nil {
		t.Fatal(err)
	}
	if p := Parts(l); len(p) != 2 || !IsPattern(p[0]) || IsPattern(p[1]) {
		t.Fatalf("parts: %v", p)
	}
	var steps []Step
	Search(context.Background(), []Table{l}, slices.Values([]Key{{"part", true}}), func(s Step) { steps = append(steps, s) })
	if len(steps) != 1 || steps[0].Table != 1 || !steps[0].Found {
		t.Errorf("got %+v", steps)
	}
}

func TestTypes(t *testing.T) {
	ctx := context.Background()
	var logged []string
	o := &Opener{
		Types: Types(),
		FS:    fstest.MapFS{"etc/passwd": &fstest.MapFile{Data: []byte("root:x:0:0::/root:/bin/sh\nuser:x:1:1::/:/bin/sh\n")}},
		Log:   func(line string) { logged = append(logged, line) },
	}
	for spec, want := range map[string]string{
		"unix:passwd.byname user":                       "user:x:1:1::/:/bin/sh",
		"unix:passwd.byname USER":                       "user:x:1:1::/:/bin/sh",
		"unix:passwd.byname use":                        "miss",
		"unix:group.byname user":                        "error",
		"inline:{{A=1}} a":                              "1",
		"debug:inline:{a=1} a":                          "1",
		"unionmap:{pipemap:{static:a,inline:{a=1}}} zz": "1",
	} {
		spec, key, _ := strings.Cut(spec, " ")
		tab, err := o.Open(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := lookup(t, tab, key); got != want {
			t.Errorf("%s %s: got %s, want %s", spec, key, got, want)
		}
		tab.Close()
	}
	if want := []string{`inline:{a=1} lookup: "a" = "1"`}; !slices.Equal(logged, want) {
		t.Errorf("logged %q", logged)
	}
	o.Options.NoFold = true
	tab, _ := o.Open(ctx, "inline:{A=1}")
	if lookup(t, tab, "a") != "miss" || lookup(t, tab, "A") != "1" {
		t.Error("NoFold folds")
	}
	if _, err := o.Open(ctx, strings.Repeat("debug:", 40)+"static:x"); err == nil || !strings.Contains(err.Error(), "inside each other") {
		t.Errorf("deep: %v", err)
	}
}

// TestListing: the types that list their entries.
func TestListing(t *testing.T) {
	ctx := context.Background()
	var logged []string
	o := &Opener{Types: Types(), Log: func(line string) { logged = append(logged, line) }}
	for spec, want := range map[string]string{
		"inline:{b=2, A=1, b=3}": "a=1 b=3", "internal:x": "", "debug:inline:{k=v}": "k=v", "fail:x": "this table always fails",
		"static:x": "no list", "unionmap:{inline:{a=b}}": "no list", "debug:static:x": "no list",
	} {
		tab, err := o.Open(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if l, ok := tab.(Lister); ok {
			for e, err := range l.All(ctx) {
				if err != nil {
					got = append(got, errors.Unwrap(err).Error())
					continue
				}
				got = append(got, e.Key+"="+e.Value)
			}
		} else {
			got = append(got, "no list")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
	if want := []string{`inline:{k=v} sequence: "k" = "v"`, "inline:{k=v} sequence: found EOF"}; !slices.Equal(logged, want) {
		t.Errorf("logged %q", logged)
	}
}

// TestReadFile: values that are lists of files.
func TestReadFile(t *testing.T) {
	ctx := context.Background()
	o := &Opener{Types: Types(), Options: Options{ReadFile: func(name string) ([]byte, error) {
		if len(name) > 1 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
		}
		return []byte(name), nil
	}}}
	for spec, want := range map[string]string{
		"static:a": "YQ==", "static:{a, b}": "YQpi", "inline:{k=a}": "YQ==", "randmap:{a}": "YQ==", "pipemap:{static:a}": "YQ==",
		"static:long": "open long: Permission denied", "randmap:{a,long}": "open long: Permission denied",
		"inline:{k=}":    `empty pathname list: >><<': "inline:{k=}"; need "inline:{name=filename...}"`,
		"inline:{k=a,x}": `missing '=' after attribute name: "inline:{k=a,x}"; need "inline:{name=filename...}"`,
	} {
		got := ""
		tab, err := o.Open(ctx, spec)
		if err == nil {
			got = lookup(t, tab, "k")
		} else {
			got = errors.Unwrap(err).Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}

// FuzzOpen: any table name opens or is refused, and what opens answers. Names
// of files are left out.
func FuzzOpen(f *testing.F) {
	for _, s := range []string{"static:v", "static:{ a }", "inline:{a=1, {b = 2 3}}", "unionmap:{static:1,static:2}", "pipemap:{inline:{a=b},inline:{b=c}}",
		"randmap:{a,b}", "fail:x", "internal:x", "debug:static:x", "unionmap:{unionmap:{unionmap:{static:x}}}", "inline:{{a={}}}", "unionmap:{static:{a,b}"} {
		f.Add(s, "a")
	}
	types := Types()
	delete(types, "unix")
	delete(types, "environ")
	o := &Opener{Types: types, Log: func(string) {}}
	f.Fuzz(func(t *testing.T, spec, key string) {
		tab, err := o.Open(context.Background(), spec)
		if err != nil {
			if tab != nil {
				t.Fatal("a table and an error")
			}
			return
		}
		v, found, err := tab.Lookup(context.Background(), key)
		if (err != nil || !found) && v != "" || err != nil && found {
			t.Fatalf("%q: %q, %v, %v", spec, v, found, err)
		}
		s, err := ParseSpec(spec)
		if err != nil || !slices.Contains(slices.Collect(maps.Keys(types)), s.Type) {
			t.Fatalf("%q opens, but is no spec: %v", spec, err)
		}
		if text, inline, err := InlineRules(s.Name); inline && err == nil {
			again, _, err := InlineRules("{ {" + strings.Join(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), "}, {") + "} }")
			if err != nil || text != "" && again != text {
				t.Fatalf("%q: %q, then %q, %v", s.Name, text, again, err)
			}
		}
	})
}
