package bench

import (
	"testing"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/hashmap/bdb"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// bdbField compares lookups with those of libdb, which has a cache of pages in
// front of the file; here it holds all of them.
func bdbField(kind bdb.Kind) field {
	return field{
		func(tb testing.TB, recs []tabletest.Record) string { return bdbFile(tb, kind, recs) },
		func(tb testing.TB, path string, recs []tabletest.Record, keys *clib.Keys) []contestant {
			r, err := bdb.Open(path, nil)
			if err != nil {
				tb.Fatal(err)
			}
			tb.Cleanup(func() { r.Close() })
			return []contestant{
				{name: "postfixkit", find: finderOf(keys, r.AppendLookup)},
				inC(tb, "libdb", clib.DB, path, keys),
				{name: "map", find: mapFinder(recs, keys)},
			}
		},
	}
}

func BenchmarkLookupHash(b *testing.B)  { bdbField(bdb.Hash).compare(b, lookupSizes[:2]) }
func BenchmarkLookupBtree(b *testing.B) { bdbField(bdb.Btree).compare(b, lookupSizes[:2]) }

func TestPairedHash(t *testing.T)  { bdbField(bdb.Hash).pair(t) }
func TestPairedBtree(t *testing.T) { bdbField(bdb.Btree).pair(t) }
