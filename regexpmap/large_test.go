package regexpmap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

func times(n int, text string) string { return strings.Repeat(text, n) }

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1)
	}
	return b.String()
}

// largeCases are patterns that took minutes or gigabytes to prepare, or that
// were answered wrongly once prepared.
var largeCases = []struct {
	name, pattern string
	d             Dialect
	key           string
	found         bool
	refused       string // part of the finding; the pattern is left out
}{
	{"counted-groups", "^" + times(12, "(") + "a?b?" + times(12, "){3}") + "c", POSIX, "abc", false, "200,000 instructions"},
	{"counted-nothing", times(20, "(") + times(20, "){3}"), POSIX, "abc", false, "200,000 instructions"},
	{"word-list", "(" + numbered(20_000, "word%dxy|") + "z)", POSIX, "a word17xy b", false, "200,000 instructions"},
	{"calls-of-nested-groups", "^" + times(150, "(") + times(2500, "a") + times(150, ")") + "(?:b" + numbered(149, "(?%d)") + ")?(?150)c$", PCRE, times(5000, "a") + "c", false, "200,000 instructions"},
	{"calls-of-fewer-groups", "^" + times(50, "(") + times(2500, "a") + times(50, ")") + "(?:b" + numbered(49, "(?%d)") + ")?(?50)c$", PCRE, times(5000, "a") + "c", true, ""},
	{"word-list-automaton", "(" + numbered(2_000, "word%dxy|") + "z)", POSIX, "a word17xy b", true, ""},
	{"plus-in-plus", "^a" + times(100, "+") + "$", POSIX, times(50, "a"), true, ""},
	{"plus-in-plus-groups", "^" + times(100, "(") + "a" + times(100, "+)") + "$", PCRE, times(50, "a"), true, ""},
	{"two-or-more", "^" + times(11, "(") + "a" + times(11, "){2,}") + "$", POSIX, times(2048, "a"), true, ""},
	{"possessive-search", "^" + times(200, "(?:") + "a*" + times(200, ")*") + "$", PCRE, times(50, "a"), true, ""},
	{"lookbehind-of-calls", "z(?<=(?1))" + doublingCalls(60, "", ""), PCRE, "a", false, ""},
	{"lookbehind-of-alternatives", "(?<=(?1))" + doublingCalls(60, "|", "a?"), PCRE, "a", false, "not fixed length"},
	{"star-of-stars-behind-backreference", `^(x)\1a` + times(150, "*") + "$", POSIX, "xx" + times(50, "a"), true, ""},
	{"stacked-stars", "a" + times(100_000, "*"), POSIX, "a", false, "too many repetitions of repetitions"},
	{"stacked-stars-in-groups", times(1000, "(") + "a" + times(1000, "**)"), POSIX, "a", false, "too many repetitions of repetitions"},
	{"named-groups", numbered(60_000, "(?<n%d>)"), PCRE, "a", false, "too many named subpatterns (maximum 10000)"},
	{"names-referred-to", "(?:" + numbered(2000, "(?<n%d>a)|") + "b)" + numbered(2000, "(?:(?&n%d))?"), PCRE, "b", false, "it may be too large for PCRE2"},
}

// doublingCalls has n groups: each but the last calls the next one twice.
func doublingCalls(n int, between, last string) string {
	var b strings.Builder
	for i := 2; i <= n; i++ {
		fmt.Fprintf(&b, "((?%d)%s(?%d))", i, between, i)
	}
	return b.String() + "(" + last + ")"
}

// A pattern that is large once written out is refused, or is answered: without
// the mends this test takes hours and all memory.
func TestLarge(t *testing.T) {
	for _, c := range largeCases {
		t.Run(c.name, func(t *testing.T) {
			var warned []diag.Diagnostic
			table, err := Parse("t", []byte("/"+c.pattern+"/ x\n"), c.d, &Options{NoPrefilter: true, Warn: func(d diag.Diagnostic) { warned = append(warned, d) }})
			if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Fatalf("%.200v, want %q", err, c.refused)
			}
			if _, found, err := table.Lookup(ctx, c.key); found != c.found || err != nil || len(warned) > 0 {
				t.Errorf("found %v, %v, %v", found, err, warned)
			}
		})
	}
}
