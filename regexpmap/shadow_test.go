package regexpmap

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestShadowed(t *testing.T) {
	table, _ := Parse("t", []byte(`/viagra/ A
/^Subject:.*cheap viagra now/ never
/cheap (viagra|meds)/ B
/^free$/ C
/^free$/ never
/^free$/i D
/^freedom/ E
if /x/
/inside/ F
endif
/inside/ G
/very inside/ never
!/q/ H
!/q/ never
/a|(b*)/ I
/anything/ never
!/nothing/ J
`), PCRE, nil)
	var got []int
	for _, d := range table.Shadowed() {
		got = append(got, d.Span.Start.Line)
		if d.Check != ShadowedRule || len(d.Related) != 1 {
			t.Errorf("%+v", d)
		}
	}
	want := []int{2, 5, 6, 12, 14, 16}
	// Everything behind /a|(b*)/ is shadowed, negated or not.
	want = append(want, 17)
	if len(got) != len(want) {
		t.Fatalf("shadowed lines %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("shadowed lines %v, want %v", got, want)
		}
	}
}

// A rule reported as shadowed never answers.
func TestShadowedNeverAnswers(t *testing.T) {
	reported := 0
	for i := range 3000 {
		r := rand.New(rand.NewPCG(uint64(i), 99))
		d := Dialect(1 + i%2)
		src := fuzzTable(r, d) + fuzzTable(r, d)
		table, _ := Parse("t", []byte(src), d, nil)
		lines := map[int]bool{}
		for _, f := range table.Shadowed() {
			lines[f.Span.Start.Line] = true
			reported++
		}
		for range 20 {
			key := fuzzKey(r)
			if rule := table.findSlowly([]byte(key)); rule != nil && lines[rule.Line()] {
				t.Fatalf("%s table\n%s\nkey %q is answered by line %d", d, src, key, rule.Line())
			}
		}
	}
	if reported < 100 {
		t.Errorf("only %d rules reported", reported)
	}
}

// One block after the other, each with the same rule inside: none is shadowed,
// and every rule keeps its own condition.
func TestGuardsOfSisters(t *testing.T) {
	table := mustParse(t, POSIX, "if /a/\n/x/ a\nendif\nif /b/\n/x/ b\nif /d/\n/x/ d\nendif\nif /e/\n/x/ e\nendif\nendif\nif /c/\n/x/ c\nendif\n")
	for r := range table.Rules() {
		if g := r.Guards[len(r.Guards)-1]; g.Pattern != r.Result {
			t.Errorf("rule %s has condition %s", r.Result, g.Pattern)
		}
	}
	var lines []int
	for _, d := range table.Shadowed() {
		lines = append(lines, d.Span.Start.Line)
	}
	if !slices.Equal(lines, []int{7, 10}) { // inside the block of line 5
		t.Errorf("shadowed lines %v", lines)
	}
}
