package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dlclark/regexp2/v2"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// TestAgainstRegexp2 compares the backtracking matcher with another one,
// written by somebody else for the language of .NET, on what that language and
// PCRE have in common: groups, alternation, greedy, lazy and atomic repetition,
// backreferences, lookahead and lookbehind, over a small ASCII alphabet.
//
// regexp2 is not one of our engines: it has a limit of time where a table needs
// one of steps, and bytes that are not UTF-8 mean something else to it.
func TestAgainstRegexp2(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 11))
	compared, matched, refused := 0, 0, 0
	for range 3000 {
		src := strings.Join([]string{randomPCRE(r, 3, new(int)), randomPCRE(r, 2, new(int))}[:1+r.IntN(2)], "")
		p, err := pattern.ParsePCRE(src, pattern.PCREFlags{})
		if err != nil {
			refused++ // repeated lookahead, which PCRE2 gets wrong
			continue
		}
		other, err := regexp2.Compile(src, regexp2.None)
		if err != nil {
			t.Fatalf("%s: regexp2: %v", src, err)
		}
		other.MatchTimeout = time.Second / 2
		re := Compile(p)
		for range 12 {
			text := randomText(r)
			m, err := other.FindStringMatch(text)
			if err != nil {
				break // took too long there, and would again
			}
			want := "no match"
			if m != nil {
				index, length := m.ByteRange()
				want = fmt.Sprint(index, index+length)
				matched++
			}
			bounds, ok, err := re.Groups([]byte(text), p.Groups)
			if errors.Is(err, ErrLimit) {
				break
			}
			if err != nil {
				t.Errorf("%s on %q: %v", src, text, err)
				continue
			}
			got := "no match"
			if ok {
				got = fmt.Sprint(bounds[0], bounds[1])
			}
			if compared++; got != want {
				t.Errorf("%s on %q: bounds %s, regexp2 %s", src, text, got, want)
			}
		}
	}
	t.Logf("%d searches compared, %d matched, %d patterns refused", compared, matched, refused)
	if refused > 150 || compared < 30000 || matched < compared/10 || matched > compared*95/100 {
		t.Errorf("%d searches, %d matched: the patterns say too little", compared, matched)
	}
}

// What TestAgainstRegexp2 found: package regexp ends a loop whose body can match
// nothing elsewhere than PCRE2 does. The bounds are those of Postfix 3.7.11 with
// PCRE2 10.42.
func TestLoopThatMatchesNothing(t *testing.T) {
	for _, c := range []struct {
		src, text string
		end       int
	}{
		{`[^a]{1,2}(?:[ab]a{1,2}|.??)*c*?`, "bdaaaa", 5},
		{`[^a]{1,2}(?:[ab]a{1,2}|.??)*c*?`, "bbbabc", 4},
		{`[^a]{1,2}(?:[ab]a{1,2}|.??)*c*?`, "baaabcda", 4},
	} {
		p, err := pattern.ParsePCRE(c.src, pattern.PCREFlags{})
		if err != nil {
			t.Fatal(err)
		}
		if bounds, ok, err := Compile(p).Groups([]byte(c.text), p.Groups); err != nil || !ok || bounds[1] != c.end {
			t.Errorf("%s on %q: %v, %v, %v; want end %d", c.src, c.text, bounds, ok, err, c.end)
		}
	}
}

// randomPCRE writes a pattern; groups counts its capturing groups.
func randomPCRE(r *rand.Rand, depth int, groups *int) string {
	atom := func() string {
		if depth == 0 || r.IntN(3) == 0 {
			return []string{"a", "b", "c", "[ab]", "[^a]", ".", "ab", "ba"}[r.IntN(8)]
		}
		body := randomPCRE(r, depth-1, groups)
		switch r.IntN(9) {
		case 0, 1:
			*groups++
			return "(" + body + ")"
		case 2:
			return "(?:" + body + "|" + randomPCRE(r, depth-1, groups) + ")"
		case 3:
			return "(?>" + body + ")"
		case 4:
			return "(?=" + randomPCRE(r, 0, groups) + ")"
		case 5:
			return "(?!" + randomPCRE(r, 0, groups) + ")"
		case 6:
			return "(?<=" + []string{"a", "b", "ab", "[bc]"}[r.IntN(4)] + ")"
		case 7:
			return "(?<!" + []string{"a", "c", "ba"}[r.IntN(3)] + ")"
		}
		return "(?:" + body + ")"
	}
	var b strings.Builder
	for range 1 + r.IntN(3) {
		a := atom()
		b.WriteString(a)
		// An optional atomic group is left out: regexp2 does not try to go on
		// without it, as PCRE2 does.
		if !strings.HasPrefix(a, "(?>") && !strings.HasPrefix(a, "(?=") && !strings.HasPrefix(a, "(?!") && !strings.HasPrefix(a, "(?<") && (len(a) == 1 || strings.HasPrefix(a, "(?") || a[0] == '[') {
			quantifiers := []string{"", "", "", "?", "{1,2}", "??", "*", "+", "*?", "+?", "{1,2}?", "{2,}?", "{2,4}"}
			if a[0] == '(' { // the two count iterations that match nothing differently
				quantifiers = slices.DeleteFunc(quantifiers, func(q string) bool { return strings.HasPrefix(q, "{") })
			}
			b.WriteString(quantifiers[r.IntN(len(quantifiers))])
		}
	}
	return b.String()
}

func randomText(r *rand.Rand) string {
	b := make([]byte, r.IntN(12))
	for i := range b {
		b[i] = "aabbcd"[r.IntN(6)]
	}
	return string(b)
}
