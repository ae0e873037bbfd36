package boltmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/tabletest"
	"go.etcd.io/bbolt"
)

var rec = tabletest.Rec

func build(t testing.TB, opts *BuildOptions, recs ...tabletest.Record) []byte {
	t.Helper()
	return tabletest.Image(t, NewBuilder(opts), recs...)
}

func (t *Table) forTest() tabletest.Table {
	return tabletest.Table{
		Lookup:       t.Lookup,
		AppendLookup: t.AppendLookup,
		All:          tabletest.Records(t.All()),
		Check:        func() error { return t.Check(context.Background(), nil) },
		Close:        t.Close,
	}
}

func TestConformance(t *testing.T) {
	tabletest.Run(t, tabletest.Format{
		Build: func(path string, recs []tabletest.Record) error {
			return os.WriteFile(path, build(t, nil, recs...), 0o600)
		},
		Modes: []tabletest.Mode{
			{Name: "Open", Open: tabletest.Opens(func(path string) (*Table, error) { return Open(path, nil) }, (*Table).forTest)},
			{Name: "OpenWrite", Open: tabletest.Opens(func(path string) (*Table, error) { return OpenWrite(path, nil) }, (*Table).forTest)},
		},
		MaxKey:     maxKey,
		NoEmptyKey: true,
		Order:      tabletest.ByKey,
	})
}

func writable(t testing.TB) *Table {
	t.Helper()
	tab, err := OpenWrite(filepath.Join(t.TempDir(), "t.bolt"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tab.Check(context.Background(), nil); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("check at the end: %v", err)
		}
		tab.Close()
	})
	return tab
}

// TestChanges makes random changes and compares with a map.
func TestChanges(t *testing.T) {
	tab := writable(t)
	rnd := rand.New(rand.NewPCG(1, 1))
	want := map[string]string{}
	key := func() string { return fmt.Sprintf("key%d", rnd.IntN(500)) }
	for range 60 {
		var b Batch
		for range rnd.IntN(100) {
			k := key()
			if rnd.IntN(3) == 0 {
				b.Delete([]byte(k))
				delete(want, k)
			} else {
				v := strings.Repeat("v", rnd.IntN(300))
				if err := b.Put([]byte(k), []byte(v)); err != nil {
					t.Fatal(err)
				}
				want[k] = v
			}
		}
		if err := tab.Apply(&b); err != nil {
			t.Fatal(err)
		}
		k := key()
		_, there := want[k]
		if found, err := tab.Delete([]byte(k)); found != there || err != nil {
			t.Fatalf("delete %s: got %v %v, want %v", k, found, err, there)
		}
		delete(want, k)
	}
	got := map[string]string{}
	for rec, err := range tab.All() {
		if err != nil {
			t.Fatal(err)
		}
		got[string(rec.Key)] = string(rec.Value)
	}
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: got %q, want %q", k, got[k], v)
		}
	}
	if in, err := tab.Info(); err != nil || in.Records != int64(len(want)) || in.Bucket != DefaultBucket {
		t.Errorf("info: got %+v %v, want %d records", in, err, len(want))
	}
}

