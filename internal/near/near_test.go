package near

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// simple is Distance in the words of its definition.
func simple(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	cost := 1
	if a[0] == b[0] {
		cost = 0
	}
	d := min(simple(a[1:], b)+1, simple(a, b[1:])+1, simple(a[1:], b[1:])+cost)
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		d = min(d, simple(a[2:], b[2:])+1)
	}
	return d
}

func TestDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, r.IntN(7))
		for i := range b {
			b[i] = "abcA"[r.IntN(4)]
		}
		return string(b)
	}
	for range 20_000 {
		a, b, most := word(), word(), r.IntN(7)
		want := min(simple(strings.ToLower(a), strings.ToLower(b)), most+1)
		if got := Distance(a, b, most); got != want {
			t.Fatalf("Distance(%q, %q, %d) = %d, want %d", a, b, most, got, want)
		}
	}
	long := strings.Repeat("x", longest)
	for _, c := range []struct {
		a, b string
		want int
	}{
		{long, long, 0},
		{long, long[1:] + "y", 1},
		{long + "x", long + "x", 4},
		{strings.Repeat("x", 1<<20), "x", 4},
	} {
		if got := Distance(c.a, c.b, 3); got != c.want {
			t.Errorf("names of %d and %d letters: %d, want %d", len(c.a), len(c.b), got, c.want)
		}
	}
}
