package cdb

import (
	"fmt"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// Lookup returns the value of key. A key that is stored several times gives the
// first value that was stored. A miss is found == false with a nil error; an
// error means that the answer is not known, and wraps [ErrCorrupt] when the
// file is damaged.
func (r *Reader) Lookup(key []byte) (value string, found bool, err error) {
	var room [256]byte
	v, found, err := r.AppendLookup(room[:0], key)
	return string(v), found, err
}

// AppendLookup is [Reader.Lookup] without an allocation: it appends the value
// to dst and returns the result, dst itself when there is none.
func (r *Reader) AppendLookup(dst, key []byte) (out []byte, found bool, err error) {
	if r.data == nil {
		return r.appendAt(dst, key)
	}
	if r.mapped {
		return r.appendMapped(dst, key)
	}
	return r.find(dst, key)
}

// appendMapped is apart from AppendLookup so that only mappings pay for the guard.
func (r *Reader) appendMapped(dst, key []byte) (out []byte, found bool, err error) {
	out = dst // what a fault returns
	defer mmap.Recover(mmap.Protect(), &err)
	return r.find(dst, key)
}

// find is AppendLookup for a file in memory.
func (r *Reader) find(dst, key []byte) (out []byte, found bool, err error) {
	h := hash(key)
	t := r.tables[tableOf(h)]
	if t.slots == 0 {
		return dst, false, nil
	}
	if t.slots == badSlots {
		return dst, false, r.badTable(h)
	}
	// readHeader made sure that the table lies in the file.
	slots := r.data[t.pos:][:int(t.slots)*slotSize]
	i := int(t.start(h)) * slotSize
	for range t.slots {
		slot := le.Uint64(slots[i:])
		pos := slot >> 32
		if pos == 0 {
			return dst, false, nil
		}
		if uint32(slot) == h {
			records := r.records
			if pos+recordHead > uint64(len(records)) {
				return dst, false, r.badRecord(pos)
			}
			head := le.Uint64(records[pos:])
			if uint64(uint32(head)) == uint64(len(key)) {
				rec, klen := records[pos+recordHead:], len(key)
				if klen > len(rec) || head>>32 > uint64(len(rec)-klen) {
					return dst, false, r.badRecord(pos)
				}
				if string(rec[:klen]) == string(key) {
					end := klen + int(head>>32)
					return append(dst, rec[klen:end]...), true, nil
				}
			}
		}
		if i += slotSize; i == len(slots) {
			i = 0
		}
	}
	return dst, false, nil
}

func (r *Reader) badTable(h uint32) error {
	if r.data == nil && r.at == nil {
		return errClosed
	}
	n := int64(tableOf(h))
	return r.corrupt(n*8, fmt.Sprintf("hash table %d does not lie between the records and the end of the file", n))
}

func (r *Reader) badRecord(pos uint64) error {
	return r.corrupt(int64(pos), fmt.Sprintf("record reaches past the end of the records at %d", r.end))
}
