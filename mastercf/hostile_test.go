package mastercf

import (
	"fmt"
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

// Edits of entries with very many options, and of very many entries.
func TestHostileEdits(t *testing.T) {
	const n = 30_000
	var args []string
	for i := range n {
		args = append(args, "-o", fmt.Sprint("name", i, "=x"))
	}
	entry := "a unix - - n - - smtp\n"
	f, _ := Parse("m", []byte("b unix - - n - - smtp\n"+entry+strings.Repeat("  -o y=1\n# why\n", n)+"  -v -o z=2\n"))
	s := f.Service("a", Unix)
	if err := s.SetArgs(args); err != nil || len(s.Args()) != 2*n {
		t.Errorf("SetArgs: %v, %d arguments", err, len(s.Args()))
	}
	if err := s.SetArgs(args[:4]); err != nil || len(s.Args()) != 4 {
		t.Errorf("SetArgs to few: %v, %d arguments", err, len(s.Args()))
	}
	if err := s.SetArgs(args); err != nil || len(s.Args()) != 2*n {
		t.Errorf("SetArgs to many: %v, %d arguments", err, len(s.Args()))
	}
	if want := n; strings.Count(string(f.src), "\n  -o name") != want {
		t.Errorf("options stand in other lines than their own")
	}
	f, _ = Parse("m", []byte(entry+strings.Repeat("  -o y=1\n  -o z=2 -o y=3\n", n)))
	s = f.Service("a", Unix)
	if got := s.DeleteOption("y"); got != 2*n || len(s.Args()) != 2*n {
		t.Errorf("DeleteOption: %d, %d arguments are left", got, len(s.Args()))
	}
	f, _ = Parse("m", []byte(strings.Repeat("a unix - - n - - smtp -v\n# x\n  -o x=y\n#  -o y=z\nb unix - - n - - smtp\n", n)))
	var services []*Service
	for s := range f.Services() {
		if s.Name() == "a" {
			services = append(services, s)
		}
	}
	if err := f.Delete(services...); err != nil || len(f.active) != n || services[0].file != nil {
		t.Errorf("Delete: %v, %d services are left", err, len(f.active))
	}
	if want := strings.Repeat("# x\n#  -o y=z\nb unix - - n - - smtp\n", n); string(f.src) != want {
		t.Errorf("Delete leaves %.300q", f.src)
	}
}
