package hashmap

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/postfixkit/postfixkit/internal/filelock"
)

// Format is a kind of table file. The zero Format is invalid, or means "look
// at the content" where a function says so.
type Format uint8

const (
	Hash  Format = iota + 1 // hash: Berkeley DB hash, NAME.db
	Btree                   // btree: Berkeley DB btree, NAME.db
	CDB                     // cdb: constant database, NAME.cdb
	LMDB                    // lmdb: NAME.lmdb
	Bolt                    // bolt: bbolt, NAME.bolt; not a type of Postfix
)

// formats holds what the formats differ in, in the order of the constants.
var formats = [...]struct {
	name, ext string
	nul       bool          // keys and values end in a NUL unless told otherwise
	lock      filelock.Kind // of the file itself; 0: writers lock NAME.tmp
}{
	Hash:  {"hash", ".db", true, filelock.Flock},
	Btree: {"btree", ".db", true, filelock.Flock},
	CDB:   {"cdb", ".cdb", false, 0},
	LMDB:  {"lmdb", ".lmdb", true, filelock.Record},
	Bolt:  {"bolt", ".bolt", false, filelock.Flock}, // as bbolt itself does
}

// Formats lists all formats.
func Formats() []Format { return []Format{Hash, Btree, CDB, LMDB, Bolt} }

func (f Format) valid() bool { return f > 0 && int(f) < len(formats) }

// String is the name of the map type, "hash" for Hash.
func (f Format) String() string {
	if !f.valid() {
		return fmt.Sprintf("Format(%d)", uint8(f))
	}
	return formats[f].name
}

// Ext is what Postfix appends to the name of a table to get its file: ".db".
func (f Format) Ext() string {
	if !f.valid() {
		return ""
	}
	return formats[f].ext
}

// NUL reports whether Postfix ends keys and values of this format with a NUL
// byte when it is not told to or not to (postmap -N, -n).
func (f Format) NUL() bool { return f.valid() && formats[f].nul }

// ParseFormat returns the format of a map type, "hash" or "lmdb".
func ParseFormat(mapType string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if f.String() == mapType {
			return f, nil
		}
		names = append(names, f.String())
	}
	return 0, fmt.Errorf("hashmap: no table files of type %q; there are %s", mapType, strings.Join(names, ", "))
}

// Detect tells the format of a file from its content. What it reports is not
// proof of a sound file, but the only format it can be. The error wraps
// [ErrUnknownFormat].
func Detect(r io.ReaderAt, size int64) (Format, error) {
	if size == 0 {
		return 0, fmt.Errorf("%w: it is empty", ErrUnknownFormat)
	}
	head := make([]byte, min(size, 2048))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, fmt.Errorf("hashmap: %w", err)
	}
	magic := func(at int, value uint32) bool {
		return len(head) >= at+4 &&
			(binary.LittleEndian.Uint32(head[at:]) == value || binary.BigEndian.Uint32(head[at:]) == value)
	}
	switch {
	case magic(12, 0x061561):
		return Hash, nil
	case magic(12, 0x053162):
		return Btree, nil
	case magic(16, 0xbeefc0de), magic(12, 0xbeefc0de): // page header of a 64- and a 32-bit machine
		return LMDB, nil
	case magic(16, 0xed0cdaed):
		return Bolt, nil
	case looksLikeCDB(head, size):
		return CDB, nil
	case magic(0, 0x061561), magic(0, 0x053162):
		return 0, fmt.Errorf("%w: it is a Berkeley DB 1.85 file, which Postfix does not read either", ErrUnknownFormat)
	case magic(12, 0x042253), magic(12, 0x074582):
		return 0, fmt.Errorf("%w: it is a Berkeley DB queue or heap, not a hash or btree", ErrUnknownFormat)
	case strings.HasPrefix(string(head), "SQLite format 3\x00"):
		return 0, fmt.Errorf("%w: it is an SQLite database", ErrUnknownFormat)
	case magic(0, 0x13579ace), magic(0, 0x13579acf), strings.HasPrefix(string(head), "GDBM"):
		return 0, fmt.Errorf("%w: it is a GDBM file", ErrUnknownFormat)
	}
	return 0, fmt.Errorf("%w: it is none of Berkeley DB hash or btree, LMDB, cdb and bbolt", ErrUnknownFormat)
}

// looksLikeCDB judges by the header, which is 256 pairs of position and size
// of hash tables: the format has no magic number. A sound file has its tables
// one after the other to the end; one that was cut off still has them in order.
func looksLikeCDB(head []byte, size int64) bool {
	if len(head) < 2048 {
		return false
	}
	next := int64(0)
	for i := 0; i < 2048; i += 8 {
		pos, slots := int64(binary.LittleEndian.Uint32(head[i:])), int64(binary.LittleEndian.Uint32(head[i+4:]))
		switch {
		case pos == 0 && slots == 0: // an empty table, as some other writers note it
			continue
		case pos < 2048, next != 0 && pos != next:
			return false
		}
		next = pos + 8*slots
	}
	return next != 0
}
