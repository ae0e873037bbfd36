package cdb

import (
	"bytes"
	"cmp"
	"slices"
)

// A repeat is a record whose key an earlier one has, by their positions.
type repeat struct{ again, first uint32 }

// repeats returns all repeated records in the order they were added.
func (b *Builder) repeats(t *hashTables) []repeat {
	workers := workers(b.slots.n)
	found := make([][]slot, workers)
	inParallel(workers, tables, func(w, from, to int) {
		var table []byte
		for i := from; i < to; i++ {
			_, table = extend(table[:0], 2*slotSize*len(t.of(i)))
			found[w] = appendEqual(found[w], table, t.of(i))
		}
	})
	// Usually the keys differ. Hashes chosen by someone hostile may make this a
	// long list, so it is sorted rather than compared pair by pair.
	same := slices.Concat(found...)
	slices.SortFunc(same, func(x, y slot) int {
		if x.hash() != y.hash() {
			return cmp.Compare(x.hash(), y.hash())
		}
		return cmp.Or(bytes.Compare(b.records.key(x.pos()), b.records.key(y.pos())), cmp.Compare(x, y))
	})
	same = slices.Compact(same)
	var repeats []repeat
	first := 0
	for i := 1; i < len(same); i++ {
		if same[i].hash() != same[first].hash() || !bytes.Equal(b.records.key(same[i].pos()), b.records.key(same[first].pos())) {
			first = i
			continue
		}
		repeats = append(repeats, repeat{again: same[i].pos(), first: same[first].pos()})
	}
	slices.SortFunc(repeats, func(a, b repeat) int { return cmp.Compare(a.again, b.again) })
	return repeats
}

// appendEqual appends to found all slots of a table that have their hash in
// common with another one, some more than once. The memory of table is twice
// that of the slots and zero.
func appendEqual(found []slot, table []byte, slots []slot) []slot {
	n := uint32(2 * len(slots))
	budget := 32 * int(n)
	before := len(found)
next:
	for _, s := range slots {
		i := startSlot(s.hash(), n)
		for {
			there := slot(le.Uint64(table[slotSize*i:]))
			if there == 0 {
				break
			}
			if there.hash() == s.hash() {
				found = append(found, there, s)
				continue next
			}
			if budget--; budget < 0 {
				return appendEqualSlowly(found[:before], slots)
			}
			if i++; i == n {
				i = 0
			}
		}
		le.PutUint64(table[slotSize*i:], uint64(s))
	}
	return found
}

// appendEqualSlowly does the same in a time that does not depend on how often
// the slots collide.
func appendEqualSlowly(found, slots []slot) []slot {
	slots = slices.Clone(slots)
	slices.SortFunc(slots, func(a, b slot) int { return cmp.Compare(a.hash(), b.hash()) })
	for i := 1; i < len(slots); i++ {
		if slots[i].hash() == slots[i-1].hash() {
			found = append(found, slots[i-1], slots[i])
		}
	}
	return found
}

// duplicateError is the error for a table that must not repeat a key.
func (b *Builder) duplicateError(repeats []repeat) error {
	r := repeats[0]
	return &DuplicateError{
		Key:   bytes.Clone(b.records.key(r.again)),
		First: b.slots.number(r.first), Again: b.slots.number(r.again), Count: len(repeats),
	}
}

// gaps returns what has to go from the records.
func (b *Builder) gaps(repeats []repeat) []gap {
	var drop []uint32 // positions
	switch b.opts.Duplicates {
	case KeepFirst:
		for _, r := range repeats {
			drop = append(drop, r.again)
		}
	case KeepLast: // of each key, of which one repeat tells of the last record
		last := map[uint32]uint32{} // by the position of the first record with the key
		for _, r := range repeats {
			if before, ok := last[r.first]; ok {
				drop = append(drop, before)
			} else {
				drop = append(drop, r.first)
			}
			last[r.first] = r.again
		}
		slices.Sort(drop)
	}
	gaps := make([]gap, len(drop))
	gone := uint32(0)
	for i, pos := range drop {
		end := b.records.endOf(pos)
		gone += end - pos
		gaps[i] = gap{pos, end, gone}
	}
	return gaps
}
