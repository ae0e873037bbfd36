package cidrmap

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/inet"
	"github.com/postfixkit/postfixkit/table"
)

// Parse reads a table. Rules that are wrong are left out, as Postfix does; the
// error then is a [diag.List] that has them all. The table is never nil. name
// is used in findings only. The table keeps nothing of src.
//
// Findings of severity error are those that Postfix logs, in its words. The
// others have a check id and are about what Postfix accepts in silence.
func Parse(name string, src []byte) (*Table, error) {
	return parse(name, src, true, nil)
}

// parse is Parse. Without fast the general way is taken for every line. With
// readFile results are lists of files.
func parse(name string, src []byte, fast bool, readFile func(string) ([]byte, error)) (*Table, error) {
	p := parser{builder: builder{t: &Table{name: name}, src: src, codes: map[string]uint8{}}, block: -1, readFile: readFile}
	const largest = 1 << 30 // bytes; places in texts have 32 bits, and those of a tree may be three times as large
	if len(src) > largest {
		p.report(diag.Error, "cidr-too-large", 0, diag.Span{}, fmt.Sprintf("a table of %d bytes is not read, want %d at most", len(src), largest))
		p.src = nil
		p.build()
		return p.t, p.found.Err()
	}
	const shortest = 7 // bytes of a rule: "::/0 x" and a newline
	p.t.rules = make([]rule, 0, min(1+bytes.Count(src, []byte{'\n'}), 1+len(src)/shortest))
	for at, line := 0, 1; at < len(src); {
		if fast {
			if n := p.simple(at, line); n > 0 {
				at, line = at+n, line+1
				continue
			}
		}
		for item := range cflines.Split(src[at:]) {
			item.Start, item.End, item.Line = item.Start+at, item.End+at, line
			if item.Kind == cflines.Logical {
				p.line(item, item.Text(src))
			}
			line += bytes.Count(src[at:item.End], []byte{'\n'})
			at = item.End
			break
		}
	}
	for p.block >= 0 {
		r := &p.t.rules[p.block]
		p.report(diag.Error, "", int(r.line), p.place[p.block], "IF has no matching ENDIF")
		p.endBlock()
	}
	p.build()
	return p.t, p.found.Err()
}

type parser struct {
	builder
	latest []byte // the result that was noted last
	block  int32  // the innermost open "if"
	place  map[int32]diag.Span
	found  diag.List

	readFile func(string) ([]byte, error) // nil: results are as they stand
}

// value returns what lookups find for a result, or what is wrong with it.
// Postfix asks for the files of "if" and "endif" too: with "postmap -F" a table
// has no blocks.
func (p *parser) value(result string) (value, why string) {
	if p.readFile == nil {
		return result, ""
	}
	value, err := table.FileValue(p.readFile, result)
	if err != nil {
		return "", err.Error()
	}
	p.t.empty = p.t.empty || value == ""
	return value, ""
}

func (p *parser) report(s diag.Severity, check string, line int, at diag.Span, message string) {
	p.found = append(p.found, diag.Diagnostic{File: p.t.name, Span: at, Severity: s, Check: check, Message: diag.Printable(message)})
}

func (p *parser) add(r rule) {
	p.t.rules = append(p.t.rules, r)
	if p.t.nesting != nil {
		p.t.nesting = append(p.t.nesting, nest{block: p.block})
	}
}

// beginBlock is for the "if" that becomes the next rule.
func (p *parser) beginBlock(r rule, where diag.Span) {
	if p.t.nesting == nil {
		p.t.nesting = make([]nest, len(p.t.rules), cap(p.t.rules))
		for i := range p.t.nesting {
			p.t.nesting[i].block = -1
		}
		p.place = map[int32]diag.Span{}
	}
	p.add(r)
	p.block = int32(len(p.t.rules) - 1)
	p.place[p.block] = where
}

// endBlock ends the innermost one.
func (p *parser) endBlock() {
	open := &p.t.nesting[p.block]
	open.end = int32(len(p.t.rules))
	p.block = open.block
}

