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
	// Workers are busy with what follows when the error is fatal.
	early := strings.Replace(keys.String(), "key5000\n", "bad\n", 1) + strings.Repeat("key7\n", 20_000)
	for range 30 {
		exit, out, msg := runTool(Postmap, strings.ReplaceAll(early, "k\xff\n", ""), "-q", "-", "hash:"+name)
		if exit != 1 || strings.Count(out, "\n") != 5000 || strings.Count(msg, "query error") != 1 || strings.Count(msg, "\n") != 2 {
			t.Fatalf("exit %d, %d answers; %.300s", exit, strings.Count(out, "\n"), msg)
		}
	}
}

// TestQueryManyEmpty: what is said about empty values is said in the order of the
// keys.
func TestQueryManyEmpty(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m")
	var keys, want strings.Builder
	b := hashmap.NewBuilder(hashmap.Hash, nil)
	for i := range 20_000 {
		value := "value"
		if i%3 == 1 {
			value = ""
			fmt.Fprintf(&want, "postmap: warning: table hash:%s.db: key key%d: empty string result is not allowed\n", name, i)
			fmt.Fprintf(&want, "postmap: warning: table hash:%s.db should return NO RESULT in case of NOT FOUND\n", name)
		}
		if err := b.Add(fmt.Sprint("key", i), value); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&keys, "key%d\n", i)
	}
	if _, err := b.WriteFile(t.Context(), name+".db"); err != nil {
		t.Fatal(err)
	}
	exit, _, msg := runTool(Postmap, keys.String(), "-q", "-", "hash:"+name)
	if exit != 0 || msg != want.String() {
		t.Errorf("exit %d; %d bytes of messages, want %d: %.300s", exit, len(msg), want.Len(), msg)
	}
}
