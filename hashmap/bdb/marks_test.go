package bdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// marked counts the pages that have marks.
func marked(r *Reader) (n int) {
	for pgno := uint32(1); pgno <= r.lastPgno; pgno++ {
		if r.memo.Load().get(pgno)&pageMarked != 0 {
			n++
		}
	}
	return n
}

// TestChangedInPlace changes a file under Readers that have marked its pages. One
// without marks is the judge.
func TestChangedInPlace(t *testing.T) {
	for _, kind := range []Kind{Hash, Btree} {
		path := filepath.Join(t.TempDir(), "t.db")
		pairs := tables(4096)["mail10000"]
		if err := os.WriteFile(path, build(t, kind, &BuildOptions{PageSize: 1024}, pairs), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		judge, err := Open(path, &Options{NoMmap: true})
		if err != nil {
			t.Fatal(err)
		}
		defer judge.Close()
		keys := map[string]bool{}
		for _, p := range pairs {
			keys[p.key] = true
		}
		rnd := rand.New(rand.NewPCG(5, 6))
		for round := range 10 {
			now, err := Open(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			u, err := now.Update()
			if err != nil {
				t.Fatal(err)
			}
			for range 200 {
				old := pairs[rnd.IntN(len(pairs))].key
				added := fmt.Sprintf("new%d.%d@example.com\x00", round, rnd.IntN(1e6))
				keys[added] = true
				if _, err := u.Delete([]byte(old)); err != nil {
					t.Fatal(err)
				}
				if _, err := u.Put([]byte(added), []byte(strings.Repeat("v", rnd.IntN(30)))); err != nil {
					t.Fatal(err)
				}
			}
			changed := image(t, u)
			now.Close()
			overwrite(t, path, changed)
			if round > 5 { // settled long ago, as most files are
				when := time.Now().Add(-time.Hour + time.Duration(round)*time.Second)
				if err := os.Chtimes(path, when, when); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * between)
			hits := 0
			for key := range keys {
				want, there, wantErr := judge.Lookup([]byte(key))
				got, ok, err := r.Lookup([]byte(key))
				if got != want || ok != there || (err == nil) != (wantErr == nil) {
					t.Fatalf("%v, round %d: Lookup(%q): %q, %v, %v; without marks: %q, %v, %v", kind, round, key, got, ok, err, want, there, wantErr)
				}
				if ok {
					hits++
				}
			}
			if hits < 5000 {
				t.Fatalf("%v: only %d keys found", kind, hits)
			}
		}
		if n := marked(r); n < 100 {
			t.Errorf("%v: %d pages have marks", kind, n)
		}
	}
}

// TestReplacedInPlace: after another table was written over the first, what was
// known of the first makes no error of a key that is there.
func TestReplacedInPlace(t *testing.T) {
	var old, now []pair
	for _, p := range tables(4096)["mail10000"] {
		old = append(old, p)
		now = append(now, pair{p.key, p.value[len(p.value)/2:]})
	}
	opts := &BuildOptions{PageSize: 2048}
	before, after := build(t, Btree, opts, old), build(t, Btree, opts, now)
	after = append(after, make([]byte, len(before)-len(after))...)
	path := filepath.Join(t.TempDir(), "t.db")
	errors := 0
	for i := 0; i < len(now) && errors < 20; i += 97 {
		if err := os.WriteFile(path, before, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range old { // learn all pages
			if _, ok, err := r.Lookup([]byte(p.key)); !ok || err != nil {
				t.Fatal(p.key, ok, err)
			}
		}
		overwrite(t, path, after)
		key := []byte(now[i].key)
		if _, _, err := r.findOnce(key, nil); err != nil {
			errors++
		}
		time.Sleep(2 * between)
		if value, ok, err := r.Lookup(key); value != now[i].value || !ok || err != nil {
			t.Errorf("Lookup(%q): %q, %v, %v, want %q", key, value, ok, err, now[i].value)
		}
		r.Close()
	}
	if errors < 3 {
		t.Errorf("only %d lookups met an error of what was known", errors)
	}
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMarkedPages: the pages of ordinary tables have marks, and upper pages of
// their trees are known, with pages of any size and in both byte orders.
func TestMarkedPages(t *testing.T) {
	pairs := tables(4096)["mail10000"]
	for _, kind := range []Kind{Hash, Btree} {
		for _, size := range []int{512, 4096, 65536} {
			for _, big := range []bool{false, true} {
				r, err := FromBytes(build(t, kind, &BuildOptions{PageSize: size, BigEndian: big}, pairs))
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range pairs {
					if v, ok, err := r.Lookup([]byte(p.key)); v != p.value || !ok || err != nil {
						t.Fatalf("Lookup(%q): %q, %v, %v", p.key, v, ok, err)
					}
				}
				if n := marked(r); n < int(r.lastPgno)*8/10 {
					t.Errorf("%v, pages of %d, big endian %v: %d of %d pages have marks", kind, size, big, n, r.lastPgno)
				}
				if top := r.memo.Load().top.Load(); kind == Btree && (top == nil || top == opaque) {
					t.Errorf("pages of %d, big endian %v: the root is not known", size, big)
				}
			}
		}
	}
}

// TestInnerSearch compares the search in an upper page that is known with the one
// in the page itself, for keys on, just below and just above its own.
func TestInnerSearch(t *testing.T) {
	for _, format := range []string{"user%06d", "%06d", "www.example.com/a/long/common/path/%06d", "%06d\x00\x00", "\xff%06d"} {
		var pairs []pair
		for i := range 5000 {
			pairs = append(pairs, pair{fmt.Sprintf(format, i), "v"})
		}
		r, err := FromBytes(build(t, Btree, &BuildOptions{PageSize: 1024}, pairs))
		if err != nil {
			t.Fatal(err)
		}
		sure := 0
		for _, p := range pairs {
			for _, key := range []string{p.key, p.key + "\x00", p.key[:len(p.key)-1], "", "\x00", "zzz", "\xff\xff"} {
				at := r.descend([]byte(key))
				want := place{r.root, -1}
				for want != at {
					page, _, err := r.view(want.pgno, nil)
					if err != nil || page[offType] != pageInternal {
						t.Fatalf("%q: came to page %d, which is not on the way", key, at.pgno)
					}
					child, _, err := r.searchInternal(page, want.pgno, []byte(key), nil)
					if err != nil {
						t.Fatal(err)
					}
					want = place{child, int(page[offLevel]) - 1}
				}
				if at.level == leafLevel {
					sure++
				}
			}
		}
		if sure < 3*len(pairs) {
			t.Errorf("%q: only %d lookups got to a leaf", format, sure)
		}
	}
}

func TestMatches(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		var b [8]byte
		for i := range b {
			b[i] = byte(rnd.IntN(4)) * 85
		}
		word := uint64(0)
		for i, c := range b {
			word |= uint64(c) << (8 * i)
		}
		mark := uint64(rnd.IntN(255) + 1)
		found := matches(word, mark)
		first := bytes.IndexByte(b[:], byte(mark))
		if (found != 0) != (first >= 0) {
			t.Fatalf("%x, mark %x: %x, first %d", b, mark, found, first)
		}
		for i, c := range b {
			if c == byte(mark) && found>>(8*i)&0x80 == 0 {
				t.Fatalf("%x, mark %x: %x lacks byte %d", b, mark, found, i)
			}
		}
	}
}
