// Package literal finds which of many strings occur in a text, in one pass. It
// is the filter in front of pattern tables: a rule is only tried when a string
// it needs is in the key.
//
// Strings are in ASCII lower case, and the text is compared as if it were.
//
// A string of seven bytes or more has a whole window of four bytes at one of
// any four places that follow each other; so it is enough to look at every
// fourth window of the text, if four windows of the string are known. Strings
// of four to six bytes are found by windows of three bytes at every second
// place, shorter ones by pairs of bytes at every place; each of these passes
// is only made when there are such strings. Windows are kept in open hash
// tables behind bitmaps; on a hit the whole string is compared. Strings that
// can only begin or end the text are looked up once. Memory is about a hundred
// bytes a string, and building takes time nearly linear in their total length:
// there is no automaton.
package literal

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// A Literal is one string to look for, in ASCII lower case.
type Literal struct {
	Text   string
	Prefix bool  // only at the start of the text
	Suffix bool  // only at the end of the text
	ID     int32 // what Find reports
}

// A Matcher finds literals. It does not change and is safe for concurrent use.
type Matcher struct {
	text    []byte // of all literals, one after the other
	lits    []entry
	heads   [2]grams  // first eight, or four, bytes of literals with Prefix
	tails   [2]grams  // last eight, or four, bytes of literals with Suffix
	short   []int32   // shorter literals with Prefix or Suffix
	long    grams     // windows of four bytes at every fourth place
	medium  grams     // windows of three bytes at every second place
	pairs   grams     // windows of two bytes
	singles []int32   // literals of one byte
	seen    sync.Pool // of *seen
}

// An entry is a literal.
type entry struct {
	start  uint32 // in text
	size   uint16
	prefix bool
	suffix bool
	id     int32
}

// grams is a set of windows with the literals of each.
type grams struct {
	bitmap []uint64
	shift  uint8 // of the hash, for bits of the bitmap
	slots  []slot
	spread uint8 // of the hash, for slots
	refs   []ref
}

type slot struct {
	gram       uint32
	first, end int32 // in refs; first == end: free
}

// A ref is a window of a literal.
type ref struct {
	gram uint32
	lit  int32
	at   int32 // of the window, in the literal
}

func hash(gram uint32) uint32 { return gram * 0x9E3779B1 }

// Windows of text are taken with this bit of every byte set. That makes
// letters lower case; what else becomes the same is told apart when the whole
// string is compared.
const (
	fold4 = 0x20202020
	fold8 = 0x2020202020202020
)

const (
	longStride, longWindow     = 4, 4
	mediumStride, mediumWindow = 2, 3
	pairWindow                 = 2
	minLong                    = longStride + longWindow - 1
	minMedium                  = mediumStride + mediumWindow - 1
)

// maxShared is how many literals may share their first or last bytes before
// they are looked for by other windows.
const maxShared = 16

// gram returns the first n bytes, two to four, as a number.
func gram[T string | []byte](b T, n int) uint32 {
	v := uint32(b[0]) | uint32(b[1])<<8
	if n > 2 {
		v |= uint32(b[2]) << 16
	}
	if n > 3 {
		v |= uint32(b[3]) << 24
	}
	return v | fold4>>(8*(4-n))
}

// edge makes a window of the first four or eight bytes of a text.
func edge[T string | []byte](b T, n int) uint32 {
	if n == 4 {
		return gram(b, 4)
	}
	return wide(uint64(gram(b, 4)) | uint64(gram(b[4:], 4))<<32)
}

func wide(v uint64) uint32 { return uint32(v * 0x9E3779B97F4A7C15 >> 32) }

