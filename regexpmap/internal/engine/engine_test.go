package engine

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// regularPatterns are understood by every engine.
func regularPatterns(t *testing.T) (out []*pattern.Pattern) {
	for _, src := range []string{"abc", "^a.*b$", "(a|ab)(c|bcd)(d*)", "[a-c]+x?", "(^|:)a", "a{2,5}b{0,3}", `\bab\b|x\B`, "((a)|b)*c", "x*", "(.*):(.*)", "a$|^b", "[^ab]{3}"} {
		for fold := range 2 {
			p, err := pattern.ParsePosix(src, pattern.PosixFlags{FoldCase: fold == 0})
			if err != nil {
				t.Fatal(err)
			}
			q, err := pattern.ParsePCRE(src, pattern.PCREFlags{FoldCase: fold == 0, DotAll: true, Multiline: fold == 1})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, p, q)
		}
	}
	return out
}

// The automaton, package regexp and the backtracking matcher give one answer.
func TestEnginesAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range regularPatterns(t) {
		re := Compile(p)
		small := newDFA(newNFA(p.Root), 3) // starts afresh all the time
		std := newStandard(p)
		if std == nil {
			t.Fatalf("no standard form of %+v", p.Root)
		}
		full, verdict := compileProgram(p, true), compileProgram(p, false)
		var m machine
		for range 400 {
			text := make([]byte, r.IntN(12))
			for i := range text {
				text[i] = "aabbcdxAB: \n\xe9"[r.IntN(13)]
			}
			if strings.HasSuffix(string(text), "\n") {
				continue // package regexp does not know PCRE's '$'
			}
			want, err := m.run(verdict, text, false, Steps)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := re.Match(text, 0)
			smallGot, _ := small.match(text)
			if got != want || smallGot != want || (std.groups(text) != nil) != want {
				t.Fatalf("%q: automaton %v, small %v, regexp %v, backtracking %v", text, got, smallGot, std.groups(text), want)
			}
			if ok, _ := m.run(full, text, p.Posix, Steps); ok && !p.Posix {
				bounds := std.groups(text)
				for i, v := range m.slots[:len(bounds)] {
					if int(v) != bounds[i] {
						t.Fatalf("%q: groups %v, want %v", text, m.slots[:len(bounds)], bounds)
					}
				}
			}
		}
	}
}

// Patterns that take minutes elsewhere end, and always after the same step.
func TestLimit(t *testing.T) {
	for _, c := range []struct {
		src, text string
		posix     bool
		want      error
	}{
		{`^(?=(a+)+$)a`, strings.Repeat("a", 200) + "!", false, ErrLimit},
		{`(a*)*\1c`, strings.Repeat("a", 300), false, ErrLimit},
		{`(.*)(.*)(.*)(.*)\1\2\3\4x`, strings.Repeat("ab", 200), true, ErrLimit},
		{`(?=x)?(?R)`, "xx", false, ErrRecursion},
		{`((?:a|aa)+)\1$`, strings.Repeat("a", 41) + "b", false, ErrLimit},
	} {
		var p *pattern.Pattern
		var err error
		if c.posix {
			p, err = pattern.ParsePosix(c.src, pattern.PosixFlags{})
		} else {
			p, err = pattern.ParsePCRE(c.src, pattern.PCREFlags{})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(p).Match([]byte(c.text), 0); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.src, err, c.want)
		}
	}
	// Regular ones are far from theirs.
	p, err := pattern.ParsePCRE(`^(((a{1,50}){1,50}b)+)+$`, pattern.PCREFlags{})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := Compile(p).Match([]byte(strings.Repeat("a", 100_000)), 0); ok || err != nil {
		t.Errorf("nested loops: %v, %v", ok, err)
	}
}

// Keys as long as header_size_limit allows are no problem for the matcher.
func TestLongKey(t *testing.T) {
	p, err := pattern.ParsePCRE(`(?:(?!zz).)*c$`, pattern.PCREFlags{DotAll: true})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := Compile(p).Match([]byte(strings.Repeat("ab", 51_200)+"c"), 0); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func BenchmarkMatch(b *testing.B) {
	text := []byte("Received: from mail.example.com (unknown [192.0.2.1]) by mx.example.org (Postfix) with ESMTP id 4F2A1 for <joe@example.org>")
	for _, c := range []struct{ name, src string }{{"automaton", `^Received: from \S+ \(unknown .*for <[a-z]+@example\.com>`}, {"backtracking", `^Received: from (?!localhost)\S+ \(unknown .*for <[a-z]+@example\.com>`}} {
		p, err := pattern.ParsePCRE(c.src, pattern.PCREFlags{FoldCase: true, DotAll: true})
		if err != nil {
			b.Fatal(err)
		}
		re := Compile(p)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				re.Match(text, 0)
			}
		})
	}
}

// Whether a key is at the limit, and where, does not depend on what was looked
// up before. A twentieth of the steps shows it, too.
func TestLimitOfAutomaton(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	text := make([]byte, 3_600)
	for i := range text {
		text[i] = "ab"[r.IntN(2)]
	}
	p, err := pattern.ParsePCRE("[ab]*a[ab]{1200}c", pattern.PCREFlags{})
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() *dfa {
		d := newDFA(newNFA(p.Root), statesKept)
		d.steps = StateSteps / 20
		return d
	}
	used := fresh()
	for _, c := range []struct {
		from, to int
		want     error
	}{{0, 200, nil}, {0, 1_800, nil}, {1_800, 3_600, nil}, {0, 3_600, ErrLimit}} {
		for _, d := range []*dfa{fresh(), used} {
			if ok, err := d.match(text[c.from:c.to]); ok || err != c.want {
				t.Errorf("%d to %d, used before %v: %v, %v", c.from, c.to, d == used, ok, err)
			}
		}
	}
}
