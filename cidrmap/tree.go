package cidrmap

import "math/bits"

// A tree finds the stretch that an address is in. It is a trie with 64
// branches to a node, six bits of the address at a time; a branch with few
// stretches is not divided further but points to the first of them, and those
// are looked at one by one. Only branches that differ take space:
//
//	node  deeper   bit b: branch b is a node;       children + number of such bits below b
//	      changes  bit b: branch b starts another
//	               run of stretches than the leaf
//	               before it;                       leaves + number of such bits up to b, - 1
type tree struct {
	starts []key   // of the stretches, rising, the first is 0
	owner  []int32 // by stretch
	nodes  []node
	leaves []uint32 // index of the first stretch of a branch
}

type node struct {
	deeper, changes  uint64
	children, leaves uint32
}

const (
	stride = 6
	// few is how many stretches may start within a branch that is a leaf.
	few = 4
)

func newTree(starts []key, owner []int32) tree {
	t := tree{starts: starts, owner: owner, nodes: make([]node, 1)}
	t.fill(0, 0, key{}, 0)
	return t
}

// fill makes node n for the addresses that share their first off bits with
// base. first is the stretch that base is in.
func (t *tree) fill(n, off int, base key, first int) {
	var begin, count [1 << stride]int
	at := first
	last := -1
	t.nodes[n].leaves = uint32(len(t.leaves))
	for b := range begin {
		from := base.or(b, off)
		for at+1 < len(t.starts) && !from.less(t.starts[at+1]) {
			at++
		}
		begin[b] = at
		count[b] = t.startsUpTo(at+1, from.last(off+stride))
		if count[b] > few && off+stride < 128 {
			t.nodes[n].deeper |= 1 << b
			continue
		}
		if at != last {
			t.nodes[n].changes |= 1 << b
			t.leaves = append(t.leaves, uint32(at))
			last = at
		}
	}
	children := len(t.nodes)
	t.nodes[n].children = uint32(children)
	t.nodes = append(t.nodes, make([]node, bits.OnesCount64(t.nodes[n].deeper))...)
	for b := range begin {
		if t.nodes[n].deeper>>b&1 != 0 {
			t.fill(children, off+stride, base.or(b, off), begin[b])
			children++
		}
	}
}

// startsUpTo counts stretches from i on that start up to a key, as far as that
// matters.
func (t *tree) startsUpTo(i int, to key) int {
	n := 0
	for n <= few && i+n < len(t.starts) && !to.less(t.starts[i+n]) {
		n++
	}
	return n
}

// or sets six bits at bit off, counted from the top. Bits that would be below
// the last one are dropped.
func (k key) or(b, off int) key {
	v := uint64(b)
	if s := 64 - stride - off; s >= 0 {
		k.hi |= v << s
	} else {
		k.hi |= v >> -s
		if s += 64; s >= 0 {
			k.lo |= v << s
		} else {
			k.lo |= v >> -s
		}
	}
	return k
}

// six returns the six bits at bit off, zeros below the last one.
func (k key) six(off int) uint {
	switch {
	case off+stride <= 64:
		return uint(k.hi>>(64-stride-off)) & (1<<stride - 1)
	case off >= 64 && off+stride <= 128:
		return uint(k.lo>>(128-stride-off)) & (1<<stride - 1)
	case off < 64:
		return uint(k.hi<<(off+stride-64)|k.lo>>(128-stride-off)) & (1<<stride - 1)
	}
	return uint(k.lo<<(off+stride-128)) & (1<<stride - 1)
}

// find returns the owner of the stretch that k is in.
func (t *tree) find(k key) int {
	n := &t.nodes[0]
	for off := 0; ; off += stride {
		bit := uint64(1) << k.six(off)
		if n.deeper&bit != 0 {
			n = &t.nodes[n.children+uint32(bits.OnesCount64(n.deeper&(bit-1)))]
			continue
		}
		at := t.leaves[n.leaves+uint32(bits.OnesCount64(n.changes&(bit<<1-1)))-1]
		for int(at)+1 < len(t.starts) && !k.less(t.starts[at+1]) {
			at++
		}
		return int(t.owner[at])
	}
}
