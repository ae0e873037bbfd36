package aliases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/postfixkit/postfixkit/diag"
)

// counted repeats a text with a number in it.
func counted(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestHostileSources has what takes minutes when somebody looks at everything
// once for every part of it, and well below a second when not.
func TestHostileSources(t *testing.T) {
	ctx := context.Background()
	parse := func(src string) *File {
		f, _ := Parse("aliases", []byte(src), nil)
		return f
	}
	nobody := &Expander{
		Users: func(string) (string, bool) { return "", false },
		FS:    fstest.MapFS{"list": {Data: []byte(counted(30_000, "u%d, ")), Mode: 0o644}},
	}
	for name, run := range map[string]func(t *testing.T){
		"many duplicates of a long alias": func(t *testing.T) {
			_, err := Parse("aliases", []byte("a: "+strings.Repeat("b, ", 40_000)+"c\n"+strings.Repeat("a: b\n", 40_000)), nil)
			found, _ := err.(diag.List)
			if len(found) != 40_000 || found[9].Related[0].Span.End.Col != 2 {
				t.Errorf("%d findings", len(found))
			}
		},
		"many findings in one alias": func(t *testing.T) {
			g, err := NewGraph(ctx, parse("a: "+counted(30_000, "u%d, ")+"v\n"), nobody)
			if err != nil || len(g.Findings()) != 30_001 {
				t.Errorf("%v, %d findings", err, len(g.Findings()))
			}
		},
		"many findings in a line of a file": func(t *testing.T) {
			g, err := NewGraph(ctx, parse("a: :include:/list\n"), nobody)
			if err != nil || len(g.Findings()) != 30_000 {
				t.Errorf("%v, %d findings", err, len(g.Findings()))
			}
		},
		"a long chain": func(t *testing.T) {
			var b strings.Builder
			for i := range 200_000 {
				fmt.Fprintf(&b, "a%d: a%d\n", i, i+1)
			}
			if g, err := NewGraph(ctx, parse(b.String()), nil); err != nil || len(g.Findings()) > 0 {
				t.Error(err)
			}
		},
		"many routing operators": func(t *testing.T) {
			x := &Expander{IsLocal: func(string) bool { return true }}
			if out, err := x.Expand(ctx, "a"+strings.Repeat("%h", 40)+"@h"); err != nil || out[0].Target.Value != "a@h" {
				t.Error(out, err)
			}
			if _, err := x.Expand(ctx, "a"+strings.Repeat("%h", 20_000)+"@h"); !errors.Is(err, ErrBadAddress) {
				t.Error(err)
			}
		},
		"one target very often": func(t *testing.T) {
			f := parse("a: x,\n" + strings.Repeat(" b,\n", 20_000) + " c\n")
			if changed, err := f.RemoveTarget("a", addr("b")); !changed || err != nil || FormatTargets(f.Find("a").Targets()) != "x, c" {
				t.Error(changed, err, string(f.Bytes()))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				run(t)
			}()
			select {
			case <-ended:
			case <-time.After(30 * time.Second):
				t.Fatal("it does not end")
			}
		})
	}
}

// chainOfFiles is a file system in which file 1 names file 2, and so on.
type chainOfFiles struct{ last int }

func (c chainOfFiles) Open(name string) (fs.File, error) {
	n, err := strconv.Atoi(name)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	text := "end\n"
	if n < c.last {
		text = fmt.Sprintf(":include:/%d\n", n+1)
	}
	return fstest.MapFS{name: {Data: []byte(text), Mode: 0o644}}.Open(name)
}

// TestDeepIncludes has more files that name the next than a stack has room for.
func TestDeepIncludes(t *testing.T) {
	const n = 10_000
	defer debug.SetMaxStack(debug.SetMaxStack(2 << 20))
	f, _ := Parse("aliases", []byte("a: :include:/1\nb: :include:/2\n"), nil)
	x := &Expander{FS: chainOfFiles{last: n}}
	g, err := NewGraph(context.Background(), f, x)
	if err != nil || len(g.Findings()) > 0 {
		t.Fatal(err, g.Findings())
	}
	if got := names(g.Reaching(addr("end"))); got != "a b" {
		t.Errorf("reached by %s", got)
	}
}
