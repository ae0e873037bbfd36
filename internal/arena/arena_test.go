package arena

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

type pair struct{ key, value string }

// simple is the oracle: maps and the library's sort.
func simple(pairs []pair, p Policy) (keep []int, repeats [][2]int) {
	first := map[string]int{}
	last := map[string]int{}
	for i, kv := range pairs {
		if f, ok := first[kv.key]; ok {
			repeats = append(repeats, [2]int{f, i})
		} else {
			first[kv.key] = i
		}
		last[kv.key] = i
	}
	for i, kv := range pairs {
		if p == KeepAll || p == KeepLast && last[kv.key] == i || (p == KeepFirst || p == Reject) && first[kv.key] == i {
			keep = append(keep, i)
		}
	}
	return keep, repeats
}

// manyRecords is bucketsFrom outside of tests.
var manyRecords = bucketsFrom

const every Policy = 255

func size16(key, value []byte) uint16 { return uint16(len(key)*3 + len(value)) }

// check compares every order of pairs with what simple makes of them; under one
// policy, or every one, also the order that many records are brought into by buckets.
func check(t *testing.T, pairs []pair, buckets Policy) {
	t.Helper()
	checkStore(t, stored(t, pairs, 0, len(pairs)), pairs, buckets)
	defer func(n int) { smallBatch = n }(smallBatch)
	smallBatch = 1
	for _, batch := range []int{1, 3, 200} {
		if batch < 200 && len(pairs) > 1000 {
			continue // each with four policies and two orders
		}
		checkStore(t, stored(t, pairs, batch, batch/2), pairs, buckets)
	}
}

// stored returns a store of pairs that come in batches of some size, 0 for none,
// with so many added one by one between them. Half of the batches are ready to be
// sorted.
func stored(t *testing.T, pairs []pair, batch, between int) *Store {
	t.Helper()
	s := new(Store)
	for n := 0; len(pairs) > 0; n++ {
		if batch > 0 {
			var size func(key, value []byte) uint16
			if n%2 == 0 {
				size = size16
			}
			b := s.NewBatch(len(pairs[0].key)*batch, false, size)
			for _, kv := range pairs[:min(batch, len(pairs))] {
				if !b.Add([]byte(kv.key), []byte(kv.value)) {
					t.Fatal("a batch is full")
				}
				if k, v := b.Last(); string(k) != kv.key || string(v) != kv.value {
					t.Fatalf("last record: got %.40q %.40q, want %.40q %.40q", k, v, kv.key, kv.value)
				}
			}
			pairs = pairs[b.Len():]
			if err := s.AddBatch(&b); err != nil {
				t.Fatal(err)
			}
		}
		for _, kv := range pairs[:min(between, len(pairs))] {
			if err := s.Add([]byte(kv.key), []byte(kv.value)); err != nil {
				t.Fatal(err)
			}
		}
		pairs = pairs[min(between, len(pairs)):]
	}
	return s
}

