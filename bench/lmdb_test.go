package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/hashmap/lmdb"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

func lmdbFile(tb testing.TB, recs []tabletest.Record) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "t.lmdb")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	b := lmdb.NewBuilder(nil)
	addAll(tb, b, recs)
	if _, err := b.WriteTo(f); err != nil {
		tb.Fatal(err)
	}
	return path
}

func lmdbFinder(tb testing.TB, path string, keys *clib.Keys) finder {
	tb.Helper()
	r, err := lmdb.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	buf := make([]byte, 0, 4096)
	return func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if _, found, _ := r.AppendLookup(buf, keys.Key(i)); found {
				n++
			}
		}
		return n
	}
}

// liblmdbFinder is liblmdb called from C in one transaction, nil when it is not
// installed.
func liblmdbFinder(tb testing.TB, path string, keys *clib.Keys) finder {
	tb.Helper()
	l, err := clib.OpenLMDB(path)
	if errors.Is(err, clib.ErrMissing) {
		return nil
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.Close)
	return func(from, to int) int { return l.Find(keys, from, to) }
}

// oneByOne asks a C library for one key at a time, which is what a Go program
// that calls it through cgo pays.
func oneByOne(f finder) finder {
	if f == nil {
		return nil
	}
	return func(from, to int) (n int) {
		for i := from; i < to; i++ {
			n += f(i, i+1)
		}
		return n
	}
}

func BenchmarkLookupLMDB(b *testing.B) {
	for _, n := range lookupSizes {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			recs := tabletest.Mail(n)
			keys, path := shuffled(recs), lmdbFile(b, recs)
			b.Run("postfixkit", lookups(keys, lmdbFinder(b, path, keys)))
			b.Run("liblmdb", lookups(keys, liblmdbFinder(b, path, keys)))
			b.Run("cgo", lookups(keys, oneByOne(liblmdbFinder(b, path, keys))))
			b.Run("map", lookups(keys, mapFinder(recs, keys)))
		})
	}
}

// TestPairedLMDB measures when asked to: POSTFIXKIT_PAIRED=1 go test -v -run Paired.
func TestPairedLMDB(t *testing.T) {
	if os.Getenv("POSTFIXKIT_PAIRED") == "" {
		return // a measurement, not a test
	}
	for _, n := range lookupSizes {
		recs := tabletest.Mail(n)
		keys, path := shuffled(recs), lmdbFile(t, recs)
		paired(t, fmt.Sprintf("lmdb n=%d", n), keys, lmdbFinder(t, path, keys), liblmdbFinder(t, path, keys))
	}
}
