package macro

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

var values = map[string]string{
	"a": "A", "b": "$a-$a", "empty": "", "n": "10", "level": "3.6", "braces": "{x}", "dollar": "$$a",
	"loop": "x$loop2", "loop2": "${loop}", "self": "$self", "cond": "${cond?x}", "deep0": "end",
}

func expander() *Expander {
	return &Expander{Lookup: func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}, Functions: map[string]func(string) (string, error){}}
}

// expressions with what they expand to, or the error that ends it.
var expressions = []struct{ text, want, err string }{
	{"", "", ""},
	{"plain {text} } (", "plain {text} } (", ""},
	{"$a ${a} $(a) $a.b ${ a }", "A A A A.b A", ""},
	{"$b", "A-A", ""},
	{"$$a $$$a $dollar", "$a $A $a", ""},
	{"$nosuch|${nosuch}|$(nosuch)", "||", ""},
	{"${a?yes}${empty?yes}${nosuch?yes}", "yes", ""},
	{"${a:no}${empty:no}${nosuch:no}", "nono", ""},
	{"${a?{yes}:{no}}${empty?{yes}:{no}}", "yesno", ""},
	{"${a ? {yes} : {no} }", "yes", ""},
	{"${a?x:y}${empty:x?y}", "x:yx?y", ""},
	{"${a?${b?{$n}:{x}}}", "10", ""},
	{"$(a?{yes}:{no})", "yes", ""},
	{"${{$a} == {A} ? {yes} : {no}}", "yes", ""},
	{"${{$n} < {9} ? {less} : {more}}${{9} < {$n} ? {less}}", "moreless", ""},
	{"${{a10} < {a9} ? {bytes}}", "bytes", ""},
	{"${{a} != {b} ? {y}}${{2} >= {2} ? {y}}${{2} <= {1} ? {y} : {n}}${{b} > {a}?{y}}", "yyny", ""},
	{"${{a}=={a}}|${{a}=={b}}|", "true||", ""},
	{"${{$level} <level {3.10} ? {old} : {new}}", "old", ""},
	{"${{3.10} >=level {3.9.99} ? {y}}${{3} ==level {3.0.0} ? {y}}", "yy", ""},
	{"${{${a?{1}:{2}}} == {1} ? {${b}} : {no}}", "A-A", ""},
	{"${braces}", "{x}", ""},
	{"$cond", "x", ""},
	{"a$", "", `empty macro name: "a$"`},
	{"${}", "", `empty macro name: "${}"`},
	{"${a", "", `truncated macro reference: "${a"`},
	{"${a-b}", "", `attribute name syntax error at: "...a>>>-b"`},
	{"${{a} = {b} ? {c}}", "", `"==" or "!="" or "<"" or "<="" or ">="" or ">" expected at: "...a}>>>= {b} ? {c}"`},
	{"${{a} == b}", "", `"{expression}" expected at: "...{a} ==>>> b"`},
	{"${{a} == {b} c}", "", `"?" or ":" expected at: "...}>>>c"`},
	{"${a?{b} c}", "", `":" expected at: "...b}>>>c"`},
	{"${a?{b}:{c} d}", "", `unexpected input at: "...c}>>>d"`},
	{"${{a} ==foo {b}?{c}}", "", `bad operator suffix at: "...==>>>foo"`},
	{"${{x} <level {3.6} ? {a}}", "", `malformed compatibility level syntax: "x"`},
	{"$self", "", `parameter self refers to itself: $self -> $self`},
	{"x $loop", "", `parameter loop refers to itself: $loop -> $loop2 -> $loop`},
	{"${f{x}}", "", `unknown function "f" at"...>>>f{x}"`},
}

func TestExpand(t *testing.T) {
	for _, c := range expressions {
		got, err := expander().Expand(c.text)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != c.err || err == nil && got != c.want {
			t.Errorf("%s: got %q, %s; want %q, %s", c.text, got, text, c.want, c.err)
		}
	}
}

