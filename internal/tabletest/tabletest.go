// Package tabletest is the one set of tests that every indexed table format
// has to pass, whichever way its files are opened: what was put in is found,
// what was not is not, iteration gives every record once, the same records give
// the same bytes, damage is an error.
//
// A format's test describes the format and calls [Run]:
//
//	func TestConformance(t *testing.T) {
//		tabletest.Run(t, tabletest.Format{
//			Build: build,
//			Modes: []tabletest.Mode{{Name: "mmap", Open: open}, {Name: "ReaderAt", Open: openAt}},
//		})
//	}
package tabletest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A Record is one key with its value.
type Record struct{ Key, Value []byte }

// Format describes a table format to Run.
type Format struct {
	// Build writes a table file. It must not keep the records.
	Build func(path string, records []Record) error
	// Modes are the ways to open a file.
	Modes []Mode

	MaxKey       int  // longest key, 0: no limit that matters here
	NoEmptyKey   bool // keys have at least one byte
	NoEmptyValue bool
	// Order, when set, puts records in the order in which All gives them.
	Order func([]Record)
	// Small leaves the large contents out, for variants of a format that is
	// tested with them.
	Small bool
	// NotDeterministic formats may write different bytes for the same records.
	NotDeterministic bool
}

// A Mode is one way to open a file.
type Mode struct {
	Name string
	Open func(path string) (Table, error)
	// NoAlloc promises that AppendLookup does not allocate.
	NoAlloc bool
}

// Table is an open table. Functions that a format does not have are nil.
type Table struct {
	Lookup       func(key []byte) (string, bool, error)
	AppendLookup func(dst, key []byte) ([]byte, bool, error)
	LookupMany   func(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error)
	All          iter.Seq2[Record, error]
	Check        func() error
	Close        func() error
}

// Mail returns n records as Postfix tables have them, different for every i < n
// and the same in every run.
func Mail(n int) []Record {
	recs := make([]Record, n)
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range recs {
		recs[i] = Record{
			fmt.Appendf(nil, "user%d.%d@example%d.org", rnd.IntN(1e6), i, i%97),
			fmt.Appendf(nil, "mailbox-%d", rnd.IntN(1e9)),
		}
	}
	return recs
}

// sets are the contents every format is tried with.
func (f Format) sets() map[string][]Record {
	rnd := rand.New(rand.NewPCG(7, 7))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	sets := map[string][]Record{
		"empty":   {},
		"one":     Mail(1),
		"hundred": Mail(100),
		"10000":   Mail(10000),
	}
	var prefixes, binary, lengths, values []Record
	for i := range 200 {
		prefixes = append(prefixes, Record{[]byte(strings.Repeat("ab", i)), fmt.Appendf(nil, "v%d", i)})
		// Keys that differ behind their eighth byte, some too short for a second eight.
		prefixes = append(prefixes, Record{fmt.Appendf(nil, "8 bytes.%d%s", i, []string{"", " and more"}[i%2]), fmt.Append(nil, i)})
	}
	for i := range 256 {
		binary = append(binary, Record{[]byte{byte(i)}, []byte{byte(i), 0}}, Record{[]byte{byte(i), 0}, []byte{0, byte(i)}})
		binary = append(binary, Record{append([]byte{0, 0xff, byte(i)}, random(12)...), random(i)})
	}
	for n := range 600 {
		k := append(fmt.Appendf(nil, "%d.", n), random(n)...)
		lengths = append(lengths, Record{k[:max(n, 4)], random(n % 7)})
	}
	for _, n := range []int{5 << 20, 0, 1, 100, 500, 1000, 1006, 1023, 1024, 2000, 2022, 2030, 2038, 2039, 4040, 4079, 4080, 4081, 8000, 8176, 8177, 65535, 65536, 200000} {
		values = append(values, Record{fmt.Appendf(nil, "value of %d bytes", n), random(n)})
	}
	if f.Small {
		delete(sets, "10000")
		values = values[1:]
	}
	sets["prefixes"], sets["binary"], sets["key lengths"], sets["value lengths"] = prefixes, binary, lengths, values
	for name, recs := range sets {
		seen := map[string]bool{}
		sets[name] = slices.DeleteFunc(recs, func(r Record) bool {
			bad := seen[string(r.Key)] || f.MaxKey > 0 && len(r.Key) > f.MaxKey ||
				f.NoEmptyKey && len(r.Key) == 0 || f.NoEmptyValue && len(r.Value) == 0
			seen[string(r.Key)] = true
			return bad
		})
	}
	return sets
}

