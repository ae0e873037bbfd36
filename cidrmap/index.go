package cidrmap

import (
	"encoding/binary"
	"math/bits"
)

// An index finds the piece of the addresses that an address is in, and what its
// owner has for it. What a lookup costs in a large table is the memory that is
// not in the processor's cache, so the index is small and read at one place: a
// line, which is a cache line and stands for a part of the addresses. The pieces
// are numbered in rising order. A line has, in bytes,
//
//	 0  the piece that the first address of the part is in, and marks; 4 bytes
//	 4  where in the texts those of the line start, 4 bytes
//	 8  where within the part others start, 18 lanes of 2 bytes
//	44  the texts of all those pieces, 19 codes of 7 bits and a mark
//	63  how far the texts are from each other
//
// so that the number of a piece is that of the first plus the number of lanes that
// are not behind the address, which a few instructions count: there is nothing
// for the processor to guess wrong, and while it waits for one line it goes on to
// the next lookup. A code is the number of one of the table's few different
// texts; or, if they are many, the length of a text.
//
// Above the lines is a directory of parts of equal size, which is small enough to
// stay in the cache; each part has one line or a few, as many as it needs. Where
// starts are too dense for that, a line is a directory again.
type index struct {
	root  directory
	inner []directory
	parts []uint32 // of all directories: first line + how many as a power of two
	lines []line
}

// A directory is for the addresses first to first+size. Those before and after
// have a line each, the others a part for every 1<<shift.
type directory struct {
	first, size uint64
	parts       uint32
	before      uint32 // the line of those; that for the addresses after is the next one
	shift       uint8  // 1 to 63
}

type line [64]byte

const (
	deeper   = 1 << 31 // the rest is the number of a directory
	special  = 1 << 30 // of pieces with code 0 only the owner is known
	pieceNum = special - 1

	textsAt  = 4
	lanesAt  = 8
	lanes    = 18
	codesAt  = lanesAt + 2*lanes
	strideAt = codesAt + lanes + 1
	// A lane has the upper 15 bits of where in its part a piece starts. The 16th
	// bit is where counting leaves its result; it alone means that there is none.
	laneBits = 15
	laneTop  = 1 << laneBits

	more    = 0x80 // in a code: the start has more bits than are in the lane
	longest = 0x7f // text with a length as code

	powerAt = 28 // bit of an entry of parts
	lineNum = 1<<powerAt - 1
)

var le = binary.LittleEndian

// find returns the line of k, and which of the line's pieces k is in.
func (t *tree[K]) find(k K) (l *line, n uint32) {
	x := &t.index
	d := &x.root
	for {
		at := uint64(k) - d.first
		if at > d.size {
			side := d.before
			if uint64(k) > d.first {
				side++
			}
			return &x.lines[side], 0
		}
		part := x.parts[uint64(d.parts)+at>>(d.shift&63)]
		power := part >> powerAt
		at <<= -d.shift & 63 // what is below the part is in the upper bits now
		l = &x.lines[uint64(part&lineNum)+at>>1>>((63-power)&63)]
		first := le.Uint32(l[:])
		if first&deeper != 0 {
			d = &x.inner[first&^deeper]
			continue
		}
		at = at << power >> (64 - laneBits)
		n = l.count(at)
		// A start may have been counted that is behind k by the bits that are not
		// in the lane. It is asked for in one condition, since either half is hard
		// to guess.
		for l.lane(n-1)^at|uint64(more&^l.code(n)) == 0 && t.starts[l.piece(n)] > k {
			n--
		}
		return l, n
	}
}

// piece returns the number of piece n of the line.
func (l *line) piece(n uint32) uint32 { return le.Uint32(l[:])&pieceNum + n }

// count returns how many lanes are not above at, which has 15 bits. In each lane
// 1<<15 + at - start keeps its upper bit then, and none borrows from the next.
func (l *line) count(at uint64) uint32 {
	const each, top = 0x0001_0001_0001_0001, laneTop * 0x0001_0001_0001_0001
	all := (at | laneTop) * each
	found := (all - le.Uint64(l[8:])) & top
	found |= (all - le.Uint64(l[16:])) & top >> 1
	found |= (all - le.Uint64(l[24:])) & top >> 2
	found |= (all - le.Uint64(l[32:])) & top >> 3
	found |= (all - le.Uint64(l[40:])) & (top & 0xffff_ffff) >> 4
	return uint32(bits.OnesCount64(found))
}

// lane returns lane i. There is something to read before the first, too.
func (l *line) lane(i uint32) uint64 { return uint64(le.Uint16(l[(lanesAt+2*i)&62:])) }

func (l *line) code(n uint32) uint8 { return l[(codesAt+n)%64] }
