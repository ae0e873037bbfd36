package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap"
)

func TestConvertAll(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	for i, f := range []hashmap.Format{hashmap.Hash, hashmap.Btree} {
		b := hashmap.NewBuilder(f, nil)
		for k := range 1000 {
			if err := b.Add(fmt.Sprintf("user%d@example.org", k), fmt.Sprintf("box %d", k)); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(dir, fmt.Sprintf("table%d.db", i))
		if _, err := b.WriteFile(ctx, file); err != nil {
			t.Fatal(err)
		}
		os.Chmod(file, 0o640)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.db"), []byte("no table at all"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, to := range []hashmap.Format{hashmap.LMDB, hashmap.CDB} {
		var out strings.Builder
		err := convertAll(ctx, &out, dir, to)
		if err == nil || !strings.Contains(err.Error(), "broken.db") || strings.Count(out.String(), "1000 entries") != 2 {
			t.Fatalf("%v: %v\n%s", to, err, out.String())
		}
		for i := range 2 {
			file := hashmap.FileName(to, filepath.Join(dir, fmt.Sprintf("table%d", i)))
			r, err := hashmap.Open(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			if v, found, err := r.Lookup(ctx, "user77@example.org"); v != "box 77" || !found || err != nil {
				t.Errorf("%s: %q %v %v", file, v, found, err)
			}
			r.Close()
			if fi, _ := os.Stat(file); fi.Mode() != 0o640 {
				t.Errorf("%s: mode %v", file, fi.Mode())
			}
		}
	}
	if convertAll(ctx, new(strings.Builder), t.TempDir(), hashmap.LMDB) == nil {
		t.Error("an empty folder is no error")
	}
}
