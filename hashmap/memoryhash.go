package hashmap

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// shortKey is the longest key that shortHash takes.
const shortKey = 32

func (m *Memory) hash(key string) uint64 {
	switch {
	case m.seeded:
		return maphash.String(m.seed, key)
	case len(key) > shortKey:
		return xxhash.Sum64String(key)
	}
	return shortHash(key)
}

// shortHash is xxhash's stand-in for keys of up to 32 bytes, which most are: one
// or two multiplications, where xxhash takes more time than the rest of a lookup.
// The words it multiplies may overlap, as long as each byte is in one.
func shortHash(key string) uint64 {
	b := unsafe.Slice(unsafe.StringData(key), len(key))
	le, n := binary.LittleEndian, len(b)
	var x, y uint64
	switch {
	case n > 16:
		x, y = le.Uint64(b[n-16:]), le.Uint64(b[n-8:])^multiplied(le.Uint64(b)^hashA, le.Uint64(b[8:])^hashB)
	case n >= 8:
		x, y = le.Uint64(b), le.Uint64(b[n-8:])
	case n >= 4:
		x, y = uint64(le.Uint32(b)), uint64(le.Uint32(b[n-4:]))
	case n > 0:
		x, y = uint64(b[0]), uint64(b[n/2])<<8|uint64(b[n-1])
	}
	return multiplied(x^uint64(n)*hashC, y^hashD)
}

// Odd numbers with as many ones as zeros and no pattern, from the digits of
// square roots.
const (
	hashA = 0x6a09e667f3bcc909
	hashB = 0xbb67ae8584caa73b
	hashC = 0x3c6ef372fe94f82b
	hashD = 0xa54ff53a5f1d36f1
)

// multiplied folds the 128 bits of a product, in which every bit of a and b
// counts, into 64.
func multiplied(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
