package aliases

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// Check ids of the findings of [File.Check]: what Postfix takes without a word
// and what is surely not meant.
const (
	CheckTrailingComment = "trailing-comment" // "# text" after data is taken for addresses
	CheckUnquotedCommand = "unquoted-command" // the arguments of a command are taken for addresses
	CheckMissingComma    = "missing-comma"    // addresses with nothing but white space between them
	CheckQuotedList      = "quoted-list"      // quotes make one address of several
	CheckUnterminated    = "unterminated"     // a quote, parenthesis or bracket is never closed
	CheckCommentInName   = "comment-in-name"  // a comment before the colon becomes part of the name
	CheckNeedlessQuotes  = "needless-quotes"  // Postfix 3.12 stores the quotes of a name that needs none, and does not find it
	CheckNoTarget        = "no-target"        // nobody gets the mail
	CheckBadAddress      = "bad-address"      // mail to that address is returned
	CheckBadInclude      = "bad-include"      // an :include: file without an absolute name
	CheckBadPath         = "bad-path"         // a "~" in an alias, where there is no home directory
	CheckEmptyCommand    = "empty-command"    // a "|" with no command
)

// Check returns what is surely not meant, in the order of the file. It looks at
// each alias for itself; a [Graph] knows how they hang together. Aliases that
// were edited since the file was parsed are not looked at: what was written by
// an edit has none of these faults, and what was left of the old text has no
// known place.
func (f *File) Check() diag.List {
	var found diag.List
	for a := range f.All() {
		if a.line == 0 {
			continue
		}
		c := checker{file: f.name, a: a, found: &found}
		c.text, c.p = a.parts()
		c.name()
		c.value()
	}
	found.Sort()
	return found
}

// checker looks at one alias.
type checker struct {
	file  string
	a     *Alias
	text  cflines.Text
	p     parsed
	found *diag.List
}

// add makes a finding about bytes start to end of the joined text.
func (c *checker) add(check string, severity diag.Severity, start, end int, fixes []diag.Fix, format string, args ...any) {
	*c.found = append(*c.found, diag.Diagnostic{
		File: c.file, Span: c.a.span(c.text, start, end),
		Severity: severity, Check: check, Message: diag.Printable(fmt.Sprintf(format, args...)), Fixes: fixes,
	})
}

// replace is the fix that puts text in the place of bytes start to end of the
// joined text, which have to be on one line.
func (c *checker) replace(message string, start, end int, text string) []diag.Fix {
	s := c.a.span(c.text, start, end)
	if s.Start.Line != s.End.Line {
		return nil
	}
	return []diag.Fix{{Message: message, Edits: []diag.Edit{{File: c.file, Start: s.Start.Offset, End: s.End.Offset, New: text}}}}
}

func (c *checker) source(t mailaddr.Token) string { return string(c.text.Bytes[t.Start:t.End]) }

func (c *checker) name() {
	name := c.p.name()
	for _, t := range name {
		if t.Kind == mailaddr.Comment {
			c.add(CheckCommentInName, diag.Warning, t.Start, t.End, c.replace("remove the comment", t.Start, t.End, ""),
				"comment %s becomes part of the name", c.source(t))
			return
		}
	}
	// Seen with Postfix 3.12-20260821; releases before store the name as it is
	// looked up, without quotes.
	key, lookup := c.a.Key(), mailaddr.QuoteLocal(c.a.name)
	if key == lookup || key == c.a.name {
		return
	}
	start, end := name[0].Start, name[len(name)-1].End
	var fixes []diag.Fix
	if better := formatName(c.a.name); !strings.Contains(c.a.name, "%") {
		fixes = c.replace("write "+better, start, end, better)
	}
	c.add(CheckNeedlessQuotes, diag.Warning, start, end, fixes, "Postfix 3.12 stores the name as %s, quotes included, and looks for %s", key, lookup)
}

func (c *checker) value() {
	for _, t := range c.p.value() {
		if first := c.text.Bytes[t.Start]; !t.Closed() && (first == '"' || first == '(' || first == '[') {
			c.add(CheckUnterminated, diag.Warning, t.Start, t.End, nil, "%c has no end: everything up to the end of the alias belongs to it", first)
		}
	}
	toks := mailaddr.WithoutComments(append([]mailaddr.Token(nil), c.p.value()...))
	groups := mailaddr.Addresses(toks)
	if len(groups) == 0 {
		last := c.p.value()[len(c.p.value())-1]
		c.add(CheckNoTarget, diag.Error, c.p.value()[0].Start, last.End, nil, "there is no target: mail for %q stays in the queue", c.a.name)
		return
	}
	ignoredTo := 0 // end of the last "comment" or of a command's arguments
	commaMissed := false
	for i, g := range groups {
		group := toks[g.Start:g.End]
		start, end := group[0].Start, group[len(group)-1].End
		if start < ignoredTo {
			continue
		}
		t := classify(string(mailaddr.AppendInternal(nil, c.text.Bytes, group)))
		if group[0].Kind == mailaddr.Atom && c.text.Bytes[start] == '#' {
			ignoredTo = c.trailingComment(i, groups, toks)
			continue
		}
		if t.Kind == Command && group[0].Op == '|' {
			if args := c.commandEnd(i, groups, toks); args > end {
				ignoredTo = args
				line := string(c.text.Bytes[start:args])
				c.add(CheckUnquotedCommand, diag.Warning, start, args, c.replace("quote the command", start, args, quoteString(line)),
					"the command is %q only; what follows is taken for addresses", t.Value)
				continue
			}
		}
		c.target(t, group, start, end)
		if i > 0 && !commaMissed && !separated(toks[groups[i-1].End:g.Start]) {
			commaMissed = true
			before := toks[groups[i-1].End-1]
			at := c.a.span(c.text, before.Start, before.End).End.Offset
			fix := diag.Fix{Message: "add a comma", Edits: []diag.Edit{{File: c.file, Start: at, End: at, New: ","}}}
			c.add(CheckMissingComma, diag.Warning, start, end, []diag.Fix{fix}, "there is no comma before %q", t.Value)
		}
	}
}

