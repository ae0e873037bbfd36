package arena

import (
	"bytes"
	"slices"
)

// Hashed is a record with the hash of its key.
type Hashed uint64

// Hash returns the hash of the record's key.
func (h Hashed) Hash() uint32 { return uint32(h >> 32) }

// Seq returns the record's sequence number.
func (h Hashed) Seq() int { return int(uint32(h)) }

// Hashed returns the records ordered by the hash of their keys, those with
// equal hashes in the order they were added. Several goroutines call hash. Under
// the policy Reject the error is a *DuplicateError.
func (s *Store) Hashed(hash func(key []byte) uint32, d Duplicates) ([]Hashed, error) {
	hs := make([]Hashed, s.n)
	s.ranges(s.workers(), func(_, from, to int) {
		s.refs(from, to, func(i int, r Ref) { hs[i] = Hashed(hash(s.Key(r)))<<32 | Hashed(i) })
	})
	hs = radixSort(hs)

	r := resolver{s: s, d: d}
	out := hs[:0] // never overtakes i
	for i := 0; i < len(hs); {
		j := i + 1
		for j < len(hs) && hs[j].Hash() == hs[i].Hash() {
			j++
		}
		if j-i == 1 {
			out = append(out, hs[i])
		} else {
			out = r.sameHash(out, hs[i:j])
		}
		i = j
	}
	return out, r.finish()
}

// sameHash appends to out those of hs that stay. Usually the keys differ; a
// hash chosen by someone hostile may make the run long, so it is sorted rather
// than compared pair by pair.
func (r *resolver) sameHash(out, hs []Hashed) []Hashed {
	hash := hs[0] &^ 0xffffffff
	seqs := make([]uint32, len(hs))
	for i, h := range hs {
		seqs[i] = uint32(h)
	}
	key := func(seq uint32) []byte { return r.s.Key(r.s.Ref(int(seq))) }
	slices.SortFunc(seqs, func(a, b uint32) int {
		if c := bytes.Compare(key(a), key(b)); c != 0 {
			return c
		}
		return int(a) - int(b)
	})
	start := len(out)
	for i := 0; i < len(seqs); {
		j := i + 1
		for j < len(seqs) && bytes.Equal(key(seqs[i]), key(seqs[j])) {
			j++
		}
		from, to := r.run(seqs[i:j])
		for _, seq := range seqs[i+from : i+to] {
			out = append(out, hash|Hashed(seq))
		}
		i = j
	}
	slices.Sort(out[start:])
	return out
}

// radixSort orders by the upper half, stably: three passes of 11 bits.
func radixSort(a []Hashed) []Hashed {
	if len(a) < 256 {
		slices.Sort(a) // sequence numbers ascend, so this is the same order
		return a
	}
	const width, mask = 11, 1<<11 - 1
	b := make([]Hashed, len(a))
	for shift := 32; shift < 64; shift += width {
		var at [1 << width]int
		for _, h := range a {
			at[h>>shift&mask]++
		}
		sum := 0
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, h := range a {
			d := h >> shift & mask
			b[at[d]] = h
			at[d]++
		}
		a, b = b, a
	}
	return a
}
