package textmap

import (
	"encoding/binary"
	"math/bits"

	"github.com/postfixkit/postfixkit/internal/cflines"
)

// A plainLine is an entry on one line as nearly all are: ASCII without quotes
// and backslashes in the key, followed by another line that begins an entry. It
// means what cutLine and the reader of logical lines would make of it; whatever
// needs a closer look is left to them.
type plainLine struct {
	keyEnd, valueStart, valueEnd int
	next                         int  // where the next line begins; 0 for a line that is not plain
	capitals                     bool // there are ASCII capitals in the key
}

// cutPlain cuts the line at the beginning of text. It looks at eight bytes at a
// time.
func cutPlain(text []byte) (p plainLine) {
	p.keyEnd, p.valueStart, p.valueEnd, p.next, p.capitals = cut(text)
	return p
}

// cut is cutPlain without the struct: to have it written to memory and read again
// took as long as half of the rest.
func cut(text []byte) (keyEnd, valueStart, valueEnd, next int, capital bool) {
	if len(text) == 0 || text[0] == '#' {
		return
	}
	i := 0
	for ; ; i += 8 {
		if i+8 > len(text) {
			return
		}
		x := binary.LittleEndian.Uint64(text[i:])
		// '!' is no more than '"', and not common.
		stop := below(x, '"'+1) | below(x^each*'\\', 1) | x&tops
		upper := capitals(x)
		if stop != 0 {
			first := bits.TrailingZeros64(stop)
			capital = capital || upper&(1<<first-1) != 0
			i += first / 8
			break
		}
		capital = capital || upper != 0
	}
	if i == 0 || text[i] != ' ' && text[i] != '\t' || text[i-1] == ':' {
		return
	}
	keyEnd = i
	for i < len(text) && text[i] != '\n' && cflines.IsSpace(text[i]) {
		i++
	}
	valueStart = i
	for {
		if i+8 > len(text) {
			return
		}
		x := binary.LittleEndian.Uint64(text[i:])
		stop := below(x, ' ') | x&tops
		if stop == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(stop) / 8
		if text[i] == '\n' {
			break
		}
		if text[i] == 0 || text[i] >= 0x80 {
			return
		}
		i++
	}
	end := i
	for end > valueStart && cflines.IsSpace(text[end-1]) {
		end--
	}
	if end == valueStart || i+1 == len(text) || text[i+1] <= ' ' || text[i+1] == '#' {
		return
	}
	valueEnd, next = end, i+1
	return
}

// Eight bytes at a time: results have the top bit of a byte set where something
// is true of it. The lowest such bit is right, others may not be.
const (
	each = 0x0101010101010101
	tops = 0x80 * each
)

// below tells which bytes are less than n, which is at most 0x80.
func below(x uint64, n byte) uint64 { return (x - each*uint64(n)) &^ x & tops }

// capitals tells which bytes are A to Z. It is right for all bytes before the
// first one that is not ASCII.
func capitals(x uint64) uint64 {
	return (x + each*(0x80-'A')) &^ (x + each*(0x80-'Z'-1)) & tops
}
