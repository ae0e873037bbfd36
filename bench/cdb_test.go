package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/hashmap/cdb"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// Tables of the sizes the goals name, with records as mail servers have them.
var lookupSizes = []int{1e3, 1e5, 1e6}

// A tableBuilder is the part of the builders that the comparisons need.
type tableBuilder interface {
	Add(key, value []byte) error
}

// shuffled returns the keys of recs in an order without pattern.
func shuffled(recs []tabletest.Record) *clib.Keys {
	keys := new(clib.Keys)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(recs)) {
		keys.Add(recs[i].Key)
	}
	return keys
}

func addAll(tb testing.TB, b tableBuilder, recs []tabletest.Record) {
	tb.Helper()
	for _, r := range recs {
		if err := b.Add(r.Key, r.Value); err != nil {
			tb.Fatal(err)
		}
	}
}

func cdbFile(tb testing.TB, recs []tabletest.Record) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "t.cdb")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	b := cdb.NewBuilder(nil)
	addAll(tb, b, recs)
	if _, err := b.WriteTo(f); err != nil {
		tb.Fatal(err)
	}
	return path
}

// finder looks keys[from:to] up and returns how many there are.
type finder func(from, to int) int

func cdbFinder(tb testing.TB, path string, keys *clib.Keys) finder {
	tb.Helper()
	r, err := cdb.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	buf := make([]byte, 0, 4096)
	return func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if _, found, _ := r.AppendLookup(buf, keys.Key(i)); found {
				n++
			}
		}
		return n
	}
}

// tinyFinder is TinyCDB called from C, nil when it is not installed.
func tinyFinder(tb testing.TB, path string, keys *clib.Keys) finder {
	tb.Helper()
	c, err := clib.OpenCDB(path)
	if errors.Is(err, clib.ErrMissing) {
		return nil
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return func(from, to int) int { return c.Find(keys, from, to) }
}

// lookups makes a benchmark of a finder.
func lookups(keys *clib.Keys, f finder) func(*testing.B) {
	return func(b *testing.B) {
		if f == nil {
			b.Skip("not installed")
		}
		b.ReportAllocs()
		n := keys.Len()
		for done := 0; done < b.N; {
			// Goes on where the last run ended, or a short run would look at
			// the same few keys again and again.
			from := done % n
			to := min(n, from+b.N-done)
			if got := f(from, to); got != to-from {
				b.Fatalf("found %d of %d", got, to-from)
			}
			done += to - from
		}
	}
}

func BenchmarkLookupCDB(b *testing.B) {
	for _, n := range lookupSizes {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			recs := tabletest.Mail(n)
			keys, path := shuffled(recs), cdbFile(b, recs)
			b.Run("postfixkit", lookups(keys, cdbFinder(b, path, keys)))
			b.Run("tinycdb", lookups(keys, tinyFinder(b, path, keys)))
			b.Run("map", lookups(keys, mapFinder(recs, keys)))
		})
	}
}

// mapFinder is Go's own map with the records on the heap.
func mapFinder(recs []tabletest.Record, keys *clib.Keys) finder {
	m := make(map[string]string, len(recs))
	for _, r := range recs {
		m[string(r.Key)] = string(r.Value)
	}
	buf := make([]byte, 0, 4096)
	return func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if v, ok := m[string(keys.Key(i))]; ok {
				_ = append(buf, v...)
				n++
			}
		}
		return n
	}
}

// paired compares two sides on a machine that has other things to do: they take
// turns of a few milliseconds, with different keys so that neither warms the
// caches for the other, and the best turn of each counts.
func paired(t *testing.T, name string, keys *clib.Keys, ours, theirs finder) {
	t.Helper()
	if theirs == nil {
		t.Logf("%s: not installed", name)
		return
	}
	const turn = 20000
	best := [2]float64{1e9, 1e9}
	n := keys.Len()
	for round := range 150 {
		for side, f := range []finder{ours, theirs} {
			from := (round*turn + side*n/2) % n
			to := min(n, from+turn)
			if n <= turn {
				from, to = 0, n
			}
			reps := max(1, turn/(to-from))
			start := time.Now()
			for range reps {
				if got := f(from, to); got != to-from {
					t.Fatalf("%s: found %d of %d", name, got, to-from)
				}
			}
			if to-from >= min(n, turn)/2 {
				best[side] = min(best[side], float64(time.Since(start).Nanoseconds())/float64(reps*(to-from)))
			}
		}
	}
	t.Logf("%s: ours %.1f ns, theirs %.1f ns, %.2f times", name, best[0], best[1], best[0]/best[1])
}

// TestPairedCDB measures when asked to: POSTFIXKIT_PAIRED=1 go test -v -run Paired.
func TestPairedCDB(t *testing.T) {
	if os.Getenv("POSTFIXKIT_PAIRED") == "" {
		return // a measurement, not a test
	}
	for _, n := range lookupSizes {
		recs := tabletest.Mail(n)
		keys, path := shuffled(recs), cdbFile(t, recs)
		paired(t, fmt.Sprintf("cdb n=%d", n), keys, cdbFinder(t, path, keys), tinyFinder(t, path, keys))
	}
}
