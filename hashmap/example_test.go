package hashmap_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

// scratch is a folder for the examples.
func scratch() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "hashmap")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

const virtual = `# aliases of example.org
info@example.org     alice, bob
Postmaster@example.org
                     alice
info@example.org     carol
`

// Build a table as postmap does.
func ExampleBuilder() {
	dir, remove := scratch()
	defer remove()
	ctx := context.Background()

	b := hashmap.NewBuilder(hashmap.LMDB, &hashmap.BuildOptions{Duplicates: hashmap.KeepFirst})
	src := textmap.NewScanner("virtual", strings.NewReader(virtual), nil)
	if err := b.AddSource("virtual", src); err != nil {
		log.Fatal(err)
	}
	for _, d := range b.Findings() {
		fmt.Println(d)
	}
	path := hashmap.FileName(hashmap.LMDB, filepath.Join(dir, "virtual"))
	if _, err := b.WriteFile(ctx, path); err != nil {
		log.Fatal(err)
	}

	r, err := hashmap.Open(path, &hashmap.OpenOptions{FoldKeys: true})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	value, found, err := r.Lookup(ctx, "postmaster@EXAMPLE.org")
	fmt.Println(value, found, err)
	// Output:
	// virtual:5:1: warning: duplicate entry: "info@example.org" [duplicate-key]
	// alice true <nil>
}

// Berkeley DB to LMDB, with no source file at hand.
func ExampleConvert() {
	dir, remove := scratch()
	defer remove()
	ctx := context.Background()
	name := filepath.Join(dir, "virtual")
	b := hashmap.NewBuilder(hashmap.Hash, nil)
	b.Add("info@example.org", "alice")
	if _, err := b.WriteFile(ctx, name+".db"); err != nil {
		log.Fatal(err)
	}

	old, err := hashmap.Open(name+".db", nil)
	if err != nil {
		log.Fatal(err) // errors.Is(err, hashmap.ErrCorrupt) when it is damaged
	}
	defer old.Close()
	if _, err := hashmap.Convert(ctx, old, hashmap.LMDB, name+".lmdb", &hashmap.BuildOptions{Verify: true}); err != nil {
		log.Fatal(err)
	}

	r, err := hashmap.OpenTable("lmdb:"+name, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for e, err := range r.All(ctx) {
		fmt.Println(r.Format(), e, err)
	}
	// Output: lmdb {info@example.org alice} <nil>
}

// Put and delete single entries, all or none of them.
func ExampleUpdate() {
	dir, remove := scratch()
	defer remove()
	ctx := context.Background()
	path := filepath.Join(dir, "access.db")

	_, err := hashmap.Update(ctx, path, &hashmap.UpdateOptions{Format: hashmap.Btree}, func(e *hashmap.Edit) error {
		if _, err := e.Put("192.0.2.1", "REJECT"); err != nil {
			return err
		}
		existed, err := e.Delete("192.0.2.7")
		fmt.Println("deleted:", existed)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = hashmap.Update(ctx, path, nil, func(e *hashmap.Edit) error {
		_, err := e.Put("192.0.2.1", "OK")
		return err
	})
	fmt.Println(errors.Is(err, hashmap.ErrDuplicate), err)
	// Output:
	// deleted: false
	// true hashmap: duplicate key: "192.0.2.1" is in the table
}

// Tables by the names they have in main.cf, following their files.
func ExampleTypes() {
	dir, remove := scratch()
	defer remove()
	ctx := context.Background()
	name := filepath.Join(dir, "relay")
	if err := os.WriteFile(name, []byte("example.org  smtp:[mx.example.net]\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	o := &table.Opener{Types: hashmap.Types()}
	t, err := o.Open(ctx, "texthash:"+name)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	fmt.Println(t.Lookup(ctx, "Example.ORG"))
	// Output: smtp:[mx.example.net] true <nil>
}

// A table for many entries, made from a program's own data.
func ExampleMemory() {
	var b hashmap.MemoryBuilder
	b.AddString("alice@example.org", "mailbox17")
	b.AddString("bob@example.org", "mailbox4")
	m, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Get("bob@example.org"))
	fmt.Println(m.Len(), "entries")
	// Output:
	// mailbox4 true
	// 2 entries
}
