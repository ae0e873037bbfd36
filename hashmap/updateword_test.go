package hashmap

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap/lmdb"
)

// A table stays one of the machine it is for.
func TestUpdateKeepsMachine(t *testing.T) {
	for _, opts := range []lmdb.BuildOptions{
		{WordSize: 8, ByteOrder: lmdb.LittleEndian}, {WordSize: 8, ByteOrder: lmdb.BigEndian, PageSize: 512},
		{WordSize: 4, ByteOrder: lmdb.LittleEndian}, {WordSize: 4, ByteOrder: lmdb.BigEndian, PageSize: 8192},
	} {
		image := func(keys ...string) []byte {
			b := lmdb.NewBuilder(&opts)
			for _, k := range keys {
				if err := b.Add([]byte(k+"\x00"), []byte("v\x00")); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			if _, err := b.WriteTo(&out); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
		path := filepath.Join(t.TempDir(), "table.lmdb")
		if err := os.WriteFile(path, image("a", "b"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Update(ctx, path, nil, func(e *Edit) error {
			_, err := e.Put("c", "v")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, image("a", "b", "c")) {
			t.Errorf("words of %d bytes, order %d: another file than a build makes (%v)", opts.WordSize, opts.ByteOrder, err)
		}
	}
}