// New returns a Matcher of the literals. Empty texts are not allowed: they
// occur everywhere.
func New(lits []Literal, windows *Windows) *Matcher {
	m := &Matcher{lits: make([]entry, 0, len(lits))}
	size := 0
	for _, l := range lits {
		size += len(l.Text)
	}
	m.text = make([]byte, 0, size)
	var heads, tails [2][]ref
	for _, l := range lits {
		k := m.add(l)
		text := m.of(k)
		side, at := &heads, 0
		if !l.Prefix {
			side, at = &tails, max(0, len(text)-8)
		}
		switch n := len(text); {
		case n == 0:
			panic("literal: empty text")
		case !l.Prefix && !l.Suffix:
			m.anywhere(k, windows)
		case n < 4:
			m.short = append(m.short, k)
		case n < 8:
			if !l.Prefix {
				at = n - 4
			}
			side[1] = append(side[1], ref{edge(text[at:], 4), k, int32(at)})
		default:
			side[0] = append(side[0], ref{edge(text[at:], 8), k, int32(at)})
		}
	}
	for i := range 2 {
		// What many literals begin or end with tells little.
		m.heads[i].refs = m.unshare(heads[i], windows)
		m.tails[i].refs = m.unshare(tails[i], windows)
		m.heads[i].build()
		m.tails[i].build()
	}
	m.long.build()
	m.medium.build()
	m.pairs.build()
	return m
}

func (m *Matcher) add(l Literal) int32 {
	text := l.Text
	if len(text) > 1<<16-1 { // a part of it is enough
		text = text[:1<<16-1]
		l.Suffix = false
	}
	m.lits = append(m.lits, entry{uint32(len(m.text)), uint16(len(text)), l.Prefix, l.Suffix, l.ID})
	m.text = append(m.text, text...)
	return int32(len(m.lits) - 1)
}

func (m *Matcher) of(k int32) []byte {
	e := &m.lits[k]
	return m.text[e.start : e.start+uint32(e.size)]
}

// anywhere makes the windows of a literal that may be at any place.
func (m *Matcher) anywhere(k int32, windows *Windows) {
	text := m.of(k)
	put := func(g *grams, size, stride int) {
		at := windows.rarest(text, size, stride)
		for i := at; i < at+stride; i++ {
			g.refs = append(g.refs, ref{gram(text[i:], size), k, int32(i)})
		}
	}
	switch n := len(text); {
	case n >= minLong:
		put(&m.long, longWindow, longStride)
	case n >= minMedium:
		put(&m.medium, mediumWindow, mediumStride)
	case n >= pairWindow:
		put(&m.pairs, pairWindow, 1)
	default:
		m.singles = append(m.singles, k)
	}
}

// unshare returns the refs whose window few others have, and makes other
// windows for the rest.
func (m *Matcher) unshare(refs []ref, windows *Windows) []ref {
	sortRefs(refs)
	kept := refs[:0]
	for i := 0; i < len(refs); {
		j := i
		for j < len(refs) && refs[j].gram == refs[i].gram {
			j++
		}
		if j-i <= maxShared {
			kept = append(kept, refs[i:j]...)
		} else {
			for _, r := range refs[i:j] {
				m.anywhere(r.lit, windows)
			}
		}
		i = j
	}
	return kept
}

func sortRefs(refs []ref) {
	slices.SortFunc(refs, func(a, b ref) int {
		if c := cmp.Compare(a.gram, b.gram); c != 0 {
			return c
		}
		return cmp.Compare(a.lit, b.lit)
	})
}

// build makes the tables of g.refs.
func (g *grams) build() {
	if len(g.refs) == 0 {
		return
	}
	sortRefs(g.refs)
	g.refs = slices.Clip(g.refs)
	n := 1
	for i := 1; i < len(g.refs); i++ {
		if g.refs[i].gram != g.refs[i-1].gram {
			n++
		}
	}
	// Sixteen bits or more and two slots a window.
	logBits := max(12, bits.Len(uint(n))+4)
	g.bitmap = make([]uint64, 1<<logBits/64)
	g.shift = uint8(32 - logBits)
	logSlots := bits.Len(uint(n + n/2))
	g.slots = make([]slot, 1<<logSlots)
	g.spread = uint8(32 - logSlots)
	for i := 0; i < len(g.refs); {
		j := i
		for j < len(g.refs) && g.refs[j].gram == g.refs[i].gram {
			j++
		}
		h := hash(g.refs[i].gram)
		b := h >> g.shift
		g.bitmap[b>>6] |= 1 << (b & 63)
		at := h >> g.spread
		for g.slots[at].first != g.slots[at].end {
			at = (at + 1) & uint32(len(g.slots)-1)
		}
		g.slots[at] = slot{g.refs[i].gram, int32(i), int32(j)}
		i = j
	}
}

