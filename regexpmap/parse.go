package regexpmap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/regexpmap/internal/engine"
	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
	"github.com/postfixkit/postfixkit/table"
)

// A lazyRegexp is made when its rule is first tried. The syntax tree is not
// kept until then: parsing again is cheap, ten thousand trees are not.
type lazyRegexp struct{ p atomic.Pointer[engine.Regexp] }

func (l *lazyRegexp) get(r *Rule) *engine.Regexp {
	if re := l.p.Load(); re != nil {
		return re
	}
	p, err := compile(r.table.dialect, r.Pattern, r.Flags)
	if err != nil {
		panic("regexpmap: pattern was good before: " + err.Error())
	}
	l.p.CompareAndSwap(nil, engine.Compile(p))
	return l.p.Load()
}

// compile parses a pattern with flags that are known to be good. Every flag
// turns its setting over: "ii" is nothing.
func compile(d Dialect, text, flags string) (*pattern.Pattern, error) {
	odd := func(c byte) bool { return strings.Count(flags, string(c))%2 == 1 }
	if d == POSIX {
		return pattern.ParsePosix(text, pattern.PosixFlags{Basic: odd('x'), FoldCase: !odd('i'), Newline: odd('m')})
	}
	return pattern.ParsePCRE(text, pattern.PCREFlags{
		FoldCase: !odd('i'), DotAll: !odd('s'), Multiline: odd('m'), Extended: odd('x'),
		Anchored: odd('A'), DollarEnd: odd('E'), Ungreedy: odd('U'),
	})
}

type parser struct {
	table *Table
	src   []byte
	found diag.List
	text  cflines.Text
	line  []byte // the logical line, trimmed
	open  []*Rule

	required []requiredStrings // of the rules of the table
}

// finding adds what is wrong with bytes start to end of the line. Postfix names
// the line on which the rule starts.
func (p *parser) finding(severity diag.Severity, start, end int, message string) {
	start = min(start, len(p.line))
	d := diag.Diagnostic{File: p.table.name, Span: p.text.Span(start, max(start, min(end, len(p.line)))),
		Severity: severity, Message: diag.Printable(message)}
	if rule := p.text.Span(0, len(p.line)); rule.Start.Line != d.Span.Start.Line {
		d.Related = []diag.Related{{File: d.File, Span: rule, Message: "in this rule"}}
	}
	p.found = append(p.found, d)
}

// skip is a finding about a rule that is left out.
func (p *parser) skip(start, end int, message string) { p.finding(diag.Error, start, end, message) }

func (p *parser) warn(start, end int, message string) { p.finding(diag.Warning, start, end, message) }

func (p *parser) parse() {
	for item := range cflines.Split(p.src) {
		if item.Kind != cflines.Logical {
			continue
		}
		p.text = item.Text(p.src)
		line := p.text.Bytes
		if isSpace(line[0]) {
			p.line = line
			start := line[:min(30, len(line))]
			more := ""
			if len(line) > 30 {
				more = "..."
			}
			p.skip(0, len(line), `logical line must not start with whitespace: "`+string(start)+more+`"`)
			continue
		}
		line, cut := cflines.CutNUL(line)
		p.line = cflines.TrimRight(line)
		if cut {
			p.warn(len(line), len(line)+1, "text after null byte may be ignored")
		}
		if len(p.line) > 0 {
			p.rule()
		}
	}
	for i := len(p.open) - 1; i >= 0; i-- {
		p.found = append(p.found, diag.Diagnostic{File: p.table.name, Span: p.open[i].Span, Severity: diag.Warning,
			Message: "IF has no matching ENDIF"})
	}
}

func (p *parser) skipSpace(i int) int {
	for i < len(p.line) && isSpace(p.line[i]) {
		i++
	}
	return i
}

// word reports whether the line begins with a request word.
func (p *parser) word(word string) bool {
	n := len(word)
	return len(p.line) >= n && strings.EqualFold(string(p.line[:n]), word) && (len(p.line) == n || !isAlnum(p.line[n]))
}

