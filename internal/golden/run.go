package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the code gives into the golden files")

// Updating reports whether the tests run with -update.
func Updating() bool { return *update }

// Run calls fn in a subtest for every archive that matches the pattern. No
// match fails the test. With -update, changed archives are written afterwards.
func Run(t *testing.T, pattern string, fn func(t *testing.T, a *Archive)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("golden: nothing matches %q (%v)", pattern, err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, filepath.Ext(name)), func(t *testing.T) {
			a := Read(t, path)
			fn(t, a)
			a.Save(t)
		})
	}
}

// Read reads one archive and fails the test when it cannot.
func Read(t testing.TB, path string) *Archive {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	a.path = path
	return a
}

// Save writes the archive back when -update is given and a text changed.
func (a *Archive) Save(t testing.TB) {
	t.Helper()
	if *update && a.changed && a.path != "" {
		if err := os.WriteFile(a.path, a.Format(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Need is Get for a text that the test cannot do without.
func (a *Archive) Need(t testing.TB, name string) string {
	t.Helper()
	data, ok := a.Get(name)
	if !ok {
		t.Fatalf("%s: no text named %q", a.path, name)
	}
	return data
}

// Want compares a result with the text of that name; a missing one counts as
// empty. With -update the result becomes the text.
func (a *Archive) Want(t testing.TB, name, got string) {
	t.Helper()
	want, ok := a.Get(name)
	if want == got {
		return
	}
	if *update {
		a.Set(name, got)
		return
	}
	if !ok {
		t.Errorf("%s: no text named %q; got\n%s", a.path, name, got)
		return
	}
	t.Errorf("%s: %s differs (- want, + got):\n%s", a.path, name, Diff(want, got))
}

// Diff shows two texts line by line: lines of both after two blanks, lines of
// one alone after "-" (want) or "+" (got). Long runs of common lines are
// shortened; bytes that would not be seen are quoted.
func Diff(want, got string) string {
	a, b := lines(want), lines(got)
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var out strings.Builder
	context := func(from []string) {
		if len(from) > 3 {
			fmt.Fprintf(&out, "  ... %d equal lines\n", len(from)-3)
			from = from[len(from)-3:]
		}
		for _, l := range from {
			out.WriteString("  " + visible(l) + "\n")
		}
	}
	context(a[:start])
	middle(&out, a[start:len(a)-end], b[start:len(b)-end])
	tail := a[len(a)-end:]
	for _, l := range tail[:min(3, len(tail))] {
		out.WriteString("  " + visible(l) + "\n")
	}
	if len(tail) > 3 {
		fmt.Fprintf(&out, "  ... %d equal lines\n", len(tail)-3)
	}
	return out.String()
}

// middle aligns the differing part by its longest common subsequence, or
// prints both sides whole when that would take too long.
func middle(out *strings.Builder, a, b []string) {
	if len(a)*len(b) > 1<<22 {
		for _, l := range a {
			out.WriteString("- " + visible(l) + "\n")
		}
		for _, l := range b {
			out.WriteString("+ " + visible(l) + "\n")
		}
		return
	}
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString("  " + visible(a[i]) + "\n")
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[(i+1)*width+j] >= common[i*width+j+1]):
			out.WriteString("- " + visible(a[i]) + "\n")
			i++
		default:
			out.WriteString("+ " + visible(b[j]) + "\n")
			j++
		}
	}
}

func lines(s string) (all []string) {
	for l := range strings.Lines(s) {
		all = append(all, l)
	}
	return all
}

func visible(line string) string {
	text, eol := strings.CutSuffix(line, "\n")
	if !plain(text) {
		text = fmt.Sprintf("%q", text)
	}
	if !eol {
		text += " (no newline)"
	}
	return text
}
