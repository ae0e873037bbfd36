package bench

import (
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/hashmap/boltmap"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

func boltFile(tb testing.TB, recs []tabletest.Record) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "t.bolt")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	b := boltmap.NewBuilder(nil)
	addAll(tb, b, recs)
	if _, err := b.WriteTo(f); err != nil {
		tb.Fatal(err)
	}
	return path
}

var boltField = field{boltFile, func(tb testing.TB, path string, _ []tabletest.Record, keys *clib.Keys) []contestant {
	t, err := boltmap.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { t.Close() })
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return []contestant{
		{name: "postfixkit", find: finderOf(keys, t.AppendLookup)},
		{name: "bbolt", find: finderOf(keys, func(dst, key []byte) (out []byte, found bool, err error) {
			err = db.View(func(tx *bbolt.Tx) error {
				v := tx.Bucket([]byte(boltmap.DefaultBucket)).Get(key)
				out, found = append(dst, v...), v != nil
				return nil
			})
			return out, found, err
		})},
	}
}}

// BenchmarkLookupBolt shows what boltmap adds to bbolt: guards against panics
// and a look at the size of the file, for each lookup.
func BenchmarkLookupBolt(b *testing.B) { boltField.compare(b, lookupSizes[:2]) }
