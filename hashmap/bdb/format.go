package bdb

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The layout of every page; FORMAT.md has the pictures.
const (
	offPgno    = 8
	offPrev    = 12
	offNext    = 16
	offEntries = 20
	offHigh    = 22 // start of the item area; bytes used on an overflow page
	offLevel   = 24
	offType    = 25

	overhead       = 26
	overheadSum    = 32 // pages with a checksum
	offPageSum     = 28
	offMetaSum     = 492
	metaSize       = 512
	minPageSize    = 512
	maxPageSize    = 65536
	defaultMinKeys = 2
	leafLevel      = 1
)

// The metadata page.
const (
	offMagic      = 12
	offVersion    = 16
	offPageSize   = 20
	offEncrypt    = 24
	offMetaFlags  = 26
	offFree       = 28
	offLastPgno   = 32
	offParts      = 36
	offKeyCount   = 40
	offRecCount   = 44
	offFlags      = 48
	offUID        = 52
	offMaxBucket  = 72 // hash
	offHighMask   = 76
	offLowMask    = 80
	offFillFactor = 84
	offElements   = 88
	offCharKey    = 92
	offSpares     = 96
	offBlobs      = 224 // hash version 10
	offMinKey     = 76  // btree
	offRePad      = 84
	offRoot       = 88

	hashMagic  = 0x00061561
	btreeMagic = 0x00053162
	charKey    = 0x5e688dd1 // hash of "%$sniglet^&\x00"
	numSpares  = 32

	flagSums = 1 // metaflags

	hashDup     = 1
	hashSubDB   = 2
	hashDupSort = 4

	btreeDup     = 1
	btreeRecNum  = 4
	btreeDupSort = 0x40
)

// Page types.
const (
	pageFree         = 0
	pageHashUnsorted = 2 // libdb before 4.6
	pageInternal     = 3
	pageRecInternal  = 4 // unsorted off-page duplicates
	pageLeaf         = 5
	pageRecLeaf      = 6
	pageOverflow     = 7
	pageHashMeta     = 8
	pageBtreeMeta    = 9
	pageDupLeaf      = 12
	pageHash         = 13
)

// Item types on hash pages.
const (
	itemKeyData = 1
	itemDups    = 2
	itemOffPage = 3
	itemOffDup  = 4
	itemBlob    = 5
)

// Item types on btree pages; bit 7 marks a deleted item.
const (
	entryKeyData  = 1
	entryDupTree  = 2
	entryOverflow = 3
	entryDeleted  = 0x80
)

// Kind is the access method of a file. The zero value is invalid.
type Kind uint8

const (
	_     Kind = iota
	Hash       // what Postfix calls hash:
	Btree      // what Postfix calls btree:
)

func (k Kind) String() string {
	switch k {
	case Hash:
		return "hash"
	case Btree:
		return "btree"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// layout is what is needed to read a page of a file.
type layout struct {
	big      bool // byte order of the file
	sums     bool // pages carry a checksum
	size     int  // of a page
	overhead int  // where the index array begins
}

func (l *layout) u16(p []byte, at int) int {
	v := binary.LittleEndian.Uint16(p[at:])
	if l.big {
		v = bits.ReverseBytes16(v)
	}
	return int(v)
}

func (l *layout) u32(p []byte, at int) uint32 {
	v := binary.LittleEndian.Uint32(p[at:])
	if l.big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (l *layout) put16(p []byte, at, v int) {
	if l.big {
		binary.BigEndian.PutUint16(p[at:], uint16(v))
	} else {
		binary.LittleEndian.PutUint16(p[at:], uint16(v))
	}
}

func (l *layout) put32(p []byte, at int, v uint32) {
	if l.big {
		binary.BigEndian.PutUint32(p[at:], v)
	} else {
		binary.LittleEndian.PutUint32(p[at:], v)
	}
}

func (l *layout) pgno(p []byte) uint32 { return l.u32(p, offPgno) }
func (l *layout) prev(p []byte) uint32 { return l.u32(p, offPrev) }
func (l *layout) next(p []byte) uint32 { return l.u32(p, offNext) }
func (l *layout) entries(p []byte) int { return l.u16(p, offEntries) }

// index returns entry i of the page's index array.
func (l *layout) index(p []byte, i int) int { return l.u16(p, l.overhead+2*i) }

// high returns the start of the item area. An empty 64 KiB page stores 0.
func (l *layout) high(p []byte) int {
	h := l.u16(p, offHigh)
	if h == 0 {
		h = l.size
	}
	return h
}

// neverWritten reports a page libdb has reserved for a bucket and not used yet.
func (l *layout) neverWritten(p []byte) bool { return p[offType] == 0 && l.pgno(p) == 0 }

// capacity returns how many bytes of a long item fit an overflow page.
func (l *layout) capacity() int { return l.size - l.overhead }

// initPage writes the header of an empty page; the rest is left alone.
func (l *layout) initPage(p []byte, pgno, prev, next uint32, level, typ byte) {
	l.put32(p, 0, 0)
	l.put32(p, 4, 1) // "not logged"
	l.put32(p, offPgno, pgno)
	l.put32(p, offPrev, prev)
	l.put32(p, offNext, next)
	l.put16(p, offEntries, 0)
	l.put16(p, offHigh, l.size) // 65536 becomes 0, as libdb has it
	p[offLevel] = level
	p[offType] = typ
}

// pageSum returns the checksum of a page, or of the metadata when meta is set.
func pageSum(p []byte, meta bool) uint32 {
	at := offPageSum
	if meta {
		p, at = p[:metaSize], offMetaSum
	}
	var h uint32
	for i, c := range p {
		if i >= at && i < at+4 {
			c = 0
		}
		h = h*33 + uint32(c)
	}
	return h
}

// sign stores the checksum of a page when the file has them.
func (l *layout) sign(p []byte, meta bool) {
	if !l.sums {
		return
	}
	at := offPageSum
	if meta {
		at = offMetaSum
	}
	l.put32(p, at, pageSum(p, meta))
}

// hashKey is libdb's default hash since version 5: FNV-1 that starts at 0.
func hashKey(key []byte) uint32 {
	var h uint32
	for _, c := range key {
		h = h*16777619 ^ uint32(c)
	}
	return h
}

// bucketOf returns the bucket of a hash.
func (m *meta) bucketOf(h uint32) uint32 {
	b := h & m.highMask
	if b > m.maxBucket {
		b &= m.lowMask
	}
	return b
}

// bucketPage returns the first page of a bucket; the caller checks its range.
func (m *meta) bucketPage(b uint32) uint32 {
	n := bits.Len32(b)
	if n >= numSpares {
		return 0
	}
	return b + m.spares[n]
}
