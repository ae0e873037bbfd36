package bdb_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/postfixkit/postfixkit/hashmap/bdb"
)

// table builds a small hash file.
func table() []byte {
	b := bdb.NewBuilder(bdb.Hash, nil)
	b.Add([]byte("postmaster@example.org\x00"), []byte("alice\x00"))
	b.Add([]byte("abuse@example.org\x00"), []byte("bob\x00"))
	data, err := b.Bytes()
	if err != nil {
		log.Fatal(err)
	}
	return data
}

func Example() {
	r, err := bdb.FromBytes(table())
	if err != nil {
		log.Fatal(err)
	}
	value, found, err := r.Lookup([]byte("postmaster@example.org\x00"))
	fmt.Printf("%q %v %v\n", value, found, err)
	value, found, err = r.Lookup([]byte("nobody@example.org\x00"))
	fmt.Printf("%q %v %v\n", value, found, err)
	// Output:
	// "alice\x00" true <nil>
	// "" false <nil>
}

func ExampleReader_All() {
	b := bdb.NewBuilder(bdb.Btree, nil)
	b.Add([]byte("b"), []byte("2"))
	b.Add([]byte("a"), []byte("1"))
	data, err := b.Bytes()
	if err != nil {
		log.Fatal(err)
	}
	r, err := bdb.FromBytes(data)
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range r.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s=%s\n", rec.Key, rec.Value)
	}
	// Output:
	// a=1
	// b=2
}

func ExampleReader_Check() {
	data := table()
	data[4096+20]++ // the number of entries on page 1
	r, err := bdb.FromBytes(data)
	if err != nil {
		log.Fatal(err)
	}
	r.Check(context.Background(), func(f bdb.Fault) bool {
		fmt.Printf("page %d, byte %d: %s\n", f.Page, f.Offset, f.Reason)
		return true
	})
	// Output: page 1, byte 4116: 5 index entries, want pairs
}

// Change a file without ever leaving half of one: the new file is complete before
// it takes the place of the old one.
func ExampleUpdater() {
	dir, err := os.MkdirTemp("", "bdb")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "virtual.db")
	if err := os.WriteFile(path, table(), 0o644); err != nil {
		log.Fatal(err)
	}

	r, err := bdb.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	u, err := r.Update()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := u.Put([]byte("abuse@example.org\x00"), []byte("carol\x00")); err != nil {
		log.Fatal(err)
	}
	f, err := os.CreateTemp(dir, "virtual.db.")
	if err != nil {
		log.Fatal(err)
	}
	if err := u.CopyTo(f); err != nil {
		log.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		log.Fatal(err)
	}
	f.Close()
	if err := os.Rename(f.Name(), path); err != nil {
		log.Fatal(err)
	}

	changed, err := bdb.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer changed.Close()
	value, _, _ := changed.Lookup([]byte("abuse@example.org\x00"))
	fmt.Printf("%q\n", value)
	// Output: "carol\x00"
}

func ExampleSalvage() {
	data := table()
	clear(data[:72]) // the beginning of the file is gone
	for rec, err := range bdb.Salvage(bytes.NewReader(data), int64(len(data))) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("page %d: %q %q (%s)\n", rec.Page, rec.Key, rec.Value, rec.Damage)
	}
	// Output:
	// page 1: "abuse@example.org\x00" "bob\x00" (the metadata of the file is damaged)
	// page 1: "postmaster@example.org\x00" "alice\x00" (the metadata of the file is damaged)
}
