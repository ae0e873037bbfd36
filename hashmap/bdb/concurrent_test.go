package bdb

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestConcurrentLookups is for the race detector: pages are examined on first
// use, by whoever comes first.
func TestConcurrentLookups(t *testing.T) {
	for _, kind := range []Kind{Hash, Btree} {
		path := filepath.Join(t.TempDir(), "t.db")
		pairs := tables(4096)["mail10000"]
		if err := os.WriteFile(path, build(t, kind, nil, pairs), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, opts := range []*Options{nil, {NoMmap: true}} {
			r, err := Open(path, opts)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			errs := make(chan error, 4)
			for g := range 4 {
				wg.Go(func() {
					for i := range 3000 {
						p := pairs[(i*7+g)%len(pairs)]
						if got, ok, err := r.Lookup([]byte(p.key)); err != nil || !ok || got != p.value {
							errs <- fmt.Errorf("Lookup(%q): %q, %v, %v", p.key, got, ok, err)
							return
						}
					}
				})
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				t.Error(err)
			}
			r.Close()
		}
	}
}

// TestNoAllocations: AppendLookup allocates nothing, Lookup only its string.
func TestNoAllocations(t *testing.T) {
	for _, file := range []string{"testdata/hash/longvalues.db", "testdata/btree/longvalues.db"} {
		r, err := Open(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		buf := make([]byte, 0, 1<<16)
		for _, p := range mustAll(t, r) {
			key := []byte(p.key)
			if n := testing.AllocsPerRun(20, func() { r.AppendLookup(buf, key) }); n != 0 {
				t.Errorf("%s: AppendLookup of %d bytes: %v allocations", file, len(p.value), n)
			}
			if n := testing.AllocsPerRun(20, func() { r.Lookup(key) }); n > 1 {
				t.Errorf("%s: Lookup of %d bytes: %v allocations", file, len(p.value), n)
			}
		}
	}
}