// has reports whether the bitmap has the bit of a window.
func (g *grams) has(gram uint32) bool {
	b := hash(gram) >> (g.shift & 31)
	return g.bitmap[b>>6]&(1<<(b&63)) != 0
}

// Find appends the IDs of the literals that occur in text to dst, in no order
// and some more than once, but never more than some three for each literal: a
// text that repeats one of them over and over costs neither the memory nor the
// time. anyEnd: literals with Suffix may also end one byte before the end of
// the text.
func (m *Matcher) Find(dst []int32, text []byte, anyEnd bool) []int32 {
	n := len(text)
	if n >= 8 {
		if m.heads[0].bitmap != nil {
			if v := wide(binary.LittleEndian.Uint64(text) | fold8); m.heads[0].has(v) {
				dst = m.probe(&m.heads[0], dst, text, 0, v, anyEnd)
			}
		}
		if m.tails[0].bitmap != nil {
			if v := wide(binary.LittleEndian.Uint64(text[n-8:]) | fold8); m.tails[0].has(v) {
				dst = m.probe(&m.tails[0], dst, text, n-8, v, anyEnd)
			}
		}
	}
	if n >= 4 {
		if m.heads[1].bitmap != nil {
			if v := binary.LittleEndian.Uint32(text) | fold4; m.heads[1].has(v) {
				dst = m.probe(&m.heads[1], dst, text, 0, v, anyEnd)
			}
		}
		if m.tails[1].bitmap != nil {
			if v := binary.LittleEndian.Uint32(text[n-4:]) | fold4; m.tails[1].has(v) {
				dst = m.probe(&m.tails[1], dst, text, n-4, v, anyEnd)
			}
		}
	}
	before := len(dst)
	if n >= 4 {
		if m.long.bitmap != nil {
			dst = m.findLong(dst, text, anyEnd)
		}
		if m.medium.bitmap != nil {
			dst = m.findMedium(dst, text, anyEnd)
		}
	}
	if m.pairs.bitmap != nil {
		dst = m.findPairs(dst, text, anyEnd)
	}
	if len(dst) > before+fewHits {
		dst = m.findUnseen(dst[:before], text, anyEnd)
	}
	if anyEnd || m.short != nil || m.singles != nil {
		dst = m.findRest(dst, text, anyEnd)
	}
	return dst
}

func (m *Matcher) findLong(dst []int32, text []byte, anyEnd bool) []int32 {
	many := len(dst) + fewHits
	for i := m.long.next4(text, 0); i >= 0; i = m.long.next4(text, i+longStride) {
		if dst = m.probe(&m.long, dst, text, i, gram(text[i:], longWindow), anyEnd); len(dst) > many {
			break
		}
	}
	return dst
}