// TestChangeWhileIterating would never end if an iteration kept a transaction
// open: a writer that has to map the file anew waits for all readers.
func TestChangeWhileIterating(t *testing.T) {
	tab := writable(t)
	var b Batch
	for i := range 3000 {
		b.Put(fmt.Appendf(nil, "key%05d", i), bytes.Repeat([]byte("v"), 100))
	}
	if err := tab.Apply(&b); err != nil {
		t.Fatal(err)
	}
	n := 0
	for rec, err := range tab.All() {
		if err != nil {
			t.Fatal(err)
		}
		if n%600 == 0 {
			if err := tab.Put(append(rec.Key, " and more"...), make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		n++
	}
	if n < 3000 {
		t.Errorf("got %d records", n)
	}
}

func TestBatchIsOneTransaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.bolt")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("other name"))
		if err == nil {
			_, err = b.CreateBucket([]byte("inner"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	tab, err := OpenWrite(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	var b Batch
	b.Put([]byte("a"), []byte("1"))
	b.Put([]byte("inner"), []byte("2")) // is a bucket
	if err := tab.Apply(&b); err == nil {
		t.Fatal("a record in place of a bucket: no error")
	}
	if _, found, err := tab.Lookup([]byte("a")); found || err != nil {
		t.Errorf("half of a failed batch is there: %v %v", found, err)
	}
	for _, err := range tab.All() {
		if err == nil {
			t.Error("an inner bucket was given as a record")
		}
	}
}

func TestBuckets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.bolt")
	for _, name := range []string{"one", "two"} {
		tab, err := OpenWrite(path, &Options{Bucket: name})
		if err != nil {
			t.Fatal(err)
		}
		if err := tab.Put([]byte("key"), []byte(name)); err != nil {
			t.Fatal(err)
		}
		tab.Close()
	}
	for _, name := range []string{"one", "two"} {
		tab, err := Open(path, &Options{Bucket: name})
		if err != nil {
			t.Fatal(err)
		}
		if v, found, err := tab.Lookup([]byte("key")); v != name || !found || err != nil {
			t.Errorf("got %q %v %v, want %q", v, found, err, name)
		}
		tab.Close()
	}
	if _, err := Open(path, nil); !errors.Is(err, ErrBucket) || !strings.Contains(err.Error(), `"one", "two"`) {
		t.Errorf("two buckets: got %v", err)
	}
	if _, err := Open(path, &Options{Bucket: "three"}); !errors.Is(err, ErrBucket) {
		t.Errorf("no such bucket: got %v", err)
	}
}

func TestErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.bolt")
	if _, err := Open(path, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	if _, err := OpenWrite(filepath.Dir(path), nil); err == nil {
		t.Error("a folder: no error")
	}
	tab := writable(t)
	for _, n := range []int{0, maxKey + 1} {
		var e *KeyError
		if err := tab.Put(make([]byte, n), nil); !errors.As(err, &e) || !errors.Is(err, ErrKeySize) {
			t.Errorf("key of %d bytes: got %v", n, err)
		}
		if err := NewBuilder(nil).Add(make([]byte, n), nil); !errors.As(err, &e) {
			t.Errorf("builder, key of %d bytes: got %v", n, err)
		}
	}
	if err := tab.Put(bytes.Repeat([]byte("k"), maxKey), []byte("v")); err != nil {
		t.Errorf("longest key: %v", err)
	}
	if err := os.WriteFile(path, build(t, nil, rec("a", "1")), 0o600); err != nil {
		t.Fatal(err)
	}
	ro, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if err := ro.Put([]byte("a"), nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("put: got %v, want ErrReadOnly", err)
	}
	if _, err := ro.Delete([]byte("a")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("delete: got %v, want ErrReadOnly", err)
	}
	tab.Close()
	if err := tab.Put([]byte("a"), nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after close: got %v", err)
	}
}

// TestLocksEnd: neither kind of lock waits for ever, and both end with Close.
func TestLocksEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.bolt")
	w, err := OpenWrite(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	short := &Options{LockTimeout: 100 * time.Millisecond}
	for name, open := range map[string]func(string, *Options) (*Table, error){"Open": Open, "OpenWrite": OpenWrite} {
		start := time.Now()
		if _, err := open(path, short); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: got %v, want ErrLocked", name, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s waited %s", name, d)
		}
	}
	w.Close()
	r1, err := Open(path, short)
	if err != nil {
		t.Fatal(err)
	}
	r2, err := Open(path, short)
	if err != nil {
		t.Fatalf("two readers: %v", err)
	}
	if _, err := OpenWrite(path, short); !errors.Is(err, ErrLocked) {
		t.Errorf("writer beside readers: got %v, want ErrLocked", err)
	}
	r1.Close()
	r2.Close()
	w, err = OpenWrite(path, short)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if d := newTable(path, &Options{LockTimeout: -1}).opts.LockTimeout; d != defaultTimeout {
		t.Errorf("negative timeout became %s", d)
	}
}

func TestDuplicates(t *testing.T) {
	recs := []tabletest.Record{rec("b", "1"), rec("a", "2"), rec("b", "3")}
	for policy, want := range map[Duplicates]string{KeepFirst: "1", KeepLast: "3"} {
		path := filepath.Join(t.TempDir(), "t.bolt")
		reported := 0
		img := build(t, &BuildOptions{Duplicates: policy, OnDuplicate: func(key []byte, first, again int) {
			if string(key) != "b" || first != 0 || again != 2 {
				t.Errorf("reported %q %d %d", key, first, again)
			}
			reported++
		}}, recs...)
		os.WriteFile(path, img, 0o600)
		tab, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, _, _ := tab.Lookup([]byte("b")); v != want || reported != 1 {
			t.Errorf("policy %d: got %q, %d reports", policy, v, reported)
		}
		tab.Close()
	}
	b := NewBuilder(nil)
	for _, r := range recs {
		b.Add(r.Key, r.Value)
	}
	var dup *DuplicateError
	if n, err := b.WriteTo(io.Discard); !errors.As(err, &dup) || !errors.Is(err, ErrDuplicate) || n != 0 {
		t.Errorf("reject: got %d %v", n, err)
	}
}

// seal makes the checksums of both meta pages right, as someone hostile would.
func seal(img []byte) {
	for _, off := range []int{0, os.Getpagesize()} {
		if len(img) >= off+pageHead+metaSize {
			h := fnv.New64a()
			h.Write(img[off+pageHead:][:metaSize-8])
			ne.PutUint64(img[off+pageHead+metaSize-8:], h.Sum64())
		}
	}
}

// use does everything to a file; what comes out does not matter.
func use(t testing.TB, path string) {
	tab, err := Open(path, nil)
	if err != nil {
		return
	}
	for rec, err := range tab.All() {
		if err != nil {
			break
		}
		if _, found, err := tab.Lookup(rec.Key); !found && err == nil {
			t.Errorf("lookup does not find %.60q, which iteration gave", rec.Key)
		}
	}
	tab.Lookup([]byte("user"))
	tab.Info()
	tab.Close()
	if tab, err = OpenWrite(path, &Options{NoSync: true}); err != nil {
		return
	}
	tab.Put([]byte("new"), make([]byte, 10000))
	tab.Delete([]byte("new"))
	tab.Close()
}

// TestDamage flips bytes all over a file, with the checksums made right.
func TestDamage(t *testing.T) {
	good := build(t, nil, append(tabletest.Mail(400), rec("big", strings.Repeat("b", 9000)))...)
	path := filepath.Join(t.TempDir(), "t.bolt")
	rnd := rand.New(rand.NewPCG(3, 3))
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		img := bytes.Clone(good)
		page := rnd.IntN(len(img) / os.Getpagesize())
		for range 1 + rnd.IntN(3) {
			at := page*os.Getpagesize() + rnd.IntN(120) // heads and elements
			if img[at] = byte(rnd.Uint32()); rnd.IntN(4) == 0 {
				img[at] = byte(rnd.IntN(len(img) / os.Getpagesize())) // a page number
			}
		}
		if rnd.IntN(10) == 0 {
			img = img[:rnd.IntN(len(img))]
		}
		seal(img)
		os.WriteFile(path, img, 0o600)
		use(t, path)
	}
}

// TestCycle: a branch page that is its own child makes bbolt recurse until the
// process dies. Check reports it, and everything else that is wrong.
func TestCycle(t *testing.T) {
	img := build(t, nil, tabletest.Mail(2000)...)
	size := os.Getpagesize()
	cycles := 0
	for id := 2; id < len(img)/size; id++ {
		p := img[id*size:]
		if ne.Uint16(p[8:]) == flagBranch {
			ne.PutUint64(p[pageHead+8:], uint64(id))
			ne.PutUint64(p[pageHead+element+8:], uint64(id))
			cycles++
		}
	}
	path := filepath.Join(t.TempDir(), "t.bolt")
	os.WriteFile(path, img, 0o600)
	if _, err := Open(path, nil); cycles == 0 || !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("%d cycles: got %v", cycles, err)
	}
	if _, err := OpenWrite(path, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("for writing: got %v", err)
	}
	tab, err := Open(path, &Options{NoVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	var faults []Fault
	err = tab.Check(t.Context(), func(f Fault) bool { faults = append(faults, f); return true })
	if !errors.Is(err, ErrCorrupt) || len(faults) < 2*cycles {
		t.Errorf("check: got %v, %d faults, want %d or more", err, len(faults), 2*cycles)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	os.WriteFile(path+"2", build(t, nil, tabletest.Mail(60000)...), 0o600)
	tab2, err := Open(path+"2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tab2.Close()
	if err := tab2.Check(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestFreeList: bbolt takes the number of free pages from the file and makes
// room for as many.
func TestFreeList(t *testing.T) {
	good := build(t, nil, tabletest.Mail(500)...)
	size := os.Getpagesize()
	path := filepath.Join(t.TempDir(), "t.bolt")
	for name, damage := range map[string]func(p []byte){
		"long":    func(p []byte) { ne.PutUint16(p[10:], 5000) },
		"huge":    func(p []byte) { ne.PutUint16(p[10:], 0xffff); ne.PutUint64(p[pageHead:], 1<<40) },
		"in use":  func(p []byte) { ne.PutUint16(p[10:], 1); ne.PutUint64(p[pageHead:], ne.Uint64(p)) },
		"outside": func(p []byte) { ne.PutUint16(p[10:], 1); ne.PutUint64(p[pageHead:], 1<<40) },
		"meta":    func(p []byte) { ne.PutUint16(p[10:], 1); ne.PutUint64(p[pageHead:], 1) },
		"twice": func(p []byte) {
			ne.PutUint16(p[10:], 2)
			ne.PutUint64(p[pageHead:], ne.Uint64(p)-1)
			ne.PutUint64(p[pageHead+8:], ne.Uint64(p)-1)
		},
		"type": func(p []byte) { ne.PutUint16(p[8:], flagLeaf) },
	} {
		img := bytes.Clone(good)
		m := img[pageHead:]
		if other := img[size+pageHead:]; ne.Uint64(other[48:]) > ne.Uint64(m[48:]) {
			m = other
		}
		damage(img[int(ne.Uint64(m[32:]))*size:])
		os.WriteFile(path, img, 0o600)
		if _, err := OpenWrite(path, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestPanicsBecomeErrors uses a file that was not verified, so that bbolt runs
// into the damage.
func TestPanicsBecomeErrors(t *testing.T) {
	img := build(t, nil, tabletest.Mail(2000)...)
	size := os.Getpagesize()
	for id := 2; id < len(img)/size; id++ {
		if p := img[id*size:]; ne.Uint16(p[8:]) == flagLeaf {
			ne.PutUint16(p[8:], 0x40) // no kind of page
		}
	}
	path := filepath.Join(t.TempDir(), "t.bolt")
	os.WriteFile(path, img, 0o600)
	if tab, err := Open(path, &Options{NoVerify: true}); err == nil {
		if _, _, err := tab.Lookup([]byte("user")); !errors.Is(err, ErrCorrupt) {
			t.Errorf("lookup: got %v", err)
		}
		if err := tab.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	} else if !errors.Is(err, ErrCorrupt) {
		t.Errorf("open: got %v", err)
	}
	// The lock is free again, whatever happened to bbolt.
	os.WriteFile(path, build(t, nil, rec("a", "1")), 0o600)
	tab, err := OpenWrite(path, &Options{LockTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	// A panic in a change: the table can only be closed, and closing ends.
	err = tab.update(func(tx *bbolt.Tx) error { panic("as bbolt does") })
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("change: got %v", err)
	}
	if err := tab.Put([]byte("b"), nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("next change: got %v", err)
	}
	if err := tab.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	again, err := OpenWrite(path, &Options{LockTimeout: time.Second})
	if err != nil {
		t.Fatalf("the lock of a broken table is not free: %v", err)
	}
	again.Close()
}

func TestConcurrentUse(t *testing.T) {
	tab, err := OpenWrite(filepath.Join(t.TempDir(), "t.bolt"), &Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				k := fmt.Appendf(nil, "%d-%d", g, i)
				if err := tab.Put(k, k); err != nil {
					t.Error(err)
				}
				if v, found, err := tab.Lookup(k); v != string(k) || !found || err != nil {
					t.Errorf("%s: got %q %v %v", k, v, found, err)
				}
			}
			for range tab.All() {
			}
		})
	}
	wg.Wait()
	if in, _ := tab.Info(); in.Records != 400 {
		t.Errorf("got %d records", in.Records)
	}
}
