package cidrmap

import (
	"cmp"
	"slices"
)

// tree6 makes the tree of IPv6.
func (b *builder) tree6() tree6 {
	w := sweeper[uint64]{pieces: make([]piece[uint64], 0, 2*len(b.v6)+1)}
	w.sweep(b.v6)
	if len(b.parts) == 0 {
		return tree6{tree: plant(b, false, w.pieces, len(w.pieces))}
	}
	// Along the pieces go the upper halves for which the lower half matters.
	slices.SortFunc(b.parts, func(p, q part) int { return cmp.Compare(p.hi, q.hi) })
	var (
		whole  = w.pieces
		upper  = make([]piece[uint64], 0, len(whole)+2*len(b.parts))
		lower  sweeper[uint64]
		runs   []run
		around int32 // who owns the upper half but for its parts
		spans  []span[uint64]
	)
	for i := 0; i < len(b.parts); {
		hi := b.parts[i].hi
		for len(whole) > 0 && whole[0].start <= hi {
			around = whole[0].owner
			upper, whole = append(upper, whole[0]), whole[1:]
		}
		spans = spans[:0]
		if around != none {
			spans = append(spans, span[uint64]{0, ^uint64(0), around})
		}
		for ; i < len(b.parts) && b.parts[i].hi == hi; i++ {
			spans = append(spans, b.parts[i].lo)
		}
		from := len(lower.pieces)
		lower.sweep(spans)
		if len(lower.pieces) == from+1 && lower.pieces[from].owner == around {
			lower.pieces = lower.pieces[:from]
			continue
		}
		if n := len(upper) - 1; upper[n].start == hi {
			upper = upper[:n]
		}
		upper = append(upper, piece[uint64]{hi, int32(-2 - len(runs))})
		runs = append(runs, run{uint32(from), uint32(len(lower.pieces))})
		if hi != ^uint64(0) && (len(whole) == 0 || whole[0].start != hi+1) {
			upper = append(upper, piece[uint64]{hi + 1, around})
		}
	}
	upper = append(upper, whole...)
	for i := range runs {
		runs[i].from += uint32(len(upper))
		runs[i].to += uint32(len(upper))
	}
	return tree6{plant(b, false, append(upper, lower.pieces...), len(upper)), runs}
}

// tree4 makes the tree of IPv4.
func (b *builder) tree4() tree[uint32] {
	w := sweeper[uint32]{pieces: make([]piece[uint32], 0, 2*len(b.v4)+1)}
	w.sweep(b.v4)
	return plant(b, true, w.pieces, len(w.pieces))
}