// Run runs the whole suite.
func Run(t *testing.T, f Format) {
	for name, recs := range f.sets() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "table")
			if err := f.Build(path, recs); err != nil {
				t.Fatalf("build: %v", err)
			}
			if !f.NotDeterministic {
				f.sameBytes(t, path, recs)
			}
			for _, m := range f.Modes {
				t.Run(m.Name, func(t *testing.T) {
					tab, err := m.Open(path)
					if err != nil {
						t.Fatalf("open: %v", err)
					}
					f.content(t, tab, recs)
					f.concurrent(t, tab, recs)
					if m.NoAlloc && len(recs) > 0 {
						noAlloc(t, tab, recs)
					}
					closed(t, tab)
				})
				t.Run(m.Name+"/truncated", func(t *testing.T) { f.truncated(t, m, path, recs) })
			}
		})
	}
}

func (f Format) sameBytes(t *testing.T, path string, recs []Record) {
	t.Helper()
	again := path + ".again"
	if err := f.Build(again, recs); err != nil {
		t.Fatalf("second build: %v", err)
	}
	sum := func(path string) [32]byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(b)
	}
	if sum(path) != sum(again) {
		t.Fatal("the same records gave different bytes")
	}
}

// content compares the whole table with what went in.
func (f Format) content(t *testing.T, tab Table, recs []Record) {
	t.Helper()
	if tab.Check != nil {
		if err := tab.Check(); err != nil {
			t.Fatalf("check: %v", err)
		}
	}
	want := map[string][]byte{}
	buf := []byte("before")
	for _, r := range recs {
		want[string(r.Key)] = r.Value
		v, found, err := tab.Lookup(r.Key)
		if err != nil || !found || v != string(r.Value) {
			t.Fatalf("lookup %.60q: got %.60q %v %v, want %.60q", r.Key, v, found, err, r.Value)
		}
		if tab.AppendLookup == nil {
			continue
		}
		buf, found, err = tab.AppendLookup(buf[:6], r.Key)
		if err != nil || !found || string(buf[:6]) != "before" || !bytes.Equal(buf[6:], r.Value) {
			t.Fatalf("append lookup %.60q: got %.60q %v %v, want before+%.60q", r.Key, buf, found, err, r.Value)
		}
	}
	misses := [][]byte{{}, []byte("\x00"), []byte("\xff\xff\xff"), []byte("nobody@example.org"), bytes.Repeat([]byte("long"), 50000)}
	for _, r := range recs[:min(len(recs), 500)] {
		misses = append(misses, append(bytes.Clone(r.Key), 0), append(bytes.Clone(r.Key), 'x'), r.Key[:max(len(r.Key)-1, 0)])
	}
	for _, k := range misses {
		if _, there := want[string(k)]; there {
			continue
		}
		if v, found, err := tab.Lookup(k); found || err != nil {
			t.Fatalf("lookup of absent %.60q: got %.60q %v %v", k, v, found, err)
		}
		if tab.AppendLookup == nil {
			continue
		}
		if out, found, err := tab.AppendLookup([]byte("before"), k); found || err != nil || string(out) != "before" {
			t.Fatalf("append lookup of absent %.60q: got %.60q %v %v", k, out, found, err)
		}
	}
	if tab.LookupMany != nil {
		many(t, tab, recs, misses, want)
	}
	if tab.All != nil {
		f.iterate(t, tab, recs, want)
	}
}

// many compares LookupMany with what the table holds, hits and misses mixed.
func many(t *testing.T, tab Table, recs []Record, misses [][]byte, want map[string][]byte) {
	t.Helper()
	var keys [][]byte
	for i, r := range recs {
		keys = append(keys, r.Key)
		if i%3 == 0 {
			keys = append(keys, misses[i%len(misses)])
		}
	}
	keys = append(keys, misses...)
	for _, size := range []int{len(keys), 1, 31, 100} {
		for from := 0; from < len(keys); from += size {
			some := keys[from:min(from+size, len(keys))]
			next := 0
			miss := func(to int) {
				for ; next < to; next++ {
					if _, there := want[string(some[next])]; there {
						t.Fatalf("many: %.60q was not found", some[next])
					}
				}
			}
			n, err := tab.LookupMany(some, func(i int, value []byte) bool {
				miss(i)
				v, there := want[string(some[i])]
				if !there || !bytes.Equal(v, value) || next != i {
					t.Fatalf("many: %.60q: got %.60q, want %.60q (%v); key %d after %d", some[i], value, v, there, i, next)
				}
				next++
				return true
			})
			if miss(len(some)); n != len(some) || err != nil {
				t.Fatalf("many: got %d %v, want %d", n, err, len(some))
			}
		}
	}
	for _, stop := range []int{0, min(40, len(recs)-1), len(recs) - 1} {
		if stop < 0 {
			break
		}
		all := make([][]byte, len(recs))
		for i, r := range recs {
			all[i] = r.Key
		}
		if n, err := tab.LookupMany(all, func(i int, _ []byte) bool { return i < stop }); n != stop || err != nil {
			t.Fatalf("many, ended at %d: got %d %v", stop, n, err)
		}
	}
}

