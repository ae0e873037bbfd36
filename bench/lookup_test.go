package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// Tables of the sizes the goals name, with records as mail servers have them.
var lookupSizes = []int{1e3, 1e5, 1e6}

// A tableBuilder is the part of the builders that the comparisons need.
type tableBuilder interface {
	Add(key, value []byte) error
}

func addAll(tb testing.TB, b tableBuilder, recs []tabletest.Record) {
	tb.Helper()
	for _, r := range recs {
		if err := b.Add(r.Key, r.Value); err != nil {
			tb.Fatal(err)
		}
	}
}

// shuffled returns the keys of recs in an order without pattern.
func shuffled(recs []tabletest.Record) *clib.Keys {
	keys := new(clib.Keys)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(recs)) {
		keys.Add(recs[i].Key)
	}
	return keys
}

// strangers returns keys that are not in a table and look like those that are:
// they differ from one of them in the last byte.
func strangers(keys *clib.Keys) *clib.Keys {
	out := new(clib.Keys)
	for i := range keys.Len() {
		key := append([]byte(nil), keys.Key(i)...)
		key[len(key)-1] ^= 1
		out.Add(key)
	}
	return out
}

// A finder looks up count keys, beginning with number from and going on with
// the first after the last. It tells how many there are and the time it took.
type finder func(from, count int) (found int, took time.Duration)

// finderOf is the finder of a lookup function.
func finderOf(keys *clib.Keys, lookup func(dst, key []byte) ([]byte, bool, error)) finder {
	buf := make([]byte, 0, 4096)
	return func(from, count int) (found int, took time.Duration) {
		n, start := keys.Len(), time.Now()
		for ; count > 0; count-- {
			if _, ok, _ := lookup(buf, keys.Key(from)); ok {
				found++
			}
			if from++; from == n {
				from = 0
			}
		}
		return found, time.Since(start)
	}
}

// mapFinder is Go's own map with the records on the heap.
func mapFinder(recs []tabletest.Record, keys *clib.Keys) finder {
	m := make(map[string]string, len(recs))
	for _, r := range recs {
		m[string(r.Key)] = string(r.Value)
	}
	return finderOf(keys, func(dst, key []byte) ([]byte, bool, error) {
		v, ok := m[string(key)]
		return append(dst, v...), ok, nil
	})
}

// A contestant is one way to look keys up in a table.
type contestant struct {
	name    string
	find    finder
	missing error // set instead of find
}

// inC is a C library called from C, see package clib.
func inC(tb testing.TB, name string, lib clib.Library, path string, keys *clib.Keys) contestant {
	tb.Helper()
	p, err := clib.Start(lib, tb.TempDir(), path, keys)
	if errors.Is(err, clib.ErrMissing) {
		return contestant{name: name, missing: err}
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	return contestant{name: name, find: func(from, count int) (int, time.Duration) {
		found, took, err := p.Find(from, count)
		if err != nil {
			tb.Fatal(err)
		}
		return found, took
	}}
}

// need skips a comparison with something that is not installed.
func (c *contestant) need(tb testing.TB) {
	tb.Helper()
	if c.missing != nil {
		realpostfix.Lacks(tb, c.missing.Error())
	}
}

// A field is who takes part: it opens a table in all the ways that are
// compared, ours first.
type field struct {
	file  func(testing.TB, []tabletest.Record) string
	enter func(tb testing.TB, path string, recs []tabletest.Record, keys *clib.Keys) []contestant
}

// compare runs the lookups of all sizes, of keys that are there and of keys
// that are not.
func (f field) compare(b *testing.B, sizes []int) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			recs := tabletest.Mail(n)
			path, hits := f.file(b, recs), shuffled(recs)
			for _, there := range []bool{true, false} {
				name, keys := "hit", hits
				if !there {
					name, keys = "miss", strangers(hits)
				}
				b.Run(name, func(b *testing.B) {
					for _, c := range f.enter(b, path, recs, keys) {
						next := 0
						b.Run(c.name, func(b *testing.B) {
							c.need(b)
							b.ReportAllocs()
							b.ResetTimer()
							found, took := c.find(next, b.N)
							if there && found != b.N || !there && found != 0 {
								b.Fatalf("found %d of %d", found, b.N)
							}
							// A short run goes on where the last one ended, or
							// it would look at the same few keys again.
							next = (next + b.N) % keys.Len()
							b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
						})
					}
				})
			}
		})
	}
}

// pair compares two sides, ours and the second, on a machine that has other
// things to do: they take turns of a few milliseconds, with different keys so
// that neither warms the caches for the other, and the best turn of each counts.
// A turn begins with lookups that are not timed: the other side has just emptied
// the caches.
// It measures when asked to: POSTFIXKIT_PAIRED=1 go test -v -run Paired.
func (f field) pair(t *testing.T) {
	if os.Getenv("POSTFIXKIT_PAIRED") == "" {
		return // a measurement, not a test
	}
	const turn, warm = 20000, 10000
	for _, n := range lookupSizes {
		recs := tabletest.Mail(n)
		path, hits := f.file(t, recs), shuffled(recs)
		for i, keys := range []*clib.Keys{hits, strangers(hits)} {
			sides := f.enter(t, path, recs, keys)[:2]
			sides[1].need(t)
			best := [2]float64{1e9, 1e9}
			for round := range 300 {
				for i := range sides {
					i = (i + round) % 2 // whoever comes second has a small advantage
					from := round*turn + i*n/2
					sides[i].find(from%n, warm)
					_, took := sides[i].find((from+warm)%n, turn)
					best[i] = min(best[i], float64(took.Nanoseconds())/turn)
				}
			}
			t.Logf("n=%d %s: %s %.1f ns, %s %.1f ns, %.2f times", n, []string{"hit", "miss"}[i], sides[0].name, best[0], sides[1].name, best[1], best[0]/best[1])
		}
	}
}
