package textmap

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// TestAgainstPostmap builds a hash table of every corpus file and small source
// with the real postmap and compares what it stored and what it said.
//
// Postfix 3.7 says nothing about NUL bytes, 3.9 and later do: our finding of
// them is left out of the comparison with the former.
func TestAgainstPostmap(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:hash")
	real.Configure("smtputf8_enable = yes", "compatibility_level = 3.6")
	all := corpus(t)
	for i, s := range sources {
		all[fmt.Sprint("source", i)] = []byte(s)
	}
	dir := t.TempDir()
	for _, c := range []struct {
		flags []string
		opts  *Options
	}{{nil, nil}, {[]string{"-f"}, &Options{NoFold: true}}, {[]string{"-u"}, &Options{NoUTF8: true}}} {
		for name, src := range all {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, src, 0o644); err != nil {
				t.Fatal(err)
			}
			build := real.Run(realpostfix.Call{Name: "postmap", Args: append(slices.Clone(c.flags), "hash:"+path)})
			dump := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-s", "hash:" + path}})
			if build.Exit != 0 || dump.Exit != 0 {
				t.Fatalf("%s: postmap failed: %+v %+v", name, build, dump)
			}
			var said, stored []string
			f, err := Parse(path, src, c.opts)
			list, _ := err.(diag.List)
			for _, d := range list {
				switch d.Check {
				case CheckNUL:
					continue
				case CheckLeadingSpace:
					said = append(said, fmt.Sprintf("%s: %s", path, d.Message))
				case CheckDuplicate:
					said = append(said, fmt.Sprintf("%s.db: %s", path, d.Message))
				default:
					said = append(said, fmt.Sprintf("%s, line %d: %s", path, firstLine(f, d, src), d.Message))
				}
			}
			for e := range f.All() {
				if f.Find(e.Key) == e {
					stored = append(stored, e.Key+"\t"+e.Value)
				}
			}
			compare(t, fmt.Sprint(name, " ", c.flags, " messages"), said, strings.ReplaceAll(build.Stderr, "postmap: warning: ", ""))
			compare(t, fmt.Sprint(name, " ", c.flags, " entries"), stored, dump.Stdout)
		}
	}
}

// firstLine is the line Postfix names: the first of the logical line.
func firstLine(f *File, d diag.Diagnostic, src []byte) int {
	line, at := 0, 0
	for _, n := range f.nodes {
		if at <= d.Span.Start.Offset {
			line = 1 + strings.Count(string(src[:at]), "\n")
		}
		at += len(n.Raw)
	}
	return line
}

func compare(t *testing.T, what string, ours []string, real string) {
	t.Helper()
	theirs := strings.Split(strings.TrimSuffix(real, "\n"), "\n")
	if real == "" {
		theirs = nil
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if !slices.Equal(ours, theirs) {
		t.Errorf("%s\nours %q\nreal %q", what, ours, theirs)
	}
}
