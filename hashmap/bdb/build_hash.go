package bdb

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
	"slices"

	"github.com/postfixkit/postfixkit/internal/arena"
)

// hashItemSize returns the space an item of n bytes takes on a hash page.
func (l *layout) hashItemSize(n int) int {
	if n > l.size/4 {
		return 12
	}
	return 1 + n
}

// hashPlan is a file before it is written. Bucket b is page b+1; further pages of
// full buckets follow, then everything long.
type hashPlan struct {
	content
	common  int            // bytes all keys share
	order   []arena.Hashed // by the hash with its bits reversed: then each bucket is one run, however many there are
	records int
	buckets uint32
	starts  []uint32 // of the runs, by the reversed bucket number
	chains  map[uint32]bucketChain
	further uint32 // how many pages chains have beside the first ones
	last    uint32
}

// bucketChain is a bucket that needs several pages.
type bucketChain struct {
	pages [][]unit
	next  uint32 // page number of the second one
}

// unit is a record being placed on a page.
type unit struct {
	prefix uint64 // of the key; orders most keys
	ref    arena.Ref
	off    bool // the key is off the page
}

func (b *Builder) writeHash(w io.Writer) (int64, error) {
	pl := &hashPlan{content: content{b: b}}
	if err := pl.plan(); err != nil {
		return 0, err
	}
	pw := b.writer(w)
	pl.putHashMeta(pw.page(0, 0, 0, 0))

	long := longItems{next: pl.buckets + pl.further + 1}
	pw.each(int(pl.buckets), pl.anyLong, func(pw *pageWriter, from, to int) {
		var us []unit
		for bucket := uint32(from); bucket < uint32(to); bucket++ {
			if chain, ok := pl.chains[bucket]; ok {
				pl.writeUnits(pw, chain.pages[0], 0, chain.next, &long)
				continue
			}
			us = pl.units(us[:0], bucket)
			pl.sortUnits(us)
			pl.writeUnits(pw, us, 0, 0, &long)
		}
	})
	for bucket := range pl.buckets {
		pages := pl.chains[bucket].pages
		for i, us := range pages[min(1, len(pages)):] {
			prev, next := pw.pgno-1, pw.pgno+1
			if i == 0 {
				prev = bucket + 1
			}
			if i == len(pages)-2 {
				next = 0
			}
			pl.writeUnits(pw, us, prev, next, &long)
		}
	}
	pl.writeLong(pw, &long)
	pw.flush()
	return pw.written, pw.err
}

// plan decides how many buckets there are and what is on each page.
func (pl *hashPlan) plan() (err error) {
	b := pl.b
	pl.order, err = b.store.Hashed(func(key []byte) uint32 { return bits.Reverse32(hashKey(key)) }, b.policy(&pl.content))
	if err != nil {
		return duplicateError(err)
	}
	pl.common = b.store.CommonPrefix()
	total := b.bytes
	pl.sum, pl.records = b.sum, b.store.Len()
	if len(pl.order) < pl.records {
		total, pl.sum = 0, contentSum{}
		for _, h := range pl.order {
			ref := b.store.Ref(h.Seq())
			pl.recount(ref)
			total += int64(pl.pairSize(ref))
		}
		pl.records = int(pl.sum.count)
	}

	// The number of buckets is a power of two, so that they are equally full: 13/16
	// on average at most. Up to 3 in 100 then have a second page (of a table of
	// mail addresses), where twice as many would leave most of the file empty.
	pl.buckets = 2
	for int64(pl.buckets)*int64(b.capacity())*13/16 < total {
		pl.buckets *= 2
	}
	shift := 32 - bits.Len32(pl.buckets-1)
	pl.starts = make([]uint32, pl.buckets+1)
	for _, h := range pl.order {
		pl.starts[h.Hash()>>shift+1]++
	}
	for i := range pl.buckets {
		pl.starts[i+1] += pl.starts[i]
	}

	pl.chains = map[uint32]bucketChain{}
	pl.pages = uint64(pl.buckets)
	sizes := b.store.Sizes(pl.plainSize)
	for bucket := range pl.buckets {
		used, offs := 0, 0
		from, to := pl.run(bucket)
		for _, h := range pl.order[from:to] {
			if n := int(sizes[h.Seq()]); n != notPlain {
				used += n
				continue
			}
			ref := b.store.Ref(h.Seq())
			used += pl.pairSize(ref)
			if off := pl.countLong(ref); off {
				offs++
			}
		}
		if used > b.capacity() || offs > 0 && offs < int(to-from) {
			us := pl.units(nil, bucket)
			pl.sortUnits(us)
			pages := pl.pack(us)
			pl.chains[bucket] = bucketChain{pages, pl.buckets + 1 + pl.further}
			pl.further += uint32(len(pages) - 1)
			pl.pages += uint64(len(pages) - 1)
		}
	}
	pl.last, err = checkPages(pl.pages)
	return err
}

// run returns which records of pl.order are in a bucket.
func (pl *hashPlan) run(bucket uint32) (from, to uint32) {
	at := bits.Reverse32(bucket) >> (32 - bits.Len32(pl.buckets-1))
	return pl.starts[at], pl.starts[at+1]
}

