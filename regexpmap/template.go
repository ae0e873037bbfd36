package regexpmap

import (
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/internal/cflines"
)

// A template is the result of a rule: text with places for groups.
type template struct {
	parts  []part
	groups int // the highest group, 0 if there are none
}

// A part is text, or a group when group is not 0.
type part struct {
	text  string
	group int
}

func (t *template) append(dst, key []byte, bounds []int) []byte {
	for _, p := range t.parts {
		if p.group == 0 {
			dst = append(dst, p.text...)
		} else if from := bounds[2*p.group]; from >= 0 {
			dst = append(dst, key[from:bounds[2*p.group+1]]...)
		}
	}
	return dst
}

// A templateError is something wrong with a result.
type templateError struct {
	message string
	bare    bool // Postfix names neither table nor line
	at, end int  // in the text
}

// parseTemplate takes the $1, ${1}, $(1) and $$ of a result apart. max is the
// highest group; Postfix computes it in 32 bits, so it may be negative.
func parseTemplate(text string, d Dialect) (t *template, max int, errs []templateError) {
	t = &template{}
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t.parts = append(t.parts, part{text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(text); {
		if text[i] != '$' {
			lit.WriteByte(text[i])
			i++
			continue
		}
		start := i
		i++
		if i < len(text) && text[i] == '$' {
			lit.WriteByte('$')
			i++
			continue
		}
		flush()
		var name string
		if i < len(text) && (text[i] == '{' || text[i] == '(') {
			open, shut := text[i], byte('}')
			if open == '(' {
				shut = ')'
			}
			i++
			from := i
			for level := 1; level > 0; i++ {
				if i >= len(text) {
					errs = append(errs, templateError{`truncated macro reference: "` + text + `"`, true, start, len(text)})
					return t, max, errs
				}
				switch text[i] {
				case open:
					level++
				case shut:
					level--
				}
			}
			name = text[from : i-1]
			if len(errs) > 0 {
				return t, max, errs // Postfix stops at brackets after an error
			}
		} else {
			from := i
			for i < len(text) && (isAlnum(text[i]) || text[i] == '_') {
				i++
			}
			name = text[from:i]
		}
		if name == "" {
			errs = append(errs, templateError{`empty macro name: "` + text + `"`, true, start, i})
			return t, max, errs
		}
		n, digits := groupNumber(name)
		switch {
		case !digits:
			errs = append(errs, templateError{`non-numeric replacement index "` + name + `"`, false, start, i})
		case n == 0 && d == POSIX:
			errs = append(errs, templateError{`out-of-range replacement index "` + name + `"`, false, start, i})
		case n == 0:
			errs = append(errs, templateError{`out of range replacement index "` + name + `"`, false, start, i})
		}
		if n < 0 || max >= 0 && n > max {
			max = n
		}
		t.parts = append(t.parts, part{group: n})
	}
	flush()
	if max > 0 {
		t.groups = max
	}
	return t, max, errs
}

// groupNumber converts digits as atoi(3) does where int has 32 bits.
func groupNumber(name string) (n int, ok bool) {
	for i := 0; i < len(name); i++ {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
	}
	v, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		v = 1<<63 - 1
	}
	return int(int32(v)), true
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isSpace(c byte) bool { return cflines.IsSpace(c) }