func checkStore(t *testing.T, s *Store, pairs []pair, buckets Policy) {
	t.Helper()
	size := 0
	for _, kv := range pairs {
		size += len(kv.key) + len(kv.value)
	}
	if s.Len() != len(pairs) || s.Size() != int64(size) {
		t.Fatalf("Len, Size: got %d, %d, want %d, %d", s.Len(), s.Size(), len(pairs), size)
	}
	for i, kv := range pairs {
		ref := s.Ref(i)
		if k, v := s.Record(ref); string(k) != kv.key || string(v) != kv.value {
			t.Fatalf("record %d: got %.40q %.40q, want %.40q %.40q", i, k, v, kv.key, kv.value)
		}
		if p, n := s.Pair(ref); string(p[:n]) != kv.key || string(p[n:]) != kv.value {
			t.Fatalf("pair %d: got %.40q, %d, want %.40q %.40q", i, p, n, kv.key, kv.value)
		}
		if n := s.Seq(ref); n != i {
			t.Fatalf("record %d has number %d", i, n)
		}
	}
	weak := func(key []byte) uint32 { return uint32(len(key)) << 13 } // collides on purpose
	for _, p := range []Policy{Reject, KeepFirst, KeepLast, KeepAll} {
		keep, repeats := simple(pairs, p)
		byKey := slices.Clone(keep)
		slices.SortStableFunc(byKey, func(a, b int) int { return strings.Compare(pairs[a].key, pairs[b].key) })
		byHash := slices.Clone(keep)
		slices.SortStableFunc(byHash, func(a, b int) int { return len(pairs[a].key) - len(pairs[b].key) })

		var reported [][2]int
		d := Duplicates{Policy: p, Report: func(key []byte, first, again int) {
			if string(key) != pairs[again].key {
				t.Fatalf("reported key %q, want %q", key, pairs[again].key)
			}
			reported = append(reported, [2]int{first, again})
		}}
		verify := func(what string, got []int, err error, want []int) {
			t.Helper()
			if !slices.Equal(reported, repeats) {
				t.Fatalf("%s policy %d: reported %v, want %v", what, p, reported, repeats)
			}
			reported = nil
			if p == Reject && len(repeats) > 0 {
				var dup *DuplicateError
				if !errors.As(err, &dup) || dup.First != repeats[0][0] || dup.Again != repeats[0][1] || dup.Count != len(repeats) {
					t.Fatalf("%s: got error %v, want duplicate %v", what, err, repeats[0])
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s policy %d: got %v, want %v", what, p, got, want)
			}
		}
		numbers := func(a []Item) (out []int) {
			for _, it := range a {
				if key, value := s.Record(it.Ref); it.Ref.Size() != int(size16(key, value)) {
					t.Fatalf("record %d has size %d", s.Seq(it.Ref), it.Ref.Size())
				}
				n := s.Seq(it.Ref)
				if it.Ref>>sizeBits != s.Ref(n)>>sizeBits {
					t.Fatalf("record %d is at %#x, in the order at %#x", n, s.Ref(n), it.Ref)
				}
				out = append(out, n)
			}
			return out
		}
		sorted, err := s.Sorted(d, size16)
		verify("Sorted", numbers(sorted), err, byKey)
		if p == buckets || buckets == every {
			bucketsFrom = 1
			sorted, err = s.Sorted(d, size16)
			bucketsFrom = manyRecords
			verify("Sorted by buckets", numbers(sorted), err, byKey)
		}
		hashed, err := s.Hashed(weak, d)
		var got []int
		for _, h := range hashed {
			if h.Hash() != weak([]byte(pairs[h.Seq()].key)) {
				t.Fatalf("Hashed: record %d has hash %#x", h.Seq(), h.Hash())
			}
			got = append(got, h.Seq())
		}
		verify("Hashed", got, err, byHash)
	}
}

func TestOrders(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "\x00ab\xff"[rnd.IntN(4)]
		}
		return string(b)
	}
	shapes := map[string]func(i int) pair{
		"empty keys": func(int) pair { return pair{"", "v"} },
		"short":      func(int) pair { return pair{text(rnd.IntN(4)), ""} },
		"around 8":   func(int) pair { return pair{"shared." + text(rnd.IntN(18)), text(5)} },
		"prefixes":   func(i int) pair { return pair{strings.Repeat("a", rnd.IntN(400)), "x"} },
		"zeros":      func(i int) pair { return pair{strings.Repeat("\x00", rnd.IntN(40)), "x"} },
		"mail":       func(i int) pair { return pair{fmt.Sprintf("user%d@example%d.org", rnd.IntN(1e6), i%7), "ok"} },
		"ascending":  func(i int) pair { return pair{fmt.Sprintf("%08d", i), "ok"} },
		"descending": func(i int) pair { return pair{fmt.Sprintf("%08d", 10000-i), "ok"} },
		"organ pipe": func(i int) pair { return pair{fmt.Sprintf("%08d", min(i, 5000-i)), "ok"} },
		"large":      func(i int) pair { return pair{text(rnd.IntN(3000)), text(rnd.IntN(140000))} },
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{0, 1, 2, 15, 16, 17, 300, 5000} {
				if name == "large" && n > 300 {
					continue
				}
				pairs := make([]pair, n)
				for i := range pairs {
					pairs[i] = shape(i)
				}
				check(t, pairs, every)
			}
		})
	}
}

