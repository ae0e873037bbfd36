package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/postfixkit/postfixkit/hashmap/boltmap"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// BenchmarkLookupBolt shows what boltmap adds to bbolt: guards against panics
// and a look at the size of the file, for each lookup.
func BenchmarkLookupBolt(b *testing.B) {
	for _, n := range lookupSizes[:2] {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			recs := tabletest.Mail(n)
			keys := shuffled(recs)
			path := filepath.Join(b.TempDir(), "t.bolt")
			f, err := os.Create(path)
			if err != nil {
				b.Fatal(err)
			}
			bld := boltmap.NewBuilder(nil)
			addAll(b, bld, recs)
			if _, err := bld.WriteTo(f); err != nil {
				b.Fatal(err)
			}
			f.Close()
			t, err := boltmap.Open(path, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			buf := make([]byte, 0, 4096)
			b.Run("postfixkit", lookups(keys, func(from, to int) (n int) {
				for i := from; i < to; i++ {
					if _, found, _ := t.AppendLookup(buf, keys.Key(i)); found {
						n++
					}
				}
				return n
			}))
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			b.Run("bbolt", lookups(keys, func(from, to int) (n int) {
				for i := from; i < to; i++ {
					db.View(func(tx *bbolt.Tx) error {
						if v := tx.Bucket([]byte(boltmap.DefaultBucket)).Get(keys.Key(i)); v != nil {
							_ = append(buf, v...)
							n++
						}
						return nil
					})
				}
				return n
			}))
		})
	}
}