// The real postconf expands the same texts to the same results, or refuses
// them too.
func TestAgainstReal(t *testing.T) {
	real := realpostfix.Need(t, "postconf")
	var main strings.Builder
	for name, value := range values {
		if !strings.Contains(name, "loop") && name != "self" && name != "cond" {
			fmt.Fprintf(&main, "%s = %s\n", name, value)
		}
	}
	var calls []realpostfix.Call
	var used []int
	for i, c := range expressions {
		if strings.Contains(c.text, "loop") || strings.Contains(c.text, "self") || strings.Contains(c.text, "cond") || strings.Contains(c.text, "${f{") {
			continue // 3.7 has no functions, and its loops are tried elsewhere
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "main.cf")
		if err := os.WriteFile(path, []byte(main.String()+"mydestination = "+c.text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "master.cf"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, realpostfix.Call{Name: "postconf", Args: []string{"-c", dir, "-x", "-h", "mydestination"}})
		used = append(used, i)
	}
	for k, res := range real.RunAll(calls) {
		c := expressions[used[k]]
		if refused := res.Exit != 0; refused != (c.err != "") {
			t.Errorf("%s: the real one exits with %d: %s", c.text, res.Exit, res.Stderr)
			continue
		}
		if c.err != "" {
			if !strings.Contains(res.Stderr, "warning: "+c.err+"\n") {
				t.Errorf("%s: want %s, the real one says\n%s", c.text, c.err, res.Stderr)
			}
		} else if got, want := strings.Join(strings.Fields(res.Stdout), " "), strings.Join(strings.Fields(c.want), " "); got != want {
			t.Errorf("%s: the real one gives %q, want %q", c.text, got, want)
		}
	}
}

// Texts that ask for far too much end with an error; without the limits this
// test would not end at all.
func TestHostile(t *testing.T) {
	x := expander()
	x.Lookup = func(name string) (string, bool) {
		if n, err := fmt.Sscanf(name, "d%d", new(int)); n == 1 && err == nil {
			var k int
			fmt.Sscanf(name, "d%d", &k)
			return fmt.Sprintf("$d%d$d%d", k+1, k+1), k < 60
		}
		return "A", name == "a"
	}
	for _, text := range []string{
		"$d0", strings.Repeat("${a?{", 20000) + strings.Repeat("}}", 20000), strings.Repeat("${", 1<<17), strings.Repeat("$(", 1<<17) + strings.Repeat(")", 1<<17),
	} {
		if _, err := x.Expand(text); err == nil {
			t.Errorf("%.20q…: no error", text)
		}
		Names(text, true, func(string, int, bool) {})
	}
}

// The messages of releases without functions, and with text that fmt would
// quote; they are those of postconf 3.7.
func TestOldMessages(t *testing.T) {
	x := expander()
	x.Functions = nil
	for text, want := range map[string]string{
		"${a{}}":                   `attribute name syntax error at: "...a>>>{}"`,
		"${a {x} }":                `attribute name syntax error at: "...a>>> {x} "`,
		"${$a   ? {a} : {[::1]/}}": `attribute name syntax error at: "...>>>$a   ? {a} : {[::1]/"`,
		"${{${}} == {} x}":         `empty macro name: "${}"`,
		"${a?{${}}x}":              `":" expected at: "...${}}>>>x"`,
		"${\"\\\t":                 `truncated macro reference: "${"\?"`,
		"$\x80\x01":                "empty macro name: \"$\x80?\"",
	} {
		_, err := x.Expand(text)
		if nerr := Names(text, false, func(string, int, bool) {}); err == nil || err.Error() != want || nerr == nil || nerr.Error() != want {
			t.Errorf("%s: %v, %v, want %s", text, err, nerr, want)
		}
	}
}

func TestNames(t *testing.T) {
	text := "x $a ${b?{$c}:{${d:e}}} ${{$f} == {$g} ? {$h}} ${fn{$i}} $$j"
	var got []string
	err := Names(text, true, func(name string, offset int, test bool) {
		if !strings.HasPrefix(text[offset:], name) {
			t.Errorf("%s is not at %d", name, offset)
		}
		if test {
			name += "?"
		}
		got = append(got, name)
	})
	if want := "[a b? c d? f g h i]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v %v, want %s", got, err, want)
	}
	var me *Error
	if err := Names("ab ${x", true, nil); !errors.As(err, &me) || me.Offset != 3 {
		t.Errorf("place: %+v", err)
	}
}

func TestUndefinedAndRaw(t *testing.T) {
	x := expander()
	x.Undefined = func(name string) error { return errors.New("no " + name) }
	x.Raw = func(name string) bool { return name == "b" }
	if got, err := x.Expand("$b ${zzz?x}"); err != nil || got != "$a-$a " {
		t.Errorf("raw: %q %v", got, err)
	}
	if _, err := x.Expand("$zzz"); err == nil || err.Error() != "no zzz" {
		t.Errorf("undefined: %v", err)
	}
	x.Once = true
	x.Raw = nil
	if got, err := x.Expand("$b"); err != nil || got != "$a-$a" {
		t.Errorf("once: %q %v", got, err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, c := range expressions {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<10 {
			return
		}
		// What an expansion looks up is among the names; what Names refuses,
		// an expansion that gets there refuses too.
		names := map[string]bool{}
		nerr := Names(text, true, func(name string, _ int, _ bool) { names[name] = true })
		x := expander()
		lookup := x.Lookup
		x.Once = true
		x.Lookup = func(name string) (string, bool) {
			if nerr == nil && !names[name] {
				t.Fatalf("%q: %q was looked up, Names has %v", text, name, names)
			}
			return lookup(name)
		}
		out, err := x.Expand(text)
		if nerr == nil && err != nil && !strings.Contains(err.Error(), "level") && !strings.Contains(err.Error(), "function") && !strings.Contains(err.Error(), "conversion") {
			t.Fatalf("%q: Names accepts it, Expand says %v", text, err)
		}
		// Pieces cover the text.
		at := 0
		for p, err := range Split(text) {
			if err != nil {
				break
			}
			if p.Start != at || p.End <= at {
				t.Fatalf("%q: piece %+v after %d", text, p, at)
			}
			at = p.End
		}
		if !strings.Contains(text, "$") && out != text {
			t.Fatalf("%q became %q", text, out)
		}
		expander().Expand(text)
	})
}

func BenchmarkExpand(b *testing.B) {
	x := expander()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = x.Append(dst[:0], "${{$level} <level {3.6} ? {$a} : {$b}} $n and ${empty?{x}:{y}}")
	}
}
