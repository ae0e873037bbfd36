package boltmap_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/postfixkit/postfixkit/hashmap/boltmap"
)

func Example() {
	dir, err := os.MkdirTemp("", "boltmap")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "virtual.bolt")

	t, err := boltmap.OpenWrite(path, nil)
	if errors.Is(err, boltmap.ErrLocked) {
		log.Fatal("another process has the table open: ", err)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	if err := t.Put([]byte("alice@example.org"), []byte("alice")); err != nil {
		log.Fatal(err)
	}

	var b boltmap.Batch // all or nothing
	b.Put([]byte("bob@example.org"), []byte("bob"))
	b.Put([]byte("@example.org"), []byte("postmaster"))
	b.Delete([]byte("alice@example.org"))
	if err := t.Apply(&b); err != nil {
		log.Fatal(err)
	}

	for rec, err := range t.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\t%s\n", rec.Key, rec.Value)
	}
	fmt.Println(t.Lookup([]byte("alice@example.org")))
	// Output:
	// @example.org	postmaster
	// bob@example.org	bob
	//  false <nil>
}
