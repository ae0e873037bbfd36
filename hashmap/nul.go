package hashmap

import (
	"bytes"
	"strings"
)

// NUL says whether keys and values in a table end in a NUL byte. Most programs
// that fill Postfix tables, Postfix among them, store it; some do not.
type NUL uint8

const (
	// NULAuto is what Postfix does when it is not told. Writing, the format
	// decides ([Format.NUL]). Reading, a key is looked up with NUL and then
	// without; the first hit decides, and from then on only that form is
	// looked up, so that of a table with both only one is seen.
	NULAuto NUL = iota
	WithNUL     // postmap -N
	NoNUL       // postmap -n
)

// written is the form in which a table of the format is written.
func (n NUL) written(f Format) bool { return n == WithNUL || n == NULAuto && f.NUL() }

// cString is the text up to the first NUL, which is all that Postfix sees of
// it.
func cString(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

func cBytes(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// trimNUL takes off the one NUL that a stored key or value may end in.
func trimNUL(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == 0 {
		return b[:n-1]
	}
	return b
}
