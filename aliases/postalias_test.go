package aliases

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// sources are small files, one corner of the language each. They seed the
// fuzzers as well.
var sources = []string{
	"",
	"a: b\n",
	"a:b",
	"A.B: c, d e\n\tf\n\n# comment inside\n\tg,\nh: i\n",
	"  indented: x\n  more\na: b\n",
	"   a line that is longer than thirty bytes is cut in the message: b\nb: c\n",
	"\"Two Words\": a\\ b, c\\,d\n",
	"\"quoted\": x\n",
	"bs\\@x: y\nx\\ y: z\nx\\:y: z\n",
	"(comment) k (c2): v (c3), (c4) w\n",
	"a: \"unterminated\nb: (unterminated\nc: [unterminated\nd: x\\\n",
	"a: (nested (comment\\) x) y) z\n",
	"a: one,\n two\n",
	"a: b@c . d, e @ f, <g@h>, Some Body <i@j>, k<l>m\n",
	"a: list: b, c;, d\n",
	"a: \"\"\n\"\": x\n",
	"a: <>\nb: ,\nc: , ,\nd: ;\n",
	"a\nb:\n:c\n: :\nd,e: f\n:\n",
	"a@b: c\na%b: c\n\"a@b\": c\n\"a%b\": c\na!b: c\na|b: c\n",
	"a: |cmd, \"|cmd -x \\\"y z\\\"\", |/bin/x -a\n",
	"a: /var/mail/x, \"/var/mail/a b\", ~/x\n",
	"a: :include:/etc/list, \":include:/etc/a b\", :INCLUDE:/x.y\n",
	"a: b # not a comment\nc: d#e\n#: x\n",
	"a: b\nA: c\n\"a\": d\na: e\n",
	"\xc3\x84pfel: x\n\xc3\xa4pfel: y\nSTRASSE: a\nstra\xc3\x9fe: b\n",
	"bad: \xff\xfe\nok: \xc3\xa4\nb\xe4d: x\n",
	"a: b\x00c\n\x00d: e\nf\x00: g\nh: i\n j\x00k\n l\n",
	"a: b\r\nc: d\r\n",
	"a: b\tc\x0bd\x0ce\x7ff\x01g\n",
	"a: [1.2.3.4], x@[IPv6:::1], [a\\]b]c [d] [e]\n",
	"a: \\\nb: \\ \nc: \\a\\b\\\"\\\\\n\\: x\n",
	"a: )b( c] d> e\nf: <g\nh: i>\n",
	"postmaster::x\na::b\nb: :c\n",
	"a: b,,c,\nd: ,e\n",
	"a: @r1,@r2:b@c, <@r1,@r2:b@c>\n",
	"a b: c\n\"a\" b: d\na.b.c: d\n.a: e\n[x]: f\n<y>: g\n",
	"a: " + strings.Repeat("x@example.com, ", 300) + "y\n",
	"a: b;c\nd: e;\nf: g: h;\ni: j: k, l; m, n\n",
}

// corpus returns alias files found in public repositories, by name.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	names, err := filepath.Glob("testdata/corpus/*.cf")
	if err != nil || len(names) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = src
	}
	return all
}