// next4 returns the first place of text from i on, in steps of four, whose
// four bytes are in the bitmap, or -1. It calls nothing: that is what makes it
// fast.
func (g *grams) next4(text []byte, i int) int {
	bitmap, shift := g.bitmap, g.shift&31
	rest := text[min(i, len(text)):]
	for len(rest) >= 16 {
		a := binary.LittleEndian.Uint64(rest) | fold8
		b := binary.LittleEndian.Uint64(rest[8:]) | fold8
		h0, h1 := hash(uint32(a))>>shift, hash(uint32(a>>32))>>shift
		h2, h3 := hash(uint32(b))>>shift, hash(uint32(b>>32))>>shift
		if bitmap[h0>>6]&(1<<(h0&63)) != 0 {
			return i
		}
		if bitmap[h1>>6]&(1<<(h1&63)) != 0 {
			return i + 4
		}
		if bitmap[h2>>6]&(1<<(h2&63)) != 0 {
			return i + 8
		}
		if bitmap[h3>>6]&(1<<(h3&63)) != 0 {
			return i + 12
		}
		rest = rest[16:]
		i += 16
	}
	for len(rest) >= 4 {
		h := hash(binary.LittleEndian.Uint32(rest)|fold4) >> shift
		if bitmap[h>>6]&(1<<(h&63)) != 0 {
			return i
		}
		rest = rest[4:]
		i += 4
	}
	return -1
}

func (m *Matcher) findMedium(dst []int32, text []byte, anyEnd bool) []int32 {
	many := len(dst) + fewHits
	for i := m.medium.next3(text, 0); i >= 0; i = m.medium.next3(text, i+mediumStride) {
		if dst = m.probe(&m.medium, dst, text, i, gram(text[i:], mediumWindow), anyEnd); len(dst) > many {
			break
		}
	}
	return dst
}

// next3 is next4 for windows of three bytes at every second place.
func (g *grams) next3(text []byte, i int) int {
	bitmap, shift := g.bitmap, g.shift&31
	rest := text[min(i, len(text)):]
	for len(rest) >= 8 { // they hold three windows
		v := binary.LittleEndian.Uint64(rest) | fold8
		h0 := hash(uint32(v)&0xffffff) >> shift
		h1 := hash(uint32(v>>16)&0xffffff) >> shift
		h2 := hash(uint32(v>>32)&0xffffff) >> shift
		if bitmap[h0>>6]&(1<<(h0&63)) != 0 {
			return i
		}
		if bitmap[h1>>6]&(1<<(h1&63)) != 0 {
			return i + 2
		}
		if bitmap[h2>>6]&(1<<(h2&63)) != 0 {
			return i + 4
		}
		rest = rest[6:]
		i += 6
	}
	for ; len(rest) >= 3; rest = rest[2:] {
		if g.has(gram(rest, 3)) {
			return i
		}
		i += 2
		if len(rest) < 5 {
			break
		}
	}
	return -1
}

func (m *Matcher) findPairs(dst []int32, text []byte, anyEnd bool) []int32 {
	g, many := &m.pairs, len(dst)+fewHits
	for i := 0; i+2 <= len(text); i++ {
		if v := gram(text[i:], 2); g.has(v) {
			if dst = m.probe(g, dst, text, i, v, anyEnd); len(dst) > many {
				break
			}
		}
	}
	return dst
}

// fewHits is how many hits are written down without a look at what was found
// before.
const fewHits = 64

// seen remembers what was found in a text.
type seen struct {
	run  uint32
	lits []uint32    // by literal: the run that found it
	done [3][]uint32 // by grams and slot: the run that found all its literals
}

// findUnseen is findLong, findMedium and findPairs for texts with many hits. A
// literal is reported once, and when all that have a window were found, the
// window is passed by.
func (m *Matcher) findUnseen(dst []int32, text []byte, anyEnd bool) []int32 {
	s, ok := m.seen.Get().(*seen)
	if !ok {
		s = &seen{lits: make([]uint32, len(m.lits))}
	}
	if s.run++; s.run == 0 {
		*s = seen{run: 1, lits: make([]uint32, len(m.lits))}
	}
	for k, g := range []*grams{&m.long, &m.medium, &m.pairs} {
		if g.bitmap == nil {
			continue
		}
		if s.done[k] == nil {
			s.done[k] = make([]uint32, len(g.slots))
		}
		window := [3]int{longWindow, mediumWindow, pairWindow}[k]
		stride := [3]int{longStride, mediumStride, 1}[k]
		for at := 0; at+window <= len(text); at += stride {
			v := gram(text[at:], window)
			if !g.has(v) {
				continue
			}
			i := g.find(v)
			if i < 0 || s.done[k][i] == s.run {
				continue
			}
			all := true
			for _, r := range g.refs[g.slots[i].first:g.slots[i].end] {
				if s.lits[r.lit] == s.run {
					continue
				}
				before := len(dst)
				if dst = m.compare(dst, text, at-int(r.at), &m.lits[r.lit], anyEnd); len(dst) > before {
					s.lits[r.lit] = s.run
				} else {
					all = false
				}
			}
			if all {
				s.done[k][i] = s.run
			}
		}
	}
	m.seen.Put(s)
	return dst
}

