package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// gnuCases are what regexec(3) of the GNU C library 2.36 answers: matched, for
// a pattern compiled with REG_NOSUB, and the bounds, for one without; nil if
// it does not match then.
var gnuCases = []struct {
	pattern, text string
	newline       bool
	matched       bool
	bounds        []int
}{
	{"(\\`1){3,5}o", "111ox", false, true, nil},
	{`(^@*)+?`, "@@@@", false, true, nil},
	{`(^.)+x?e`, "~s}xex", false, true, nil},
	{`()$.`, "ab\n", false, true, nil},
	{`($.{2}*)`, "\nab", false, true, []int{3, 3, 3, 3}},
	{`(b**=$){2}`, "x==", false, true, nil},
	{`o(b+\B@*)+k`, "obbbb@kx", false, true, []int{0, 7, 4, 6}},
	{`(([]](-={0}\<.?){2}))`, "]-f-", false, true, []int{0, 4, 0, 4, 0, 4, 3, 4}},
	{"(.?\\`b*){2,}c", "abbc", false, true, nil},
	{`(^a+,)+`, "a,a,aa\n,x", false, true, nil},
	{`1|[-0]*?(0**1?).((n{0,2}^b**)?)`, "1\nx", false, true, []int{0, 2, 0, 1, 2, 2, -1, -1}},
	{`\B(@+|\>)?`, "x]b", true, false, nil},
	{`(A{0}(\>com-{2}.*)*)+`, "com--cx\nm--", true, true, nil},
	{`((0)*?[^o]0|o*^)+?`, "ab\n", false, true, []int{0, 0, -1, -1, -1, -1}},
	{`(0?)((($0)**)){3,5}!*(1(b){3,5}){2}*`, "00000000!", true, true, []int{0, 9, 0, 1, 8, 8, 8, 8, 7, 8, -1, -1, -1, -1}},
	{`(a|ab)(c|bcd)(d*)`, "abcd", false, true, []int{0, 4, 0, 1, 1, 4, 4, 4}},
	{`(a*)*(b)?`, "aab", false, true, []int{0, 3, 0, 2, 2, 3}},
	{`(\<a|b\>)*`, "ab", false, true, []int{0, 2, 1, 2}},
}

func TestGNU(t *testing.T) {
	for _, c := range gnuCases {
		p, err := pattern.ParsePosix(c.pattern, pattern.PosixFlags{Newline: c.newline})
		if err != nil {
			t.Fatal(c.pattern, err)
		}
		re := Compile(p)
		if matched, err := re.Match([]byte(c.text), 0); matched != c.matched || err != nil {
			t.Errorf("%q on %q: %v, %v", c.pattern, c.text, matched, err)
		}
		bounds, ok, err := re.Groups([]byte(c.text), p.Groups)
		if ok != (c.bounds != nil) || !slices.Equal(bounds, c.bounds) || err != nil {
			t.Errorf("%q on %q: bounds %v, want %v; %v", c.pattern, c.text, bounds, c.bounds, err)
		}
		if matched, _ := re.Match([]byte(c.text), p.Groups); matched != ok {
			t.Errorf("%q on %q: matched for its groups: %v", c.pattern, c.text, matched)
		}
	}
}

// Loops in loops around assertions are told apart by the ways through them,
// which nobody has the time to follow.
func TestTooLargeGraph(t *testing.T) {
	for _, again := range []string{`\b)*`, `\b)+`, `|^b)*`, `b*\>)*`, `\B){0,3}`} {
		for _, depth := range []int{20, 100, 250} {
			src := strings.Repeat("(", depth) + "a*" + strings.Repeat(again, depth) + `\b(x)`
			p, err := pattern.ParsePosix(src, pattern.PosixFlags{})
			if err != nil {
				continue // "{0,3}" twenty times over
			}
			made := newGNU(p, true) != nil && newGNU(p, false) != nil
			if why := Unsure(p, true); made != (why == "") || made && again == `\b)*` {
				t.Errorf("%d times %q: made %v; %q", depth, again, made, why)
			}
		}
	}
}

// Where no assertion is repeated, the graph and the automaton agree.
func FuzzGNU(f *testing.F) {
	for _, c := range gnuCases {
		f.Add(c.pattern, c.text, c.newline)
	}
	f.Add("a(b|c)*d|e\\>", "abcd e", true)
	f.Fuzz(func(t *testing.T, src, text string, newline bool) {
		if len(src) > 60 || len(text) > 60 {
			return
		}
		p, err := pattern.ParsePosix(src, pattern.PosixFlags{Newline: newline})
		if err != nil || p.Inspect().Backtrack || repeats(p.Root, pattern.OpAssert, false) {
			return
		}
		g := newGNU(p, false)
		if g == nil {
			return
		}
		got, err := g.match([]byte(text))
		if err != nil {
			return
		}
		if want, _ := newDFA(newNFA(p.Root), statesKept).match([]byte(text)); got != want && !p.Inspect().NewlineIn {
			t.Fatalf("%q on %q: graph %v, automaton %v", src, text, got, want)
		}
		if full := newGNU(p, true); full != nil {
			bounds, err := full.find([]byte(text), 0, p.Groups)
			if bounds != nil && (bounds[0] < 0 || bounds[1] > len(text) || !got) {
				t.Fatalf("%q on %q: bounds %v, %v; %v", src, text, bounds, got, err)
			}
		}
	})
}
