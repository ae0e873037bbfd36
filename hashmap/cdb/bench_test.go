package cdb

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// lookupOrder gives the records in an order without pattern, so that no lookup
// profits from the one before.
func lookupOrder(recs []tabletest.Record) []tabletest.Record {
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
	return recs
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1e3, 1e5, 1e6} {
		recs := tabletest.Mail(n)
		path := filepath.Join(b.TempDir(), "t.cdb")
		if err := os.WriteFile(path, image(b, nil, recs...), 0o600); err != nil {
			b.Fatal(err)
		}
		lookupOrder(recs)
		for name, opts := range map[string]*Options{"mmap": nil, "ReaderAt": {NoMmap: true}} {
			b.Run(fmt.Sprintf("n=%d/%s", n, name), func(b *testing.B) {
				r, err := Open(path, opts)
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				b.ReportAllocs()
				var buf []byte
				i := 0
				for b.Loop() {
					var found bool
					buf, found, _ = r.AppendLookup(buf[:0], recs[i].Key)
					if !found {
						b.Fatal("not found")
					}
					if i++; i == n {
						i = 0
					}
				}
			})
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	recs := tabletest.Mail(1000)
	b.ReportAllocs()
	for b.Loop() {
		bld := NewBuilder(nil)
		for _, r := range recs {
			bld.Add(r.Key, r.Value)
		}
	}
}

func BenchmarkWriteTo(b *testing.B) {
	for _, n := range []int{1e4, 1e6} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			bld := NewBuilder(nil)
			for _, r := range tabletest.Mail(n) {
				bld.Add(r.Key, r.Value)
			}
			b.ReportAllocs()
			for b.Loop() {
				if n, err := bld.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				} else {
					b.SetBytes(n)
				}
			}
		})
	}
}

func BenchmarkAll(b *testing.B) {
	path := filepath.Join(b.TempDir(), "t.cdb")
	if err := os.WriteFile(path, image(b, nil, tabletest.Mail(1e5)...), 0o600); err != nil {
		b.Fatal(err)
	}
	r, err := Open(path, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range r.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e5, "ns/record")
}
