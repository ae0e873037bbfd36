package engine

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// somePattern writes a random pattern of either dialect.
func somePattern(r *rand.Rand, depth int, pcre bool) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	var b strings.Builder
	for i := range 1 + r.IntN(3) {
		if i > 0 && r.IntN(3) == 0 {
			b.WriteString("|")
		}
		switch n := r.IntN(8); {
		case n < 4 && depth > 0:
			b.WriteString("(" + somePattern(r, depth-1, pcre) + ")")
		case n == 4 && depth > 0 && pcre:
			b.WriteString(pick("(?:", "(?=", "(?!", "(?>", "(?(1)", "(?(?=a)") + somePattern(r, depth-1, pcre) + ")")
		case n == 5 && pcre:
			b.WriteString(pick("(?1)", "(?R)", `\1`, "(*ACCEPT)", "(?<=ab)", "(?<!a|bc)", "(?(DEFINE)(a+))"))
			continue
		default:
			b.WriteString(pick("a", "b", "[ab]", ".", "ab", "()", `\b`, "(^|a)", "(a|bc|d|)"))
		}
		if r.IntN(2) == 0 && !strings.HasSuffix(b.String(), `\b`) {
			b.WriteString(pick("*", "+", "?", "{2}", "{0,2}", "{1,3}", "{2,}", "{5}", "{0}", "{4,}", "{3,7}"))
			if pcre {
				b.WriteString(pick("", "", "?", "+"))
			}
		}
	}
	return b.String()
}

func somePatterns(t *testing.T, each func(src string, p *pattern.Pattern)) {
	made := 0
	for i := range 16_000 {
		r := rand.New(rand.NewPCG(uint64(i), 8))
		var p *pattern.Pattern
		var err error
		src := somePattern(r, 4, i%2 == 0)
		if i%2 == 0 {
			p, err = pattern.ParsePCRE(src, pattern.PCREFlags{})
		} else {
			p, err = pattern.ParsePosix(src, pattern.PosixFlags{})
		}
		if err == nil {
			made++
			each(src, p)
		}
	}
	if made < 8_000 {
		t.Errorf("only %d patterns", made)
	}
}

// Cells and programSize are no smaller than what is made, and not much larger:
// they say what is too large to be made.
func TestSizes(t *testing.T) {
	var cells, states, bound, length int
	somePatterns(t, func(src string, p *pattern.Pattern) {
		if f := p.Inspect(); !f.Backtrack && f.Cells <= maxCells {
			made := len(newNFA(p.Root).states) - 1
			cells, states = cells+f.Cells, states+made
			if made > f.Cells {
				t.Fatalf("%s: %d states, %d cells", src, made, f.Cells)
			}
		}
		size := programSize(p)
		for _, captures := range []bool{false, true} {
			if prog := compileProgram(p, captures); len(prog.code) > size || prog.failed != (size > maxProgram) && size <= maxProgram {
				t.Fatalf("%s: %d instructions, bound %d", src, len(prog.code), size)
			} else if size < maxProgram {
				bound, length = bound+size, length+len(prog.code)
			}
		}
	})
	if t.Logf("%d cells, %d states; bound %d, %d instructions", cells, states, bound, length); cells > 3*states || bound > 4*length {
		t.Errorf("%d cells, %d states; bound %d, %d instructions", cells, states, bound, length)
	}
}

// What is too large to be a program is said to be, and is at the limit.
func TestTooLarge(t *testing.T) {
	p, err := pattern.ParsePosix("^"+strings.Repeat("(", 12)+"a?b?"+strings.Repeat("){3}", 12)+"c", pattern.PosixFlags{})
	if err != nil {
		t.Fatal(err)
	}
	if !TooLarge(p) {
		t.Error("not too large")
	}
	if ok, err := Compile(p).Match([]byte("abc"), 0); ok || !errors.Is(err, ErrLimit) {
		t.Errorf("%v, %v", ok, err)
	}
	if _, ok, err := Compile(p).Groups([]byte("abc"), 1); ok || !errors.Is(err, ErrLimit) {
		t.Errorf("groups: %v, %v", ok, err)
	}
}

// Sizes stop growing before an int of 32 bits does.
func TestHugeSizes(t *testing.T) {
	once := strings.Repeat("(", 60) + "ab?" + strings.Repeat("){3}", 60)
	for _, src := range []string{once, once + once, "(" + once + once + "){3}", "((" + once + "|" + once + "){2}x){2}"} {
		p, err := pattern.ParsePosix(src, pattern.PosixFlags{})
		if err != nil {
			t.Fatal(err)
		}
		if f := p.Inspect(); f.Cells <= maxCells || programSize(p) <= maxProgram || pattern.MinLen(p.Root) <= maxCells || !TooLarge(p) {
			t.Errorf("%d cells, %d instructions, at least %d bytes", f.Cells, programSize(p), pattern.MinLen(p.Root))
		}
	}
}
