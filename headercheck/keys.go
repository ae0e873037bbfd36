package headercheck

import (
	"io"
	"iter"
)

// KeyOptions say which parts of a message are keys.
type KeyOptions struct {
	Headers bool // postmap -h: headers; those of the message only, unless MIME or Body
	Body    bool // postmap -b: lines of the body; with MIME without the headers in it
	MIME    bool // postmap -m: know MIME; with Headers, also headers of parts and attached messages
	// Limits of the scan; LineLength, NoMIME, KeepCR and KeepFrom are not
	// looked at: postmap(1) takes lines of any length as they are.
	Limits Options
}

// Keys returns, one by one, the keys that "postmap -q -" with -h, -b and -m
// looks up for the message in r, postmap(1): "-h -m" is Keys with Headers and
// MIME. A key is valid until the next one is asked for. After an error of r,
// given with a nil key, the sequence ends.
//
// The input is read no further than needed: with Headers alone up to the line
// behind the header. Keys needs memory for one header and for the longest line.
func Keys(r io.Reader, o KeyOptions) iter.Seq2[[]byte, error] {
	limits := o.Limits
	limits.LineLength, limits.KeepCR, limits.KeepFrom, limits.NoMIME = -1, true, true, !o.MIME
	return func(yield func([]byte, error) bool) {
		s := NewScanner(r, &limits)
		for {
			p, err := s.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			wanted := o.Headers
			if p.Kind == Body {
				wanted = o.Body
			}
			if wanted && !yield(p.Key(), nil) {
				return
			}
			if !o.Body && !o.MIME && !s.InHeader() && s.next == len(s.m.out) {
				return
			}
		}
	}
}
