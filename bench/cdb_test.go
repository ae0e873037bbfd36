package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/hashmap/cdb"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

func cdbFile(tb testing.TB, recs []tabletest.Record) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "t.cdb")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	b := cdb.NewBuilder(nil)
	addAll(tb, b, recs)
	if _, err := b.WriteTo(f); err != nil {
		tb.Fatal(err)
	}
	return path
}

var cdbField = field{cdbFile, func(tb testing.TB, path string, recs []tabletest.Record, keys *clib.Keys) []contestant {
	r, err := cdb.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	return []contestant{
		{name: "postfixkit", find: finderOf(keys, r.AppendLookup)},
		inC(tb, "tinycdb", clib.CDB, path, keys),
		inC(tb, "CDB_File", clib.CDBFile, path, keys),
		{name: "map", find: mapFinder(recs, keys)},
	}
}}

func BenchmarkLookupCDB(b *testing.B) { cdbField.compare(b, lookupSizes) }

func TestPairedCDB(t *testing.T) { cdbField.pair(t) }
