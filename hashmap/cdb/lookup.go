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
	if r.data == nil {
		v, found, err := r.appendAt(nil, key)
		return string(v), found, err
	}
	if r.mapped {
		defer mmap.Recover(mmap.Protect(), &err)
	}
	v, err := r.find(key)
	return string(v), v != nil, err
}

// AppendLookup is [Reader.Lookup] without an allocation: it appends the value
// to dst and returns the result, dst itself when there is none.
func (r *Reader) AppendLookup(dst, key []byte) (out []byte, found bool, err error) {
	switch {
	case r.data == nil:
		return r.appendAt(dst, key)
	case r.mapped:
		return r.appendMapped(dst, key)
	}
	v, err := r.find(key)
	return append(dst, v...), v != nil, err
}

// appendMapped is apart from AppendLookup so that only mappings pay for the guard.
func (r *Reader) appendMapped(dst, key []byte) (out []byte, found bool, err error) {
	out = dst // what a fault returns
	defer mmap.Recover(mmap.Protect(), &err)
	v, err := r.find(key)
	return append(dst, v...), v != nil, err
}

// find returns the value of key as a part of data, nil when there is none.
func (r *Reader) find(key []byte) ([]byte, error) {
	h := hash(key)
	t := r.tables[tableOf(h)]
	if t.slots == 0 {
		return nil, nil
	}
	if t.slots == badSlots {
		return nil, r.badTable(h)
	}
	// readHeader made sure that the table lies in the file.
	slots := r.data[t.pos:][:int(t.slots)*slotSize]
	i := startSlot(h, t.slots)
	for range t.slots {
		slot := slots[int(i)*slotSize:][:slotSize]
		pos := le.Uint32(slot[4:])
		if pos == 0 {
			return nil, nil
		}
		if le.Uint32(slot) == h {
			v, err := r.recordAt(pos, key)
			if v != nil || err != nil {
				return v, err
			}
		}
		if i++; i == t.slots {
			i = 0
		}
	}
	return nil, nil
}

// recordAt returns the value of the record at pos if it has this key, else nil.
func (r *Reader) recordAt(pos uint32, key []byte) ([]byte, error) {
	if int64(pos)+recordHead > r.end || r.end > int64(len(r.data)) {
		return nil, r.badRecord(pos)
	}
	rec := r.data[pos:r.end]
	klen, vlen := le.Uint32(rec), le.Uint32(rec[4:])
	if uint64(klen) != uint64(len(key)) {
		return nil, nil
	}
	rec = rec[recordHead:]
	if uint64(klen)+uint64(vlen) > uint64(len(rec)) {
		return nil, r.badRecord(pos)
	}
	if string(rec[:klen]) != string(key) {
		return nil, nil
	}
	return rec[klen:][:vlen:vlen], nil
}

func (r *Reader) badTable(h uint32) error {
	if r.data == nil && r.at == nil {
		return errClosed
	}
	n := int64(tableOf(h))
	return r.corrupt(n*8, fmt.Sprintf("hash table %d does not lie between the records and the end of the file", n))
}

func (r *Reader) badRecord(pos uint32) error {
	return r.corrupt(int64(pos), fmt.Sprintf("record reaches past the end of the records at %d", r.end))
}
