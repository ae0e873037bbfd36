package pattern

import "math/bits"

// A Set is a set of bytes. The zero Set is empty.
type Set [4]uint64

// Has reports whether c is in the set.
func (s *Set) Has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

// Add puts c into the set.
func (s *Set) Add(c byte) { s[c>>6] |= 1 << (c & 63) }

// Remove takes c out of the set.
func (s *Set) Remove(c byte) { s[c>>6] &^= 1 << (c & 63) }

// AddRange puts all bytes from lo to hi into the set.
func (s *Set) AddRange(lo, hi byte) {
	for c := int(lo); c <= int(hi); c++ {
		s.Add(byte(c))
	}
}

// AddString puts every byte of text into the set.
func (s *Set) AddString(text string) {
	for i := 0; i < len(text); i++ {
		s.Add(text[i])
	}
}

// Union returns the bytes that are in either set.
func (s Set) Union(t Set) Set {
	return Set{s[0] | t[0], s[1] | t[1], s[2] | t[2], s[3] | t[3]}
}

// Not returns the bytes that are not in the set.
func (s Set) Not() Set { return Set{^s[0], ^s[1], ^s[2], ^s[3]} }

// Minus returns the bytes of s that are not in t.
func (s Set) Minus(t Set) Set {
	return Set{s[0] &^ t[0], s[1] &^ t[1], s[2] &^ t[2], s[3] &^ t[3]}
}

// Empty reports whether the set has no bytes.
func (s Set) Empty() bool { return s == Set{} }

// Len returns the number of bytes in the set.
func (s Set) Len() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// Min returns the smallest byte of a set that is not empty.
func (s Set) Min() byte {
	for i, w := range s {
		if w != 0 {
			return byte(i*64 + bits.TrailingZeros64(w))
		}
	}
	return 0
}

// Single returns the only byte of the set, if there is exactly one.
func (s Set) Single() (c byte, ok bool) {
	if s.Len() != 1 {
		return 0, false
	}
	return s.Min(), true
}

// Folded returns the one ASCII lower-case byte that all bytes of the set fold
// to, if there is one: 'a' for {a}, {A} and {a, A}, ';' for {;}.
func (s Set) Folded() (c byte, ok bool) {
	switch s.Len() {
	case 1:
		return Lower(s.Min()), true
	case 2:
		c = s.Min()
		if c >= 'A' && c <= 'Z' && s.Has(c|0x20) {
			return c | 0x20, true
		}
	}
	return 0, false
}

// Fold returns the set with the other case of each of its ASCII letters added.
func (s Set) Fold() Set {
	const letters = 0x07fffffe // bits of A..Z, and of a..z 32 places higher
	upper, lower := s[1]&letters, s[1]>>32&letters
	s[1] |= upper<<32 | lower
	return s
}

// All holds every byte.
var all = Set{}.Not()

// Any returns the set of all 256 bytes.
func Any() Set { return all }

// Of returns the set of the bytes of text.
func Of(text string) (s Set) {
	s.AddString(text)
	return s
}

// Range returns the set of the bytes from lo to hi.
func Range(lo, hi byte) (s Set) {
	s.AddRange(lo, hi)
	return s
}

// Lower returns c, or the lower-case form of an ASCII capital.
func Lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// Upper returns c, or the upper-case form of an ASCII small letter.
func Upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c &^= 0x20
	}
	return c
}

// The classes of the C locale, by their POSIX names; "word" is PCRE's.
func class(name string) (s Set, ok bool) {
	switch name {
	case "upper":
		return Range('A', 'Z'), true
	case "lower":
		return Range('a', 'z'), true
	case "alpha":
		return Range('A', 'Z').Union(Range('a', 'z')), true
	case "digit":
		return Range('0', '9'), true
	case "xdigit":
		return Range('0', '9').Union(Of("abcdefABCDEF")), true
	case "alnum":
		return Range('0', '9').Union(Range('A', 'Z')).Union(Range('a', 'z')), true
	case "space":
		return Of(" \t\n\v\f\r"), true
	case "blank":
		return Of(" \t"), true
	case "cntrl":
		return Range(0, 31).Union(Of("\x7f")), true
	case "print":
		return Range(' ', '~'), true
	case "graph":
		return Range('!', '~'), true
	case "punct":
		alnum, _ := class("alnum")
		return Range('!', '~').Minus(alnum), true
	}
	return Set{}, false
}

// Word returns the bytes of words: letters, digits and '_'.
func Word() Set {
	s, _ := class("alnum")
	s.Add('_')
	return s
}

func space() Set { s, _ := class("space"); return s }
