package arena

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// An Item is a record in the order of keys. While sorting it has the eight bytes
// of its key at the current depth, so that most comparisons never touch the
// store.
type Item struct {
	prefix uint64
	Ref    Ref
}

// Sorted returns the records ordered by key: unsigned bytes, a prefix before what
// it is a prefix of. Records kept with equal keys stay in the order they were
// added. Under the policy Reject the error is a *DuplicateError.
//
// When size is set, several goroutines call it for all records, and their Refs
// have what it returns: to learn it here costs nothing, in the order of keys it
// costs a wait for memory.
func (s *Store) Sorted(d Duplicates, size func(key, value []byte) uint16) ([]Item, error) {
	if s.n == 0 {
		return nil, nil
	}
	so := sorter{s: s, size: size}
	items := make([]Item, s.n)
	if s.n < bucketsFrom {
		depth := s.CommonPrefix()
		s.parts(0, s.n, func(r *run, lo, hi int) {
			for i := lo; i < hi; i++ {
				items[r.first+i] = so.item(r, i, depth)
			}
		})
		so.sort(items, depth)
	} else {
		so.sortBuckets(items)
	}
	so.wg.Wait()
	if !so.repeats.Load() {
		return items, nil
	}

	// Runs of equal keys are compacted in place: out never overtakes i.
	r := resolver{s: s, d: d}
	out := items[:0]
	var seqs []uint32
	for i := 0; i < len(items); {
		j := i + 1
		for j < len(items) && items[j].Ref&repeated != 0 {
			items[j].Ref &^= repeated
			j++
		}
		from, to := 0, 1
		if j-i > 1 {
			seqs = seqs[:0]
			for _, it := range items[i:j] {
				seqs = append(seqs, uint32(s.Seq(it.Ref)))
			}
			from, to = r.run(seqs)
		}
		out = append(out, items[i+from:i+to]...)
		i = j
	}
	return out, r.finish()
}

// A sorter sorts the records of a store.
type sorter struct {
	s       *Store
	size    func(key, value []byte) uint16
	wg      sync.WaitGroup
	repeats atomic.Bool // there are repeated keys
}

// item returns record i of a run for sorting.
func (so *sorter) item(r *run, i, depth int) Item {
	ref := newRef(r.block, r.at[i])
	if r.sizes != nil && r.depth == depth {
		return Item{r.prefix[i], ref | Ref(r.sizes[i])}
	}
	key, value := so.s.Record(ref)
	if so.size != nil {
		ref |= Ref(so.size(key, value))
	}
	return Item{load(key, depth), ref}
}

// bucketsFrom is the number of records from which on they are first put into
// buckets by two bytes of their keys; tests change it.
var bucketsFrom = 1 << 15

const buckets = 1 << 16

// sortBuckets fills es with all records, in order but for what the sorter's
// goroutines are at. Where a record goes is known when all keys have been counted,
// and reading the keys twice takes less time than moving items about.
func (so *sorter) sortBuckets(es []Item) {
	s := so.s
	depth := s.CommonPrefix()
	workers := s.workers()
	at := make([][]uint32, workers) // where the entries of a bucket go, by worker
	s.ranges(workers, func(w, from, to int) {
		n := make([]uint32, buckets)
		s.parts(from, to, func(r *run, lo, hi int) {
			if r.sizes != nil && r.depth == depth {
				for _, p := range r.prefix[lo:hi] {
					n[p>>48]++
				}
				return
			}
			for _, at := range r.at[lo:hi] {
				n[bucketOf(s.Key(newRef(r.block, at)), depth)]++
			}
		})
		at[w] = n
	})
	var ends []uint32 // of buckets that are not empty
	sum := uint32(0)
	for b := range buckets {
		start := sum
		for w := range at {
			at[w][b], sum = sum, sum+at[w][b]
		}
		if sum > start {
			ends = append(ends, sum)
		}
	}
	s.ranges(workers, func(w, from, to int) {
		at := at[w]
		s.parts(from, to, func(r *run, lo, hi int) {
			for i := lo; i < hi; i++ {
				e := so.item(r, i, depth)
				b := e.prefix >> 48
				es[at[b]] = e
				at[b]++
			}
		})
	})
	var next atomic.Int64
	for range workers {
		so.wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(ends)); i = next.Add(1) - 1 {
				start := uint32(0)
				if i > 0 {
					start = ends[i-1]
				}
				so.sort(es[start:ends[i]], depth)
			}
		})
	}
}

// bucketOf returns the first two of the bytes that load returns.
func bucketOf(key []byte, depth int) int {
	switch key = key[depth:]; len(key) {
	case 0:
		return 0
	case 1:
		return int(key[0]) << 8
	}
	return int(key[0])<<8 | int(key[1])
}

