package cdb

import (
	"runtime"
	"sort"
	"sync"

	"github.com/postfixkit/postfixkit/internal/sink"
)

// A slot is the hash of a key and the position of its record, as it stands in
// the file. No slot is 0: no record is at position 0.
type slot uint64

func newSlot(hash, pos uint32) slot { return slot(pos)<<32 | slot(hash) }

func (s slot) hash() uint32 { return uint32(s) }
func (s slot) pos() uint32  { return uint32(s >> 32) }

// A slotList has the slots of all records in the order of Add, which is that of
// their positions.
type slotList struct {
	blocks [][]slot
	n      int
}

const slotBlock = 1 << 14

func (l *slotList) add(s slot) {
	last := len(l.blocks) - 1
	if l.n%slotBlock == 0 {
		var b []slot
		if last >= 0 { // else a small table stays small
			b = make([]slot, 0, slotBlock)
		}
		l.blocks = append(l.blocks, b)
		last++
	}
	l.blocks[last] = append(l.blocks[last], s)
	l.n++
}

func (l *slotList) at(i int) slot { return l.blocks[i/slotBlock][i%slotBlock] }

// number returns which call of Add the record at a position came from.
func (l *slotList) number(pos uint32) int {
	return sort.Search(l.n, func(i int) bool { return l.at(i).pos() >= pos })
}

// A gap is a part of the records that is not written. The gaps of a list ascend.
type gap struct {
	from, to uint32
	gone     uint32 // bytes of this and all gaps before
}

// hashTables are slots by hash table, within one in the order of Add.
type hashTables struct {
	slots []slot
	ends  [tables]int // where the slots of a table end
}

func (t *hashTables) of(table int) []slot {
	if table == 0 {
		return t.slots[:t.ends[0]]
	}
	return t.slots[t.ends[table-1]:t.ends[table]]
}

// byTable puts the slots in order.
func (l *slotList) byTable() *hashTables {
	workers := workers(l.n)
	counts := make([][tables]int, workers)
	inParallel(workers, len(l.blocks), func(w, from, to int) {
		n := &counts[w]
		for _, block := range l.blocks[from:to] {
			for _, s := range block {
				n[tableOf(s.hash())]++
			}
		}
	})
	var t hashTables
	n := 0
	for i := range tables {
		for w := range counts {
			counts[w][i], n = n, n+counts[w][i]
		}
		t.ends[i] = n
	}
	t.slots = make([]slot, n)
	inParallel(workers, len(l.blocks), func(w, from, to int) {
		at := &counts[w]
		for _, block := range l.blocks[from:to] {
			for _, s := range block {
				table := tableOf(s.hash())
				t.slots[at[table]] = s
				at[table]++
			}
		}
	})
	return &t
}

// without returns the slots of the records that are not in gaps, with the
// positions they have when gaps are left out.
func (l *slotList) without(gaps []gap) *slotList {
	if len(gaps) == 0 {
		return l
	}
	out := new(slotList)
	gone := uint32(0)
	for _, block := range l.blocks {
		for _, s := range block {
			for ; len(gaps) > 0 && gaps[0].to <= s.pos(); gaps = gaps[1:] {
				gone = gaps[0].gone
			}
			if len(gaps) == 0 || s.pos() < gaps[0].from {
				out.add(newSlot(s.hash(), s.pos()-gone))
			}
		}
	}
	return out
}

// write writes the hash tables.
func (t *hashTables) write(w *sink.Writer) {
	const enough = 512 << 10 // bytes for a write
	batch := tables
	if size := 2 * slotSize * len(t.slots); size > enough {
		batch = max(1, tables*enough/size)
	}
	w.Parts(tables, batch, func(buf []byte, from, to int) []byte {
		for i := from; i < to; i++ {
			var table []byte
			buf, table = extend(buf, 2*slotSize*len(t.of(i)))
			fillTable(table, t.of(i))
		}
		return buf
	})
}

// extend appends n zeros to buf, and returns them also by themselves.
func extend(buf []byte, n int) (all, zeros []byte) {
	start := len(buf)
	if cap(buf)-start < n {
		buf = append(make([]byte, 0, max(2*cap(buf), start+n)), buf...)
	}
	buf = buf[:start+n]
	clear(buf[start:])
	return buf, buf[start:]
}

// fillTable makes the hash table of the given slots in memory that is twice
// their size and zero: each slot goes to the first free place from where its
// search starts.
func fillTable(table []byte, slots []slot) {
	n := uint32(2 * len(slots))
	budget := 32 * int(n) // keys that were chosen to collide take more steps
	for done, s := range slots {
		i := startSlot(s.hash(), n)
		for ; le.Uint64(table[slotSize*i:]) != 0; budget-- {
			if i++; i == n {
				i = 0
			}
		}
		le.PutUint64(table[slotSize*i:], uint64(s))
		if budget < 0 {
			fillSlowly(table, slots[done+1:])
			break
		}
	}
}

// fillSlowly does the same in a time that does not depend on how often the
// slots collide: it remembers for every place how far the next free one is and
// shortens the path each time it is walked (a union-find forest).
func fillSlowly(table []byte, slots []slot) {
	n := uint32(len(table) / slotSize)
	next := make([]uint32, n) // free: itself. Taken: a later place, free or taken
	for i := range next {
		next[i] = uint32(i)
		if le.Uint64(table[slotSize*i:]) != 0 {
			next[i] = (uint32(i) + 1) % n
		}
	}
	for _, s := range slots {
		i := startSlot(s.hash(), n)
		for next[i] != i {
			next[i] = next[next[i]]
			i = next[i]
		}
		le.PutUint64(table[slotSize*i:], uint64(s))
		next[i] = (i + 1) % n
	}
}

// workers is how many goroutines are worth it for n records.
func workers(n int) int {
	if n < slotBlock {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// inParallel has workers goroutines work on equal parts of n things.
func inParallel(workers, n int, work func(worker, from, to int)) {
	part := func(w int) int { return int(int64(n) * int64(w) / int64(workers)) }
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { work(w, part(w), part(w+1)) })
	}
	work(0, 0, part(1))
	wg.Wait()
}