// note takes note of a result: most tables have few different ones.
func (p *parser) note(s []byte) {
	if p.codes == nil || string(s) == string(p.latest) {
		return
	}
	p.latest = s
	if _, ok := p.codes[string(s)]; ok {
		return
	}
	if len(p.codes) == 127 {
		p.codes = nil
		return
	}
	p.codes[string(s)] = uint8(len(p.codes) + 1)
}

// simple parses a line that is like nearly all of nearly every table: a network
// without brackets, with nothing wrong in it, white space and a result; the next
// line starts a rule, too. It returns how long the line at begin is, or 0 if it is not
// like that.
func (p *parser) simple(begin, line int) int {
	src := p.src[begin:]
	r := rule{line: uint32(line), bits: 32, is4: true}
	ip, at := cutIPv4(src)
	r.network.hi = uint64(ip) << 32
	if at == 0 {
		if r.network, at = cutIPv6(src); at == 0 {
			return 0
		}
		r.bits, r.is4 = 128, false
	}
	if at < len(src) && src[at] == '/' {
		n, digits := 0, at+1
		for at = digits; at < len(src) && isDigit(src[at]) && at < digits+3; at++ {
			n = n*10 + int(src[at]-'0')
		}
		if at == digits || n > int(r.bits) {
			return 0
		}
		r.bits = uint8(n)
	}
	if at == len(src) || !cflines.IsSpace(src[at]) || r.network.first(int(r.bits)) != r.network {
		return 0
	}
	end := at + bytes.IndexByte(src[at:], '\n')
	if end < at || end+1 < len(src) && (cflines.IsSpace(src[end+1]) || src[end+1] == '#') {
		return 0
	}
	for at < end && cflines.IsSpace(src[at]) {
		at++
	}
	result := cflines.TrimRight(src[at:end])
	if len(result) == 0 || bytes.IndexByte(result, 0) >= 0 {
		return 0
	}
	r.result = text{uint32(begin + at), uint32(len(result))}
	p.note(result)
	p.add(r)
	return end + 1
}

// line parses one logical line.
func (p *parser) line(item cflines.Item, joined cflines.Text) {
	data, _ := cflines.CutNUL(joined.Bytes)
	data = cflines.TrimRight(data)
	where := func() diag.Span { return joined.Span(0, max(1, len(data))) }
	if cflines.IsSpace(joined.Bytes[0]) {
		start, more := joined.Bytes, ""
		if len(start) > 30 {
			start, more = start[:30], "..."
		}
		p.report(diag.Error, "", item.Line, where(), fmt.Sprintf("logical line must not start with whitespace: \"%s%s\"", start, more))
		return
	}
	s := string(data)
	r := rule{line: uint32(joined.Pos(0).Line)}
	why := ""
	switch word, rest := keyword(s); word {
	case "if":
		r.isIf = true
		rest, r.negated = negation(trimLeft(rest))
		if why = p.pattern(&r, rest, where); why == "" {
			_, why = p.value("")
		}
		if why == "" {
			p.beginBlock(r, where())
		}
	case "endif":
		switch {
		case rest != "":
			why = "garbage after ENDIF"
		case p.block < 0:
			why = "ENDIF without IF"
		default:
			p.endBlock()
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
				result, why = p.value(result)
			}
			if why == "" {
				p.more = append(p.more, result...)
				r.result = text{uint32(len(p.src) + len(p.more) - len(result)), uint32(len(result))}
				p.note([]byte(result))
				p.add(r)
			}
		}
	}
	if why != "" {
		p.report(diag.Error, "", int(r.line), where(), why+": skipping this rule")
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
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
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
		r.setPrefix(ip, bits)
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
	r.setPrefix(ip, n)
	if masked := r.prefix().Masked().Addr(); masked != ip {
		return fmt.Sprintf("non-null host address bits in \"%s/%s\", perhaps you should use \"%s/%d\" instead", addr, length, inet.String(masked), n)
	}
	if !exact {
		p.report(diag.Warning, "cidr-mask-overflow", int(r.line), where(), fmt.Sprintf("mask length %s is taken for %d by Postfix, want 0 to %d", length, n, bits))
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
		if !isDigit(s[i]) {
			return -1, false
		}
	}
	v, err := strconv.ParseInt(s, 10, 64) // the largest one when out of range, as strtol(3)
	return int(uint8(v)), err == nil && v < 256
}