func (f Format) iterate(t *testing.T, tab Table, recs []Record, want map[string][]byte) {
	t.Helper()
	var order []Record
	if f.Order != nil {
		order = slices.Clone(recs)
		f.Order(order)
	}
	n := 0
	for r, err := range tab.All {
		if err != nil {
			t.Fatalf("all, after %d records: %v", n, err)
		}
		if v, ok := want[string(r.Key)]; !ok || !bytes.Equal(v, r.Value) {
			t.Fatalf("all: got %.60q %.60q, want value %.60q (%v) and every record once", r.Key, r.Value, v, ok)
		}
		delete(want, string(r.Key))
		if order != nil && !bytes.Equal(r.Key, order[n].Key) {
			t.Fatalf("all: record %d is %.60q, want %.60q", n, r.Key, order[n].Key)
		}
		n++
	}
	if len(want) > 0 {
		t.Fatalf("all: %d of %d records did not come", len(want), len(recs))
	}
	for range tab.All {
		break // must not be called again
	}
}

func (f Format) concurrent(t *testing.T, tab Table, recs []Record) {
	t.Helper()
	if len(recs) == 0 {
		return
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range min(len(recs), 200) {
				r := recs[(i*7+g*31)%len(recs)]
				if v, found, err := tab.Lookup(r.Key); !found || err != nil || v != string(r.Value) {
					t.Errorf("concurrent lookup %.60q: got %.60q %v %v", r.Key, v, found, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func noAlloc(t *testing.T, tab Table, recs []Record) {
	t.Helper()
	buf := make([]byte, 0, 6<<20)
	i := 0
	n := testing.AllocsPerRun(100, func() {
		tab.AppendLookup(buf, recs[i%len(recs)].Key)
		tab.AppendLookup(buf, recs[i%len(recs)].Key[:len(recs[i%len(recs)].Key)/2])
		i++
	})
	if n != 0 {
		t.Errorf("AppendLookup: %v allocations", n)
	}
}

func closed(t *testing.T, tab Table) {
	t.Helper()
	if err := tab.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if _, found, err := tab.Lookup([]byte("a")); found || err == nil {
		t.Errorf("lookup after close: got %v %v, want an error", found, err)
	}
	if tab.LookupMany != nil {
		n, err := tab.LookupMany([][]byte{[]byte("a")}, func(int, []byte) bool { return true })
		if n != 0 || err == nil {
			t.Errorf("many lookups after close: got %d %v, want an error", n, err)
		}
	}
	if tab.All != nil {
		for r, err := range tab.All {
			if err == nil {
				t.Errorf("iteration after close: got record %.60q, want an error", r.Key)
			}
			break
		}
	}
}

// truncated shortens the file under an open table, which must neither end the
// process nor give a wrong value.
func (f Format) truncated(t *testing.T, m Mode, path string, recs []Record) {
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "table")
	for _, size := range []int64{int64(len(image)) / 2, 0} {
		if err := os.WriteFile(short, image, 0o600); err != nil {
			t.Fatal(err)
		}
		tab, err := m.Open(short)
		if err != nil {
			t.Fatal(err)
		}
		err = os.Truncate(short, size)
		if err != nil && runtime.GOOS == "windows" {
			tab.Close() // a mapped file cannot be shortened there
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs[:min(len(recs), 300)] {
			if v, found, err := tab.Lookup(r.Key); found && err == nil && v != string(r.Value) {
				t.Fatalf("lookup %.60q in a truncated file: got %.60q, want %.60q or an error", r.Key, v, r.Value)
			}
		}
		if tab.LookupMany != nil {
			keys := make([][]byte, len(recs))
			for i, r := range recs {
				keys[i] = r.Key
			}
			n, err := tab.LookupMany(keys, func(i int, value []byte) bool {
				if !bytes.Equal(value, recs[i].Value) {
					t.Fatalf("many in a truncated file: %.60q: got %.60q, want %.60q or an error", keys[i], value, recs[i].Value)
				}
				return true
			})
			if n < len(keys) && err == nil {
				t.Fatalf("many in a truncated file: %d of %d keys answered, and no error", n, len(keys))
			}
		}
		if tab.All != nil {
			n := 0
			for _, err := range tab.All {
				if n++; err != nil {
					break
				}
			}
			if n > len(recs)+1 {
				t.Fatalf("all: %d records from a truncated table of %d", n, len(recs))
			}
		}
		if tab.Check != nil {
			tab.Check()
		}
		tab.Close()
	}
}