// TestParallelSort is large enough for goroutines to take part.
func TestParallelSort(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var s Store
	for range 300_000 {
		s.Add(fmt.Appendf(nil, "user%d@a.very.common.domain.example%d", rnd.IntN(1e5), rnd.IntN(9)), nil)
	}
	order, err := s.Sorted(Duplicates{Policy: KeepAll}, nil)
	if err != nil || len(order) != s.Len() {
		t.Fatalf("got %d records, %v", len(order), err)
	}
	for i := 1; i < len(order); i++ {
		c := bytes.Compare(s.Key(order[i-1].Ref), s.Key(order[i].Ref))
		if c > 0 || c == 0 && order[i-1].Ref >= order[i].Ref {
			t.Fatalf("record %d is out of order", i)
		}
	}
}

// TestBadPivots drives the quicksort into its fallback: an order of values is
// built for which each chosen pivot is nearly the smallest of its range.
func TestBadPivots(t *testing.T) {
	const n = 2000
	es := make([]Item, n)
	for i := range es {
		es[i] = Item{1 << 40, Ref(i)}
	}
	// Run the sort's own steps on unset values; whatever the pivot choice looks
	// at becomes the smallest values still free.
	next := uint64(0)
	rest := es
	for len(rest) > 128 {
		step := len(rest) / 9
		for i := range 9 {
			if e := &rest[i*step]; e.prefix == 1<<40 {
				e.prefix = next
				next++
			}
		}
		p := pivot(rest)
		n := below(rest, p)
		if n == 0 {
			n = upTo(rest, p)
		}
		rest = rest[n:]
	}
	for i := range rest {
		rest[i].prefix = next + uint64(i)
	}
	pairs := make([]pair, n)
	for _, e := range es { // es was permuted; Ref says where each value started
		pairs[e.Ref].key = fmt.Sprintf("%08d", e.prefix)
	}
	check(t, pairs, every)
}

// Keys of megabytes that share nearly all of their bytes take no more stack than
// others.
func TestLongKeys(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(8 << 20))
	long := strings.Repeat("long key", 1<<18)
	s := stored(t, []pair{
		{"other", "0"}, {long, "1"}, {long + "b", "2"}, {long, "3"}, {long[:1<<20], "4"}, {long + "a", "5"}, {long + "b", "6"},
	}, 0, 1)
	order, err := s.Sorted(Duplicates{Policy: KeepAll}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, it := range order {
		got = append(got, s.Seq(it.Ref))
	}
	if want := []int{4, 1, 3, 5, 2, 6, 0}; !slices.Equal(got, want) {
		t.Fatalf("order: got %v, want %v", got, want)
	}
}

// TestBatchNUL adds zero bytes.
func TestBatchNUL(t *testing.T) {
	var s Store
	long := strings.Repeat("x", 200)
	b := s.NewBatch(0, true, nil)
	for _, kv := range []pair{{"b", "1"}, {"", ""}, {long, long}} {
		b.Add([]byte(kv.key), []byte(kv.value))
	}
	if err := s.AddBatch(&b); err != nil {
		t.Fatal(err)
	}
	for i, want := range []pair{{"b\x00", "1\x00"}, {"\x00", "\x00"}, {long + "\x00", long + "\x00"}} {
		if k, v := s.Record(s.Ref(i)); string(k) != want.key || string(v) != want.value {
			t.Errorf("record %d: got %q %q, want %q %q", i, k, v, want.key, want.value)
		}
	}
}

