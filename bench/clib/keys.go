package clib

import "errors"

// ErrMissing says that a library is not on this machine, or that this program
// was built without cgo.
var ErrMissing = errors.New("library not found")

// Keys are many keys one behind the other, so that neither side pays for
// finding them in memory.
type Keys struct {
	Slab []byte
	Ends []uint32 // key i is Slab[Ends[i]:Ends[i+1]]
}

// Add appends a key.
func (k *Keys) Add(key []byte) {
	if k.Ends == nil {
		k.Ends = append(k.Ends, 0)
	}
	k.Slab = append(k.Slab, key...)
	k.Ends = append(k.Ends, uint32(len(k.Slab)))
}

// Len returns how many keys there are.
func (k *Keys) Len() int { return max(len(k.Ends)-1, 0) }

// Key returns key i.
func (k *Keys) Key(i int) []byte { return k.Slab[k.Ends[i]:k.Ends[i+1]] }
