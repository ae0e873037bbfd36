package clib

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap/bdb"
	"github.com/postfixkit/postfixkit/hashmap/cdb"
	"github.com/postfixkit/postfixkit/hashmap/lmdb"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

type builder interface {
	Add(key, value []byte) error
	io.WriterTo
}

// TestFind asks every library for half of the keys of a table and for as many
// that are not there.
func TestFind(t *testing.T) {
	for _, c := range []struct {
		name    string
		library Library
		builder builder
	}{
		{"lmdb", LMDB, lmdb.NewBuilder(nil)},
		{"cdb", CDB, cdb.NewBuilder(nil)},
		{"cdb from Perl", CDBFile, cdb.NewBuilder(nil)},
		{"hash", DB, bdb.NewBuilder(bdb.Hash, nil)},
		{"btree", DB, bdb.NewBuilder(bdb.Btree, nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, keys := filepath.Join(t.TempDir(), "table"), new(Keys)
			for i := range 1000 {
				key := fmt.Appendf(nil, "key %d", i)
				if err := c.builder.Add(key, fmt.Append(nil, i)); err != nil {
					t.Fatal(err)
				}
				if i%2 == 1 {
					key = append(key, " not"...)
				}
				keys.Add(key)
			}
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := c.builder.WriteTo(f); err != nil {
				t.Fatal(err)
			}
			p, err := Start(c.library, t.TempDir(), path, keys)
			if errors.Is(err, ErrMissing) {
				realpostfix.Lacks(t, err.Error())
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			for _, q := range []struct{ from, count, want int }{{0, 1, 1}, {1, 1, 0}, {1, 2, 1}, {999, 2, 1}, {0, 3000, 1500}} {
				found, took, err := p.Find(q.from, q.count)
				if err != nil || found != q.want || took <= 0 {
					t.Errorf("Find(%d, %d) = %d, %v, %v, want %d", q.from, q.count, found, took, err, q.want)
				}
			}
		})
	}
}

// TestError wants to see what the program says.
func TestError(t *testing.T) {
	keys := new(Keys)
	keys.Add([]byte("key"))
	p, err := Start(CDB, t.TempDir(), filepath.Join(t.TempDir(), "none"), keys)
	if errors.Is(err, ErrMissing) {
		realpostfix.Lacks(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, _, err := p.Find(0, 1); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("got %v", err)
	}
}
