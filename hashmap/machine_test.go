package hashmap

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap/bdb"
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

// A Berkeley DB table with checksums keeps them when it is built anew.
func TestUpdateKeepsChecksums(t *testing.T) {
	for _, kind := range []bdb.Kind{bdb.Hash, bdb.Btree} {
		b := bdb.NewBuilder(kind, &bdb.BuildOptions{Checksums: true, PageSize: 512})
		if err := b.Add([]byte("a\x00"), []byte("v\x00")); err != nil {
			t.Fatal(err)
		}
		var image bytes.Buffer
		if _, err := b.WriteTo(&image); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "table.db")
		if err := os.WriteFile(path, image.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Update(ctx, path, &UpdateOptions{Verify: true}, func(e *Edit) error {
			_, err := e.Put("c", "v")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := bdb.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if in := r.Info(); !in.Checksums || in.PageSize != 512 {
			t.Errorf("%v: got %+v", kind, in)
		}
		r.Close()
	}
}

// A table can be made for a machine of another kind.
func TestBuildForMachine(t *testing.T) {
	for _, words := range []int{4, 8} {
		var want, got bytes.Buffer
		theirs := lmdb.NewBuilder(&lmdb.BuildOptions{WordSize: words, ByteOrder: lmdb.BigEndian, PageSize: 512})
		ours := NewBuilder(LMDB, &BuildOptions{WordSize: words, BigEndian: true, PageSize: 512, NUL: NoNUL})
		if err := errors.Join(theirs.Add([]byte("k"), []byte("v")), ours.Add("k", "v")); err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.WriteTo(&want); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("words of %d bytes: another file than package lmdb makes (%v)", words, err)
		}
	}
	if _, err := NewBuilder(LMDB, &BuildOptions{WordSize: 5}).WriteTo(io.Discard); err == nil {
		t.Error("words of 5 bytes: no error")
	}
}
