package boltmap

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// hostile returns a file whose root is page 2, of the pages given; there is no
// free list.
func hostile(pages ...[]byte) []byte {
	const size = 4096
	img := make([]byte, 2*size)
	for _, p := range pages {
		img = append(img, p...)
		img = append(img, make([]byte, size-len(p))...)
	}
	for i := range 2 {
		p := img[i*size:]
		ne.PutUint64(p, uint64(i))
		ne.PutUint16(p[8:], flagMeta)
		m := p[pageHead:]
		ne.PutUint32(m, magic)
		ne.PutUint32(m[4:], version)
		ne.PutUint32(m[8:], size)
		ne.PutUint64(m[16:], 2)
		ne.PutUint64(m[32:], noFreelist)
		ne.PutUint64(m[40:], uint64(len(img)/size))
		ne.PutUint64(m[48:], uint64(i))
		h := fnv.New64a()
		h.Write(m[:metaSize-8])
		ne.PutUint64(m[metaSize-8:], h.Sum64())
	}
	return img
}

// TestSharedBuckets opens a file in which ten buckets are the same bytes, and so
// are the ten in each of them, 17 levels deep.
func TestSharedBuckets(t *testing.T) {
	page := func(id uint64, inside []byte) []byte {
		n := 10
		if inside == nil {
			n = 0
		}
		b := make([]byte, pageHead+n*element)
		ne.PutUint64(b, id)
		ne.PutUint16(b[8:], flagLeaf)
		ne.PutUint16(b[10:], uint16(n))
		shared := len(b) + n
		for i := range n { // keys "q", "rq", "srq", … that end where the value begins
			e := b[pageHead+i*element:]
			ne.PutUint32(e, flagBucket)
			ne.PutUint32(e[4:], uint32(shared-(i+1)-(pageHead+i*element)))
			ne.PutUint32(e[8:], uint32(i+1))
			ne.PutUint32(e[12:], uint32(bucketHead+len(inside)))
		}
		b = append(b, "zyxwvutsrq"[:n]...)
		return append(append(b, make([]byte, bucketHead)...), inside...)
	}
	p := page(0, nil)
	for range 16 {
		p = page(0, p)
	}
	path := filepath.Join(t.TempDir(), "shared.bolt")
	if err := os.WriteFile(path, hostile(page(2, p)), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		table, err := Open(path, nil)
		if err == nil {
			table.Close()
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Open does not end")
	}
}

// counting counts what is read.
type counting struct {
	io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n += n
	return n, err
}

// TestSharedRuns checks a file in which every page says that all the pages after
// it belong to it, to the end of the list of faults.
func TestSharedRuns(t *testing.T) {
	const n = 200
	root := make([]byte, pageHead+n*element)
	ne.PutUint64(root, 2)
	ne.PutUint16(root[8:], flagBranch)
	ne.PutUint16(root[10:], n)
	pages := [][]byte{root}
	for i := range n {
		e := root[pageHead+i*element:]
		ne.PutUint32(e, uint32(len(root)+i-(pageHead+i*element)))
		ne.PutUint32(e[4:], 1)
		ne.PutUint64(e[8:], uint64(3+i))
		leaf := make([]byte, pageHead)
		ne.PutUint64(leaf, uint64(3+i))
		ne.PutUint16(leaf[8:], flagLeaf)
		ne.PutUint32(leaf[12:], uint32(n-1-i))
		pages = append(pages, leaf)
	}
	for i := range n {
		root = append(root, byte(i))
	}
	pages[0] = root
	img := hostile(pages...)
	src := &counting{ReaderAt: bytes.NewReader(img)}
	faults := 0
	err := verify(context.Background(), "runs.bolt", src, func(Fault) bool { faults++; return true })
	if !errors.Is(err, ErrCorrupt) || faults != n-1 {
		t.Errorf("got %v and %d faults, want %d", err, faults, n-1)
	}
	if src.n > 8*len(img) {
		t.Errorf("%d bytes were read of a file of %d", src.n, len(img))
	}
}
