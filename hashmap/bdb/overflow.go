package bdb

import (
	"bytes"
	"math"
	"strings"
)

// eachChunk calls use for the bytes of each page of an overflow chain, in
// order, until use returns false. The chain must hold exactly total bytes when
// it is read to its end. Every page knows the one before, so a chain cannot
// lead back into itself; and each has at least one byte, so total bounds it.
//
// With used, the pages are added to that set, and one that is in it is an error.
func (r *Reader) eachChunk(chain, total uint32, buf []byte, used *pageSet, use func(chunk []byte) bool) error {
	pgno, from, left := chain, uint32(0), total
	for left > 0 {
		if pgno == 0 || pgno > r.lastPgno {
			if from == 0 {
				return r.corrupt(0, 0, "an overflow chain begins at page %d, the last page is %d", pgno, r.lastPgno)
			}
			return r.corrupt(from, offNext, "the overflow chain goes on at page %d with %d bytes to come, the last page is %d", pgno, left, r.lastPgno)
		}
		p, err := r.chainPage(pgno, buf, used)
		if err != nil {
			return err
		}
		n := r.u16(p, offHigh)
		switch {
		case p[offType] != pageOverflow:
			return r.corrupt(pgno, offType, "page type %d in an overflow chain", p[offType])
		case r.prev(p) != from:
			return r.corrupt(pgno, offPrev, "the overflow page follows page %d, but says page %d", from, r.prev(p))
		case n == 0 || n > r.capacity() || uint32(n) > left:
			return r.corrupt(pgno, offHigh, "an overflow page with %d bytes, %d are to come", n, left)
		}
		if !use(p[r.overhead : r.overhead+n]) {
			return nil
		}
		left -= uint32(n)
		from, pgno = pgno, r.next(p)
	}
	if total > 0 && pgno != 0 {
		return r.corrupt(from, offNext, "the overflow chain goes on at page %d after its %d bytes", pgno, total)
	}
	return nil
}

// chainPage returns a page of a chain: in place for a lookup, copied to buf for
// a walk, which runs without the protection against files cut short.
func (r *Reader) chainPage(pgno uint32, buf []byte, used *pageSet) ([]byte, error) {
	if used == nil {
		p, _, err := r.view(pgno, buf)
		return p, err
	}
	_, err := r.claim(buf, pgno, used)
	return buf, err
}

// compareChain compares the bytes of a chain with key.
func (r *Reader) compareChain(chain, total uint32, key, buf []byte) (c int, err error) {
	rest := key
	err = r.eachChunk(chain, total, buf, nil, func(chunk []byte) bool {
		n := min(len(chunk), len(rest))
		if c = bytes.Compare(chunk[:n], rest[:n]); c != 0 {
			return false
		}
		rest = rest[n:]
		if n < len(chunk) {
			c = 1
			return false
		}
		return true
	})
	if c == 0 && len(rest) > 0 {
		c = -1
	}
	return c, err
}

// appendChain appends the bytes of a chain. Memory grows with the pages that
// are there, not with what total promises.
func (r *Reader) appendChain(dst []byte, chain, total uint32, sc *scratch) ([]byte, error) {
	var buf []byte
	if sc != nil {
		buf = sc.chain
	}
	err := r.eachChunk(chain, total, buf, nil, func(chunk []byte) bool {
		dst = append(dst, chunk...)
		return true
	})
	return dst, err
}

// chainString returns the bytes of a chain, with one allocation: the chain is
// walked first to see that its length is true.
func (r *Reader) chainString(chain, total uint32) (string, error) {
	sc := r.getScratch()
	defer r.putScratch(sc)
	var buf []byte
	if sc != nil {
		buf = sc.chain
	}
	if err := r.eachChunk(chain, total, buf, nil, func([]byte) bool { return true }); err != nil {
		return "", err
	}
	if uint64(total) > math.MaxInt {
		return "", named(r.path, ErrTooLarge)
	}
	var b strings.Builder
	b.Grow(int(total))
	err := r.eachChunk(chain, total, buf, nil, func(chunk []byte) bool {
		b.Write(chunk)
		return true
	})
	return b.String(), err
}
