package textmap

import (
	"fmt"
	"unicode/utf8"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// Check ids of the findings this package makes.
const (
	CheckLeadingSpace = "leading-whitespace" // the first line of the file continues nothing
	CheckNotUTF8      = "not-utf8"           // line ignored: not valid UTF-8
	CheckQuote        = "unbalanced-quote"   // line ignored: a quote in the key is never closed
	CheckFormat       = "expected-key-value" // line ignored: no key or no value
	CheckAliasFormat  = "alias-format"       // the key ends in a colon, which becomes part of it
	CheckNUL          = "text-after-null"    // what follows a NUL byte is lost
	CheckValueFile    = "value-file"         // line ignored: a file named by the value cannot be read
	CheckDuplicate    = "duplicate-key"      // an earlier entry has the same key after folding
)

// fault is what is wrong with a line, with the bytes of its text it is about.
type fault struct {
	check      string
	severity   diag.Severity
	start, end int
	message    string
}

// parsed is a logical line cut into its parts, as offsets into its text.
type parsed struct {
	keyEnd               int
	valueStart, valueEnd int
	faults               []fault
	bad                  bool // not stored
}

// special are the bytes at which scanning a key has to look closer.
var special = [256]bool{' ': true, '\t': true, '\n': true, '\v': true, '\f': true, '\r': true, '"': true, '\\': true}

// cutLine parses the text of one logical line as postmap(1) does. It
// allocates only when something is wrong.
func cutLine(text []byte, indented, utf8Mode bool) (p parsed) {
	fail := func(check string, start, end int, format string, args ...any) {
		p.bad = true
		message := format // a constant: there may be millions
		if len(args) > 0 {
			message = diag.Printable(fmt.Sprintf(format, args...))
		}
		p.faults = append(p.faults, fault{check, diag.Error, start, end, message})
	}
	whole := len(text)
	text, cut := cflines.CutNUL(text)
	if cut {
		p.faults = append(p.faults, fault{CheckNUL, diag.Warning, len(text), whole, "text after null byte may be ignored"})
	}
	if indented {
		more := ""
		if len(text) > 30 {
			more = "..."
		}
		fail(CheckLeadingSpace, 0, len(text), "logical line must not start with whitespace: \"%.30s%s\"", text[:min(30, len(text))], more)
		return p
	}
	if utf8Mode && !utf8.Valid(text) {
		at := invalidAt(text)
		fail(CheckNotUTF8, at, at+1, "non-UTF-8 input \"%s\" -- ignoring this line", text)
		return p
	}
	key, quoteAt := cutKey(text)
	if quoteAt >= 0 {
		fail(CheckQuote, quoteAt, len(text), "unbalanced '\"' in '%s' -- ignoring this line", text)
		return p
	}
	p.keyEnd = key
	p.valueStart, p.valueEnd = key, len(text)
	for p.valueStart < p.valueEnd && cflines.IsSpace(text[p.valueStart]) {
		p.valueStart++
	}
	for p.valueEnd > p.valueStart && cflines.IsSpace(text[p.valueEnd-1]) {
		p.valueEnd--
	}
	if key == 0 || p.valueStart == p.valueEnd {
		fail(CheckFormat, 0, max(key, 1), "expected format: key whitespace value")
		return p
	}
	if text[key-1] == ':' {
		p.faults = append(p.faults, fault{CheckAliasFormat, diag.Warning, key - 1, key,
			"record is in \"key: value\" format; is this an alias file?"})
	}
	return p
}

// cutKey returns where the key ends: at the first white space outside double
// quotes. A backslash protects the next byte, inside quotes and outside.
// openQuote is the offset of a quote that is never closed, or -1.
func cutKey(text []byte) (end, openQuote int) {
	openQuote = -1
	i := 0
	for i < len(text) {
		c := text[i]
		if !special[c] {
			i++
			continue
		}
		switch {
		case c == '\\':
			if i++; i < len(text) {
				i++
			}
			continue
		case c == '"' && openQuote < 0:
			openQuote = i
		case c == '"':
			openQuote = -1
		case openQuote < 0:
			return i, -1
		}
		i++
	}
	return len(text), openQuote
}

func invalidAt(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// appendKey appends key to dst in the form it is stored and compared in.
func (o *Options) appendKey(dst, key []byte) []byte {
	switch {
	case o.NoFold:
		return append(dst, key...)
	case o.NoUTF8:
		n := len(dst)
		dst = append(dst, key...)
		casefold.ASCII(dst[n:])
		return dst
	}
	return casefold.Append(dst, key)
}
