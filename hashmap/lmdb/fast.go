package lmdb

import (
	"bytes"
	"encoding/binary"
)

// Offsets in files of 64-bit little-endian machines, see geometry.
const (
	fastHead  = 16
	fastDepth = 92 // flags u16, depth u16 of the table
	fastRoot  = 128
	fastLast  = 136
	fastTxn   = 144
)

// find is the lookup for what nearly every file is: mapped, of a 64-bit
// little-endian machine, without anything odd on the way to the key. ok false
// says that tx.lookup has to find out, with all its checks in words. Whatever
// it does answer, tx.lookup would have answered the same.
//
// It makes no step it has not checked: slices end where the file or the page
// ends, and the depth bounds the loop.
func (v *view) find(page int, dst, key []byte) (out []byte, found, ok bool) {
	le := binary.LittleEndian
	data := v.data[:v.size]
	meta0, meta1 := data[:fastTxn+8], data[page:][:fastTxn+8]
	m, txn := meta0, le.Uint64(meta0[fastTxn:])
	if other := le.Uint64(meta1[fastTxn:]); other > txn {
		m, txn = meta1, other
	}
	depth, pg, last := le.Uint32(m[fastDepth:]), le.Uint64(m[fastRoot:]), le.Uint64(m[fastLast:])
	if depth&0xffff != 0 {
		return dst, false, false
	}
	if depth >>= 16; depth > maxDepth || depth == 0 {
		return dst, false, false
	}
	prefix, second := firstEight(key), uint64(0)
	if len(key) >= 16 {
		second = binary.BigEndian.Uint64(key[8:])
	}
	for ; ; depth-- {
		if pg < 2 || pg > last || pg >= v.pages {
			return dst, false, false
		}
		p := data[int(pg)*page:][:page:page]
		head := le.Uint64(p[8:]) // pad, flags, lower, upper
		lower, upper := int(head>>32&0xffff), int(head>>48)
		if le.Uint64(p) != pg || lower < fastHead+2 || lower&1 != 0 || lower > upper || upper > page {
			return dst, false, false
		}
		pointers := p[fastHead:lower]
		lo, hi := 0, len(pointers)/2
		want := uint16(pageLeaf)
		if depth > 1 {
			lo, want = 1, pageBranch
		}
		if uint16(head>>16) != want {
			return dst, false, false
		}
		at := -1
		for lo < hi {
			mid := int(uint(lo+hi) / 2)
			node := int(le.Uint16(pointers[2*mid:]))
			if node < fastHead || node+16 > len(p) {
				return dst, false, false
			}
			head := p[node : node+16]
			size := int(le.Uint16(head[6:]))
			if node+nodeHead+size > len(p) {
				return dst, false, false
			}
			k := binary.BigEndian.Uint64(head[8:])
			if size < 8 {
				k &= ^uint64(0) << (64 - 8*size)
			}
			if k != prefix {
				if k < prefix {
					lo = mid + 1
				} else {
					hi = mid
				}
				continue
			}
			// The keys of a page are neighbours, which often begin with the same
			// eight bytes; the next eight spare them a call.
			if size >= 16 && len(key) >= 16 {
				if k := binary.BigEndian.Uint64(p[node+16:]); k != second {
					if k < second {
						lo = mid + 1
					} else {
						hi = mid
					}
					continue
				}
			}
			// As far as missing bytes read as zero they are equal.
			switch c := bytes.Compare(p[node+nodeHead:node+nodeHead+size], key); {
			case c < 0:
				lo = mid + 1
			case c > 0:
				hi = mid
			default:
				at, lo, hi = node, mid+1, 0
			}
		}
		if depth > 1 {
			node := int(le.Uint16(pointers[2*(lo-1):]))
			if node < fastHead || node+nodeHead > page || node+nodeHead+int(le.Uint16(p[node+6:])) > page {
				return dst, false, false
			}
			// Page numbers have 48 bits, below the flags' and key size's 16.
			pg = le.Uint64(p[node:]) & (1<<48 - 1)
			continue
		}
		if at >= 0 {
			n, end := int(le.Uint32(p[at:])), at+nodeHead+len(key)
			if le.Uint16(p[at+4:]) != 0 || uint(n) > uint(page-end) {
				return dst, false, false
			}
			dst, found = append(dst, p[end:end+n]...), true
		}
		break
	}
	// Two transactions later the pages may be in use again.
	newest := max(le.Uint64(meta0[fastTxn:]), le.Uint64(meta1[fastTxn:]))
	if newest-txn > 1 {
		return dst, false, false
	}
	return dst, found, true
}

// firstEight returns the first eight bytes of key, with zeros for missing ones,
// as a number that orders like the key.
func firstEight(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
