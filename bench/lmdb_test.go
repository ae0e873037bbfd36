package bench

import (
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

var lmdbField = field{lmdbFile, func(tb testing.TB, path string, recs []tabletest.Record, keys *clib.Keys) []contestant {
	r, err := lmdb.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	return []contestant{
		{name: "postfixkit", find: finderOf(keys, r.AppendLookup)},
		inC(tb, "liblmdb", clib.LMDB, path, keys),
		{name: "map", find: mapFinder(recs, keys)},
	}
}}

func BenchmarkLookupLMDB(b *testing.B) { lmdbField.compare(b, lookupSizes) }

func TestPairedLMDB(t *testing.T) { lmdbField.pair(t) }
