package aliases

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// Check ids of what postalias(1) itself warns about. The messages of these
// findings are its own.
const (
	CheckLeadingSpace = "leading-whitespace" // the first line of the file continues nothing; Postfix names no line number
	CheckNUL          = "text-after-null"    // what follows a NUL byte is lost (Postfix 3.9)
	CheckNotUTF8      = "not-utf8"           // line ignored: not valid UTF-8
	CheckFormat       = "need-name-value"    // line ignored: no name, no colon or no value
	CheckNotLocal     = "name-not-local"     // line ignored: the name has a domain
	CheckDuplicate    = "duplicate-key"      // an earlier alias has the same name after folding
)

// Options say how aliases are read. The zero Options read them as postalias(1)
// does without options, in the default configuration of Postfix 3.6 and later.
type Options struct {
	NoFold bool // keep names as they are (postalias -f)
	NoUTF8 bool // no UTF-8 checks, and only ASCII letters are folded (postalias -u, smtputf8_enable = no)

	// MaxLine is the length in bytes a logical line may have: one name with
	// all its targets. Zero means 64 MiB, some two million addresses. Postfix
	// has no limit.
	MaxLine int
}

const defaultMaxLine = 64 << 20

func (o *Options) maxLine() int {
	if o.MaxLine > 0 {
		return o.MaxLine
	}
	return defaultMaxLine
}

// appendFolded appends a name in the form in which tables store it.
func (o *Options) appendFolded(dst, name []byte) []byte {
	switch {
	case o.NoFold:
		return append(dst, name...)
	case o.NoUTF8:
		start := len(dst)
		dst = append(dst, name...)
		casefold.ASCII(dst[start:])
		return dst
	}
	return casefold.Append(dst, name)
}

// fold is appendFolded for strings.
func (o *Options) fold(name string) string {
	if o.NoFold {
		return name
	}
	return casefold.String(name, !o.NoUTF8)
}

// fault is what is wrong with a line, with the bytes of its text it is about.
type fault struct {
	check      string
	severity   diag.Severity
	start, end int
	message    string
	related    string // about the whole line
}

// parsed is a logical line cut into its parts.
type parsed struct {
	toks   []mailaddr.Token
	colon  int // the token between name and value
	faults []fault
	stored bool
}

func (p *parsed) name() []mailaddr.Token  { return p.toks[:p.colon] }
func (p *parsed) value() []mailaddr.Token { return p.toks[p.colon+1:] }

// cutLine cuts the text of a logical line as postalias(1) does. The tokens use
// the array of buf. It allocates nothing else unless something is wrong.
func cutLine(buf []mailaddr.Token, text []byte, utf8Mode bool) (p parsed) {
	fail := func(check string, start, end int, message, related string) parsed {
		p.faults = append(p.faults, fault{check, diag.Error, start, end, message, related})
		return p
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		p.faults = append(p.faults, fault{check: CheckNUL, severity: diag.Warning, start: i, end: len(text),
			message: "text after null byte may be ignored"})
		text = text[:i]
	}
	if len(text) > 0 && cflines.IsSpace(text[0]) {
		more := ""
		if len(text) > 30 {
			more = "..."
		}
		return fail(CheckLeadingSpace, 0, len(text),
			diag.Printable(fmt.Sprintf("logical line must not start with whitespace: \"%s%s\"", text[:min(30, len(text))], more)), "")
	}
	if utf8Mode && !utf8.Valid(text) {
		at := 0
		for at < len(text) {
			r, n := utf8.DecodeRune(text[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return fail(CheckNotUTF8, at, at+1, diag.Printable(fmt.Sprintf("non-UTF-8 input \"%s\" -- ignoring this line", text)), "")
	}
	p.toks = mailaddr.Scan(buf[:0], text)
	if len(p.toks) == 0 {
		return p
	}
	comma, domain := false, -1
	for p.colon = 0; p.colon < len(p.toks) && p.toks[p.colon].Op != ':'; p.colon++ {
		switch p.toks[p.colon].Op {
		case ',':
			comma = true
		case '@', '%':
			domain = p.colon
		}
	}
	const needPair = "need name:value pair"
	switch last := p.toks[len(p.toks)-1].End; {
	case p.colon == len(p.toks):
		return fail(CheckFormat, 0, last, needPair, "there is no ':' after the name")
	case p.colon == 0:
		return fail(CheckFormat, 0, last, needPair, `there is no name before the ':' ("": is the empty name)`)
	case p.colon == len(p.toks)-1:
		return fail(CheckFormat, 0, last, needPair, `there is nothing after the ':' (an alias needs a target)`)
	case comma:
		return fail(CheckFormat, 0, p.toks[p.colon].Start, needPair, "only one name can stand before the ':'")
	case domain >= 0:
		return fail(CheckNotLocal, p.toks[0].Start, p.toks[p.colon-1].End, "name must be local and have no domain",
			"addresses with a domain belong into virtual(5); a name with that character in it needs double quotes")
	}
	p.stored = true
	return p
}
