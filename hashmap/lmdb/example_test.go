package lmdb_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/postfixkit/postfixkit/hashmap/lmdb"
)

func Example() {
	// Postfix ends keys and values of lmdb: tables with a NUL byte.
	b := lmdb.NewBuilder(nil)
	b.Add([]byte("alice@example.org\x00"), []byte("alice\x00"))
	b.Add([]byte("@example.org\x00"), []byte("postmaster\x00"))
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		log.Fatal(err)
	}

	r, err := lmdb.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	value, found, err := r.Lookup([]byte("alice@example.org\x00"))
	fmt.Printf("%q %v %v\n", value, found, err)
	for rec, err := range r.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q %q\n", rec.Key, rec.Value)
	}
	// Output:
	// "alice\x00" true <nil>
	// "@example.org\x00" "postmaster\x00"
	// "alice@example.org\x00" "alice\x00"
}

// A file for a machine with 32-bit words and the other byte order.
func ExampleBuildOptions() {
	b := lmdb.NewBuilder(&lmdb.BuildOptions{WordSize: 4, ByteOrder: lmdb.BigEndian})
	b.Add([]byte("key"), []byte("value"))
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		log.Fatal(err)
	}
	r, err := lmdb.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), nil)
	if err != nil {
		log.Fatal(err)
	}
	in, err := r.Info()
	fmt.Println(in.WordSize, in.BigEndian, in.Records, err)
	// Output: 4 true 1 <nil>
}

// Keys have 1 to 511 bytes.
func ExampleBuilder_Add() {
	b := lmdb.NewBuilder(nil)
	fmt.Println(b.Add(bytes.Repeat([]byte("k"), 600), nil))
	// Output:
	// lmdb: key "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"... has 600 bytes, LMDB stores at most 511
}
