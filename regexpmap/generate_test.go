package regexpmap

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// patternGenerator makes patterns that use everything the dialects have, good
// and bad ones.
type patternGenerator struct {
	*rand.Rand
	pcre, bre bool
	groups    int
}

func (g *patternGenerator) pick(s ...string) string { return s[g.IntN(len(s))] }

func (g *patternGenerator) lit() string {
	return g.pick("a", "b", "c", "A", "B", "x", " ", ":", "_", "1", "-", "\xc3\xa9", "k", "ab", "0", "o", "]", "}", "e", "@", "=", "!", ",", "com", ".")
}

func (g *patternGenerator) class() string {
	var b strings.Builder
	b.WriteString("[")
	if g.IntN(4) == 0 {
		b.WriteString("^")
	}
	for range 1 + g.IntN(3) {
		switch g.IntN(8) {
		case 0:
			b.WriteString(g.pick("a-c", "A-z", "0-9", "Z-a", "!-a", "b-b", "a-", "-", "_-z", "x-z", "--/"))
		case 1:
			b.WriteString("[:" + g.pick("alpha", "digit", "space", "upper", "lower", "punct", "word", "^digit", "alnum", "xdigit", "foo", "cntrl", "graph", "print", "blank") + ":]")
		case 2:
			b.WriteString(g.pick("\\d", "\\w", "\\]", "\\s", "\\n", "\\-", "\\b", "\\x41", "\\", "\\D", "\\h", "\\Q]\\E", "\\p{L}", "\\W"))
		case 3:
			b.WriteString(g.pick("[.a.]", "[=b=]", "[.-.]", "[", "]", "[:", "^", "&&"))
		default:
			b.WriteString(g.lit())
		}
	}
	if g.IntN(30) > 0 {
		b.WriteString("]")
	}
	return b.String()
}

func (g *patternGenerator) atom(depth int) string {
	open, shut := "(", ")"
	if g.bre {
		open, shut = "\\(", "\\)"
	}
	n := g.IntN(24)
	if depth <= 0 && n > 14 {
		n = g.IntN(15)
	}
	switch {
	case n < 7, n == 13, n == 14:
		return g.lit()
	case n < 8:
		return "."
	case n < 10:
		return g.class()
	case n < 11:
		return g.pick("^", "$")
	case n < 12:
		if g.pcre {
			return g.pick("\\d", "\\w", "\\s", "\\S", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\h", "\\R", "\\N", "\\X", "\\K", "\\G", "\\C", "\\v", "\\D", "\\W", "\\H", "\\V", "\\x61", "\\n", "\\t",
				"\\e", "\\pL", "\\p{Lu}", "\\P{Ll}", "\\.", "\\_", "\\Qa*b\\E", "\\101", "\\y", "\\cA", "(?#c)")
		}
		return g.pick("\\w", "\\W", "\\s", "\\S", "\\b", "\\B", "\\<", "\\>", "\\`", "\\'", "\\d", "\\n", "\\D", "\\.", "\\@", "\\-")
	case n < 13:
		k := strconv.Itoa(1 + g.IntN(g.groups+1))
		if g.pcre && g.IntN(3) == 0 {
			return g.pick("\\g"+k, "\\g{"+k+"}", "\\g{-1}", "(?"+k+")", "(?R)", "(?-1)", "(?P>n)", "\\k<n>", "(?P=n)", "(?&n)")
		}
		return "\\" + k[:1]
	}
	if !g.pcre || g.IntN(2) == 0 {
		g.groups++
		return open + g.alternatives(depth-1) + shut
	}
	body := g.alternatives(depth - 1)
	switch g.IntN(16) {
	case 0:
		return "(?:" + body + ")"
	case 1:
		return "(?=" + body + ")"
	case 2:
		return "(?!" + body + ")"
	case 3:
		return "(?<=" + g.lit() + g.pick("", "|b", "\\d", "[ab]") + ")"
	case 4:
		return "(?<!" + g.lit() + ")"
	case 5:
		return "(?>" + body + ")"
	case 6:
		return "(?" + g.pick("i", "-i", "s", "m", "x", "-s", "i-m", "U", "^", "J", "n") + ":" + body + ")"
	case 7:
		return "(?" + g.pick("i", "-i", "s", "m", "x", "-s", "U") + ")"
	case 8:
		return "(?|" + body + "|" + g.alternatives(depth-1) + ")"
	case 9:
		g.groups++
		return "(?<" + g.pick("n", "m", "q") + ">" + body + ")"
	case 10:
		return "(?(" + g.pick("1", "2", "<n>", "?=a", "?!b", "R", "?<=a", "R1") + ")" + body + g.pick("", "|"+g.alternatives(depth-1)) + ")"
	case 11:
		return "(?<" + g.pick("=", "!") + body + ")"
	case 12:
		return g.pick("(*FAIL)", "(*ACCEPT)", "(*F)", "(*:x)", "(?C1)", "(*pla:a)", "(*atomic:"+body+")", "(*napla:"+body+")")
	case 13:
		return "(?(DEFINE)(?<" + g.pick("n", "m") + ">" + body + "))"
	}
	g.groups++
	return "(" + body + ")"
}