func (p *parser) rule() {
	switch {
	case !isAlnum(p.line[0]):
		p.matchRule()
	case p.word("if"):
		p.ifRule()
	case p.word("endif"):
		if len(p.open) == 0 {
			p.warn(0, len("endif"), "ignoring ENDIF without matching IF")
			return
		}
		if i := p.skipSpace(len("endif")); i < len(p.line) {
			p.warn(i, len(p.line), "ignoring extra text after ENDIF")
		}
		n := len(p.open) - 1
		p.open = p.open[:n:n] // rules keep what was open; the next "if" must not write over it
	default:
		p.skip(0, len(p.line), "ignoring unrecognized request")
	}
}

func (p *parser) newRule() *Rule {
	r := &Rule{table: p.table, index: int32(len(p.table.rules)), guard: -1, Span: p.text.Span(0, len(p.line))}
	if n := len(p.open); n > 0 {
		r.guard = p.open[n-1].index
		r.Guards = p.open[:n:n]
	}
	return r
}

// A patternText is a pattern as it stands in the line.
type patternText struct {
	start, end      int // between the delimiters
	flags, flagsEnd int
	negated         bool
}

// pattern reads "!! /…/flags" from i. second patterns of regexp: tables follow
// directly, so '!' ends flags there.
func (p *parser) pattern(i int) (t patternText, ok bool) {
	for ; i < len(p.line) && (p.line[i] == '!' || isSpace(p.line[i])); i++ {
		if p.line[i] == '!' {
			t.negated = !t.negated
		}
	}
	if i >= len(p.line) {
		p.skip(0, len(p.line), "no regexp: skipping this rule")
		return t, false
	}
	delim := p.line[i]
	t.start = i + 1
	for i++; i < len(p.line) && p.line[i] != delim; i++ {
		if p.line[i] == '\\' {
			i++
		}
	}
	if i >= len(p.line) {
		text := `no closing regexp delimiter "` + string([]byte{delim}) + `": skipping this rule`
		if p.table.dialect == PCRE {
			text = `no closing regexp delimiter "` + string([]byte{delim}) + `": ignoring this rule`
		}
		p.skip(t.start-1, len(p.line), text)
		return t, false
	}
	t.end = i
	t.flags = i + 1
	known := "imx"
	if p.table.dialect == PCRE {
		known = "imsxAEUX"
	}
	for i++; i < len(p.line) && !isSpace(p.line[i]); i++ {
		c := p.line[i]
		if c == '!' && p.table.dialect == POSIX {
			break
		}
		if c == 'X' && p.table.dialect == PCRE {
			p.warn(i, i+1, `ignoring obsolete regexp option "X"`)
		}
		if strings.IndexByte(known, c) < 0 {
			p.skip(i, i+1, `unknown regexp option "`+string([]byte{c})+`": skipping this rule`)
			return t, false
		}
	}
	t.flagsEnd = i
	return t, true
}

func (p *parser) set(r *Rule, t patternText) {
	r.Pattern = string(p.line[t.start:t.end])
	r.Flags = string(p.line[t.flags:t.flagsEnd])
	r.Negated = t.negated
}

// compile checks the pattern of r and returns its tree, or nil. A pattern that
// is good and cannot be honoured makes r one that never holds.
func (p *parser) compile(r *Rule, t patternText) *pattern.Pattern {
	tree, err := compile(p.table.dialect, r.Pattern, r.Flags)
	if err == nil {
		why := engine.Unsure(tree, false)
		if why == "" && engine.TooLarge(tree) {
			why = "trying it would need over 200,000 instructions"
		}
		if why == "" {
			return tree
		}
		err = &pattern.Error{Message: why, Unsupported: true}
	}
	var e *pattern.Error
	errors.As(err, &e)
	at := t.start + e.Offset
	if e.Unsupported {
		r.never = true
		message := e.Message
		if r.If {
			message += " (no rule up to its ENDIF will match)"
		}
		p.unsupported(at, at+1, message)
		return nil
	}
	message := e.Message
	if p.table.dialect == PCRE {
		message = fmt.Sprintf("error in regex at offset %d: %s", e.Offset, message)
	}
	p.skip(at, at+1, message)
	return nil
}