// A batch with room for much more than it got leaves none of that in the store.
func TestSparseBatch(t *testing.T) {
	var s Store
	for range 3 {
		b := s.NewBatch(1<<20, false, size16)
		for i := range 2000 {
			b.Add(fmt.Appendf(nil, "user%d@example.org", i), []byte("a mailbox"))
		}
		if err := s.AddBatch(&b); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range s.runs {
		for what, room := range map[string][2]int{
			"bytes": {len(s.blocks[i]), cap(s.blocks[i])}, "places": {len(r.at), cap(r.at)},
			"prefixes": {len(r.prefix), cap(r.prefix)}, "sizes": {len(r.sizes), cap(r.sizes)},
		} {
			if room[1] > room[0]*5/4 || room[0] == 0 {
				t.Errorf("batch %d: room for %d %s, there are %d", i, room[1], what, room[0])
			}
		}
	}
}

// TestFullBatch fills a batch up to the last place that a record can begin at.
func TestFullBatch(t *testing.T) {
	var s Store
	b := s.NewBatch(maxBatch, false, size16)
	large := make([]byte, maxBatch/2)
	n := 0
	for b.Add([]byte("key"), large[:max(1, len(large)>>n)]) {
		n++
	}
	if n < 16 || b.at[n-1] >= maxBatch {
		t.Fatalf("%d records, the last one at %d", n, b.at[n-1])
	}
	if err := s.AddBatch(&b); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, v := s.Record(s.Ref(i)); len(v) != max(1, len(large)>>i) {
			t.Fatalf("record %d has %d bytes", i, len(v))
		}
	}
}

func TestDuplicateErrorText(t *testing.T) {
	err := &DuplicateError{Key: []byte("alice@example.org\x00"), First: 0, Again: 41, Count: 3}
	want := `duplicate key "alice@example.org": record 42 repeats record 1 (3 repeated keys in all)`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func FuzzOrders(f *testing.F) {
	f.Add([]byte("a b ab a b"))
	f.Add([]byte("\x00 \x00\x00  x"))
	f.Add([]byte(strings.Repeat("aaaaaaaab aaaaaaaac ", 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		var pairs []pair
		for _, k := range bytes.Split(data, []byte(" ")) {
			pairs = append(pairs, pair{string(k), "v"})
		}
		buckets := Policy(len(data) % 32) // they take time: for one input in eight
		check(t, pairs, buckets)
	})
}

func mailStore(n int) *Store {
	rnd := rand.New(rand.NewPCG(5, 6))
	s := new(Store)
	for range n {
		s.Add(fmt.Appendf(nil, "user%d@example%d.org\x00", rnd.IntN(1e9), rnd.IntN(100)), []byte("mailbox-x\x00"))
	}
	return s
}

func BenchmarkAdd(b *testing.B) {
	key, value := []byte("user12345678@example.org"), []byte("mailbox-x")
	b.ReportAllocs()
	var s Store
	for i := 0; b.Loop(); i++ {
		if i%1_000_000 == 0 {
			s = Store{}
		}
		s.Add(key, value)
	}
}

func BenchmarkSorted(b *testing.B) {
	for _, n := range []int{1e4, 1e6} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := mailStore(n)
			for b.Loop() {
				s.Sorted(Duplicates{Policy: KeepFirst}, nil)
			}
		})
	}
}

func BenchmarkHashed(b *testing.B) {
	for _, n := range []int{1e4, 1e6} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := mailStore(n)
			for b.Loop() {
				s.Hashed(func(key []byte) (h uint32) {
					for _, c := range key {
						h = h*16777619 ^ uint32(c)
					}
					return h
				}, Duplicates{Policy: KeepFirst})
			}
		})
	}
}
