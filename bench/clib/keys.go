package clib

import (
	"encoding/binary"
	"os"
)

// Keys are many keys one behind the other, so that neither side pays for
// finding them in memory.
type Keys struct {
	slab []byte
	ends []uint32 // key i is slab[ends[i]:ends[i+1]]
}

// Add appends a key.
func (k *Keys) Add(key []byte) {
	if k.ends == nil {
		k.ends = append(k.ends, 0)
	}
	k.slab = append(k.slab, key...)
	k.ends = append(k.ends, uint32(len(k.slab)))
}

// Len returns how many keys there are.
func (k *Keys) Len() int { return max(len(k.ends)-1, 0) }

// Key returns key i.
func (k *Keys) Key(i int) []byte { return k.slab[k.ends[i]:k.ends[i+1]] }

// writeFile writes the keys as programs/lookup.c reads them.
func (k *Keys) writeFile(path string) error {
	b := binary.NativeEndian.AppendUint32(nil, uint32(k.Len()))
	for _, end := range k.ends {
		b = binary.NativeEndian.AppendUint32(b, end)
	}
	return os.WriteFile(path, append(b, k.slab...), 0o644)
}
