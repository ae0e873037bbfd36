package bdb

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// tables are contents worth building with a page size, by name. Every key is
// there once.
func tables(size int) map[string][]pair {
	rnd := rand.New(rand.NewPCG(7, 7))
	out := map[string][]pair{}
	mail := func(n int) (ps []pair) {
		for i := range n {
			ps = append(ps, pair{fmt.Sprintf("user%d@example%d.org\x00", i*7919%n, i%13), fmt.Sprintf("mailbox-%d\x00", i)})
		}
		return ps
	}
	for _, n := range []int{0, 1, 2, 100, 10_000} {
		out[fmt.Sprint("mail", n)] = mail(n)
	}
	var edges []pair // items around every limit
	for _, ov := range []int{overhead, overheadSum} {
		for _, n := range []int{size / 4, (size-ov)/4 - 10, size - ov, 2 * (size - ov)} {
			for d := -1; d <= 1; d++ {
				edges = append(edges,
					pair{strings.Repeat("k", n+d), "long key"},
					pair{fmt.Sprint("value ", n+d), strings.Repeat("v", n+d)},
					pair{strings.Repeat("b", n+d), strings.Repeat("v", n-d)})
			}
		}
	}
	slices.SortFunc(edges, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	out["edges"] = slices.CompactFunc(edges, func(a, b pair) bool { return a.key == b.key })

	var prefixes []pair // where libdb's order of keys is odd
	for i := range 700 {
		prefixes = append(prefixes, pair{strings.Repeat("ab", i), fmt.Sprint(i)})
	}
	out["prefixes"] = prefixes
	seen := map[string]bool{}
	var binary []pair
	for range 3000 {
		b := make([]byte, rnd.IntN(12))
		for i := range b {
			b[i] = "\x00\x01ab\xff"[rnd.IntN(5)]
		}
		if !seen[string(b)] {
			seen[string(b)] = true
			binary = append(binary, pair{string(b), string(b[:len(b)/2])})
		}
	}
	out["binary"] = binary
	var long []pair
	for i := range 600 {
		long = append(long, pair{fmt.Sprintf("%s%d", strings.Repeat("long", 100+rnd.IntN(800)), i), "v"})
	}
	out["longkeys"] = long
	out["huge"] = []pair{
		{strings.Repeat("K", 70_000), "v"}, {strings.Repeat("K", 69_999), ""}, {"five", strings.Repeat("V", 5<<20)}, {"", "empty key"},
	}
	return out
}

// build makes a file of the records.
func build(t testing.TB, kind Kind, opts *BuildOptions, pairs []pair) []byte {
	t.Helper()
	b := NewBuilder(kind, opts)
	for _, p := range pairs {
		if err := b.Add([]byte(p.key), []byte(p.value)); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	n, err := b.WriteTo(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(buf.Len()) || b.Len() != len(pairs) {
		t.Fatalf("WriteTo says %d bytes, wrote %d", n, buf.Len())
	}
	return buf.Bytes()
}

func sorted(pairs []pair) []pair {
	pairs = slices.Clone(pairs)
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return pairs
}

// layouts calls fn for each kind of file there is.
func layouts(fn func(name string, kind Kind, opts BuildOptions)) {
	for _, kind := range []Kind{Hash, Btree} {
		for size := minPageSize; size <= maxPageSize; size *= 2 {
			if raced && !long() && size != minPageSize && size != 4096 && size != maxPageSize {
				continue
			}
			for _, big := range []bool{false, true} {
				for _, sums := range []bool{false, true} {
					name := fmt.Sprintf("%v-%d", kind, size)
					if big {
						name += "-be"
					}
					if sums {
						name += "-sums"
					}
					fn(name, kind, BuildOptions{PageSize: size, BigEndian: big, Checksums: sums})
				}
			}
		}
	}
}

func TestBuild(t *testing.T) {
	layouts(func(name string, kind Kind, opts BuildOptions) {
		usual := !opts.BigEndian && !opts.Checksums
		for content, pairs := range tables(opts.PageSize) {
			large := len(pairs) > 1000 || content == "huge" || content == "longkeys"
			if large && (!usual || opts.PageSize != 4096 && content != "binary") && !long() {
				continue
			}
			t.Run(name+"/"+content, func(t *testing.T) {
				data := build(t, kind, &opts, pairs)
				r, err := FromBytes(data)
				if err != nil {
					t.Fatal(err)
				}
				got := mustAll(t, r)
				if kind == Btree && !slices.Equal(got, sorted(got)) {
					t.Fatal("btree records are out of order")
				}
				if !slices.Equal(sorted(got), sorted(pairs)) {
					t.Fatalf("got %d records, want %d", len(got), len(pairs))
				}
				verify(t, r, got)

				again := slices.Clone(pairs)
				slices.Reverse(again)
				if !bytes.Equal(build(t, kind, &opts, again), data) {
					t.Error("the order of Add changes the bytes")
				}
			})
		}
	})
}

// dupTables have several values for some keys, in order.
func dupTables() map[string][]pair {
	out := map[string][]pair{}
	for _, n := range []int{2, 30, 400, 5000} {
		var ps []pair
		for i := range n {
			ps = append(ps, pair{"many", fmt.Sprintf("value %d %s", n-i, strings.Repeat("x", i%50))})
			if i%3 == 0 {
				ps = append(ps, pair{fmt.Sprint("one", i), "alone"})
			}
			if i%7 < 3 {
				ps = append(ps, pair{fmt.Sprint("few", i/7), fmt.Sprint("value ", i)})
			}
		}
		out[fmt.Sprint("dups", n)] = ps
	}
	out["long"] = []pair{{"k", strings.Repeat("a", 5000)}, {"k", ""}, {"k", strings.Repeat("b", 9000)}, {strings.Repeat("K", 3000), "1"}, {strings.Repeat("K", 3000), "2"}}
	return out
}

func TestBuildDuplicates(t *testing.T) {
	layouts(func(name string, kind Kind, opts BuildOptions) {
		opts.Duplicates = KeepAll
		for content, pairs := range dupTables() {
			t.Run(name+"/"+content, func(t *testing.T) {
				r, err := FromBytes(build(t, kind, &opts, pairs))
				if err != nil {
					t.Fatal(err)
				}
				got := mustAll(t, r)
				if !slices.Equal(sorted(got), sorted(pairs)) {
					t.Fatalf("got %d records, want %d: %.300q", len(got), len(pairs), got)
				}
				verify(t, r, got)
			})
		}
	})
}

func TestBuildPolicies(t *testing.T) {
	pairs := []pair{{"a", "1"}, {"b", "1"}, {"a", "2"}, {"c", "1"}, {"b", "2"}, {"a", "3"}}
	want := map[Duplicates][]pair{
		KeepFirst: {{"a", "1"}, {"b", "1"}, {"c", "1"}},
		KeepLast:  {{"a", "3"}, {"b", "2"}, {"c", "1"}},
		KeepAll:   {{"a", "1"}, {"a", "2"}, {"a", "3"}, {"b", "1"}, {"b", "2"}, {"c", "1"}},
	}
	for _, kind := range []Kind{Hash, Btree} {
		for policy := range KeepAll + 1 {
			var reported []string
			opts := &BuildOptions{Duplicates: policy, OnDuplicate: func(key []byte, first, again int) {
				reported = append(reported, fmt.Sprintf("%s %d %d", key, first, again))
			}}
			b := NewBuilder(kind, opts)
			for _, p := range pairs {
				b.Add([]byte(p.key), []byte(p.value))
			}
			data, err := b.Bytes()
			if got := strings.Join(reported, ", "); got != "a 0 2, b 1 4, a 0 5" {
				t.Errorf("%v policy %d: reported %s", kind, policy, got)
			}
			if policy == RejectDuplicates {
				var dup *DuplicateError
				if !errors.Is(err, ErrDuplicate) || !errors.As(err, &dup) || dup.First != 0 || dup.Again != 2 || len(data) > 0 {
					t.Errorf("%v: got %v after %d bytes", kind, err, len(data))
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			r, err := FromBytes(data)
			if err != nil {
				t.Fatal(err)
			}
			if got := sorted(mustAll(t, r)); !slices.Equal(got, want[policy]) {
				t.Errorf("%v policy %d: got %v, want %v", kind, policy, got, want[policy])
			}
			if policy != KeepAll && !bytes.Equal(data, build(t, kind, nil, want[policy])) {
				t.Errorf("%v policy %d: dropped records left a trace", kind, policy)
			}
		}
	}
}

func TestBatches(t *testing.T) {
	for _, kind := range []Kind{Hash, Btree} {
		for _, opts := range []*BuildOptions{nil, {PageSize: 512, BigEndian: true}} {
			t.Run(fmt.Sprint(kind), func(t *testing.T) {
				f := tabletest.Format{Small: opts != nil}
				tabletest.Batches(t, f, func() tabletest.BatchBuilder[*Batch] { return NewBuilder(kind, opts) })
			})
		}
		for name, pairs := range dupTables() {
			want := build(t, kind, &BuildOptions{Duplicates: KeepAll}, pairs)
			b := NewBuilder(kind, &BuildOptions{Duplicates: KeepAll})
			for i := 0; i < len(pairs); i += 1500 {
				batch := b.NewBatch(100_000, false)
				for _, p := range pairs[i:min(i+1500, len(pairs))] {
					if err := batch.Add([]byte(p.key), []byte(p.value)); err != nil {
						t.Fatal(err)
					}
				}
				if err := b.AddBatch(batch); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := b.Bytes(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v %s: %v, another file of %d bytes, want %d", kind, name, err, len(got), len(want))
			}
		}
	}
}

// What a batch counts is what its Builder would have.
func TestBatchCounts(t *testing.T) {
	b, batched := NewBuilder(Hash, nil), NewBuilder(Hash, nil)
	batch := batched.NewBatch(100, true)
	for _, p := range []pair{{"", ""}, {"k", "v"}, {strings.Repeat("k", 1023), strings.Repeat("v", 1023)}, {"k", strings.Repeat("v", 1024)}} {
		if err := errors.Join(b.Add([]byte(p.key+"\x00"), []byte(p.value+"\x00")), batch.Add([]byte(p.key), []byte(p.value))); err != nil {
			t.Fatal(err)
		}
	}
	if err := batched.AddBatch(batch); err != nil {
		t.Fatal(err)
	}
	// It is empty then, and goes on as it was.
	if err := errors.Join(b.Add([]byte("again\x00"), []byte("v\x00")), batch.Add([]byte("again"), []byte("v")), batched.AddBatch(batch)); err != nil {
		t.Fatal(err)
	}
	if batched.bytes != b.bytes || batched.sum != b.sum || batched.Len() != b.Len() {
		t.Errorf("got %d bytes, %v, %d records, want %d, %v, %d", batched.bytes, batched.sum, batched.Len(), b.bytes, b.sum, b.Len())
	}
}

func TestBuildErrors(t *testing.T) {
	for _, kind := range []Kind{Hash, Btree} {
		b, other := NewBuilder(kind, nil), NewBuilder(kind, &BuildOptions{PageSize: 512}).NewBatch(1000, true)
		if err := other.Add([]byte("k"), nil); err != nil || b.AddBatch(other) == nil || b.Len() > 0 {
			t.Errorf("%v, batch for other pages: %v, %d records", kind, err, b.Len())
		}
	}
	for _, b := range []*Builder{
		NewBuilder(0, nil), NewBuilder(9, nil), NewBuilder(Hash, &BuildOptions{PageSize: 1000}),
		NewBuilder(Btree, &BuildOptions{PageSize: 256}), NewBuilder(Btree, &BuildOptions{Duplicates: 9}),
	} {
		if b.Add(nil, nil) == nil {
			t.Error("Add did not fail")
		}
		if _, err := b.WriteTo(nil); err == nil {
			t.Error("WriteTo did not fail")
		}
	}
	b := NewBuilder(Hash, nil)
	b.Add([]byte("k"), []byte("v"))
	if n, err := b.WriteTo(full{}); err == nil || n != 0 {
		t.Errorf("full disk: got %d, %v", n, err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }
