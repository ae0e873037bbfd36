// Package literal finds which of many strings occur in a text, in one pass. It
// is the filter in front of pattern tables: a rule is only tried when a string
// it needs is in the key.
//
// For each string one window of up to four bytes is kept, the one that is
// rarest in the whole set of strings, in an open hash table behind a bitmap. A
// pass over the text looks every window of the text up; on a hit the whole
// string is compared. Strings that can only begin the text are looked up once. Memory is a few dozen bytes a string, and building takes
// time linear in their total length: there is no automaton.
package literal

import (
	"encoding/binary"
	"math/bits"
)

// A Literal is one string to look for.
type Literal struct {
	Text   string
	Prefix bool  // only at the start of the text
	Suffix bool  // only at the end of the text
	ID     int32 // what Find reports
}

// A Matcher finds literals. It does not change and is safe for concurrent use.
type Matcher struct {
	text  []byte // of all literals, one after the other
	lits  []entry
	heads [2]grams // first eight, or four, bytes of literals with Prefix
	tails [2]grams // last eight, or four, bytes of literals with Suffix
	short []int32  // shorter literals with Prefix or Suffix
	four  grams    // windows of four bytes
	three grams    // literals of three bytes
	two   []uint64 // bitmap of literals of two bytes; nil if there are none
	pairs map[uint16][]int32
	one   [256][]int32
	ones  bool
}

// An entry is a literal in the order of its window.
type entry struct {
	start  uint32 // in text
	size   uint16
	window uint16 // offset of the window in the literal
	prefix bool
	suffix bool
	id     int32
}

// grams is a set of windows with the entries of each.
type grams struct {
	bitmap []uint64
	shift  uint // of the hash, for bits of the bitmap
	slots  []slot
	mask   uint32
	count  int
}

type slot struct {
	gram       uint32
	first, end int32 // in lits; first == end: free
}

func hash(gram uint32) uint32 { return gram * 0x9E3779B1 }

// windowSize is how many bytes of a literal are looked up first.
const windowSize = 4

// window returns four bytes as a number.
func window(b string) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// Cost estimates how often a literal's best window is met in a text, given how
// often windows occur in all the literals of a set. Windows has what Count
// counted.
type Windows struct {
	counts map[uint32]int32
	total  int
}

// Count adds the windows of a literal, once for the thing it belongs to.
func (w *Windows) Count(text string) {
	if w.counts == nil {
		w.counts = map[uint32]int32{}
	}
	w.total++
	for i := 0; i+windowSize <= len(text); i++ {
		w.counts[window(text[i:])]++
	}
}

// Cost estimates the share of texts that contain the literal's rarest window,
// and returns its place.
func (w *Windows) Cost(text string) (cost float64, at int) {
	if len(text) < windowSize {
		cost = 1
		for i := 0; i < len(text); i++ {
			cost *= frequency[text[i]]
		}
		return min(1, 300*cost), 0
	}
	cost = 2
	for i := 0; i+windowSize <= len(text); i++ {
		p := 100.0 // places in a text
		for j := range windowSize {
			p *= frequency[text[i+j]]
		}
		// What many of the literals contain is what the texts are like.
		if w.total > 0 {
			p += 0.3 * float64(w.counts[window(text[i:])]-1) / float64(w.total)
		}
		if p < cost {
			cost, at = p, i
		}
	}
	return cost, at
}

// frequency is about how often a byte occurs in lower-cased mail headers.
var frequency = func() (f [256]float64) {
	for i := range f {
		f[i] = 0.0005
	}
	for i, c := range []byte(" etaoinsrhldcumfpgwybvkxjqz") {
		f[c] = 0.13 / (1 + 0.35*float64(i))
	}
	for _, c := range []byte("0123456789.") {
		f[c] = 0.02
	}
	for _, c := range []byte("-:;=\"<>@/_,()") {
		f[c] = 0.008
	}
	return f
}()

// New returns a Matcher of the literals. Empty texts are not allowed: they
// occur everywhere.
func New(lits []Literal, windows *Windows) *Matcher {
	m := &Matcher{}
	type placed struct {
		lit int32
		at  int
	}
	byGram := map[uint32][]placed{}
	byThree := map[uint32][]placed{}
	anywhere := func(i int) {
		text := lits[i].Text
		_, at := windows.Cost(text)
		byGram[window(text[at:])] = append(byGram[window(text[at:])], placed{int32(i), at})
	}
	var edges [2][2]map[uint32][]placed // heads and tails, by eight and four bytes
	for i, l := range lits {
		switch n := len(l.Text); {
		case n == 0:
			panic("literal: empty text")
		case l.Prefix || l.Suffix:
			if n < windowSize {
				m.short = append(m.short, m.add(l, 0))
				break
			}
			side, width := 0, 0
			if !l.Prefix {
				side = 1
			}
			if n < 8 {
				width = 1
			}
			size := 8 >> width
			at := 0
			if side == 1 {
				at = n - size
			}
			if edges[side][width] == nil {
				edges[side][width] = map[uint32][]placed{}
			}
			g := edge(l.Text[at : at+size])
			edges[side][width][g] = append(edges[side][width][g], placed{int32(i), at})
		case n >= windowSize:
			anywhere(i)
		case n == 3:
			g := uint32(l.Text[0])<<16 | uint32(l.Text[1])<<8 | uint32(l.Text[2])
			byThree[g] = append(byThree[g], placed{int32(i), 0})
		case n == 2:
			if m.two == nil {
				m.two, m.pairs = make([]uint64, 1024), map[uint16][]int32{}
			}
			g := uint16(l.Text[0])<<8 | uint16(l.Text[1])
			m.two[g>>6] |= 1 << (g & 63)
			m.pairs[g] = append(m.pairs[g], m.add(l, 0))
		default:
			m.ones = true
			m.one[l.Text[0]] = append(m.one[l.Text[0]], m.add(l, 0))
		}
	}
	for side := range edges {
		for _, from := range edges[side] {
			// What many literals begin or end with tells little.
			for g, places := range from {
				if len(places) > maxShared {
					for _, p := range places {
						anywhere(int(p.lit))
					}
					delete(from, g)
				}
			}
		}
	}
	fill := func(g *grams, from map[uint32][]placed) {
		g.init(len(from))
		for gram, places := range from {
			first := int32(len(m.lits))
			for _, p := range places {
				m.add(lits[p.lit], p.at)
			}
			g.put(slot{gram, first, int32(len(m.lits))})
		}
	}
	for width := range 2 {
		fill(&m.heads[width], edges[0][width])
		fill(&m.tails[width], edges[1][width])
	}
	fill(&m.four, byGram)
	fill(&m.three, byThree)
	return m
}

func (m *Matcher) add(l Literal, at int) int32 {
	text := l.Text
	if len(text) > 1<<16-1 { // a part of it is enough
		text = text[:1<<16-1]
	}
	m.lits = append(m.lits, entry{uint32(len(m.text)), uint16(len(text)), uint16(at), l.Prefix, l.Suffix, l.ID})
	m.text = append(m.text, text...)
	return int32(len(m.lits) - 1)
}

func (g *grams) init(n int) {
	g.count = n
	if n == 0 {
		return
	}
	// Sixteen bits or more and two slots a window.
	logBits := max(12, bits.Len(uint(n))+5)
	g.bitmap = make([]uint64, 1<<logBits/64)
	g.shift = uint(32 - logBits)
	size := 1 << bits.Len(uint(2*n))
	g.slots = make([]slot, size)
	g.mask = uint32(size - 1)
}

func (g *grams) put(s slot) {
	h := hash(s.gram)
	b := h >> g.shift
	g.bitmap[b>>6] |= 1 << (b & 63)
	i := h >> 7 & g.mask
	for g.slots[i].first != g.slots[i].end {
		i = (i + 1) & g.mask
	}
	g.slots[i] = s
}