// findRest finds literals that have no window, and ends before a last newline.
func (m *Matcher) findRest(dst []int32, text []byte, anyEnd bool) []int32 {
	for _, k := range m.short {
		e := &m.lits[k]
		if e.prefix {
			dst = m.compare(dst, text, 0, e, anyEnd)
			continue
		}
		dst = m.compare(dst, text, len(text)-int(e.size), e, anyEnd)
		if anyEnd {
			dst = m.compare(dst, text, len(text)-int(e.size)-1, e, anyEnd)
		}
	}
	if m.singles != nil {
		var has [256]bool
		for _, c := range text {
			has[c] = true
		}
		for c := 'A'; c <= 'Z'; c++ {
			has[c|0x20] = has[c|0x20] || has[c]
		}
		for _, k := range m.singles {
			if e := &m.lits[k]; has[m.text[e.start]] {
				dst = append(dst, e.id)
			}
		}
	}
	if !anyEnd || len(text) == 0 {
		return dst
	}
	text = text[:len(text)-1]
	for i, size := range [2]int{8, 4} {
		if g := &m.tails[i]; g.bitmap != nil && len(text) >= size {
			if v := edge(text[len(text)-size:], size); g.has(v) {
				dst = m.probe(g, dst, text, len(text)-size, v, false)
			}
		}
	}
	return dst
}

// find returns the slot of a window, or -1.
func (g *grams) find(gram uint32) int {
	for i := hash(gram) >> g.spread; g.slots[i].first != g.slots[i].end; i = (i + 1) & uint32(len(g.slots)-1) {
		if g.slots[i].gram == gram {
			return int(i)
		}
	}
	return -1
}

// probe looks a window up and compares the literals that have it.
func (m *Matcher) probe(g *grams, dst []int32, text []byte, at int, gram uint32, anyEnd bool) []int32 {
	if i := g.find(gram); i >= 0 {
		for _, r := range g.refs[g.slots[i].first:g.slots[i].end] {
			dst = m.compare(dst, text, at-int(r.at), &m.lits[r.lit], anyEnd)
		}
	}
	return dst
}

// compare adds e if it is at the given place.
func (m *Matcher) compare(dst []int32, text []byte, start int, e *entry, anyEnd bool) []int32 {
	end := start + int(e.size)
	if start < 0 || end > len(text) || e.prefix && start != 0 || e.suffix && end != len(text) && (!anyEnd || end != len(text)-1) {
		return dst
	}
	lit := m.text[e.start:]
	for i, c := range text[start:end] {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lit[i] {
			return dst
		}
	}
	return append(dst, e.id)
}

// AppendLower appends text in ASCII lower case to dst.
func AppendLower(dst, text []byte) []byte {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		v := binary.LittleEndian.Uint64(text[i:])
		// Per byte: bit 7 of a is set for 'A' and up, of z for '[' and up.
		const ones = 0x0101010101010101
		low := v &^ (0x80 * ones)
		a := low + (0x80-'A')*ones
		z := low + (0x80-'Z'-1)*ones
		v |= (a &^ z &^ v) & (0x80 * ones) >> 2
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	for ; i < len(text); i++ {
		c := text[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
