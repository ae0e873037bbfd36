package cidrmap

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/inet"
)

// rule is one rule or the start of an "if" block.
type rule struct {
	prefix  netip.Prefix
	line    int32
	block   int32 // index of the innermost "if" around it, -1 for none
	end     int32 // of an "if": index of the rule after its block
	negated bool
	isIf    bool
}

func (r *rule) contains(addr netip.Addr) bool {
	return r.prefix.Contains(addr.WithZone(""))
}

// Parse reads a table. Rules that are wrong are left out, as Postfix does; the
// error then is a [diag.List] that has them all. The table is never nil. name
// is used in findings only. The table keeps a copy of src.
//
// Findings of severity error are those that Postfix logs, in its words. The
// others have a check id and are about what Postfix accepts in silence.
func Parse(name string, src []byte) (*Table, error) {
	p := parser{t: &Table{name: name}, text: string(src), block: -1}
	const shortest = 7 // bytes of a rule: "::/0 x" and a newline
	lines := min(1+bytes.Count(src, []byte{'\n'}), 1+len(src)/shortest)
	p.t.rules, p.t.results = make([]rule, 0, lines), make([]string, 0, lines)
	for item := range cflines.Split(src) {
		if item.Kind == cflines.Logical {
			p.line(item, item.Text(src))
		}
	}
	for p.block >= 0 {
		r := &p.t.rules[p.block]
		p.report(diag.Error, "", int(r.line), p.place[p.block], "IF has no matching ENDIF")
		r.end = int32(len(p.t.rules))
		p.block = r.block
	}
	p.t.build()
	return p.t, p.found.Err()
}

type parser struct {
	t     *Table
	text  string // the whole source: results are parts of it
	block int32  // the innermost open "if"
	place map[int32]diag.Span
	found diag.List
}

func (p *parser) report(s diag.Severity, check string, line int, at diag.Span, message string) {
	p.found = append(p.found, diag.Diagnostic{File: p.t.name, Span: at, Severity: s, Check: check, Message: message})
}

func (p *parser) add(r rule, result string) {
	p.t.rules, p.t.results = append(p.t.rules, r), append(p.t.results, result)
}

// line parses one logical line.
func (p *parser) line(item cflines.Item, text cflines.Text) {
	data, _ := cflines.CutNUL(text.Bytes)
	data = cflines.TrimRight(data)
	where := func() diag.Span { return text.Span(0, max(1, len(data))) }
	if cflines.IsSpace(text.Bytes[0]) {
		p.report(diag.Error, "", item.Line, where(), fmt.Sprintf("logical line must not start with whitespace: \"%s\"", printable(string(text.Bytes))))
		return
	}
	var s string
	if start := text.Pos(0).Offset; start+len(data) <= len(p.text) && p.text[start:start+len(data)] == string(data) {
		s = p.text[start : start+len(data)] // one physical line
	} else {
		s = string(data)
	}
	r := rule{line: int32(text.Pos(0).Line), block: p.block}
	why := ""
	switch word, rest := keyword(s); word {
	case "if":
		r.isIf = true
		rest, r.negated = negation(trimLeft(rest))
		if why = p.pattern(&r, rest, where); why == "" {
			if p.place == nil {
				p.place = map[int32]diag.Span{}
			}
			p.block = int32(len(p.t.rules))
			p.place[p.block] = where()
			p.add(r, "")
		}
	case "endif":
		switch {
		case rest != "":
			why = "garbage after ENDIF"
		case p.block < 0:
			why = "ENDIF without IF"
		default:
			open := &p.t.rules[p.block]
			open.end = int32(len(p.t.rules))
			p.block = open.block
		}
	default:
		s, r.negated = negation(s)
		pattern, result := s, ""
		if i := strings.IndexFunc(s, func(c rune) bool { return c < 0x80 && cflines.IsSpace(byte(c)) }); i >= 0 {
			pattern, result = s[:i], trimLeft(s[i:])
		}
		switch {
		case pattern == "":
			why = "no address pattern"
		default:
			if why = p.pattern(&r, pattern, where); why == "" && result == "" {
				why = "no lookup result"
			}
			if why == "" {
				p.add(r, result)
			}
		}
	}
	if why != "" {
		p.report(diag.Error, "", int(r.line), where(), printable(why)+": skipping this rule")
	}
}

