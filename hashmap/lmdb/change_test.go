package lmdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// busy is a file to which another process writes: each time a page other than a
// meta page is read, until left is used up, two transactions are finished.
type busy struct {
	image []byte
	left  int
}

func (f *busy) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(f.image).ReadAt(p, off)
	if off >= 2*4096 && f.left > 0 {
		f.left--
		f.finish(2)
	}
	return n, err
}

// finish adds empty transactions.
func (f *busy) finish(transactions uint64) {
	g := geometry{word: 8, page: 4096}
	txn := max(g.meta(f.image).txn, g.meta(f.image[4096:]).txn)
	old := f.image[(txn&1)*4096:][:4096]
	for range transactions {
		txn++
		m := g.meta(old)
		m.txn = txn
		g.putMeta(f.image[(txn&1)*4096:], txn&1, m)
	}
}

func TestLookupWhileChanging(t *testing.T) {
	recs := tabletest.Mail(1000)
	for _, c := range []struct {
		changes int
		want    error
	}{{0, nil}, {1, nil}, {5, nil}, {1e6, ErrChanged}} {
		f := &busy{image: image(t, &BuildOptions{ByteOrder: LittleEndian}, recs...)}
		r, err := NewReader(f, int64(len(f.image)), nil)
		if err != nil {
			t.Fatal(err)
		}
		f.left = c.changes
		v, found, err := r.Lookup(recs[7].Key)
		if !errors.Is(err, c.want) || c.want == nil && (!found || v != string(recs[7].Value)) {
			t.Errorf("%d changes: got %q %v %v, want %v", c.changes, v, found, err, c.want)
		}
	}
}

func TestIterateWhileChanging(t *testing.T) {
	recs := tabletest.Mail(1000)
	for _, c := range []struct {
		transactions uint64
		want         error
	}{{0, nil}, {1, nil}, {2, ErrChanged}} {
		for _, mapped := range []bool{false, true} {
			f := &busy{image: image(t, &BuildOptions{ByteOrder: LittleEndian}, recs...)}
			r, err := NewReader(f, int64(len(f.image)), nil)
			if err != nil {
				t.Fatal(err)
			}
			if mapped {
				r.view.Store(r.newView(f.image, int64(len(f.image))))
			}
			n, last := 0, error(nil)
			for _, err := range r.All() {
				if last = err; err == nil {
					n++
				}
				if n == 1 {
					f.finish(c.transactions)
				}
			}
			if !errors.Is(last, c.want) || c.want == nil && n != len(recs) {
				t.Errorf("%d transactions, mapped %v: got %d records, %v, want %v", c.transactions, mapped, n, last, c.want)
			}
		}
	}
}

// TestLookupsWhilePostmapWrites looks keys up, without any lock, while the real
// postmap adds records one transaction after the other and rebuilds the table.
func TestLookupsWhilePostmapWrites(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:lmdb")
	recs := tabletest.Mail(3000)
	path := filepath.Join(t.TempDir(), "map")
	if err := os.WriteFile(path+".lmdb", image(t, nil, withNUL(recs)...), 0o600); err != nil {
		t.Fatal(err)
	}
	readers := map[string]*Reader{}
	for name, opts := range map[string]*Options{"mmap": nil, "ReaderAt": {NoMmap: true}} {
		r, err := Open(path+".lmdb", opts)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readers[name] = r
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for name, r := range readers {
		wg.Go(func() {
			lookups := 0
			for i := 0; ctx.Err() == nil; i++ {
				rec := recs[i*7%len(recs)]
				v, found, err := r.Lookup(append(bytes.Clone(rec.Key), 0))
				if errors.Is(err, ErrChanged) {
					continue
				}
				if !found || err != nil || v != string(rec.Value)+"\x00" {
					t.Errorf("%s: %s: got %q %v %v, want %q", name, rec.Key, v, found, err, rec.Value)
					return
				}
				lookups++
			}
			t.Logf("%s: %d lookups", name, lookups)
		})
	}
	var added []tabletest.Record
	for i := range 100 {
		added = append(added, rec(fmt.Sprintf("more%d@example.org", i), "added"))
	}
	os.WriteFile(path, []byte(postmapText(recs)), 0o600)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-r", "-i", "lmdb:" + path}, Stdin: postmapText(added)})
		real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"lmdb:" + path}})
	}
	stop()
	wg.Wait()
}
