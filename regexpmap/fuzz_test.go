package regexpmap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

// entropy takes decisions from the fuzzer's bytes, and from a fixed sequence
// when they run out.
type entropy struct {
	data []byte
	rest uint64
}

func (e *entropy) Uint64() uint64 {
	if len(e.data) > 0 {
		v := uint64(e.data[0])
		e.data = e.data[1:]
		// Spread the byte over all bits: callers take different ones.
		return v * 0x0101010101010101
	}
	e.rest = e.rest*6364136223846793005 + 1442695040888963407
	return e.rest ^ e.rest>>29
}

var fuzzWords = strings.Fields(`subject: from: received: viagra credit Free click .com .example. mail @ dsl dynamic \.net$ ^host ^Subject: [0-9]+ (a|bc|def)
	.* .+ \s (spam|ham)? $ ^ x a* ab a b abc [abc] (abc|abd) e? (foo)+ \. - money`)

// fuzzTable writes a small table with conditions, negation and second
// patterns.
func fuzzTable(r *rand.Rand, d Dialect) string {
	var b strings.Builder
	pattern := func() string {
		if r.IntN(8) == 0 {
			g := patternGenerator{Rand: r, pcre: d == PCRE}
			return strings.NewReplacer("/", "_", "\n", " ", "\\x41", "A").Replace(g.alternatives(1))
		}
		var p string
		for range 1 + r.IntN(3) {
			p += fuzzWords[r.IntN(len(fuzzWords))]
		}
		return p
	}
	for range 1 + r.IntN(8) {
		switch r.IntN(8) {
		case 0:
			b.WriteString([]string{"if /", "if !/"}[r.IntN(2)] + pattern() + "/\n")
			continue
		case 1:
			b.WriteString("endif\n")
			continue
		case 2:
			b.WriteString("!")
		}
		b.WriteString("/" + pattern() + "/" + []string{"", "", "", "i", "m"}[r.IntN(5)])
		if d == POSIX && r.IntN(6) == 0 {
			b.WriteString([]string{"!/", "!!/"}[r.IntN(2)] + pattern() + "/")
		}
		b.WriteString([]string{" r", " OK", " $1"}[r.IntN(3)] + "\n")
	}
	return b.String()
}

func fuzzKey(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(6) {
		if r.IntN(3) == 0 {
			b.WriteString([]string{"a", "b", "X", " ", ":", "1", "\n", "\xe9", "abcdef", "e", ".", "bc"}[r.IntN(12)])
			continue
		}
		w := fuzzWords[r.IntN(len(fuzzWords))]
		b.WriteString(strings.Map(func(c rune) rune {
			if strings.ContainsRune(`^$\()|?*+[]`, c) {
				return -1
			}
			return c
		}, w))
	}
	key := b.String()
	if r.IntN(4) == 0 {
		key = strings.ToUpper(key)
	}
	return key
}

// comparePrefilter asks for the rule of each key with and without the
// prefilter.
func comparePrefilter(t *testing.T, d Dialect, src string, keys []string) {
	t.Helper()
	table, _ := Parse("t", []byte(src), d, nil)
	for _, key := range keys {
		key, _, _ := strings.Cut(key, "\x00")
		// A rule that runs out of steps is only noticed when it is tried.
		limit := false
		table.opts.Warn = func(diag.Diagnostic) { limit = true }
		want := table.findSlowly([]byte(key))
		if limit {
			continue
		}
		if got := table.filter.find([]byte(key)); got != want {
			t.Fatalf("%s table\n%s\nkey %q: with the prefilter %+v; without %+v", d, src, key, got, want)
		}
	}
}

// The prefilter changes no answer.
func FuzzPrefilter(f *testing.F) {
	for i := range 40 {
		seed := make([]byte, 40)
		r := rand.New(rand.NewPCG(uint64(i), 5))
		for j := range seed {
			seed[j] = byte(r.IntN(256))
		}
		f.Add(seed, uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, more uint64) {
		if len(data) > 400 {
			return
		}
		r := rand.New(&entropy{data, more})
		d := POSIX
		if r.IntN(2) == 0 {
			d = PCRE
		}
		src := fuzzTable(r, d)
		var keys []string
		for range 3 {
			keys = append(keys, fuzzKey(r))
		}
		comparePrefilter(t, d, src, keys)
	})
}

// Any bytes are a table, and any key an answer.
func FuzzParse(f *testing.F) {
	f.Add([]byte("/a(b)/ $1\nif /x/\n!/y/ z\nendif\n"), "ab", true)
	f.Add([]byte("/(?<n>a)\\k<n>(?R)?/ x"), "aa", true)
	f.Add([]byte("/\\(a\\)\\1/x y\n/[[:alpha:]-z]/ q\n/a/!/b/ c"), "aa", false)
	f.Fuzz(func(t *testing.T, src []byte, key string, pcre bool) {
		if len(src) > 300 || len(key) > 60 {
			return
		}
		d := POSIX
		if pcre {
			d = PCRE
		}
		table, err := Parse("t", src, d, nil)
		var list diag.List
		if err != nil && !errors.As(err, &list) {
			t.Fatalf("error %T", err)
		}
		for _, f := range list {
			if f.Span.Start.Offset < 0 || f.Span.Start.Offset > len(src) || f.Span.End.Offset > len(src) || f.Message == "" {
				t.Fatalf("finding out of place: %+v", f)
			}
		}
		for r := range table.Rules() {
			if r.Pattern == "" && r.Line() == 0 {
				t.Fatal("rule without a place")
			}
		}
		comparePrefilter(t, d, string(src), []string{key})
	})
}

// A few thousand tables for every test run; the fuzzer does more, and so does
// the long run.
func TestPrefilter(t *testing.T) {
	// '$' of one dialect holds before a last newline.
	for _, d := range []Dialect{POSIX, PCRE} {
		for _, src := range []string{"/abc$/ x\n", "/^abc$/ x\n!/xabc$/ y\n"} {
			comparePrefilter(t, d, src, []string{"abc", "abc\n", "xabc\n", "abc\n\n", "\nabc", ""})
		}
	}
	tables := 2000
	if long {
		tables = 130_000
	}
	for i := range tables {
		r := rand.New(rand.NewPCG(uint64(i), 77))
		d := Dialect(1 + i%2)
		src := fuzzTable(r, d)
		var keys []string
		for range 8 {
			keys = append(keys, fuzzKey(r))
		}
		comparePrefilter(t, d, src, keys)
	}
}

// A key in which the string of every rule occurs many times needs memory for
// the rules, not for the key.
func TestPrefilterMemory(t *testing.T) {
	var b strings.Builder
	const rules = 1000
	for i := range rules {
		fmt.Fprintf(&b, "/zqzq[0-9]{1,%d}[^z]$/ x\n/q%%[0-9]/ y\n", i+1)
	}
	table := mustParse(t, POSIX, b.String())
	key := []byte(strings.Repeat("zq", 5_000))
	buffer := make([]int32, 0, 100*rules)
	if found := table.filter.matcher.Find(buffer, key, false); len(found) > cap(buffer) {
		t.Errorf("%d marks for %d rules", len(found), 2*rules)
	}
	if r := table.filter.find(key); r != nil {
		t.Errorf("line %d answers", r.Line())
	}
	if s := table.filter.pool.Get().(*scratch); cap(s.marked) > 100*rules {
		t.Errorf("%d marks kept", cap(s.marked))
	}
}
