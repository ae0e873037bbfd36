package engine

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// A standard is a pattern written for package regexp, which finds groups in
// linear time. Every byte is a character of Latin-1 there: texts with bytes
// above 127 are decoded first.
type standard struct {
	re *regexp.Regexp
}

// newStandard returns nil if the pattern cannot be said, or is too large.
func newStandard(p *pattern.Pattern) *standard {
	var w standardWriter
	w.node(p.Root)
	if w.failed || w.b.Len() > 1<<16 {
		return nil
	}
	re, err := regexp.Compile(w.b.String())
	if err != nil || re.NumSubexp() != p.Groups {
		return nil
	}
	if p.Posix {
		re.Longest()
	}
	return &standard{re}
}

type standardWriter struct {
	b      strings.Builder
	failed bool
}

func (w *standardWriter) node(n *pattern.Node) {
	switch n.Op {
	case pattern.OpEmpty:
		w.b.WriteString("(?:)")
	case pattern.OpSet:
		w.set(n.Set)
	case pattern.OpCat:
		for _, s := range n.Sub {
			w.node(s)
		}
	case pattern.OpAlt:
		w.b.WriteString("(?:")
		for i, s := range n.Sub {
			if i > 0 {
				w.b.WriteByte('|')
			}
			w.node(s)
		}
		w.b.WriteByte(')')
	case pattern.OpCapture:
		w.b.WriteByte('(')
		w.node(n.Sub[0])
		w.b.WriteByte(')')
	case pattern.OpAssert:
		switch n.At {
		case pattern.BeginText, pattern.BeginInner:
			w.b.WriteString(`\A`)
		case pattern.EndText, pattern.EndTextNewline, pattern.EndInner:
			w.b.WriteString(`\z`)
		case pattern.BeginLine, pattern.BeginLineInside:
			w.b.WriteString(`(?m:^)`)
		case pattern.EndLine:
			w.b.WriteString(`(?m:$)`)
		case pattern.WordEdge:
			w.b.WriteString(`\b`)
		case pattern.NotWordEdge:
			w.b.WriteString(`\B`)
		default:
			w.failed = true
		}
	case pattern.OpRepeat:
		w.b.WriteString("(?:")
		w.node(n.Sub[0])
		w.b.WriteByte(')')
		switch {
		case n.Min == 0 && n.Max < 0:
			w.b.WriteByte('*')
		case n.Min == 1 && n.Max < 0:
			w.b.WriteByte('+')
		case n.Min == 0 && n.Max == 1:
			w.b.WriteByte('?')
		default:
			w.b.WriteString("{" + strconv.Itoa(n.Min))
			if n.Max != n.Min {
				w.b.WriteByte(',')
				if n.Max >= 0 {
					w.b.WriteString(strconv.Itoa(n.Max))
				}
			}
			w.b.WriteByte('}')
		}
		if n.Mode == pattern.Lazy {
			w.b.WriteByte('?')
		}
	default:
		w.failed = true
	}
}

func (w *standardWriter) set(s pattern.Set) {
	if s.Empty() {
		w.b.WriteString(`[^\x00-\x{10FFFF}]`)
		return
	}
	w.b.WriteByte('[')
	for c := 0; c < 256; c++ {
		if !s.Has(byte(c)) {
			continue
		}
		last := c
		for last < 255 && s.Has(byte(last+1)) {
			last++
		}
		w.char(c)
		if last > c {
			w.b.WriteByte('-')
			w.char(last)
		}
		c = last
	}
	w.b.WriteByte(']')
}

func (w *standardWriter) char(c int) {
	w.b.WriteString(`\x{` + strconv.FormatInt(int64(c), 16) + `}`)
}

// groups returns the bounds of the match and its groups, or nil.
func (s *standard) groups(text []byte) []int { return s.find(text, s.re.FindSubmatchIndex) }

// match returns the bounds of the match only, which is much cheaper.
func (s *standard) match(text []byte) []int { return s.find(text, s.re.FindIndex) }

func (s *standard) find(text []byte, find func([]byte) []int) []int {
	if ascii(text) {
		return find(text)
	}
	wide := make([]byte, 0, len(text)*5/4)
	for _, c := range text {
		wide = utf8.AppendRune(wide, rune(c))
	}
	found := find(wide)
	if found == nil {
		return nil
	}
	// Bounds in wide become bounds in text: each byte above 127 took two.
	at := make([]int, len(wide)+1)
	j := 0
	for i, c := range text {
		at[j] = i
		j++
		if c >= utf8.RuneSelf {
			j++
		}
	}
	at[j] = len(text)
	for i, v := range found {
		if v >= 0 {
			found[i] = at[v]
		}
	}
	return found
}

func ascii(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
