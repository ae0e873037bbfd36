package bdb

import (
	"fmt"
	"math/bits"
)

// meta is page 0 of a file, checked.
type meta struct {
	layout
	kind     Kind
	version  uint32
	flags    uint32
	free     uint32 // first page of the free list
	lastPgno uint32

	maxBucket, highMask, lowMask, fillFactor, elements, charKey uint32 // hash
	spares                                                      [numSpares]uint32

	minKey, root, recPad uint32 // btree
}

// dups reports whether keys may repeat.
func (m *meta) dups() bool {
	if m.kind == Hash {
		return m.flags&(hashDup|hashDupSort) != 0
	}
	return m.flags&(btreeDup|btreeDupSort) != 0
}

// customHash reports a file whose pages were chosen by a hash we do not know.
func (m *meta) customHash() bool { return m.kind == Hash && m.charKey != charKey }

// parseMeta reads page 0. b has the first 512 bytes of a file of size bytes.
// Problems that are damage are returned as a *CorruptError without a path.
func parseMeta(b []byte, size int64) (m meta, err error) {
	damaged := func(at int, format string, args ...any) error {
		return &CorruptError{Offset: int64(at), Reason: fmt.Sprintf(format, args...)}
	}
	if size == 0 {
		return m, fmt.Errorf("%w: the file is empty", ErrNotBerkeleyDB)
	}
	if len(b) >= offMagic+4 {
		m.kind, m.big = magic(b)
	}
	if m.kind == 0 {
		return m, ErrNotBerkeleyDB
	}
	if len(b) < metaSize {
		return m, damaged(0, "the file ends inside its metadata, after %d of %d bytes", len(b), metaSize)
	}
	l := &m.layout
	m.version = l.u32(b, offVersion)
	if err := m.checkVersion(); err != nil {
		return m, err
	}
	pageSize := l.u32(b, offPageSize)
	if pageSize < minPageSize || pageSize > maxPageSize || pageSize&(pageSize-1) != 0 {
		return m, damaged(offPageSize, "page size %d is not a power of two from 512 to 65536", pageSize)
	}
	m.size = int(pageSize)
	m.overhead = overhead
	if b[offEncrypt] != 0 {
		return m, fmt.Errorf("%w: the file is encrypted", ErrUnsupported)
	}
	if want := byte(pageHashMeta + m.kind - Hash); b[offType] != want {
		return m, damaged(offType, "the metadata of a %v file has page type %d, want %d", m.kind, b[offType], want)
	}
	switch f := b[offMetaFlags]; {
	case f&6 != 0:
		return m, fmt.Errorf("%w: the file is one of several partitions", ErrUnsupported)
	case f&^flagSums != 0:
		return m, damaged(offMetaFlags, "unknown metadata flags %#x", f)
	case f&flagSums != 0:
		m.sums = true
		m.overhead = overheadSum
		if got, want := l.u32(b, offMetaSum), pageSum(b, true); got != want {
			return m, damaged(offMetaSum, "checksum of the metadata is %#08x, want %#08x", got, want)
		}
	}
	if n := l.u32(b, offPgno); n != 0 {
		return m, damaged(offPgno, "the metadata page says it is page %d", n)
	}

	pages := size / int64(pageSize)
	m.lastPgno = l.u32(b, offLastPgno)
	if m.lastPgno == 0 && m.kind == Hash && m.version == 7 {
		m.lastPgno = uint32(min(pages-1, 1<<32-1)) // libdb 3 did not keep it
	}
	if int64(m.lastPgno) >= pages {
		return m, damaged(offLastPgno, "the last page is %d, but the file ends after page %d", m.lastPgno, pages-1)
	}
	if m.lastPgno == 0 {
		return m, damaged(offLastPgno, "the file has no page but the metadata")
	}
	m.free = l.u32(b, offFree)
	m.flags = l.u32(b, offFlags)
	if m.kind == Hash {
		return m, m.parseHash(b, damaged)
	}
	return m, m.parseBtree(b, damaged)
}

