package regexpmap

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

var long = os.Getenv("POSTFIXKIT_LONG") != ""

// asPostmap writes findings the way postmap prints its warnings.
func asPostmap(t *Table, found error) (lines []string, unsupported int) {
	list, _ := found.(diag.List)
	for _, d := range list {
		switch {
		case d.Check == Unsupported:
			unsupported++
		case d.Message == "text after null byte may be ignored": // 3.7 does not say so
		case strings.HasPrefix(d.Message, "logical line must"):
			lines = append(lines, fmt.Sprintf("%s: %s", t.Name(), d.Message))
		case strings.HasPrefix(d.Message, "empty macro name"), strings.HasPrefix(d.Message, "truncated macro"):
			lines = append(lines, d.Message)
		default:
			line := d.Span.Start.Line
			if len(d.Related) > 0 {
				line = d.Related[0].Span.Start.Line
			}
			lines = append(lines, fmt.Sprintf("%s map %s, line %d: %s", t.Dialect(), t.Name(), line, d.Message))
		}
	}
	return lines, unsupported
}

// fromPostmap picks the warnings about the table out of what postmap prints.
func fromPostmap(stderr string) (lines []string) {
	for line := range strings.Lines(stderr) {
		line = strings.TrimSuffix(line, "\n")
		line, ok := strings.CutPrefix(line, "postmap: warning: ")
		if ok && !strings.HasPrefix(line, "table ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func corpusFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/corpus/*.*")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d corpus files: %v", len(files), err)
	}
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, ".tsv") })
}

// Every table of the corpus, read as either type, gives the warnings and the
// answers of the real postmap.
func TestCorpusAgainstPostmap(t *testing.T) {
	tools := realpostfix.Need(t, "postmap")
	subjects := fixedSubjects()
	files := append(corpusFiles(t), "testdata/bad1", "testdata/bad3")
	var lookups, hits int
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "table")
		if err := os.WriteFile(name, src, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, d := range []Dialect{POSIX, PCRE} {
			table, found := Parse(name, src, d, nil)
			keys := slices.Clone(subjects)
			keys = append(keys, keysOf(table, 200)...)
			got, _ := asPostmap(table, found)
			real := tools.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", d.String() + ":" + name}, Stdin: strings.Join(keys, "\n") + "\n"})
			want := fromPostmap(real.Stderr)
			want = slices.DeleteFunc(want, func(s string) bool { return strings.Contains(s, "non-UTF-8") })
			if !slices.Equal(got, want) {
				t.Errorf("%s as %s: warnings\n got %s\nwant %s", file, d, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
			wantLines := strings.Split(strings.TrimSuffix(real.Stdout, "\n"), "\n")
			var gotLines []string
			utf8, _ := Parse(name, src, d, &Options{UTF8: true})
			for _, key := range keys {
				lookups++
				value, ok, err := utf8.Lookup(context.Background(), key)
				if err != nil {
					t.Errorf("%s as %s: %q: %v", file, d, key, err)
				}
				if ok {
					hits++
					gotLines = append(gotLines, key+"\t"+value)
				}
			}
			if got := strings.Join(gotLines, "\n"); got != strings.Join(wantLines, "\n") {
				t.Errorf("%s as %s: answers differ: %s", file, d, firstDifference(gotLines, wantLines))
			}
		}
	}
	t.Logf("%d lookups, %d hits", lookups, hits)
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		g, w := "(end)", "(end)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			return fmt.Sprintf("got %q, want %q", g, w)
		}
	}
	return ""
}

// keysOf derives keys from some rules of a table.
func keysOf(table *Table, n int) (keys []string) {
	r := rand.New(rand.NewPCG(1, uint64(len(table.rules))))
	if len(table.rules) == 0 {
		return nil
	}
	for len(keys) < n {
		rule := table.rules[r.IntN(len(table.rules))]
		p, err := compile(table.dialect, rule.Pattern, rule.Flags)
		if err != nil {
			return keys
		}
		for _, key := range derived(r, p, 2) {
			keys = append(keys, strings.ReplaceAll(key, "\x00", ""))
		}
	}
	return keys
}

// onePattern asks about a pattern with all its groups, or without any.
type onePattern struct {
	d              Dialect
	pattern, flags string
	bare           bool
}

// source returns a table of one rule that shows all groups.
func (p onePattern) source(groups int) string {
	var b bytes.Buffer
	delim := "/"
	for _, c := range "/~,;%#\"'=" {
		if !strings.ContainsRune(p.pattern, c) {
			delim = string(c)
			break
		}
	}
	if delim == "#" {
		return ""
	}
	fmt.Fprintf(&b, "%s%s%s%s =>M", delim, p.pattern, delim, p.flags)
	for g := 1; g <= groups; g++ {
		fmt.Fprintf(&b, "|${%d}", g)
	}
	b.WriteByte('\n')
	return b.String()
}

