package bdb

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// benchFiles makes each table once, when a benchmark first asks for it.
var benchFiles sync.Map // name -> func() string

// benchFile returns a file of n mail addresses, stored in random order as a
// source file has them.
func benchFile(b *testing.B, kind Kind, n int) string {
	b.Helper()
	name := fmt.Sprintf("%v-%d", kind, n)
	once, _ := benchFiles.LoadOrStore(name, sync.OnceValue(func() string {
		path := filepath.Join(os.TempDir(), fmt.Sprintf("bdb-bench-%d-%s.db", os.Getpid(), name))
		f, err := os.Create(path)
		if err != nil {
			return ""
		}
		defer f.Close()
		bd := NewBuilder(kind, nil)
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
			bd.Add(benchKey(nil, i), fmt.Appendf(nil, "mailbox-%d\x00", i))
		}
		bd.WriteTo(f)
		return path
	}))
	path := once.(func() string)()
	if path == "" {
		b.Fatal("no table to measure")
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	benchFiles.Range(func(_, once any) bool {
		os.Remove(once.(func() string)())
		return true
	})
	os.Exit(code)
}

func benchKey(dst []byte, i int) []byte {
	return fmt.Appendf(dst, "user%d@example%d.org\x00", i, i%100)
}

func bothKinds(b *testing.B, sizes []int, fn func(b *testing.B, kind Kind, n int)) {
	for _, kind := range []Kind{Hash, Btree} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%v/%d", kind, n), func(b *testing.B) { fn(b, kind, n) })
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	bothKinds(b, []int{10_000, 1_000_000}, func(b *testing.B, kind Kind, n int) {
		var key, value []byte
		order := rand.New(rand.NewPCG(1, 2)).Perm(n)
		b.ReportAllocs()
		for b.Loop() {
			bd := NewBuilder(kind, &BuildOptions{Duplicates: KeepFirst})
			for _, i := range order {
				key = append(key[:0], "user0000000@example00.org\x00"...)
				for j, d := 0, i; j < 7; j, d = j+1, d/10 {
					key[10-j] = byte('0' + d%10)
				}
				value = append(value[:0], key[4:11]...)
				bd.Add(key, append(value, "mail\x00"...))
			}
			if _, err := bd.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
	})
}

// BenchmarkLookup asks for random keys of a table that is in memory.
func BenchmarkLookup(b *testing.B) {
	for _, what := range []string{"hit", "miss"} {
		b.Run(what, func(b *testing.B) {
			bothKinds(b, []int{1000, 100_000, 1_000_000}, func(b *testing.B, kind Kind, n int) {
				r, err := Open(benchFile(b, kind, n), nil)
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				keys := make([][]byte, min(n, 1<<17))
				rnd := rand.New(rand.NewPCG(3, 4))
				for i := range keys {
					keys[i] = benchKey(nil, rnd.IntN(n))
					if what == "miss" {
						keys[i][len(keys[i])-2] = 'x' // .orx
					}
				}
				buf := make([]byte, 0, 64)
				for _, k := range keys {
					r.AppendLookup(buf, k)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					_, ok, err := r.AppendLookup(buf, keys[i%len(keys)])
					if ok != (what == "hit") || err != nil {
						b.Fatal(ok, err)
					}
					i++
				}
			})
		})
	}
}

// BenchmarkLookupMany is BenchmarkLookup/hit with all keys in one call.
func BenchmarkLookupMany(b *testing.B) {
	bothKinds(b, []int{1000, 100_000, 1_000_000}, func(b *testing.B, kind Kind, n int) {
		r, err := Open(benchFile(b, kind, n), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		keys := make([][]byte, min(n, 1<<17))
		rnd := rand.New(rand.NewPCG(3, 4))
		for i := range keys {
			keys[i] = benchKey(nil, rnd.IntN(n))
		}
		b.ReportAllocs()
		for b.Loop() {
			hits := 0
			_, err := r.LookupMany(keys, func(int, []byte) bool { hits++; return true })
			if hits < len(keys) || err != nil {
				b.Fatal(hits, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(keys)), "ns/key")
	})
}

func BenchmarkLookupString(b *testing.B) {
	bothKinds(b, []int{1000}, func(b *testing.B, kind Kind, n int) {
		r, err := Open(benchFile(b, kind, n), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		key := benchKey(nil, 77)
		b.ReportAllocs()
		for b.Loop() {
			if _, ok, err := r.Lookup(key); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}

// BenchmarkOpen opens a file, looks one key up and closes it.
func BenchmarkOpen(b *testing.B) {
	bothKinds(b, []int{1_000_000}, func(b *testing.B, kind Kind, n int) {
		path := benchFile(b, kind, n)
		i := 0
		for b.Loop() {
			r, err := Open(path, nil)
			if err != nil {
				b.Fatal(err)
			}
			if _, ok, err := r.Lookup(benchKey(nil, i*7919%n)); !ok || err != nil {
				b.Fatal(ok, err)
			}
			r.Close()
			i++
		}
	})
}

func BenchmarkAll(b *testing.B) {
	bothKinds(b, []int{1_000_000}, func(b *testing.B, kind Kind, n int) {
		r, err := Open(benchFile(b, kind, n), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		for b.Loop() {
			count := 0
			for _, err := range r.All() {
				if err != nil {
					b.Fatal(err)
				}
				count++
			}
			if count != n {
				b.Fatal(count)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
	})
}

func BenchmarkCheck(b *testing.B) {
	bothKinds(b, []int{1_000_000}, func(b *testing.B, kind Kind, n int) {
		r, err := Open(benchFile(b, kind, n), nil)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		for b.Loop() {
			if err := r.Check(b.Context(), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkInsert adds one record to a table and makes the new file, synced and
// renamed into place.
func BenchmarkInsert(b *testing.B) {
	bothKinds(b, []int{1_000_000}, func(b *testing.B, kind Kind, n int) {
		path := benchFile(b, kind, n)
		table := filepath.Join(filepath.Dir(path), "copy-of-"+filepath.Base(path))
		defer os.Remove(table)
		i := 0
		for b.Loop() {
			if err := insertOne(path, table, fmt.Append(nil, "new", i)); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

// insertOne makes table from the file at path, with one record more.
func insertOne(path, table string, key []byte) error {
	r, err := Open(path, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	u, err := r.Update()
	if err != nil {
		return err
	}
	if err := u.Insert(key, []byte("value")); err != nil {
		return err
	}
	f, err := os.Create(table + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := u.CopyTo(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), table)
}
