package cdb_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/postfixkit/postfixkit/hashmap/cdb"
)

func Example() {
	b := cdb.NewBuilder(nil)
	b.Add([]byte("alice@example.org"), []byte("alice"))
	b.Add([]byte("@example.org"), []byte("postmaster"))
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		log.Fatal(err)
	}

	r, err := cdb.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	fmt.Println(r.Lookup([]byte("alice@example.org")))
	fmt.Println(r.Lookup([]byte("bob@example.org")))
	// Output:
	// alice true <nil>
	//  false <nil>
}

// Repeated keys are an error unless a policy says what to do with them.
func ExampleBuilder() {
	b := cdb.NewBuilder(&cdb.BuildOptions{
		Duplicates: cdb.KeepFirst, // as postmap does without flags
		OnDuplicate: func(key []byte, first, again int) {
			fmt.Printf("duplicate entry: %q, records %d and %d\n", key, first+1, again+1)
		},
	})
	b.Add([]byte("alice@example.org"), []byte("alice"))
	b.Add([]byte("bob@example.org"), []byte("bob"))
	b.Add([]byte("alice@example.org"), []byte("someone else"))
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		log.Fatal(err)
	}
	// Output:
	// duplicate entry: "alice@example.org", records 1 and 3
}

func ExampleReader_All() {
	b := cdb.NewBuilder(nil)
	b.Add([]byte("second"), []byte("2"))
	b.Add([]byte("first"), []byte("1"))
	var file bytes.Buffer
	b.WriteTo(&file)
	r, err := cdb.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), nil)
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range r.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\t%s\n", rec.Key, rec.Value)
	}
	// Output:
	// second	2
	// first	1
}
