package cidrmap

import "math/bits"

// An index finds the stretch of addresses that an address is in. The stretches
// are in one list, in rising order. Above it are directories: one for all
// addresses from the first start to the last, divided into about as many equal
// parts as there are stretches, and one for each part that still has many,
// divided in the same way. A directory entry is
//
//	the stretch that the first address of the part is in; others start behind it
//	or deeper + the number of a directory for the part
//
// so that a lookup in a table of any size reads one entry of one to a few
// directories, and a stretch or some next to each other.
type index[K uint32 | uint64] struct {
	stretches []stretch[K]
	nodes     []node[K]
	dir       []uint32 // of all nodes
}

// A stretch goes to where the next one starts. The first starts at 0.
type stretch[K uint32 | uint64] struct {
	start K
	owner int32 // a rule, or none; of an IPv6 index it may also be a run, as -2 - its number
}

const none = -1

// A node is a directory of the addresses first to last.
type node[K uint32 | uint64] struct {
	first, last   K
	before, after uint32 // the stretches for addresses outside
	dir           uint32 // where its entries start
	shift         uint8  // bits of an address in a part
}

const (
	deeper = 1 << 31
	// few is how many stretches may start within a part without a directory.
	few = 6
)

// newIndex makes an index of stretches.
func newIndex[K uint32 | uint64](stretches []stretch[K]) index[K] {
	x := index[K]{stretches: stretches}
	if len(stretches) > 1 {
		x.nodes = make([]node[K], 1)
		x.fill(0, 1, len(stretches))
	}
	return x
}

// fill makes node n for the stretches from..to-1, which all start in the part
// it is for.
func (x *index[K]) fill(n, from, to int) {
	lowest, highest := x.stretches[from].start, x.stretches[to-1].start
	size := 0 // bits in which the starts differ
	for lowest>>size != highest>>size {
		size++
	}
	wide := min(size, bits.Len(uint(to-from)))
	d := node[K]{before: uint32(from - 1), after: uint32(to - 1), dir: uint32(len(x.dir)), shift: uint8(size - wide)}
	d.first = lowest >> size << size
	d.last = d.first | (K(1)<<size - 1)
	x.nodes[n] = d
	parts := 1 << wide
	x.dir = append(x.dir, make([]uint32, parts)...)
	at := from - 1
	for b := range parts {
		begin := d.first + K(b)<<d.shift
		for at+1 < to && x.stretches[at+1].start <= begin {
			at++
		}
		end := at
		last := begin + (K(1)<<d.shift - 1)
		for end+1 < to && x.stretches[end+1].start <= last {
			end++
		}
		entry := uint32(at)
		if end-at > few {
			entry = deeper | uint32(len(x.nodes))
			x.nodes = append(x.nodes, node[K]{})
			x.fill(len(x.nodes)-1, at+1, end+1)
		}
		x.dir[int(d.dir)+b] = entry
		at = end
	}
}

// find returns the owner of the stretch that k is in.
func (x *index[K]) find(k K) int32 {
	at := uint32(0)
	if len(x.nodes) > 0 {
		at = x.part(k)
	}
	rest := x.stretches[at:]
	for i := 1; i < len(rest) && rest[i].start <= k; i++ {
		at++
	}
	return x.stretches[at].owner
}

// part returns the first stretch of the smallest part that k is in.
func (x *index[K]) part(k K) uint32 {
	n := &x.nodes[0]
	for {
		switch {
		case k < n.first:
			return n.before
		case k > n.last:
			return n.after
		}
		entry := x.dir[n.dir+uint32((k-n.first)>>n.shift)]
		if entry&deeper == 0 {
			return entry
		}
		n = &x.nodes[entry&^deeper]
	}
}

// A tree6 is an index of the upper half of IPv6 addresses. Where the lower half
// matters, too, the stretches of the lower half are in a run.
type tree6 struct {
	upper index[uint64]
	runs  []run
	lower []stretch[uint64] // of all runs
}

// A run is stretches of the lower half of addresses whose upper half is the
// same. The first starts at 0.
type run struct{ from, to uint32 }

// newTree6 makes a tree of stretches that start at the keys, rising, the first
// 0.
func newTree6(starts []key, owner []int32) tree6 {
	var t tree6
	var upper []stretch[uint64]
	for i := 0; i < len(starts); {
		hi := starts[i].hi
		if starts[i].lo == 0 && (i+1 == len(starts) || starts[i+1].hi != hi) {
			upper = append(upper, stretch[uint64]{hi, owner[i]})
			i++
			continue
		}
		r := run{from: uint32(len(t.lower))}
		if starts[i].lo != 0 { // the stretch before reaches into this upper half
			t.lower = append(t.lower, stretch[uint64]{0, owner[i-1]})
		}
		for ; i < len(starts) && starts[i].hi == hi; i++ {
			t.lower = append(t.lower, stretch[uint64]{starts[i].lo, owner[i]})
		}
		r.to = uint32(len(t.lower))
		upper = append(upper, stretch[uint64]{hi, int32(-2 - len(t.runs))})
		t.runs = append(t.runs, r)
		if hi != ^uint64(0) && (i == len(starts) || starts[i].hi != hi+1) {
			upper = append(upper, stretch[uint64]{hi + 1, owner[i-1]}) // what started last goes on
		}
	}
	t.upper = newIndex(upper)
	return t
}

func (t *tree6) find(k key) int32 {
	owner := t.upper.find(k.hi)
	if owner >= none {
		return owner
	}
	r := t.runs[-2-owner]
	lower := t.lower[r.from:r.to]
	// The last that does not start behind k.
	at, n := 0, len(lower)
	for n-at > 1 {
		if mid := (at + n) / 2; lower[mid].start <= k.lo {
			at = mid
		} else {
			n = mid
		}
	}
	return lower[at].owner
}

// newTree4 makes an index of IPv4 addresses, which are in the upper 32 bits of
// the keys.
func newTree4(starts []key, owner []int32) index[uint32] {
	stretches := make([]stretch[uint32], len(starts))
	for i, k := range starts {
		stretches[i] = stretch[uint32]{uint32(k.hi >> 32), owner[i]}
	}
	return newIndex(stretches)
}
