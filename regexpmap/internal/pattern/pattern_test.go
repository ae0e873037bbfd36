package pattern

import (
	"reflect"
	"testing"
)

func TestLiterals(t *testing.T) {
	for _, c := range []struct {
		src  string
		want [][]Literal
	}{
		{`^Subject: .*Viagra`, [][]Literal{{{Text: "subject: ", Prefix: true}}, {{Text: "viagra"}}}},
		{`(spam|ham) here$`, [][]Literal{{{Text: "spam here", Suffix: true}, {Text: "ham here", Suffix: true}}}},
		{`a?b`, [][]Literal{{{Text: "b"}, {Text: "ab"}}}},
		{`x*`, nil},
		{`foo(?!bar)`, [][]Literal{{{Text: "foo"}}}},
		{`(foo.*|ba+r)q`, [][]Literal{{{Text: "foo"}, {Text: "ba"}}, {{Text: "q"}}}},
		{`abc(*ACCEPT)def`, nil},
		{`(abc){2,}`, [][]Literal{{{Text: "abc"}}}},
	} {
		p, err := ParsePCRE(c.src, PCREFlags{FoldCase: true, DotAll: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Literals(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.src, got, c.want)
		}
	}
}

// The C library folds by comparing capitals.
func TestPosixFold(t *testing.T) {
	for _, c := range []struct {
		src, in, out string
	}{
		{"[A-z]", "azAZ", "_^"}, {"[!-a]", "aA!", "_[b"}, {`\D`, "dD", ""}, {`\d`, "", "dD"}, {"[[:upper:]]", "aA", "1"}, {"[^a]", "bB", "aA"},
	} {
		p, err := ParsePosix(c.src, PosixFlags{FoldCase: true})
		if err != nil {
			t.Fatalf("%s: %v", c.src, err)
		}
		for i := range len(c.in) {
			if !p.Root.Set.Has(c.in[i]) {
				t.Errorf("%s does not match %q", c.src, c.in[i])
			}
		}
		for i := range len(c.out) {
			if p.Root.Set.Has(c.out[i]) {
				t.Errorf("%s matches %q", c.src, c.out[i])
			}
		}
	}
	if _, err := ParsePosix("[Z-a]", PosixFlags{FoldCase: true}); err == nil {
		t.Error("[Z-a] is accepted")
	}
}

func FuzzParsers(f *testing.F) {
	f.Add(`(a|b)*\1[[:alpha:]-z]{2,3}`)
	f.Add(`(?<n>a)(?(n)b|c)(?i:x)\Q.\E\x{41}(?<=ab|c)`)
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 200 {
			return
		}
		for flags := range 8 {
			var p *Pattern
			var err error
			if flags < 4 {
				p, err = ParsePosix(src, PosixFlags{Basic: flags&1 != 0, FoldCase: flags&2 != 0})
			} else {
				p, err = ParsePCRE(src, PCREFlags{Extended: flags&1 != 0, FoldCase: flags&2 != 0})
			}
			if (p == nil) == (err == nil) {
				t.Fatalf("%q: %v, %v", src, p, err)
			}
			if e, ok := err.(*Error); err != nil && (!ok || e.Offset < 0 || e.Offset > len(src) || e.Message == "") {
				t.Fatalf("%q: bad error %#v", src, err)
			}
			if p != nil {
				p.Literals()
				if p.Inspect().Cells < 1 || MinLen(p.Root) < 0 {
					t.Fatalf("%q: bad size", src)
				}
			}
		}
	})
}

// Measuring ends at the first branch without a length; PCRE2 10.42 says so.
func TestLookbehindErrors(t *testing.T) {
	for src, want := range map[string]string{
		`(?<=(?:a*|(?5)))b`:                   "lookbehind assertion is not fixed length",
		`(?<=(?:(?5)|a*))b`:                   "reference to non-existent subpattern",
		`(?<=(?:a*|b{65535}b{65535}))b`:       "lookbehind assertion is not fixed length",
		`(?<=(?:a|(?5)|bc))b`:                 "reference to non-existent subpattern",
		`(?J)(?<a>x)(?<a>y)(?-J)(?<b>)(?<a>)`: "two named subpatterns have the same name (PCRE2_DUPNAMES not set)",
		`(?|(?<a>x)|(?<b>y))`:                 "different names for subpatterns of the same number are not allowed",
		`(?|(?<a>x)|(?<a>y))(?<a>z)`:          "two named subpatterns have the same name (PCRE2_DUPNAMES not set)",
	} {
		if _, err := ParsePCRE(src, PCREFlags{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", src, err, want)
		}
	}
}