// edge makes a window of the first or last four or eight bytes of a text.
func edge[T string | []byte](b T) uint32 {
	if len(b) == windowSize {
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	var v uint64
	for i := range 8 {
		v = v<<8 | uint64(b[i])
	}
	return uint32(v * 0x9E3779B97F4A7C15 >> 32)
}

// maxShared is how many literals may share their first or last bytes before
// they are looked for by a rarer window.
const maxShared = 16

// Find appends the IDs of the literals that occur in text to dst, in no order
// and possibly more than once. anyEnd: literals with Suffix may also end one
// byte before the end of the text.
func (m *Matcher) Find(dst []int32, text []byte, anyEnd bool) []int32 {
	for _, k := range m.short {
		e := &m.lits[k]
		dst = m.compare(dst, text, 0, e, anyEnd)
		if e.suffix && !e.prefix {
			dst = m.compare(dst, text, len(text)-int(e.size), e, anyEnd)
			if anyEnd {
				dst = m.compare(dst, text, len(text)-int(e.size)-1, e, anyEnd)
			}
		}
	}
	for width := range 2 {
		size := 8 >> width
		if g := &m.heads[width]; g.count > 0 && len(text) >= size {
			dst = m.probe(g, dst, text, 0, edge(text[:size]), anyEnd)
		}
		if g := &m.tails[width]; g.count > 0 && len(text) >= size {
			dst = m.probe(g, dst, text, len(text)-size, edge(text[len(text)-size:]), anyEnd)
			if anyEnd && len(text) > size {
				dst = m.probe(g, dst, text, len(text)-size-1, edge(text[len(text)-size-1:len(text)-1]), anyEnd)
			}
		}
	}
	if m.ones || m.two != nil || m.three.count > 0 {
		dst = m.findShort(dst, text, anyEnd)
	}
	if m.four.count == 0 || len(text) < windowSize {
		return dst
	}
	bitmap, shift := m.four.bitmap, m.four.shift
	i := 0
	// Eight bytes hold five windows; look four of them up at a time.
	for ; i+8 <= len(text); i += 4 {
		v := binary.BigEndian.Uint64(text[i:])
		b0 := hash(uint32(v>>32)) >> shift
		b1 := hash(uint32(v>>24)) >> shift
		b2 := hash(uint32(v>>16)) >> shift
		b3 := hash(uint32(v>>8)) >> shift
		hit := bitmap[b0>>6]>>(b0&63)&1 | bitmap[b1>>6]>>(b1&63)&1 | bitmap[b2>>6]>>(b2&63)&1 | bitmap[b3>>6]>>(b3&63)&1
		if hit == 0 {
			continue
		}
		for j := range 4 {
			dst = m.probe(&m.four, dst, text, i+j, uint32(v>>(32-8*j)), anyEnd)
		}
	}
	for ; i+windowSize <= len(text); i++ {
		dst = m.probe(&m.four, dst, text, i, binary.BigEndian.Uint32(text[i:]), anyEnd)
	}
	return dst
}

// probe looks a window up and compares the literals that have it.
func (m *Matcher) probe(g *grams, dst []int32, text []byte, at int, gram uint32, anyEnd bool) []int32 {
	h := hash(gram)
	if b := h >> g.shift; g.bitmap[b>>6]&(1<<(b&63)) == 0 {
		return dst
	}
	for i := h >> 7 & g.mask; g.slots[i].first != g.slots[i].end; i = (i + 1) & g.mask {
		if g.slots[i].gram == gram {
			for k := g.slots[i].first; k < g.slots[i].end; k++ {
				dst = m.compare(dst, text, at, &m.lits[k], anyEnd)
			}
			break
		}
	}
	return dst
}

// compare adds e if it occurs with its window at the given place.
func (m *Matcher) compare(dst []int32, text []byte, at int, e *entry, anyEnd bool) []int32 {
	start := at - int(e.window)
	end := start + int(e.size)
	if start < 0 || end > len(text) || e.prefix && start != 0 || e.suffix && end != len(text) && (!anyEnd || end != len(text)-1) {
		return dst
	}
	if string(text[start:end]) != string(m.text[e.start:e.start+uint32(e.size)]) {
		return dst
	}
	return append(dst, e.id)
}

func (m *Matcher) findShort(dst []int32, text []byte, anyEnd bool) []int32 {
	var gram uint32
	three := &m.three
	for i, c := range text {
		gram = gram<<8 | uint32(c)
		if m.ones {
			for _, k := range m.one[c] {
				dst = m.compare(dst, text, i, &m.lits[k], anyEnd)
			}
		}
		if m.two != nil && i >= 1 {
			if g := uint16(gram); m.two[g>>6]&(1<<(g&63)) != 0 {
				for _, k := range m.pairs[g] {
					dst = m.compare(dst, text, i-1, &m.lits[k], anyEnd)
				}
			}
		}
		if three.count == 0 || i < 2 {
			continue
		}
		g := gram & 0xffffff
		h := hash(g)
		if b := h >> three.shift; three.bitmap[b>>6]&(1<<(b&63)) == 0 {
			continue
		}
		for s := h >> 7 & three.mask; three.slots[s].first != three.slots[s].end; s = (s + 1) & three.mask {
			if three.slots[s].gram == g {
				for k := three.slots[s].first; k < three.slots[s].end; k++ {
					dst = m.compare(dst, text, i-2, &m.lits[k], anyEnd)
				}
				break
			}
		}
	}
	return dst
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