// unsupported is the finding about a good pattern that is left out.
func (p *parser) unsupported(start, end int, why string) {
	p.skip(start, end, "pattern cannot be honoured exactly: "+why+": skipping this rule")
	p.found[len(p.found)-1].Check = Unsupported
}

func (p *parser) ifRule() {
	t, ok := p.pattern(len("if"))
	if !ok {
		return
	}
	r := p.newRule()
	r.If = true
	p.set(r, t)
	if i := p.skipSpace(t.flagsEnd); i < len(p.line) {
		p.warn(i, len(p.line), `ignoring extra text after IF statement: "`+string(p.line[i:])+`"`)
		p.warn(i, len(p.line), "do not prepend whitespace to statements between IF and ENDIF")
	}
	// Postfix drops a condition it cannot compile, and what it encloses then
	// holds for every key.
	tree := p.compile(r, t)
	if tree == nil && !r.never {
		return
	}
	p.add(r, tree, nil)
	p.open = append(p.open, r)
}

func (p *parser) matchRule() {
	first, ok := p.pattern(0)
	if !ok {
		return
	}
	after := first.flagsEnd
	var second patternText
	and := after < len(p.line) && p.line[after] == '!'
	if and {
		if second, ok = p.pattern(after); !ok {
			return
		}
		after = second.flagsEnd
	}
	start := p.skipSpace(after)
	if start >= len(p.line) {
		p.warn(after, len(p.line), "no replacement text: using empty string")
	}
	text := string(p.line[start:])
	r := p.newRule()
	r.Result = text
	p.set(r, first)
	if p.table.opts.ReadFile != nil {
		joined, err := table.FileValue(p.table.opts.ReadFile, text)
		if err != nil {
			p.skip(start, len(p.line), err.Error()+": skipping this rule")
			return
		}
		text = joined
	}
	result, groups, errs := parseTemplate(text, p.table.dialect)
	for _, e := range errs {
		p.skip(start+e.at, start+e.end, e.message)
	}
	switch {
	case len(errs) > 0:
		p.skip(start, len(p.line), "bad replacement syntax: skipping this rule")
		return
	case groups != 0 && r.Negated:
		p.skip(start, len(p.line), "$number found in negative match replacement text: skipping this rule")
		return
	case groups != 0 && p.table.opts.NoSubst:
		p.skip(start, len(p.line), "regular expression substitution is not allowed: skipping this rule")
		return
	}
	tree := p.compile(r, first)
	if tree == nil {
		return
	}
	if why := engine.Unsure(tree, groups > 0); why != "" {
		p.unsupported(first.start, first.end, why)
		return
	}
	if groups < 0 || groups > tree.Groups {
		p.skip(start, len(p.line), `out of range replacement index "`+strconv.Itoa(groups)+`": skipping this rule`)
		return
	}
	r.result = result
	var andTree *pattern.Pattern
	if and {
		r.And = p.newRule()
		p.set(r.And, second)
		if andTree = p.compile(r.And, second); andTree == nil {
			return
		}
	}
	p.add(r, tree, andTree)
}

// add appends a rule or condition with the trees of its patterns, which are
// not kept.
func (p *parser) add(r *Rule, tree, and *pattern.Pattern) {
	p.table.rules = append(p.table.rules, r)
	var q requiredStrings
	if !p.table.opts.NoPrefilter {
		if tree != nil {
			q.pattern = tree.Literals()
			q.plain, _ = tree.Plain()
		}
		if and != nil {
			q.and = and.Literals()
		}
	}
	p.required = append(p.required, q)
}
