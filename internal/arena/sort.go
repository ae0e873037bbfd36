package arena

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// entry is a record while sorting: the eight bytes of its key at the current
// depth, so that most comparisons never touch the store.
type entry struct {
	prefix uint64
	seq    uint32
	rem    uint32 // bytes of the key from the current depth on, capped
}

// repeated marks, in the finished order, an entry whose key equals the one
// before it. No remainder is as large: see capped.
const repeated = math.MaxUint32

func capped(n int) uint32 { return uint32(min(uint(n), math.MaxInt32)) }

// Sorted returns the sequence numbers of the records ordered by key: unsigned
// bytes, a prefix before what it is a prefix of. Records kept with equal keys
// stay in the order they were added. Under the policy Reject the error is a
// *DuplicateError.
func (s *Store) Sorted(d Duplicates) ([]uint32, error) {
	if s.n == 0 {
		return nil, nil
	}
	es := make([]entry, s.n)
	var wg sync.WaitGroup
	if s.n < bucketsFrom {
		depth := s.CommonPrefix()
		for i := range es {
			es[i] = s.entry(i, depth)
		}
		s.sort(es, depth, &wg)
	} else {
		s.sortBuckets(es, &wg)
	}
	wg.Wait()

	// Runs of equal keys are compacted in place: out never overtakes i.
	r := resolver{s: s, d: d}
	order := make([]uint32, 0, len(es))
	for i := 0; i < len(es); {
		start := len(order)
		order = append(order, es[i].seq)
		for i++; i < len(es) && es[i].rem == repeated; i++ {
			order = append(order, es[i].seq)
		}
		if run := order[start:]; len(run) > 1 {
			from, to := r.run(run)
			order = order[:start+copy(run, run[from:to])]
		}
	}
	return order, r.finish()
}

// entry returns the i-th record added for sorting.
func (s *Store) entry(i, depth int) entry {
	key := s.Key(i)
	return entry{load(key, depth), uint32(i), capped(len(key) - depth)}
}

// bucketsFrom is the number of records from which on they are first put into
// buckets by two bytes of their keys; tests change it.
var bucketsFrom = 1 << 15

const buckets = 1 << 16

// sortBuckets fills es with all entries, in order but for those in wg. Where an
// entry goes is known when all keys have been counted, and reading the keys
// twice takes less time than moving entries about.
func (s *Store) sortBuckets(es []entry, wg *sync.WaitGroup) {
	depth := s.CommonPrefix()
	workers := s.workers()
	at := make([][]uint32, workers) // where the entries of a bucket go, by worker
	s.ranges(workers, func(w, from, to int) {
		n := make([]uint32, buckets)
		for i := from; i < to; i++ {
			n[bucketOf(s.Key(i), depth)]++
		}
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
		for i := from; i < to; i++ {
			e := s.entry(i, depth)
			b := e.prefix >> 48
			es[at[b]] = e
			at[b]++
		}
	})
	var next atomic.Int64
	for range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(ends)); i = next.Add(1) - 1 {
				start := uint32(0)
				if i > 0 {
					start = ends[i-1]
				}
				s.sort(es[start:ends[i]], depth, wg)
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
func (s *Store) sort(es []entry, depth int, wg *sync.WaitGroup) {
	for budget := 2 * bits.Len(uint(len(es))); len(es) > shortSort; budget-- {
		if budget == 0 {
			slices.SortFunc(es, func(a, b entry) int { return cmp.Compare(a.prefix, b.prefix) })
			s.deepen(es, depth, wg)
			return
		}
		p := pivot(es)
		n := below(es, p)
		if n == 0 { // p is the least
			n = upTo(es, p)
			s.equal(es[:n], depth, wg)
			es = es[n:]
			continue
		}
		less, more := es[:n], es[n:]
		if len(less) > len(more) {
			less, more = more, less
		}
		s.spawn(less, depth, wg)
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
	s.deepen(es, depth, wg)
}

func (s *Store) spawn(es []entry, depth int, wg *sync.WaitGroup) {
	if len(es) < parallelSort {
		s.sort(es, depth, wg)
		return
	}
	wg.Go(func() { s.sort(es, depth, wg) })
}

// deepen finishes es, which is in order of prefix, by ordering each run of
// equal prefixes.
func (s *Store) deepen(es []entry, depth int, wg *sync.WaitGroup) {
	for i := 0; i < len(es); {
		j := i + 1
		for j < len(es) && es[j].prefix == es[i].prefix {
			j++
		}
		if j-i > 1 {
			s.equal(es[i:j], depth, wg)
		}
		i = j
	}
}

// equal orders records whose keys agree in the eight bytes at depth, where a
// missing byte reads as zero. Keys that end there come first, the shorter
// before the longer; those of one length are the same key.
func (s *Store) equal(es []entry, depth int, wg *sync.WaitGroup) {
	if len(es) < 2 {
		return
	}
	ended := 0
	for i := range es {
		if es[i].rem <= 8 {
			es[i], es[ended] = es[ended], es[i]
			ended++
		}
	}
	if ended > 0 {
		end := es[:ended]
		slices.SortFunc(end, func(a, b entry) int {
			if c := cmp.Compare(a.rem, b.rem); c != 0 {
				return c
			}
			return cmp.Compare(a.seq, b.seq)
		})
		for i := len(end) - 1; i > 0; i-- {
			if end[i].rem == end[i-1].rem {
				end[i].rem = repeated
			}
		}
		es = es[ended:]
	}
	if len(es) < 2 {
		return
	}
	depth += 8
	for i := range es {
		key := s.Key(int(es[i].seq))
		es[i].prefix, es[i].rem = load(key, depth), capped(len(key)-depth)
	}
	s.spawn(es, depth, wg)
}

// pivot picks a prefix from the middle: the median of three, of nine for long
// ranges.
func pivot(es []entry) uint64 {
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
func below(es []entry, p uint64) int {
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
func upTo(es []entry, p uint64) int {
	at := 0
	for i, e := range es {
		if e.prefix == p {
			es[i], es[at] = es[at], e
			at++
		}
	}
	return at
}
