package hashmap

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap/bdb"
)

// A Berkeley DB file may have several values for a key, which a Builder cannot
// write: an update keeps them or refuses.
func TestUpdateKeepsValues(t *testing.T) {
	for kind, f := range map[bdb.Kind]Format{bdb.Hash: Hash, bdb.Btree: Btree} {
		for _, verify := range []bool{false, true} {
			b := bdb.NewBuilder(kind, &bdb.BuildOptions{Duplicates: bdb.KeepAll})
			for _, v := range []string{"1", "2", "3"} {
				if err := b.Add([]byte("k\x00"), []byte(v+"\x00")); err != nil {
					t.Fatal(err)
				}
			}
			image, err := b.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "table.db")
			if err := os.WriteFile(path, image, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err = Update(ctx, path, &UpdateOptions{Verify: verify}, func(e *Edit) error {
				_, err := e.Put("other", "v")
				return err
			})
			n := 0
			for _, err := range open(t, path, nil).Records() {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			now, _ := os.ReadFile(path)
			if err == nil && n != 4 || err != nil && (!errors.Is(err, ErrUnsupported) || !bytes.Equal(now, image)) {
				t.Errorf("%v, verify %v: %d records, %v", f, verify, n, err)
			}
		}
	}
}
