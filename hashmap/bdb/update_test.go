package bdb

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// script makes random changes to a table and to a map.
type script struct {
	rnd  *rand.Rand
	want map[string]string
	size int // of a page: items are chosen around its limits

	known []string // keys that were there at some time
}

func (s *script) key() string {
	switch n := s.rnd.IntN(20); {
	case n == 0:
		return strings.Repeat("long", s.rnd.IntN(s.size/2)+1) + fmt.Sprint(s.rnd.IntN(5))
	case n < 4:
		return strings.Repeat("p", s.rnd.IntN(40)) // prefixes of each other
	}
	return fmt.Sprintf("user%d@example.org", s.rnd.IntN(3000))
}

func (s *script) value() string {
	switch s.rnd.IntN(30) {
	case 0:
		return strings.Repeat("V", s.rnd.IntN(4*s.size))
	case 1, 2, 3:
		return strings.Repeat("v", s.rnd.IntN(s.size/3))
	}
	return fmt.Sprint("value ", s.rnd.IntN(1e6))
}

// old returns a key that is there, or was once.
func (s *script) old() string {
	if len(s.known) == 0 {
		return s.key()
	}
	return s.known[s.rnd.IntN(len(s.known))]
}

func (s *script) step(t testing.TB, u *Updater, deletes int) {
	t.Helper()
	switch n := s.rnd.IntN(100); {
	case n < deletes:
		key := s.key()
		if s.rnd.IntN(5) > 0 {
			key = s.old()
		}
		_, there := s.want[key]
		found, err := u.Delete([]byte(key))
		if err != nil || found != there {
			t.Fatalf("Delete(%.40q): got %v, %v, want %v", key, found, err, there)
		}
		delete(s.want, key)
	case n < deletes+20:
		key, value := s.old(), s.value()
		_, there := s.want[key]
		replaced, err := u.Put([]byte(key), []byte(value))
		if err != nil || replaced != there {
			t.Fatalf("Put(%.40q): got %v, %v, want %v", key, replaced, err, there)
		}
		s.want[key] = value
		s.known = append(s.known, key)
	default:
		key, value := s.key(), s.value()
		_, there := s.want[key]
		err := u.Insert([]byte(key), []byte(value))
		if there != errors.Is(err, ErrDuplicate) || !there && err != nil {
			t.Fatalf("Insert(%.40q): got %v, key there: %v", key, err, there)
		}
		if !there {
			s.want[key] = value
			s.known = append(s.known, key)
		}
	}
}

// compare wants the records of data to be those of the map.
func (s *script) compare(t testing.TB, data []byte) {
	t.Helper()
	r, err := FromBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	got := mustAll(t, r)
	m := map[string]string{}
	for _, p := range got {
		if _, ok := m[p.key]; ok {
			t.Fatalf("key %.40q twice", p.key)
		}
		m[p.key] = p.value
	}
	if !maps.Equal(m, s.want) {
		t.Fatalf("got %d records, want %d", len(m), len(s.want))
	}
	for key, want := range s.want {
		if v, ok, err := r.Lookup([]byte(key)); err != nil || !ok || v != want {
			t.Fatalf("Lookup(%.40q): %.40q, %v, %v", key, v, ok, err)
		}
	}
}

func image(t testing.TB, u *Updater) []byte {
	t.Helper()
	var buf bytes.Buffer
	if n, err := u.WriteTo(&buf); err != nil || n != int64(buf.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, buf.Len(), err)
	}
	return buf.Bytes()
}

// TestUpdate grows a table from nothing, changes it, and shrinks it to nothing.
func TestUpdate(t *testing.T) {
	layouts(func(name string, kind Kind, opts BuildOptions) {
		if !long() && (opts.BigEndian != opts.Checksums || opts.PageSize != 512 && opts.PageSize != 4096) {
			return // every page size takes minutes
		}
		t.Run(name, func(t *testing.T) {
			s := &script{rnd: rand.New(rand.NewPCG(1, uint64(opts.PageSize))), want: map[string]string{}, size: opts.PageSize}
			data := build(t, kind, &opts, nil)
			for round := range 30 {
				r, err := FromBytes(data)
				if err != nil {
					t.Fatal(err)
				}
				u, err := r.Update()
				if err != nil {
					t.Fatal(err)
				}
				for range 100 {
					s.step(t, u, map[bool]int{true: 80, false: 15}[round >= 18])
				}
				if round == 29 {
					for key := range maps.Clone(s.want) {
						if found, err := u.Delete([]byte(key)); err != nil || !found {
							t.Fatal(found, err)
						}
						delete(s.want, key)
					}
				}
				before := slices.Clone(data)
				next := image(t, u)
				if !bytes.Equal(before, data) {
					t.Fatal("the update changed the old file")
				}
				data = next
				s.compare(t, data)
				if round%6 == 5 {
					judgeIfThere(t, data)
				}
			}
		})
	})
}

