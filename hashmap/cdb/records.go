package cdb

import (
	"github.com/postfixkit/postfixkit/internal/arena"
	"github.com/postfixkit/postfixkit/internal/sink"
)

// Blocks are of one size, so that a position leads to its block; a record may
// lie in more than one. The first one begins small and grows.
const (
	blockSize  = arena.BlockSize
	firstBlock = 4 << 10
)

// records are the records of a file as they will be written, from the end of its
// header on.
type records struct {
	blocks [][]byte
	supply arena.Supply // of all but the first
}

// end is the position in the file where the next record begins.
func (r *records) end() uint32 {
	last := len(r.blocks) - 1
	if last < 0 {
		return headerSize
	}
	return headerSize + uint32(last*blockSize+len(r.blocks[last]))
}

// add appends a record. The caller keeps the size below 4 GiB.
func (r *records) add(key, value []byte) {
	head := uint64(len(value))<<32 | uint64(len(key))
	if last := len(r.blocks) - 1; last >= 0 {
		b := r.blocks[last]
		if cap(b)-len(b) >= recordHead+len(key)+len(value) {
			b = append(le.AppendUint64(b, head), key...)
			r.blocks[last] = append(b, value...)
			return
		}
	}
	r.append(le.AppendUint64(nil, head))
	r.append(key)
	r.append(value)
}

// append appends bytes wherever the blocks end.
func (r *records) append(p []byte) {
	for len(p) > 0 {
		last := len(r.blocks) - 1
		switch {
		case last < 0:
			r.blocks = append(r.blocks, make([]byte, 0, firstBlock))
		case len(r.blocks[last]) == blockSize:
			r.blocks = append(r.blocks, r.supply.Block())
		default:
			b := r.blocks[last]
			n := min(len(p), blockSize-len(b))
			if n > cap(b)-len(b) {
				grown := make([]byte, len(b), min(max(2*cap(b), len(b)+n), blockSize))
				copy(grown, b)
				b = grown
			}
			r.blocks[last] = append(b, p[:n]...)
			p = p[n:]
		}
	}
}

// bytes returns n bytes of the file at a position: those of the block, or a
// copy where they lie in more than one.
func (r *records) bytes(pos uint32, n int) []byte {
	if n == 0 {
		return nil // there may be no block at pos
	}
	at := pos - headerSize
	b := r.blocks[at/blockSize][at%blockSize:]
	if n <= len(b) {
		return b[:n:n]
	}
	out := make([]byte, 0, n)
	for i := at/blockSize + 1; ; i++ {
		out = append(out, b[:min(n-len(out), len(b))]...)
		if len(out) == n {
			return out
		}
		b = r.blocks[i]
	}
}

// key returns the key of the record at a position.
func (r *records) key(pos uint32) []byte {
	return r.bytes(pos+recordHead, int(le.Uint32(r.bytes(pos, recordHead))))
}

// endOf returns the position where the record at a position ends.
func (r *records) endOf(pos uint32) uint32 {
	head := le.Uint64(r.bytes(pos, recordHead))
	return pos + recordHead + uint32(head) + uint32(head>>32)
}

// write writes the records except those in gaps.
func (r *records) write(w *sink.Writer, gaps []gap) {
	from := uint32(headerSize)
	for _, g := range gaps {
		r.writeRange(w, from, g.from)
		from = g.to
	}
	r.writeRange(w, from, r.end())
}

func (r *records) writeRange(w *sink.Writer, from, to uint32) {
	for at, end := from-headerSize, to-headerSize; at < end; {
		b := r.blocks[at/blockSize][at%blockSize:]
		b = b[:min(len(b), int(end-at))]
		w.Bytes(b)
		at += uint32(len(b))
	}
}
