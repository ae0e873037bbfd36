// Package casefold folds lookup keys the way Postfix does before it stores
// them in a table or asks a table for them.
//
// With SMTPUTF8 on and built with ICU, Postfix folds by the full case folding
// of Unicode, code point by code point, without normalisation and without the
// Turkic forms: "STRASSE" and "Straße" become the same key. Without, only the
// ASCII letters are folded.
package casefold

import (
	"slices"
	"unicode/utf8"
)

// ASCII folds A to Z in key, in place, and returns it.
func ASCII(key []byte) []byte {
	for i, c := range key {
		if 'A' <= c && c <= 'Z' {
			key[i] = c + 'a' - 'A'
		}
	}
	return key
}

// Append appends the full case folding of key to dst. A key that is not valid
// UTF-8 ([Valid]) has no folding; its ASCII letters are folded then.
func Append(dst, key []byte) []byte {
	start := len(dst)
	dst = append(dst, key...)
	folded := ASCII(dst[start:])
	for i, c := range folded {
		if c >= utf8.RuneSelf {
			if !utf8.Valid(key) {
				return dst
			}
			return appendRunes(dst[:start+i], key[i:])
		}
	}
	return dst
}

// appendRunes folds the rest of a key that is not all ASCII.
func appendRunes(dst, rest []byte) []byte {
	for len(rest) > 0 {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		if r < utf8.RuneSelf {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			dst = append(dst, byte(r))
			continue
		}
		i, _ := slices.BinarySearchFunc(spans[:], r, func(s span, r rune) int { return int(s.hi - r) })
		if i < len(spans) && spans[i].lo <= r && (r-spans[i].lo)%spans[i].stride == 0 {
			dst = utf8.AppendRune(dst, r+spans[i].delta)
		} else if s, ok := expansions[r]; ok {
			dst = append(dst, s...)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// String returns key folded: fully when utf8 is set, else its ASCII letters.
// A key that is folded already is returned as it is.
func String(key string, utf8 bool) string {
	for i := range len(key) {
		c := key[i]
		switch {
		case 'A' <= c && c <= 'Z', c >= 0x80 && utf8:
			if utf8 {
				return string(Append(nil, []byte(key)))
			}
			return string(ASCII([]byte(key)))
		}
	}
	return key
}

// Valid reports whether Postfix takes text for UTF-8: RFC 3629, so no
// overlong forms, no surrogates and nothing above U+10FFFF.
func Valid(text []byte) bool { return utf8.Valid(text) }
