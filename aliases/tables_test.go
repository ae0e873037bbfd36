package aliases

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/table"
)

// unquotedKeys is a Scanner with the keys of Postfix before 3.12.
type unquotedKeys struct{ *Scanner }

func (u unquotedKeys) Key() []byte { return u.UnquotedKey() }

func buildTable(t testing.TB, path string, f hashmap.Format, src []byte, quoted bool) {
	t.Helper()
	b := hashmap.NewBuilder(f, &hashmap.BuildOptions{Duplicates: hashmap.KeepFirst})
	s := NewScanner(path, bytes.NewReader(src), nil)
	source := hashmap.Source(s)
	if !quoted {
		source = unquotedKeys{s}
	}
	if err := b.AddSource(path, source); err != nil {
		t.Fatal(err)
	}
	if err := b.Add("@", "@"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteFile(context.Background(), path+f.Ext()); err != nil {
		t.Fatal(err)
	}
}

// TestTablesAgainstPostalias builds tables of every corpus file and small
// source through hashmap and with the real postalias, and has the real postmap
// and postalias dump both.
func TestTablesAgainstPostalias(t *testing.T) {
	for _, format := range []hashmap.Format{hashmap.Hash, hashmap.Btree, hashmap.LMDB} {
		t.Run(format.String(), func(t *testing.T) {
			real := realpostfix.Need(t, "postalias", "postmap", "map:"+format.String())
			real.Configure("smtputf8_enable = yes")
			ours, theirs := t.TempDir(), t.TempDir()
			var names []string
			var build, dump []realpostfix.Call
			files := everything(t)
			if format != hashmap.Hash { // starting the tools is what takes the time
				files = concatenated(t)
			}
			for name, src := range files {
				path := filepath.Join(theirs, name)
				if err := os.WriteFile(path, src, 0o644); err != nil {
					t.Fatal(err)
				}
				buildTable(t, filepath.Join(ours, name), format, src, since(real.Version, 12))
				names = append(names, name)
				build = append(build, realpostfix.Call{Name: "postalias", Args: []string{format.String() + ":" + path}})
				dump = append(dump,
					realpostfix.Call{Name: "postmap", Args: []string{"-s", format.String() + ":" + filepath.Join(ours, name)}},
					realpostfix.Call{Name: "postmap", Args: []string{"-s", format.String() + ":" + path}})
			}
			for i, res := range real.RunAll(build) {
				if strings.Contains(res.Stderr, "EAI support is not compiled in") {
					t.Fatal("this Postfix was built without ICU and does not fold as others do")
				}
				if res.Exit != 0 {
					t.Fatalf("%s: %+v", names[i], res)
				}
			}
			dumps := real.RunAll(dump)
			for i, name := range names {
				got, want := dumps[2*i], dumps[2*i+1]
				if got.Exit != 0 || sortedLines(got.Stdout) != sortedLines(withoutNIS(want.Stdout)) {
					t.Errorf("%s:\nours %q %s\nreal %q", name, got.Stdout, got.Stderr, want.Stdout)
				}
			}
		})
	}
}

// concatenated is everything as one file.
func concatenated(t testing.TB) map[string][]byte {
	all := everything(t)
	var src []byte
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if bytes.HasPrefix(all[name], []byte(" ")) {
			continue // would go on with the file before
		}
		src = append(append(src, all[name]...), '\n')
	}
	return map[string][]byte{"concatenated": src}
}

func sortedLines(s string) string {
	lines := strings.SplitAfter(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// An Expander answers the same from the file, from tables of every format and
// with both forms of keys.
func TestExpandFromTables(t *testing.T) {
	src := []byte("\"two words\": alice, \"|x y\"\nAlice: Bob@example.net\nowner-alice: boss\nloop: loop2\nloop2: loop\n")
	f, err := Parse("aliases", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	expand := func(t *testing.T, tab table.Table) (lines []string) {
		x := &Expander{Aliases: []table.Table{tab}}
		for _, name := range []string{"Two Words", "ALICE", "loop", "nobody"} {
			lines = append(lines, name+":")
			lines = append(lines, outcome(x.Expand(context.Background(), name))...)
		}
		return lines
	}
	want := expand(t, f)
	if len(want) < 8 {
		t.Fatalf("got %q", want)
	}
	for _, format := range hashmap.Formats() {
		for _, quoted := range []bool{true, false} {
			path := filepath.Join(t.TempDir(), "aliases")
			buildTable(t, path, format, src, quoted)
			r, err := hashmap.Open(path+format.Ext(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got := expand(t, r); !slices.Equal(got, want) {
				t.Errorf("%v, quoted keys %v:\n got %q\nwant %q", format, quoted, got, want)
			}
		}
	}
}
