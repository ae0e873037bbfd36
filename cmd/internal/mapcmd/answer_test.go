//go:build unix

package mapcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap"
)

// TestQueryMany asks several tables for many keys on standard input and compares
// with what each key by itself gets: found in the first table that has it, empty
// values and damaged tables with their warnings.
func TestQueryMany(t *testing.T) {
	dir := t.TempDir()
	var tables [3]strings.Builder
	var keys []string
	for i := range 20_000 {
		key := fmt.Sprintf("key%d@example.org", i)
		if i%4 < 3 {
			fmt.Fprintf(&tables[i%4], "%s\tvalue%d\n", key, i)
		}
		if i%8 == 0 { // the first table counts
			fmt.Fprintf(&tables[1], "%s\tother\n", key)
		}
		keys = append(keys, key)
	}
	write := func(i int, typ string) string {
		name := filepath.Join(dir, fmt.Sprint(typ, i))
		if err := os.WriteFile(name, []byte(tables[i].String()), 0o644); err != nil {
			t.Fatal(err)
		}
		spec := typ + ":" + name
		if typ != "texthash" {
			if exit, _, msg := runTool(Postmap, "", spec); exit != 0 {
				t.Fatal(msg)
			}
		}
		return spec
	}
	one := func(typ0, typ1, typ2 string, keys []string) {
		t.Helper()
		specs := []string{write(0, typ0), write(1, typ1), write(2, typ2)}
		var want strings.Builder
		for _, key := range keys {
			n := -1
			if fmt.Sscanf(strings.ToLower(key), "key%d@example.org", &n); n >= 0 && n%4 < 3 {
				fmt.Fprintf(&want, "%s\tvalue%d\n", key, n)
			}
		}
		exit, out, msg := runTool(Postmap, strings.Join(keys, "\n"), append([]string{"-q", "-"}, specs...)...)
		if exit != 0 || out != want.String() || msg != "" {
			t.Fatalf("%q: exit %d, %d bytes, want %d; %.300s", specs, exit, len(out), want.Len(), msg)
		}
	}
	one("hash", "btree", "lmdb", keys)
	one("texthash", "cdb", "hash", keys)
	one("lmdb", "texthash", "btree", append(keys, strings.ToUpper(keys[4000]), "", "nobody"))
}

// TestQueryManyBroken: what is wrong with a key or value is said when it is the
// key's turn, and what was found before a fatal error is printed.
func TestQueryManyBroken(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m")
	var keys, want strings.Builder
	b := hashmap.NewBuilder(hashmap.Hash, nil)
	for i := range 10_000 {
		if err := b.Add(fmt.Sprint("key", i), fmt.Sprint("value", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add("bad", "v\xff"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteFile(t.Context(), name+".db"); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		fmt.Fprintf(&keys, "key%d\n", i)
		if i%1000 == 500 {
			keys.WriteString("k\xff\n")
		}
		fmt.Fprintf(&want, "key%d\tvalue%d\n", i, i)
	}
	if exit, out, msg := runTool(Postmap, keys.String(), "-q", "-", "hash:"+name); exit != 0 || out != want.String() || strings.Count(msg, "non-UTF-8 key") != 10 {
		t.Errorf("keys that are not UTF-8: exit %d, %d bytes, want %d; %.300s", exit, len(out), want.Len(), msg)
	}
	if exit, out, msg := runTool(Postmap, strings.ReplaceAll(keys.String(), "k\xff\n", "")+"bad\nkey1\n", "-q", "-", "hash:"+name); exit != 1 || out != want.String() || !strings.Contains(msg, "query error") {
		t.Errorf("a value that is not UTF-8: exit %d, %d bytes, want %d; %.300s", exit, len(out), want.Len(), msg)
	}
}