// stored is what a Scanner stores and says, as postalias would.
func stored(t testing.TB, path string, src []byte, opts *Options, quotedKeys, nulWarning bool) (records []record, said []string) {
	t.Helper()
	s := NewScanner(path, bytes.NewReader(src), opts)
	s.Report = func(d diag.Diagnostic) {
		switch {
		case d.Check == CheckLeadingSpace:
			said = append(said, fmt.Sprintf("%s: %s", path, d.Message))
		case d.Check == CheckNUL && !nulWarning:
		case d.Check == CheckNUL && s.Line() != s.LastLine():
			said = append(said, fmt.Sprintf("%s, line %d-%d: %s", path, s.Line(), s.LastLine(), d.Message))
		default:
			said = append(said, fmt.Sprintf("%s, line %d: %s", path, s.Line(), d.Message))
		}
	}
	seen := map[string]bool{}
	for s.Scan() {
		key := string(s.UnquotedKey())
		if quotedKeys {
			key = string(s.Key())
		}
		if seen[key] {
			said = append(said, fmt.Sprintf("%s.db: duplicate entry: \"%s\"", path, diag.Printable(key)))
			continue
		}
		seen[key] = true
		records = append(records, record{key, string(s.Value())})
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return records, said
}

type record struct{ key, value string }

// TestAgainstPostalias builds a hash table of every corpus file and of every
// small source with the real postalias and compares what it stored, read back
// with both real tools, and what it said.
//
// Where releases differ the test follows the one it finds: quoted keys since
// 3.12, the NUL warning since 3.9, a longer text about domains since 3.10.
func TestAgainstPostalias(t *testing.T) {
	real := realpostfix.Need(t, "postalias", "postmap", "map:hash")
	real.Configure("smtputf8_enable = yes")
	dir := t.TempDir()
	for _, c := range []struct {
		flags []string
		opts  *Options
	}{{nil, nil}, {[]string{"-f"}, &Options{NoFold: true}}, {[]string{"-u"}, &Options{NoUTF8: true}}} {
		all := everything(t)
		if c.flags != nil { // starting the tools is what takes the time
			all = concatenated(t)
		}
		var names []string
		var build, dump, dumpAlias []realpostfix.Call
		for name, src := range all {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, src, 0o644); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			build = append(build, realpostfix.Call{Name: "postalias", Args: append(slices.Clone(c.flags), "hash:"+path)})
			dump = append(dump, realpostfix.Call{Name: "postmap", Args: []string{"-s", "hash:" + path}})
			dumpAlias = append(dumpAlias, realpostfix.Call{Name: "postalias", Args: []string{"-s", "hash:" + path}})
		}
		built, dumped, dumpedAlias := real.RunAll(build), real.RunAll(dump), real.RunAll(dumpAlias)
		for i, name := range names {
			path := filepath.Join(dir, name)
			if built[i].Exit != 0 || dumped[i].Exit != 0 || dumpedAlias[i].Exit != 0 {
				t.Fatalf("%s: %+v %+v %+v", name, built[i], dumped[i], dumpedAlias[i])
			}
			opts := c.opts
			const noUTF8 = "smtputf8_enable is true, but EAI support is not compiled in\n"
			if strings.Contains(built[i].Stderr, noUTF8) { // the same as with -u then
				built[i].Stderr = strings.ReplaceAll(built[i].Stderr, "postalias: warning: "+noUTF8, "")
				opts = &Options{NoUTF8: true, NoFold: opts != nil && opts.NoFold}
			}
			records, said := stored(t, path, all[name], opts, since(real.Version, 12), since(real.Version, 9))
			if !since(real.Version, 10) {
				for i, s := range said {
					said[i] = strings.TrimSuffix(s, " and have no domain")
				}
			}
			what := fmt.Sprint(name, " ", c.flags)
			compare(t, what+" messages", said, strings.ReplaceAll(built[i].Stderr, "postalias: warning: ", ""))
			var lines, aliasLines []string
			for _, r := range append(records, record{"@", "@"}) {
				lines = append(lines, r.key+"\t"+r.value)
				aliasLines = append(aliasLines, r.key+":\t"+r.value)
			}
			compare(t, what+" records", lines, withoutNIS(dumped[i].Stdout))
			compare(t, what+" records of postalias -s", aliasLines, withoutNIS(dumpedAlias[i].Stdout))
		}
	}
}

// since reports whether a version of Postfix is 3.minor or newer.
func since(version string, minor int) bool {
	var a, b int
	fmt.Sscanf(version, "%d.%d", &a, &b)
	return a > 3 || a == 3 && b >= minor
}

// withoutNIS drops the two records that change from run to run and machine to
// machine.
func withoutNIS(dump string) string {
	var kept strings.Builder
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, "YP_LAST_MODIFIED") && !strings.HasPrefix(line, "YP_MASTER_NAME") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func compare(t *testing.T, what string, ours []string, real string) {
	t.Helper()
	theirs := strings.Split(strings.TrimSuffix(real, "\n"), "\n")
	if real == "" {
		theirs = nil
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if !slices.Equal(ours, theirs) {
		t.Errorf("%s\nours %q\nreal %q", what, ours, theirs)
	}
}