// separated reports whether something between two addresses says that they
// are two.
func separated(between []mailaddr.Token) bool {
	for _, t := range between {
		if t.Op == ',' || t.Op == ';' || t.Op == ':' || t.Op == '<' {
			return true
		}
	}
	return false
}

// lineEnd returns the end of the physical line with byte i of the joined text,
// as an offset into the joined text.
func (c *checker) lineEnd(i int) int {
	line := c.text.Pos(i).Line
	return i + sort.Search(len(c.text.Bytes)-i, func(n int) bool { return c.text.Pos(i+n).Line != line })
}

// trailingComment reports what looks like a comment after data, and returns
// its end.
func (c *checker) trailingComment(i int, groups []mailaddr.Group, toks []mailaddr.Token) int {
	start := toks[groups[i].Start].Start
	end := c.lineEnd(start)
	n := 0
	for _, g := range groups[i:] {
		if toks[g.Start].Start >= end {
			break
		}
		n++
	}
	text := bytes.TrimRight(c.text.Bytes[start:end], " \t\r")
	from := len(bytes.TrimRight(c.text.Bytes[:start], " \t"))
	var fixes []diag.Fix
	if i > 0 && c.text.Pos(from).Line == c.text.Pos(start).Line {
		fixes = c.replace("remove the text", from, start+len(text), "")
	}
	what := "an address"
	if n > 1 {
		what = fmt.Sprintf("%d addresses", n)
	}
	c.add(CheckTrailingComment, diag.Warning, start, start+len(text), fixes,
		"%q is no comment but %s: comments need a line of their own", text, what)
	return end
}

// commandEnd returns the end of what follows a command without a comma, on its
// line.
func (c *checker) commandEnd(i int, groups []mailaddr.Group, toks []mailaddr.Token) int {
	end := toks[groups[i].End-1].End
	line := c.text.Pos(end - 1).Line
	for j := i + 1; j < len(groups) && groups[j].Start == groups[j-1].End; j++ {
		next := toks[groups[j].Start]
		if c.text.Pos(next.Start).Line != line || c.text.Bytes[next.Start] == '#' && next.Kind == mailaddr.Atom {
			break
		}
		end = toks[groups[j].End-1].End
	}
	return end
}

// target looks at one target.
func (c *checker) target(t Target, group []mailaddr.Token, start, end int) {
	switch t.Kind {
	case Include:
		if !strings.HasPrefix(t.Value, "/") {
			c.add(CheckBadInclude, diag.Warning, start, end, nil, ":include: needs an absolute file name, not %q", t.Value)
		}
	case Path:
		if t.Value[0] == '~' {
			c.add(CheckBadPath, diag.Warning, start, end, nil, "an alias has no home directory for %q", t.Value)
		}
	case Command:
		if strings.TrimSpace(t.Value) == "" {
			c.add(CheckEmptyCommand, diag.Warning, start, end, nil, "there is no command after \"|\"")
		}
	case Address:
		if len(group) == 1 && group[0].Kind == mailaddr.Quoted && strings.ContainsAny(t.Value, ",") {
			var fixes []diag.Fix
			if !strings.ContainsAny(t.Value, "\"\\()") {
				fixes = c.replace("remove the quotes", start, end, t.Value)
			}
			c.add(CheckQuotedList, diag.Warning, start, end, fixes, "the quotes make one address of %q", t.Value)
			return
		}
		local, domain, hasDomain := mailaddr.Split(t.Value)
		switch {
		case hasDomain && local == "":
			c.add(CheckBadAddress, diag.Warning, start, end, nil, "there is no name before the \"@\" of %q", t.Value)
		case strings.HasPrefix(t.Value, "-"):
			c.add(CheckBadAddress, diag.Warning, start, end, nil, "Postfix returns mail for %q: the name starts with \"-\"", t.Value)
		case hasDomain && !validDomain(strings.TrimSuffix(domain, ".")):
			c.add(CheckBadAddress, diag.Warning, start, end, nil, "Postfix returns mail for %q: %q is no domain", t.Value, domain)
		}
	}
}