// keyword finds "if" and "endif" at the start of a rule. A letter or digit
// after it makes it something else.
func keyword(s string) (word, rest string) {
	for _, word := range []string{"if", "endif"} {
		if len(s) >= len(word) && strings.EqualFold(s[:len(word)], word) && (len(s) == len(word) || !isAlnum(s[len(word)])) {
			return word, s[len(word):]
		}
	}
	return "", s
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// negation removes any number of "!" and white space after each.
func negation(s string) (rest string, negated bool) {
	for strings.HasPrefix(s, "!") {
		s, negated = trimLeft(s[1:]), !negated
	}
	return s, negated
}

func trimLeft(s string) string {
	for s != "" && cflines.IsSpace(s[0]) {
		s = s[1:]
	}
	return s
}

// pattern parses address[/length], with brackets around either, into r. It
// returns what is wrong, in Postfix's words.
func (p *parser) pattern(r *rule, s string, where func() diag.Span) (why string) {
	if s == "" {
		return "no address pattern"
	}
	addr, length, hasLength := s, "", false
	if s[0] == '[' {
		inside, after, ok := strings.Cut(s[1:], "]")
		switch {
		case !ok:
			return fmt.Sprintf("missing ']' character after \"[%s\"", s[1:])
		case strings.HasPrefix(after, "/"):
			addr, length, hasLength = inside, after[1:], true
		case after != "":
			return fmt.Sprintf("garbage after \"[%s]\"", inside)
		default:
			addr, length, hasLength = strings.Cut(inside, "/")
		}
	} else {
		addr, length, hasLength = strings.Cut(s, "/")
	}
	bits := 32
	if strings.IndexByte(addr, ':') >= 0 {
		bits = 128
	}
	if !hasLength {
		ip, ok := inet.Parse(addr)
		if !ok {
			return fmt.Sprintf("bad address pattern: \"%s\"", addr)
		}
		r.prefix = netip.PrefixFrom(ip, bits)
		return ""
	}
	n, exact := maskLength(length)
	switch {
	case n < 0:
		return fmt.Sprintf("bad mask value in \"%s/%s\"", addr, length)
	case n > bits:
		return fmt.Sprintf("bad mask length in \"%s/%s\"", addr, length)
	}
	ip, ok := inet.Parse(addr)
	if !ok {
		return fmt.Sprintf("bad network value in \"%s/%s\"", addr, length)
	}
	r.prefix = netip.PrefixFrom(ip, n)
	if masked := r.prefix.Masked().Addr(); masked != ip {
		return fmt.Sprintf("non-null host address bits in \"%s/%s\", perhaps you should use \"%s/%d\" instead", addr, length, inet.String(masked), n)
	}
	if !exact {
		p.report(diag.Warning, "cidr-mask-overflow", int(r.line), where(), fmt.Sprintf("mask length %s is taken for %d by Postfix, want 0 to %d", printable(length), n, bits))
	}
	return ""
}

// maskLength reads the number after the slash. Postfix stores what atoi(3)
// gives in one byte, so that /264 is /8; exact is false then. It is -1 for
// what is no number.
func maskLength(s string) (n int, exact bool) {
	if s == "" {
		return -1, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1, false
		}
	}
	v, err := strconv.ParseInt(s, 10, 64) // the largest one when out of range, as strtol(3)
	return int(uint8(v)), err == nil && v < 256
}

// printable shows text as Postfix logs it: "?" for what does not print.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}