func corpusPatterns(t testing.TB) (out []onePattern) {
	seen := map[onePattern]bool{}
	for _, file := range corpusFiles(t) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []Dialect{POSIX, PCRE} {
			if strings.HasSuffix(file, ".regexp") && d == PCRE || strings.HasSuffix(file, ".pcre") && d == POSIX {
				continue
			}
			table, _ := Parse(file, src, d, nil)
			for _, r := range table.rules {
				p := onePattern{d: d, pattern: r.Pattern, flags: r.Flags}
				if !seen[p] {
					seen[p] = true
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// comparePatterns asks postmap about every pattern and returns how many there
// were of each outcome.
func comparePatterns(t *testing.T, patterns []onePattern, perPattern int) map[string]int {
	tools := realpostfix.Need(t, "postmap")
	counts := map[string]int{}
	dir := t.TempDir()
	fixed := fixedSubjects()
	r := rand.New(rand.NewPCG(3, 4))
	const batch = 64
	for from := 0; from < len(patterns); from += batch {
		type job struct {
			p     onePattern
			table *Table
			found error
			keys  []string
		}
		var jobs []job
		for i, p := range patterns[from:min(from+batch, len(patterns))] {
			groups := 0
			tree, err := compile(p.d, p.pattern, p.flags)
			if err == nil && !p.bare {
				groups = tree.Groups
			}
			src := p.source(groups)
			if src == "" || strings.Contains(src[:len(src)-1], "\n") {
				counts["not writable as a rule"]++
				continue
			}
			name := filepath.Join(dir, fmt.Sprint(i))
			if err := os.WriteFile(name, []byte(src), 0o644); err != nil {
				t.Fatal(err)
			}
			table, found := Parse(name, []byte(src), p.d, nil)
			keys := slices.Clone(fixed)
			if tree != nil {
				keys = append(keys, derived(r, tree, max(10, perPattern-len(fixed)))...)
			}
			keys = keys[max(0, len(keys)-perPattern):]
			jobs = append(jobs, job{p, table, found, keys})
		}
		for _, j := range jobs {
			if j.p.bare {
				counts["patterns asked again without groups"]++
			} else {
				counts["patterns"]++
			}
			var real struct{ Stdout, Stderr bytes.Buffer }
			deadline, cancel := context.WithTimeout(context.Background(), 15*time.Second)
			cmd := tools.Command(deadline, "postmap", "-u", "-q", "-", j.p.d.String()+":"+j.table.Name())
			cmd.Stdin = strings.NewReader(strings.Join(j.keys, "\n") + "\n")
			cmd.Stdout, cmd.Stderr = &real.Stdout, &real.Stderr
			cmd.Run() // exit status 1: nothing found
			late := deadline.Err() != nil
			cancel()
			if late {
				counts["postmap did not end in 15 s"]++
				continue
			}
			got, unsupported := asPostmap(j.table, j.found)
			if unsupported > 0 && j.p.bare {
				continue
			}
			if unsupported > 0 {
				counts["refused"]++
				list, _ := j.found.(diag.List)
				for _, d := range list {
					if _, why, ok := strings.Cut(d.Message, "exactly: "); ok {
						counts["  refused: "+why]++
					}
				}
				continue
			}
			want := fromPostmap(real.Stderr.String())
			if len(want) > 0 && (strings.Contains(want[len(want)-1], "limit exceeded") || strings.Contains(want[len(want)-1], "recursion")) {
				counts["postmap gave up"]++
				continue
			}
			if !slices.Equal(got, want) {
				if len(got) == len(want) && len(got) > 0 && trimOffset(got[0]) == trimOffset(want[0]) {
					counts["offset in a warning differs"]++
				} else {
					counts["WARNINGS DIFFER"]++
					t.Logf("%s %q %q: warnings %q, want %q", j.p.d, j.p.pattern, j.p.flags, got, want)
				}
				continue
			}
			if len(want) > 0 {
				counts["bad in both"]++
				continue
			}
			answers := map[string]string{}
			for line := range strings.Lines(real.Stdout.String()) {
				key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t=>M")
				answers[key] = "=>M" + value
			}
			verdicts, groups := 0, 0
			for _, key := range j.keys {
				counts["pairs"]++
				value, ok, err := j.table.Lookup(context.Background(), key)
				want, wantOK := answers[key]
				switch {
				case err != nil:
					t.Errorf("%s %q %q on %q: %v", j.p.d, j.p.pattern, j.p.flags, key, err)
				case ok != wantOK:
					if verdicts++; verdicts == 1 {
						t.Logf("VERDICT %s %q %q on %q: %v, want %v", j.p.d, j.p.pattern, j.p.flags, key, ok, wantOK)
					}
				case value != want:
					if groups++; groups == 1 {
						t.Logf("GROUPS %s %q %q on %q: %q, want %q", j.p.d, j.p.pattern, j.p.flags, key, value, want)
					}
				case ok:
					counts["matches"]++
				}
			}
			if verdicts > 0 {
				counts["VERDICTS DIFFER"]++
			}
			if groups > 0 {
				counts["GROUPS DIFFER"]++
			}
		}
	}
	return counts
}

func trimOffset(s string) string {
	before, after, ok := strings.Cut(s, "at offset ")
	if !ok {
		return s
	}
	_, after, _ = strings.Cut(after, ":")
	return before + after
}

func report(t *testing.T, counts map[string]int) {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Logf("%8d %s", counts[name], name)
		if strings.Contains(name, "DIFFER") {
			t.Errorf("%d times: %s", counts[name], name)
		}
	}
}

// Each pattern of the corpus alone, with the text of its groups.
func TestCorpusPatternsAgainstPostmap(t *testing.T) {
	patterns := corpusPatterns(t)
	perPattern := 300
	if !long {
		var some []onePattern
		for i := 0; i < len(patterns); i += 29 {
			some = append(some, patterns[i])
		}
		patterns, perPattern = some, 100
	}
	report(t, comparePatterns(t, patterns, perPattern))
}