// plainSize is pairSize of a record that has nothing elsewhere, or notPlain.
func (pl *hashPlan) plainSize(ref arena.Ref) uint16 {
	key, value := pl.b.store.Record(ref)
	if most := pl.b.size / 4; len(key) > most || len(value) > most || pl.repeats(ref) != nil {
		return notPlain
	}
	return uint16(4 + 1 + len(key) + 1 + len(value))
}

// pairSize returns the space of a record on its page, index entries included.
func (pl *hashPlan) pairSize(ref arena.Ref) int {
	key, value := pl.b.store.Record(ref)
	n := 4 + pl.b.hashItemSize(len(key))
	if set := pl.set(ref); set != nil {
		return n + pl.hashSetSize(set)
	}
	return n + pl.b.hashItemSize(len(value))
}

// countLong counts the pages a record needs elsewhere, which it may not, and reports whether its
// key is long.
func (pl *hashPlan) countLong(ref arena.Ref) (off bool) {
	l := &pl.b.layout
	key, value := pl.b.store.Record(ref)
	pl.anyLong = true
	if len(key) > l.size/4 {
		off = true
		pl.pages += l.chainPages(key)
	}
	switch set := pl.set(ref); {
	case set != nil:
		if pl.hashSetSize(set) == 8 {
			pl.pages += pl.dupTreePages(set)
		}
	case len(value) > l.size/4:
		pl.pages += l.chainPages(value)
	}
	return off
}

func (pl *hashPlan) units(us []unit, bucket uint32) []unit {
	from, to := pl.run(bucket)
	pl.b.store.TouchHashed(pl.order[from:to])
	for _, h := range pl.order[from:to] {
		ref := pl.b.store.Ref(h.Seq())
		key := pl.b.store.Key(ref)
		us = append(us, unit{prefix: hashPrefix(key[pl.common:]), ref: ref, off: len(key) > pl.b.size/4})
	}
	return us
}

// hashPrefix is such that where two prefixes differ they order their keys as
// compareOnPage does: a key that ends sorts behind what goes on.
func hashPrefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	b := [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// sortUnits puts the records of a bucket in the order of its pages. Keys off the
// page come last and among themselves in plain order, because libdb compares
// them so: mixed with others on one page it would not find them.
func (pl *hashPlan) sortUnits(us []unit) {
	s := &pl.b.store
	slices.SortFunc(us, func(a, b unit) int {
		if a.off != b.off {
			if b.off {
				return -1
			}
			return 1
		}
		if a.off {
			return bytes.Compare(s.Key(a.ref), s.Key(b.ref))
		}
		if a.prefix != b.prefix {
			if a.prefix < b.prefix {
				return -1
			}
			return 1
		}
		return compareOnPage(s.Key(a.ref), s.Key(b.ref))
	})
}

// pack divides sorted records into pages, those with long keys apart.
func (pl *hashPlan) pack(us []unit) (pages [][]unit) {
	start, room := 0, pl.b.capacity()
	for i, u := range us {
		n := pl.pairSize(u.ref)
		if i > start && (n > room || u.off != us[i-1].off) {
			pages = append(pages, us[start:i])
			start, room = i, pl.b.capacity()
		}
		room -= n
	}
	return append(pages, us[start:])
}

// writeUnits writes one hash page.
func (pl *hashPlan) writeUnits(pw *pageWriter, us []unit, prev, next uint32, long *longItems) {
	p := pw.page(prev, next, 0, pageHash)
	pw.put16(p, offEntries, 2*len(us))
	top, at := len(p), pw.overhead
	for _, u := range us {
		key, value := pl.b.store.Record(u.ref)
		top = pl.putHashItem(p, top, key, long, longItem{ref: u.ref, key: true})
		pw.put16(p, at, top)
		if set := pl.set(u.ref); set != nil {
			top = pl.putHashSet(p, top, u.ref, set, long)
		} else {
			top = pl.putHashItem(p, top, value, long, longItem{ref: u.ref})
		}
		pw.put16(p, at+2, top)
		at += 4
	}
	pw.put16(p, offHigh, top)
	pw.sign(p, false)
}

// putHashItem puts an item in front of byte top and returns where it begins.
func (c *content) putHashItem(p []byte, top int, data []byte, long *longItems, it longItem) int {
	l := &c.b.layout
	if len(data) <= l.size/4 {
		top -= len(data) + 1
		p[top] = itemKeyData
		copy(p[top+1:], data)
		return top
	}
	top -= 12
	p[top] = itemOffPage
	l.put32(p, top+4, c.place(long, it))
	l.put32(p, top+8, uint32(len(data)))
	return top
}

func (pl *hashPlan) putHashMeta(p []byte) {
	l := &pl.b.layout
	pl.putMeta(p, hashMagic, pageHashMeta, pl.last)
	l.put32(p, offMaxBucket, pl.buckets-1)
	l.put32(p, offHighMask, pl.buckets-1)
	l.put32(p, offLowMask, pl.buckets/2-1)
	l.put32(p, offElements, uint32(min(4096+int64(pl.records), 1<<31-1)))
	l.put32(p, offCharKey, charKey)
	for i := range bits.Len32(pl.buckets - 1) {
		l.put32(p, offSpares+4*i, 1)
	}
	l.put32(p, offSpares+4*bits.Len32(pl.buckets-1), 1)
	l.sign(p, true)
}
