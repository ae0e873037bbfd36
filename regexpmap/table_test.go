package regexpmap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

var ctx = context.Background()

func mustParse(t testing.TB, d Dialect, src string) *Table {
	t.Helper()
	table, err := Parse("test", []byte(src), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestLookup(t *testing.T) {
	table := mustParse(t, PCRE, `
/^friend@(?!my\.domain$)(.*)$/  550 Stick this in your pipe $1
if /@(.*\.)?example\.com$/
!/^postmaster@/   REJECT not $$1
/^postmaster@/    OK
endif
/^(.)(.)?$/       one=$1 two=${2}$(2)
`)
	for _, c := range []struct{ key, want string }{
		{"friend@my.domain", "-"},
		{"friend@other", "550 Stick this in your pipe other"},
		{"Joe@Example.COM", "REJECT not $1"},
		{"postmaster@example.com", "OK"},
		{"x", "one=x two="},
		{"xy", "one=x two=yy"},
		{"x\x00@example.com", "one=x two="},
		{"", "-"},
	} {
		got, found, err := table.Lookup(ctx, c.key)
		if !found {
			got = "-"
		}
		if got != c.want || err != nil {
			t.Errorf("Lookup(%q) = %q, %v, want %q", c.key, got, err, c.want)
		}
		if b, ok, err := table.AppendLookup([]byte("+"), []byte(c.key)); ok != found || err != nil || found && string(b) != "+"+c.want || !found && string(b) != "+" {
			t.Errorf("AppendLookup(%q) = %q, %v, %v", c.key, b, ok, err)
		}
	}
	m, found, err := table.Match(ctx, "xy")
	if !found || err != nil || m.Rule.Line() != 7 || !reflect.DeepEqual(m.Groups, []string{"x", "y"}) {
		t.Errorf("Match = %+v, %v, %v", m, found, err)
	}
	if file, line, ok := table.Locate(ctx, "a@example.com"); file != "test" || line != 4 || !ok {
		t.Errorf("Locate = %q, %d, %v", file, line, ok)
	}
	m, _, _ = table.Match(ctx, "a@example.com")
	if m.Groups != nil || len(m.Rule.Guards) != 1 || m.Rule.Guards[0].Pattern != `@(.*\.)?example\.com$` {
		t.Errorf("Match under a condition = %+v", m)
	}
}

func TestPositions(t *testing.T) {
	_, err := Parse("hc", []byte("/a/ ok\n/b(\n c/ $x\nif /x/ y\n/(?i)é(*UTF)/ z\n"), PCRE, nil)
	var found diag.List
	if !errors.As(err, &found) {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.String())
	}
	want := []string{
		`hc:3:5: error: non-numeric replacement index "x"`,
		`hc:3:5: error: bad replacement syntax: skipping this rule`,
		`hc:4:8: warning: ignoring extra text after IF statement: "y"`,
		`hc:4:8: warning: do not prepend whitespace to statements between IF and ENDIF`,
		`hc:5:13: error: error in regex at offset 11: (*VERB) not recognized or malformed`,
		`hc:4:1: warning: IF has no matching ENDIF`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Postfix names the line on which a rule starts.
func TestLineOfRule(t *testing.T) {
	_, err := Parse("hc", []byte("/a/ ok\n/b/\n\n# c\n $x\n/c/ $x\n"), POSIX, nil)
	var found diag.List
	errors.As(err, &found)
	var got []string
	for _, d := range found {
		line := ""
		for _, r := range d.Related {
			line += fmt.Sprintf(" (%s %d)", r.Message, r.Span.Start.Line)
		}
		got = append(got, fmt.Sprint(d.Span.Start.Line, line))
	}
	if g := strings.Join(got, ", "); g != "5 (in this rule 2), 5 (in this rule 2), 6, 6" {
		t.Errorf("got %s", g)
	}
}

func TestOptions(t *testing.T) {
	table, err := Parse("t", []byte("/(a)/ $1\n/b/ b\n"), POSIX, &Options{NoSubst: true, FoldKey: true, UTF8: true})
	if err == nil || !strings.Contains(err.Error(), "regular expression substitution is not allowed: skipping this rule") {
		t.Errorf("NoSubst: %v", err)
	}
	if _, found, err := table.Lookup(ctx, "b\xff"); found || err != nil {
		t.Errorf("a key that is not UTF-8: %v, %v", found, err)
	}
	if v, _, _ := table.Lookup(ctx, "B"); v != "b" {
		t.Errorf("FoldKey: %q", v)
	}
	files := map[string]string{"one": "1", "two": "2"}
	table, err = Parse("t", []byte("/a/ one, two\n/b/ three\n"), POSIX, &Options{ReadFile: func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, fs.ErrNotExist
	}})
	if v, _, _ := table.Lookup(ctx, "a"); v != "MQoy" {
		t.Errorf("ReadFile: %q", v)
	}
	if err == nil || !strings.Contains(err.Error(), "open three: No such file or directory: skipping this rule") {
		t.Errorf("ReadFile: %v", err)
	}
}

// A condition that cannot be honoured must not open its block to every key.
func TestUnsupportedCondition(t *testing.T) {
	table, err := Parse("t", []byte("if /(*UTF)a/\n/x/ inside\nendif\n/x/ outside\n"), PCRE, nil)
	if err == nil {
		t.Error("no finding")
	}
	if v, _, _ := table.Lookup(ctx, "x"); v != "outside" {
		t.Errorf("got %q", v)
	}
}

func TestInline(t *testing.T) {
	for _, c := range []struct{ text, key, want, err string }{
		{"{ {/a/ A}, {/b{2}/ B} {#x} {if /c/} {/d/ D} {endif} }", "bb", "B", ""},
		{"{ {/a/ A}, {/b{2}/ B} {#x} {if /c/} {/d/ D} {endif} }", "cd", "D", ""},
		{"{}", "a", "", ""},
		{"{{}}", "a", "", ""},
		{"x", "a", "", `pcre map: no '{' at start of text in "x"`},
		{"{", "a", "", `pcre map: missing '}' in "{"`},
		{"{ {/a/ b} c }", "a", "", `pcre map: no '{' at start of text in "c"`},
		{"{ {/a/ b} } ", "a", "", `pcre map: syntax error after '}' in "{ {/a/ b} } "`},
		{"{ {/a/ b}\v}", "a", "", "pcre map: syntax error after '}' in \"{/a/ b}\v\""},
		{"{{/a/ b} ,, {/c/ d}, }", "c", "d", ""},
		{"{ {/a/ b} } x", "a", "", `pcre map: syntax error after '}' in "{ {/a/ b} } x"`},
		{"{ {/a/ b}{/c/ d} }", "a", "", `pcre map: syntax error after '}' in "{/a/ b}{/c/ d}"`},
		{`{ {/a/ \} b} }`, "a", "", `pcre map: syntax error after '}' in "{ {/a/ \} b} }"`},
	} {
		table, err := ParseInline(c.text, PCRE, nil)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: error %v, want %s", c.text, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if v, _, _ := table.Lookup(ctx, c.key); v != c.want {
			t.Errorf("%s: %q = %q, want %q", c.text, c.key, v, c.want)
		}
	}
}

func TestType(t *testing.T) {
	var warned int
	o := &table.Opener{Types: map[string]table.OpenFunc{"pcre": Type(PCRE, func(diag.Diagnostic) { warned++ })},
		FS: fstest.MapFS{"hc": {Data: []byte("/x/ y\n/(/ z\n")}}}
	for _, spec := range []string{"pcre:hc", "pcre:{{/x/ y} {/(/ z}}"} {
		opened, err := o.Open(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok, err := opened.Lookup(ctx, "X"); v != "y" || !ok || err != nil {
			t.Errorf("%s: %q, %v, %v", spec, v, ok, err)
		}
	}
	if warned != 2 {
		t.Errorf("%d findings", warned)
	}
	for _, spec := range []string{"pcre:none", "pcre:{"} {
		if _, err := o.Open(ctx, spec); err == nil {
			t.Errorf("%s: no error", spec)
		}
	}
}

// A rule that runs out of steps does not hold, negated or not, and the search
// goes on; the caller is told.
func TestLimit(t *testing.T) {
	var told []diag.Diagnostic
	table, err := Parse("t", []byte("/^(?=(a+)+$)a/ one\n!/^(?=(a+)+$)a/ two\nif !/^(?=(a+)+$)a/\n/a/ three\nendif\n/a/ four\n"), PCRE,
		&Options{Warn: func(d diag.Diagnostic) { told = append(told, d) }})
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := table.Lookup(ctx, strings.Repeat("a", 100)+"!")
	if v != "four" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if len(told) != 3 || told[0].String() != "t:1:1: warning: match limit exceeded [match-limit]" {
		t.Errorf("told %v", told)
	}
}

// A table is asked by many goroutines at once, its engines made meanwhile.
func TestConcurrentLookups(t *testing.T) {
	src, err := os.ReadFile("testdata/corpus/022-david-hill-zappa-header-checks.pcre")
	if err != nil {
		t.Fatal(err)
	}
	keys := fixedSubjects()
	alone, _ := Parse("t", src, PCRE, nil)
	want := map[string]string{}
	for _, key := range keys {
		want[key], _, _ = alone.Lookup(ctx, key)
	}
	table, _ := Parse("t", src, PCRE, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, key := range keys {
				if got, _, err := table.Lookup(ctx, key); got != want[key] || err != nil {
					t.Errorf("%q: got %q, %v, want %q", key, got, err, want[key])
				}
			}
		})
	}
	wg.Wait()
}

// The groups of a long list of words need a graph that is too large; the
// answer does not.
func TestMatchWithoutGroups(t *testing.T) {
	var words []string
	for i := range 700 {
		words = append(words, fmt.Sprintf("word%d", i))
	}
	table := mustParse(t, POSIX, "/("+strings.Join(words, "|")+")/ REJECT\n/(a)b/ OK\n")
	for range 2 {
		m, found, err := table.Match(ctx, "a word17")
		if !found || err != nil || m.Result != "REJECT" || m.Groups != nil {
			t.Errorf("Match = %+v, %v, %v", m, found, err)
		}
	}
	if m, found, err := table.Match(ctx, "ab"); !found || err != nil || !slices.Equal(m.Groups, []string{"a"}) {
		t.Errorf("Match = %+v, %v, %v", m, found, err)
	}
}

// Only ASCII letters have two cases, in any encoding.
func TestFoldKey(t *testing.T) {
	table, err := Parse("t", []byte("/^\xc9$/ latin\n/^É$/ utf8\n/^ab$/i lower\n"), POSIX, &Options{FoldKey: true})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"\xc9": "latin", "É": "utf8", "AB": "lower"} {
		if got, _, err := table.Lookup(ctx, key); got != want || err != nil {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}