func (g *patternGenerator) piece(depth int) string {
	a := g.atom(depth)
	switch g.IntN(10) {
	case 0:
		return a + "*"
	case 1:
		if g.bre {
			return a + "\\+"
		}
		return a + "+"
	case 2:
		if g.bre {
			return a + "\\?"
		}
		return a + "?"
	case 3:
		q := g.pick("{2}", "{1,2}", "{0,2}", "{,2}", "{1,}", "{0}", "{3,5}", "{2,}", "{0,1}", "{4}", "{2,1}", "{x", "{1")
		if g.bre {
			q = strings.NewReplacer("{", "\\{", "}", "\\}").Replace(q)
		}
		return a + q
	case 4:
		if g.pcre {
			return a + g.pick("*?", "+?", "??", "*+", "++", "?+", "{1,2}?", "{0,3}+")
		}
		return a + g.pick("**", "+?", "*?", "{2}*")
	}
	return a
}

func (g *patternGenerator) sequence(depth int) string {
	var b strings.Builder
	for range g.IntN(4) + (g.IntN(8)+7)/8 {
		b.WriteString(g.piece(depth))
	}
	return b.String()
}

func (g *patternGenerator) alternatives(depth int) string {
	s := g.sequence(depth)
	for g.IntN(5) == 0 {
		if g.bre {
			s += "\\|"
		} else {
			s += "|"
		}
		s += g.sequence(depth)
	}
	return s
}

// generatedPattern makes one pattern with flags.
func generatedPattern(r *rand.Rand) onePattern {
	g := &patternGenerator{Rand: r}
	p := onePattern{d: POSIX}
	if r.IntN(2) == 0 {
		g.pcre, p.d = true, PCRE
	}
	flag := func(c string, odds int) {
		if r.IntN(odds) == 0 {
			p.flags += c
		}
	}
	flag("i", 3)
	flag("m", 6)
	if g.pcre {
		flag("s", 5)
		flag("x", 12)
		flag("A", 12)
		flag("E", 8)
		flag("U", 10)
	} else if r.IntN(3) == 0 {
		g.bre = true
		p.flags += "x"
	}
	for p.pattern == "" {
		p.pattern = g.alternatives(3)
	}
	return p
}

// handMadePatterns reads testdata/patterns.txt.
func handMadePatterns(t testing.TB) (out []onePattern) {
	src, err := os.ReadFile("testdata/patterns.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(src)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		p := onePattern{d: POSIX, pattern: f[2], flags: f[1]}
		if f[0] == "pcre" {
			p.d = PCRE
		}
		out = append(out, p)
	}
	return out
}

// Hand-made patterns, each a corner of a dialect, and generated ones.
func TestPatternsAgainstPostmap(t *testing.T) {
	patterns := handMadePatterns(t)
	r := rand.New(rand.NewPCG(2024, 6))
	n, perPattern := 60, 60
	if long {
		n, perPattern = 2400, 300
	}
	if !long {
		r.Shuffle(len(patterns), func(i, j int) { patterns[i], patterns[j] = patterns[j], patterns[i] })
		patterns = patterns[:80]
	}
	for range n {
		patterns = append(patterns, generatedPattern(r))
	}
	// The C library makes something else of a pattern when nobody asks for its
	// groups, which shows where there are assertions.
	for _, p := range patterns {
		if p.d == POSIX && strings.Contains(p.pattern, "(") && strings.ContainsAny(p.pattern, "^$bB<>`'") {
			p.bare = true
			patterns = append(patterns, p)
		}
	}
	report(t, comparePatterns(t, patterns, perPattern))
}