// magic recognises a file by its first 16 bytes.
func magic(b []byte) (k Kind, big bool) {
	for _, big = range []bool{false, true} {
		l := layout{big: big}
		switch l.u32(b, offMagic) {
		case hashMagic:
			return Hash, big
		case btreeMagic:
			return Btree, big
		}
	}
	return 0, false
}

func (m *meta) checkVersion() error {
	first, last := uint32(7), uint32(10)
	if m.kind == Btree {
		first = 8
	}
	switch {
	case m.version < first:
		return fmt.Errorf("%w: %v version %d, older than libdb 3.1; db_upgrade of libdb 3.1 to 5.3 converts it",
			ErrUnsupported, m.kind, m.version)
	case m.version > last:
		return fmt.Errorf("%w: %v version %d, known are %d to %d", ErrUnsupported, m.kind, m.version, first, last)
	}
	return nil
}

func (m *meta) parseHash(b []byte, damaged func(int, string, ...any) error) error {
	l := &m.layout
	if m.flags&hashSubDB != 0 {
		return fmt.Errorf("%w: the file holds named sub-databases", ErrUnsupported)
	}
	if m.version == 10 {
		if m.flags&8 != 0 {
			return fmt.Errorf("%w: sliced database", ErrUnsupported)
		}
		if l.u32(b, offBlobs) != 0 {
			return fmt.Errorf("%w: the file keeps long values in other files (blobs)", ErrUnsupported)
		}
	}
	if m.flags&^(hashDup|hashDupSort) != 0 {
		return damaged(offFlags, "unknown flags %#x", m.flags)
	}
	m.maxBucket = l.u32(b, offMaxBucket)
	m.highMask = l.u32(b, offHighMask)
	m.lowMask = l.u32(b, offLowMask)
	m.fillFactor = l.u32(b, offFillFactor)
	m.elements = l.u32(b, offElements)
	m.charKey = l.u32(b, offCharKey)
	for i := range m.spares {
		m.spares[i] = l.u32(b, offSpares+4*i)
	}
	if m.maxBucket >= m.lastPgno {
		return damaged(offMaxBucket, "bucket %d is in use, but the last page is %d", m.maxBucket, m.lastPgno)
	}
	// A file of one bucket is unusual, but its masks are the same as for two.
	if want := uint32(1)<<bits.Len32(max(m.maxBucket, 1)) - 1; m.highMask != want {
		return damaged(offHighMask, "the high mask is %#x for %d buckets, want %#x", m.highMask, m.maxBucket+1, want)
	}
	if m.lowMask != m.highMask>>1 {
		return damaged(offLowMask, "the low mask is %#x, want %#x", m.lowMask, m.highMask>>1)
	}
	return nil
}

func (m *meta) parseBtree(b []byte, damaged func(int, string, ...any) error) error {
	l := &m.layout
	const recno, fixed, renumber, subDB, compress = 2, 8, 0x10, 0x20, 0x80
	switch {
	case m.flags&subDB != 0:
		return fmt.Errorf("%w: the file holds named sub-databases", ErrUnsupported)
	case m.flags&(recno|fixed|renumber) != 0:
		return fmt.Errorf("%w: the file is a record number tree (recno)", ErrUnsupported)
	case m.flags&compress != 0:
		return fmt.Errorf("%w: the tree is compressed", ErrUnsupported)
	case m.version == 10 && m.flags&0x100 != 0:
		return fmt.Errorf("%w: sliced database", ErrUnsupported)
	case m.flags&^(btreeDup|btreeDupSort|btreeRecNum) != 0:
		return damaged(offFlags, "unknown flags %#x", m.flags)
	}
	m.minKey = l.u32(b, offMinKey)
	m.recPad = l.u32(b, offRePad)
	m.root = l.u32(b, offRoot)
	if m.minKey < 2 || m.minKey > uint32(m.size) || m.maxEntry(int(m.minKey)) < 0 {
		return damaged(offMinKey, "at least %d keys per page of %d bytes", m.minKey, m.size)
	}
	if m.root == 0 || m.root > m.lastPgno {
		return damaged(offRoot, "the root is page %d, want one from 1 to %d", m.root, m.lastPgno)
	}
	return nil
}
