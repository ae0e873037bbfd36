package cdb

import "encoding/binary"

const (
	tables     = 256
	headerSize = tables * 8
	recordHead = 8       // key length, data length
	slotSize   = 8       // hash, record position
	maxSize    = 1 << 32 // every position is a u32
)

var le = binary.LittleEndian

// hash is the function all cdb tools share. h*33 is written as a shift and an
// addition because that is a cycle per byte shorter than a multiplication.
func hash(key []byte) uint32 {
	h := uint32(5381)
	for _, c := range key {
		h = (h<<5 + h) ^ uint32(c)
	}
	return h
}

// tableOf says which of the 256 hash tables holds a hash, startSlot where in a
// table of n slots (n > 0) its search begins.
func tableOf(h uint32) uint32             { return h % tables }
func startSlot(h uint32, n uint32) uint32 { return (h >> 8) % n }