// load returns the eight bytes of key at depth, padded with zeros.
func load(key []byte, depth int) uint64 {
	key = key[depth:]
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

const (
	shortSort    = 16      // insertion sort below
	parallelSort = 1 << 15 // worth a goroutine
)

// sort orders es, whose keys agree in their first depth bytes and whose prefix
// fields hold the next eight.
//
// It is a quicksort on the cached eight bytes, that goes on with the next eight
// where they are equal (multikey quicksort). Chosen pivots make it
// no slower than n log n: a range that splits badly too often goes to the
// library's sort, which has that bound.
func (so *sorter) sort(es []Item, depth int) {
	for budget := 2 * bits.Len(uint(len(es))); len(es) > shortSort; budget-- {
		if budget == 0 {
			slices.SortFunc(es, func(a, b Item) int { return cmp.Compare(a.prefix, b.prefix) })
			so.deepen(es, depth)
			return
		}
		p := pivot(es)
		n := below(es, p)
		if n == 0 { // p is the least
			n = upTo(es, p)
			so.equal(es[:n], depth)
			es = es[n:]
			continue
		}
		less, more := es[:n], es[n:]
		if len(less) > len(more) {
			less, more = more, less
		}
		so.spawn(less, depth)
		es = more
	}
	for i := 1; i < len(es); i++ {
		e := es[i]
		j := i
		for ; j > 0 && es[j-1].prefix > e.prefix; j-- {
			es[j] = es[j-1]
		}
		es[j] = e
	}
	so.deepen(es, depth)
}

func (so *sorter) spawn(es []Item, depth int) {
	if len(es) < parallelSort {
		so.sort(es, depth)
		return
	}
	so.wg.Go(func() { so.sort(es, depth) })
}

// deepen finishes es, which is in order of prefix, by ordering each run of
// equal prefixes.
func (so *sorter) deepen(es []Item, depth int) {
	for i := 0; i < len(es); {
		j := i + 1
		for j < len(es) && es[j].prefix == es[i].prefix {
			j++
		}
		if j-i > 1 {
			so.equal(es[i:j], depth)
		}
		i = j
	}
}

// equal orders records whose keys agree in the eight bytes at depth, where a
// missing byte reads as zero. Keys that end there come first, the shorter
// before the longer; those of one length are the same key.
//
// Where all that go on agree in the next eight bytes too, it goes on with those:
// a call for each eight bytes of two keys of megabytes needs gigabytes of stack.
func (so *sorter) equal(es []Item, depth int) {
	for again := true; again && len(es) > 1; depth += 8 {
		ended, first := 0, uint64(0)
		again = true
		for i, e := range es {
			key := so.s.Key(e.Ref)
			if rest := len(key) - depth; rest <= 8 {
				e.prefix = uint64(max(rest, 0))
				es[i], es[ended] = es[ended], e
				ended++
				continue
			}
			e.prefix = load(key, depth+8)
			es[i].prefix = e.prefix
			if i == ended {
				first = e.prefix
			}
			again = again && e.prefix == first
		}
		so.ended(es[:ended])
		if es = es[ended:]; !again && len(es) > 1 {
			so.spawn(es, depth+8)
		}
	}
}

// ended orders records whose prefix is what their keys have left, of bytes that
// are the same, and marks those that repeat a key.
func (so *sorter) ended(es []Item) {
	if len(es) == 0 {
		return
	}
	slices.SortFunc(es, func(a, b Item) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return cmp.Compare(a.Ref, b.Ref)
	})
	for i := 1; i < len(es); i++ {
		if es[i].prefix == es[i-1].prefix {
			es[i].Ref |= repeated
			so.repeats.Store(true)
		}
	}
}

// pivot picks a prefix from the middle: the median of three, of nine for long
// ranges.
func pivot(es []Item) uint64 {
	n := len(es)
	at := func(i int) uint64 { return es[i].prefix }
	if n < 128 {
		return median(at(n/4), at(n/2), at(n/4*3))
	}
	step := n / 9
	return median(
		median(at(0), at(step), at(2*step)),
		median(at(3*step), at(4*step), at(5*step)),
		median(at(6*step), at(7*step), at(8*step)))
}

func median(a, b, c uint64) uint64 { return max(min(a, b), min(max(a, b), c)) }

// below moves the entries below p to the front and returns how many there are.
// No branch depends on an entry: a processor would guess every other one wrong,
// and that takes longer than to move all of them.
func below(es []Item, p uint64) int {
	at := 0
	for i, e := range es {
		es[i], es[at] = es[at], e
		_, less := bits.Sub64(e.prefix, p, 0)
		at += int(less)
	}
	return at
}

// upTo moves the entries equal to p, the least prefix, to the front and returns
// how many there are.
func upTo(es []Item, p uint64) int {
	at := 0
	for i, e := range es {
		if e.prefix == p {
			es[i], es[at] = es[at], e
			at++
		}
	}
	return at
}
