package lmdb

import "encoding/binary"

const (
	magic       = 0xBEEFC0DE
	dataVersion = 1

	minPage, maxPage = 512, 32768
	maxDepth         = 32
	longestKey       = 511      // what liblmdb is built with
	minMapSize       = 16 << 20 // lmdb_map_size of Postfix: postconf(5)

	// Page flags.
	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageOverflow = 0x04
	pageMeta     = 0x08
	pageDirty    = 0x10 // left over from memory, without meaning in a file

	// Node flags.
	nodeBig = 0x01 // the value is in overflow pages

	// Flags of the two databases.
	freeFlags = 0x4008 // integer keys; and what Postfix asks of the environment

	nodeHead = 8
)

// noRoot is the root of an empty tree.
const noRoot = ^uint64(0)

// A geometry is what differs between files of different machines.
type geometry struct {
	word int  // bytes of a page number and of a size: 4 or 8
	big  bool // byte order
	page int  // bytes of a page
}

func (g *geometry) u16(b []byte) int {
	if g.big {
		return int(binary.BigEndian.Uint16(b))
	}
	return int(binary.LittleEndian.Uint16(b))
}

func (g *geometry) u32(b []byte) uint32 {
	if g.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// num reads a page number or size; all bits set is noRoot in either width.
func (g *geometry) num(b []byte) uint64 {
	switch {
	case g.word == 4:
		if v := g.u32(b); v != 1<<32-1 {
			return uint64(v)
		}
		return noRoot
	case g.big:
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

func (g *geometry) put16(b []byte, v int) {
	if g.big {
		binary.BigEndian.PutUint16(b, uint16(v))
	} else {
		binary.LittleEndian.PutUint16(b, uint16(v))
	}
}

func (g *geometry) put32(b []byte, v uint32) {
	if g.big {
		binary.BigEndian.PutUint32(b, v)
	} else {
		binary.LittleEndian.PutUint32(b, v)
	}
}

func (g *geometry) putNum(b []byte, v uint64) {
	switch {
	case g.word == 4:
		g.put32(b, uint32(v))
	case g.big:
		binary.BigEndian.PutUint64(b, v)
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
}

// Offsets inside a page header, and its size.
func (g *geometry) flagsAt() int { return g.word + 2 }
func (g *geometry) lowerAt() int { return g.word + 4 }
func (g *geometry) upperAt() int { return g.word + 6 }
func (g *geometry) head() int    { return g.word + 8 }

// Offsets inside a meta page, and its size.
func (g *geometry) magicAt() int         { return g.head() }
func (g *geometry) versionAt() int       { return g.head() + 4 }
func (g *geometry) mapSizeAt() int       { return g.head() + 8 + g.word }
func (g *geometry) databaseAt(i int) int { return g.mapSizeAt() + g.word + i*g.databaseSize() }
func (g *geometry) databaseSize() int    { return 8 + 5*g.word }
func (g *geometry) lastPageAt() int      { return g.databaseAt(2) }
func (g *geometry) txnAt() int           { return g.lastPageAt() + g.word }
func (g *geometry) metaSize() int        { return g.txnAt() + g.word }

// nodeMax is the largest leaf node, counted without padding; a record that
// would exceed it has its value in overflow pages.
func (g *geometry) nodeMax() int { return (g.page-g.head())/2&^1 - 2 }

// maxKey is the longest key that still leaves room for two nodes on a page.
func (g *geometry) maxKey() int { return min(longestKey, g.nodeMax()-nodeHead-g.word) }

// overflowPages is how many pages hold a value of size bytes: one header, then
// the value without a break.
func (g *geometry) overflowPages(size int64) int64 {
	return (int64(g.head())-1+size)/int64(g.page) + 1
}

func even(n int) int { return (n + 1) &^ 1 }

// A database is one of the two database records of a meta page.
type database struct {
	pad                             uint32 // of the free list: the page size
	flags, depth                    int
	branch, leaf, overflow, entries uint64
	root                            uint64
}

func (g *geometry) database(meta []byte, i int) (d database) {
	b := meta[g.databaseAt(i):]
	d.pad, d.flags, d.depth = g.u32(b), g.u16(b[4:]), g.u16(b[6:])
	for k, f := range []*uint64{&d.branch, &d.leaf, &d.overflow, &d.entries, &d.root} {
		*f = g.num(b[8+k*g.word:])
	}
	return d
}

func (g *geometry) putDatabase(meta []byte, i int, d database) {
	b := meta[g.databaseAt(i):]
	g.put32(b, d.pad)
	g.put16(b[4:], d.flags)
	g.put16(b[6:], d.depth)
	for k, v := range []uint64{d.branch, d.leaf, d.overflow, d.entries, d.root} {
		g.putNum(b[8+k*g.word:], v)
	}
}

// A meta is the content of one meta page.
type meta struct {
	free, main    database
	mapSize       uint64
	lastPage, txn uint64
}

func (g *geometry) meta(page []byte) meta {
	return meta{
		free: g.database(page, 0), main: g.database(page, 1), mapSize: g.num(page[g.mapSizeAt():]),
		lastPage: g.num(page[g.lastPageAt():]), txn: g.num(page[g.txnAt():]),
	}
}

func (g *geometry) putMeta(page []byte, number uint64, m meta) {
	g.putNum(page, number)
	g.put16(page[g.flagsAt():], pageMeta)
	g.put32(page[g.magicAt():], magic)
	g.put32(page[g.versionAt():], dataVersion)
	g.putNum(page[g.mapSizeAt():], m.mapSize)
	g.putDatabase(page, 0, m.free)
	g.putDatabase(page, 1, m.main)
	g.putNum(page[g.lastPageAt():], m.lastPage)
	g.putNum(page[g.txnAt():], m.txn)
}
