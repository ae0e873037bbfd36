package aliases

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/postfixkit/postfixkit/internal/mailaddr"
	"github.com/postfixkit/postfixkit/table"
)

func names(aliases []*Alias) string {
	var out []string
	for _, a := range aliases {
		out = append(out, a.Name())
	}
	return strings.Join(out, " ")
}

const graphSource = `postmaster: root
root: Alice, root
alice: alice@example.net, "|/bin/x y"
list: :include:/lists/all, /var/mail/list
owner-list: root
a: b
b: c, d
c: a
self: :include:/lists/self
gone: :include:/lists/gone
empty: :include:/lists/empty
ext: bob+x, carol+y
bob+x: dave
carol: erin
a: never used
`

var graphFS = fstest.MapFS{
	"lists/all":   {Data: []byte("# all\nroot\nx@example.org\n:include:/lists/more\n|/bin/no\n")},
	"lists/more":  {Data: []byte("frank, :include:/lists/all")},
	"lists/self":  {Data: []byte("self\n")},
	"lists/empty": {Data: []byte("# nobody\n")},
}

func TestGraph(t *testing.T) {
	f, _ := Parse("aliases", []byte(graphSource), nil)
	x := &Expander{FS: graphFS, Delimiters: "+"}
	g, err := NewGraph(context.Background(), f, x)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		t    Target
		want string
	}{
		{addr("Alice@Example.NET"), "postmaster root alice list owner-list"},
		{Target{Command, "/bin/x y"}, "postmaster root alice list owner-list"},
		{addr("root"), "postmaster root list owner-list"},
		{addr("alice"), "postmaster root list owner-list"},
		{Target{Path, "/var/mail/list"}, "list"},
		{Target{Include, "/lists/more"}, "list"},
		{addr("frank"), "list"},
		{addr("d"), "a b c"},
		{addr("dave"), "ext bob+x"},
		{addr("bob"), ""},
		{addr("erin"), "ext carol"},
		{addr("nobody"), ""},
		{Target{}, ""},
	} {
		if got := names(g.Reaching(c.t)); got != c.want {
			t.Errorf("Reaching(%q): got %q, want %q", c.t, got, c.want)
		}
	}
	if got, want := names(g.Unreferenced()), "postmaster list gone empty ext"; got != want {
		t.Errorf("Unreferenced: got %q, want %q", got, want)
	}
	var got []string
	for _, d := range g.Findings() {
		got = append(got, d.String())
	}
	want := []string{
		`/lists/all: warning: files name each other: :include:/lists/all -> :include:/lists/more -> :include:/lists/all [include-loop]`,
		`/lists/all:5:1: warning: mail to command is restricted: /bin/no [not-allowed]`,
		`aliases:6:1: error: mail loop: a -> b -> c -> a [alias-loop]`,
		`aliases:9:1: error: mail loop: self -> :include:/lists/self -> self [alias-loop]`,
		`aliases:10:7: error: unable to use :include: file /lists/gone: open lists/gone: file does not exist [dangling-include]`,
		`aliases:11:8: warning: :include: file /lists/empty has no target: mail to it disappears [empty-include]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	x.Users = func(name string) (string, bool) { return "", name != "erin" }
	if g, _ = NewGraph(context.Background(), f, x); !strings.Contains(g.Findings().Error(), `aliases:14:8: warning: unknown user: "erin" [unknown-user]`) {
		t.Errorf("got %v", g.Findings())
	}
}

func TestGraphLimits(t *testing.T) {
	f := parse(t, "a: :include:/x\n")
	fsys := fstest.MapFS{"x": {Data: []byte("a, b, c, d")}}
	for _, x := range []*Expander{{FS: fsys, MaxSize: 9}, {FS: fsys, MaxTargets: 3}} {
		if g, err := NewGraph(context.Background(), f, x); !errors.Is(err, ErrLimit) || g == nil {
			t.Errorf("got %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewGraph(ctx, f, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if g, err := NewGraph(context.Background(), f, nil); err != nil || len(g.Findings()) > 0 || names(g.Reaching(Target{Include, "/x"})) != "a" {
		t.Errorf("without a file system: %v, %v", err, g.Findings())
	}
}

// FuzzGraph: for every alias, what the graph says to be reached is what
// expanding the alias reaches, when no limit, loop or missing file is in the
// way.
func FuzzGraph(f *testing.F) {
	f.Add(graphSource, "a@b, root", uint8(1))
	for i, src := range sources {
		f.Add(src, "a, b@c\n", uint8(i))
	}
	f.Fuzz(func(t *testing.T, src, x string, options uint8) {
		if len(src)+len(x) > 1<<9 {
			return
		}
		file, _ := Parse("x", []byte(src), nil)
		expander := &Expander{FS: fstest.MapFS{"x": {Data: []byte(x)}}, Aliases: []table.Table{file}, MaxTargets: 1000,
			AllowCommands: InAlias | InInclude, AllowFiles: InAlias | InInclude, DuplicateLimit: -1}
		if options&1 == 1 {
			expander.Delimiters = "+"
		}
		if options&2 == 2 {
			expander.Origin = "c"
		}
		g, err := NewGraph(context.Background(), file, expander)
		if err != nil || g.Findings().Max() > 0 {
			return
		}
		for a := range file.All() {
			if file.Find(a.Name()) != a || a.Name() == "" {
				continue
			}
			out, err := expander.Expand(context.Background(), a.Name()+"@c")
			if err != nil || options&2 == 0 {
				out, err = expander.Expand(context.Background(), a.Name())
			}
			if err != nil || strings.ContainsAny(a.Name(), "@%!+\\") {
				continue
			}
			for _, e := range out {
				if len(e.Via()) == 0 || e.Via()[0].Kind != StepAlias {
					continue // the name means something else as an address
				}
				quoted := []byte(mailaddr.Quote(e.Target.Value))
				if r := expander.resolve(quoted, mailaddr.Scan(nil, quoted)); e.Target.Kind == Address && r.text != e.Target.Value {
					continue // a source route inside: no address that can be asked for
				}
				if !slices.Contains(g.Reaching(e.Target), a) {
					t.Fatalf("%q, include %q: %s leads to %q by %v, which the graph has reached by %q", src, x, a.Name(), e.Target, e.Via(), names(g.Reaching(e.Target)))
				}
			}
		}
	})
}

func BenchmarkNewGraph(b *testing.B) {
	f, _ := Parse("x", bigSource(10000), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewGraph(context.Background(), f, nil); err != nil {
			b.Fatal(err)
		}
	}
}
