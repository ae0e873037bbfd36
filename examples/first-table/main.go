// Command first-table shows the main job of postfixkit in a scratch folder: an
// access table is built from its source, Berkeley DB and all, and asked.
//
//	go run ./examples/first-table [source [key]]
//
// It needs nothing on the machine but Go.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/textmap"
)

//go:embed access
var exampleSource string

func main() {
	log.SetFlags(0)
	name, key := "access", "spammer@example.net"
	var source io.Reader = strings.NewReader(exampleSource)
	if len(os.Args) > 1 {
		f, err := os.Open(os.Args[1])
		if err != nil {
			log.Fatal(err)
		}
		name, source = os.Args[1], f
	}
	if len(os.Args) > 2 {
		key = os.Args[2]
	}
	if err := run(name, source, key); err != nil {
		log.Fatal(err)
	}
}

func run(name string, source io.Reader, key string) error {
	ctx := context.Background()
	scratch, err := os.MkdirTemp("", "first-table-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	file := filepath.Join(scratch, "access.db")

	// What "postmap hash:access" does.
	b := hashmap.NewBuilder(hashmap.Hash, &hashmap.BuildOptions{Duplicates: hashmap.KeepFirst})
	if err := b.AddSource(name, textmap.NewScanner(name, source, nil)); err != nil {
		return err
	}
	if _, err := b.WriteFile(ctx, file); err != nil {
		return err
	}
	for _, d := range b.Findings() {
		fmt.Println(d)
	}

	// What "postmap -q KEY hash:access" does.
	table, err := hashmap.Open(file, nil)
	if err != nil {
		return err
	}
	defer table.Close()
	info, err := table.Info()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %v file, version %d, %d records\n", filepath.Base(file), info.Format, info.Version, b.Len())
	value, found, err := table.Lookup(ctx, key)
	var damaged *hashmap.CorruptError
	switch {
	case errors.As(err, &damaged):
		return fmt.Errorf("the table is damaged at byte %d: %w", damaged.Offset, err)
	case err != nil:
		return err
	case !found:
		fmt.Printf("%s: not in the table\n", diag.Printable(key))
		return nil
	}
	fmt.Printf("%s: %s\n", diag.Printable(key), diag.Printable(value))
	return nil
}
