package tabletest

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// A Builder is what the builders of all formats have in common.
type Builder interface {
	Add(key, value []byte) error
	io.WriterTo
}

// Rec is a Record of strings.
func Rec(key, value string) Record { return Record{[]byte(key), []byte(value)} }

// ByKey is an Order: by the bytes of the keys.
func ByKey(recs []Record) {
	slices.SortFunc(recs, func(a, b Record) int { return bytes.Compare(a.Key, b.Key) })
}

// Image returns the file that b makes of the records.
func Image(t testing.TB, b Builder, recs ...Record) []byte {
	t.Helper()
	for _, r := range recs {
		if err := b.Add(r.Key, r.Value); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if n, err := b.WriteTo(&buf); err != nil || n != int64(buf.Len()) {
		t.Fatalf("WriteTo: got %d, %v, want %d", n, err, buf.Len())
	}
	return buf.Bytes()
}

// Opens makes the Open of a Mode out of a format's own function.
func Opens[R any](open func(path string) (R, error), table func(R) Table) func(string) (Table, error) {
	return func(path string) (Table, error) {
		r, err := open(path)
		if err != nil {
			return Table{}, err
		}
		return table(r), nil
	}
}

// Records turns the records of a format's package into those of this one.
func Records[R ~struct{ Key, Value []byte }](all iter.Seq2[R, error]) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for rec, err := range all {
			if !yield(Record(rec), err) {
				return
			}
		}
	}
}

// Benchmark measures a format: lookups in an order without pattern, adding
// records, writing them and reading all of them.
func Benchmark(b *testing.B, f Format, builder func() Builder) {
	sizes := []int{1e3, 1e5, 1e6}
	for _, n := range sizes {
		recs := Mail(n)
		path := filepath.Join(b.TempDir(), "table")
		if err := f.Build(path, recs); err != nil {
			b.Fatal(err)
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
		for _, m := range f.Modes {
			tab, err := m.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("lookup/n=%d/%s", n, m.Name), func(b *testing.B) { lookups(b, tab, recs) })
			if n == 1e5 {
				b.Run(fmt.Sprintf("all/n=%d/%s", n, m.Name), func(b *testing.B) { all(b, tab, n) })
			}
			tab.Close()
		}
		b.Run(fmt.Sprintf("add/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				added(b, builder(), recs)
			}
		})
		b.Run(fmt.Sprintf("write/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			bld := builder()
			added(b, bld, recs)
			for b.Loop() {
				size, err := bld.WriteTo(io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(size)
			}
		})
	}
}

func added(b *testing.B, bld Builder, recs []Record) {
	for _, r := range recs {
		if err := bld.Add(r.Key, r.Value); err != nil {
			b.Fatal(err)
		}
	}
}

func lookups(b *testing.B, tab Table, recs []Record) {
	b.ReportAllocs()
	var buf []byte
	i := 0
	for b.Loop() {
		var found bool
		buf, found, _ = tab.AppendLookup(buf[:0], recs[i].Key)
		if !found {
			b.Fatal("not found")
		}
		if i++; i == len(recs) {
			i = 0
		}
	}
}

func all(b *testing.B, tab Table, n int) {
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range tab.All {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
}
