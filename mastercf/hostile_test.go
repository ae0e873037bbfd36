package mastercf

import (
	"strings"
	"testing"
)

// Large and odd files take time in proportion to their size; a quadratic step
// anywhere would make these minutes.
func TestHostile(t *testing.T) {
	for name, src := range map[string]string{
		"one-entry":      "a unix - - n - - smtp\n" + strings.Repeat("  -o {x} -o y=1\n", 20000),
		"comments":       strings.Repeat("#a unix - - n - - smtp\n#  -o x=y\n", 10000),
		"prose":          "#a unix - - n - - smtp\n" + strings.Repeat("# prose\n#\n", 40000),
		"deep":           nested(300),
		"braces":         "a unix - - n - - smtp " + strings.Repeat("{", 200000),
		"bad-entries":    strings.Repeat("a tcp Y N x ? z {w\n", 10000),
		"many-hashes":    strings.Repeat("#", 200000) + "a unix - - n - - smtp\n#  -o x=y\n",
		"no-end":         "a unix - - n - - smtp\n" + strings.Repeat(" \n#\n", 60000),
		"few-fields":     strings.Repeat("a\n b\n#c\n", 20000),
		"carriage":       strings.Repeat("\r", 200000),
		"nul":            strings.Repeat("a unix - - n - - smtp \x00\n -o x=y\n", 8000),
		"blocks-and-end": strings.Repeat("#a unix - - n - - smtp\n", 50000) + "  x\n",
	} {
		f, _ := Parse(name, []byte(src))
		if string(f.src) != src {
			t.Errorf("%s: bytes differ", name)
		}
		f.Check(nil)
		for _, s := range f.all() {
			s.SetOption("name", "value")
			break
		}
	}
}

// nested makes n services commented out inside each other.
func nested(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		b.WriteString(strings.Repeat("#", i) + "a unix - - n - - smtp\n")
	}
	for range n {
		b.WriteString(strings.Repeat("#", n+1) + " -o x=y\n")
	}
	return b.String()
}