// judgeIfThere asks libdb where it is installed; the test has its own judge.
func judgeIfThere(t *testing.T, data []byte) {
	t.Helper()
	r, err := FromBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	want := mustAll(t, r)
	t.Run("real", func(t *testing.T) {
		judge(t, realpostfix.Need(t, "db5.3_verify", "db5.3_dump"), data, want)
	})
	if t.Failed() {
		t.FailNow()
	}
}

// TestUpdateSamples changes files that libdb made.
func TestUpdateSamples(t *testing.T) {
	for _, file := range sampleFiles(t) {
		t.Run(file, func(t *testing.T) {
			data := read(t, file)
			r, err := FromBytes(data)
			if err != nil {
				t.Fatal(err)
			}
			u, err := r.Update()
			if strings.Contains(file, "recnum") {
				if !errors.Is(err, ErrUnsupported) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(image(t, u), data[:(int(r.lastPgno)+1)*r.size]) {
				t.Fatal("an update without a change changes bytes")
			}
			s := &script{rnd: rand.New(rand.NewPCG(2, 3)), want: map[string]string{}, size: r.size}
			all := mustAll(t, r)
			for _, p := range all {
				s.want[p.key] = p.value
				s.known = append(s.known, p.key)
			}
			if len(s.want) < len(all) { // repeated keys: leave one value each
				for key, value := range s.want {
					if replaced, err := u.Put([]byte(key), []byte(value)); err != nil || !replaced {
						t.Fatal(replaced, err)
					}
				}
			}
			for range 5 {
				for range 150 {
					s.step(t, u, 30)
				}
				data = image(t, u)
				s.compare(t, data)
				if !strings.Contains(file, "-v10-") {
					judgeIfThere(t, data)
				}
				if r, err = FromBytes(data); err != nil {
					t.Fatal(err)
				}
				if u, err = r.Update(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestCopyTo wants the same file from the fast way of writing it.
func TestCopyTo(t *testing.T) {
	for _, kind := range []Kind{Hash, Btree} {
		path := filepath.Join(t.TempDir(), "t.db")
		pairs := tables(4096)["mail10000"]
		tail := append(build(t, kind, nil, pairs), "left behind by a crash"...)
		if err := os.WriteFile(path, tail, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, opts := range []*Options{nil, {NoMmap: true}} {
			r, err := Open(path, opts)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			u, err := r.Update()
			if err != nil {
				t.Fatal(err)
			}
			for i := range 500 {
				if err := u.Insert(fmt.Append(nil, "new", i), bytes.Repeat([]byte("v"), i*20)); err != nil {
					t.Fatal(err)
				}
			}
			f, err := os.Create(filepath.Join(t.TempDir(), "new.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := u.CopyTo(f); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, f.Name()), image(t, u)) {
				t.Errorf("%v: CopyTo and WriteTo differ", kind)
			}
		}
	}
}

// TestUpdateMixedPages changes a bucket on whose page libdb has mixed keys that
// are off the page with prefixes of them that are not.
func TestUpdateMixedPages(t *testing.T) {
	real := realpostfix.Need(t, "db5.3_load", "db5.3_verify", "db5.3_dump")
	var in strings.Builder
	in.WriteString("VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=512\nHEADER=END\n")
	want := map[string]string{}
	for i := range 400 {
		key := strings.Repeat("ab", i%150) + "\x00"
		if want[key] == "" {
			want[key] = "v"
			fmt.Fprintf(&in, " %x\n 76\n", key)
		}
	}
	in.WriteString("DATA=END\n")
	path := filepath.Join(t.TempDir(), "mixed.db")
	real.MustRun(realpostfix.Call{Name: "db5.3_load", Args: []string{path}, Stdin: in.String()})
	data := read(t, path)
	s := &script{want: want}
	s.compare(t, data)
	rnd := rand.New(rand.NewPCG(4, 4))
	for i := 0; len(want) > 0; i++ {
		r, err := FromBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		u, err := r.Update()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			switch rnd.IntN(12) {
			case 0, 1:
				if ok, err := u.Delete([]byte(key)); err != nil || !ok {
					t.Fatal(ok, err)
				}
				delete(want, key)
			case 2:
				want[key] = strings.Repeat("w", rnd.IntN(120))
				if ok, err := u.Put([]byte(key), []byte(want[key])); err != nil || !ok {
					t.Fatal(ok, err)
				}
			}
		}
		data = image(t, u)
		s.compare(t, data)
		if i%4 == 0 {
			r, _ := FromBytes(data)
			judge(t, real, data, mustAll(t, r))
		}
	}
}
