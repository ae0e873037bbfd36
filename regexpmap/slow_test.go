package regexpmap

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

// slowCases are patterns and keys that take the GNU C library or PCRE2 seconds
// or minutes. They end here after the same step every time: with the answer,
// or at the limit.
var slowCases = []struct {
	name, rule string
	d          Dialect
	key        string
	found      bool
	limit      bool
}{
	{"nested-counts", "/((a{1,50}){1,50}){1,50}b/ x", POSIX, strings.Repeat("a", 200), false, true},           // regexec: 13 s
	{"nested-counts-groups", "/(((a{1,12}){1,12}){1,12})$/ $1", POSIX, strings.Repeat("a", 200), true, false}, //
	{"backreferences", `/^(.*)(.*)(.*)\1\2\3x$/ x`, POSIX, strings.Repeat("ab", 150) + "y", false, true},      // 26 s
	{"backreference-behind-star", `/(a*)(b*)\1c/ x`, POSIX, strings.Repeat("a", 2000), false, true},
	{"repeated-assertions", `/((\<a|b\>|^)*c?)*d/ x`, POSIX, strings.Repeat("a b ", 25_000), false, false},
	{"repeated-assertions-groups", `/((\<a|b\>|^)*c?)*d/ $1`, POSIX, strings.Repeat("a b ", 25_000), false, false},
	{"star-backreference-20k", `/(.)*\1c/ x`, PCRE, strings.Repeat("a", 20_000), false, true},   // pcre2_match: 4 s
	{"star-backreference-100k", `/(.)*\1c/ x`, PCRE, strings.Repeat("a", 100_000), false, true}, // 112 s
	{"nested-plus", `/(a+)+$/ x`, PCRE, strings.Repeat("a", 100_000) + "!", false, false},
	{"nested-plus-lookahead", `/(?=(a+)+$)a/ x`, PCRE, strings.Repeat("a", 100_000) + "!", false, true},
	{"overlapping-alternatives", `/^(?=(a|aa)+$)a/ x`, PCRE, strings.Repeat("a", 5000) + "!", false, true},
	{"dots-everywhere", `/.*.*.*.*.*.*.*.*=(?!x).*y/ x`, PCRE, strings.Repeat("x", 100_000), false, true},
	{"recursion", `/^(\((?:[^()]|(?1))*\))$/ x`, PCRE, strings.Repeat("(", 20_000), false, false},
	{"recursion-of-atomic-groups", `/^(\((?>[^()]+|(?1))*\))x/ x`, PCRE, strings.Repeat("(", 20_000) + strings.Repeat(")", 20_000) + "x", true, false},
	{"recursion-of-atomic-groups-50k", `/^(\((?>[^()]+|(?1))*\))x/ x`, PCRE, strings.Repeat("(", 50_000) + strings.Repeat(")", 50_000) + "x", true, false},
	{"recursion-of-everything", `/\((?:[^()]+|(?R))*\)/ x`, PCRE, strings.Repeat("(", 50_000) + strings.Repeat(")", 50_000), true, false},
	{"calls-deep-inside", `/^(?<A>a(?:(?&A)|(?:(?&B)|c)*))$(?(DEFINE)(?<B>b))/ x`, PCRE, strings.Repeat("a", 50_000) + strings.Repeat("c", 50_000) + "!", false, true},
	{"atomic-groups-in-a-row", `/^(?>(a|b)|c)*+d/ x`, PCRE, strings.Repeat("ab", 50_000), false, false},
	{"many-groups", `/(?<!x)(x)` + strings.Repeat("(a)?", 600) + `b/ x`, PCRE, strings.Repeat("x", 100_000), false, false},
	{"many-groups-regexp", `/(x)\1` + strings.Repeat("()", 20_000) + `b/ x`, POSIX, strings.Repeat("x", 50_000), false, false},
	{"lazy-run", `/(?<!x)a{30000}?b/ x`, PCRE, strings.Repeat("a", 100_000), false, true},
	{"automaton-of-9000-states", `/[ab]*a[ab]{9000}c/ x`, POSIX, coins(60_000), false, true}, // regexec: over 20 s, 4 GB
	{"automaton-of-400-states", `/[ab]*a[ab]{400}c/ x`, POSIX, coins(60_000), false, false},
	{"graph-of-many-ways", `/(\<x|` + strings.Repeat("(ab|ba|a|b)?", 200) + `)*c/ x`, POSIX, strings.Repeat("ab", 20_000), false, true},
	{"graph-of-many-ways-back", `/((a|b|ab|ba|aa|bb|` + strings.Repeat("(ab|ba|a|b)?", 200) + `)*)c/ $1`, POSIX, strings.Repeat("ab", 1500) + "c", false, true},
	{"quadratic-starts", `/a*(?!x)b/ x`, PCRE, strings.Repeat("a", 100_000), false, true},
}

// coins returns n random letters, a or b.
func coins(n int) string {
	r := rand.New(rand.NewPCG(1, 1))
	key := make([]byte, n)
	for i := range key {
		key[i] = "ab"[r.IntN(2)]
	}
	return string(key)
}

func slowTable(tb testing.TB, i int, limit *bool) *Table {
	c := slowCases[i]
	t, err := Parse(c.name, []byte(c.rule+"\n"), c.d, &Options{NoPrefilter: true, Warn: func(diag.Diagnostic) { *limit = true }})
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestSlow(t *testing.T) {
	for i, c := range slowCases {
		limit := false
		_, found, err := slowTable(t, i, &limit).Lookup(context.Background(), c.key)
		if found != c.found || limit != c.limit || err != nil && !limit { // without groups there is no result
			t.Errorf("%s: found %v, limit %v, error %v", c.name, found, limit, err)
		}
	}
}

// BenchmarkSlow is how long each of the cases takes.
func BenchmarkSlow(b *testing.B) {
	for i, c := range slowCases {
		b.Run(c.name, func(b *testing.B) {
			limit := false
			t := slowTable(b, i, &limit)
			for b.Loop() {
				t.Lookup(context.Background(), c.key)
			}
		})
	}
}
