package accessmap

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/near"
	"github.com/postfixkit/postfixkit/table"
)

// ParseAction reads the right-hand side of an access(5) entry.
//
// It always returns what Postfix makes of the value. The error is a
// [diag.List] of what Postfix would log when mail arrives, or would do
// silently although it cannot be meant; places in it are offsets into rhs.
// Whether the value is usable at all tells [diag.List.Max]: with [diag.Error]
// Postfix ignores the entry, or defers mail because of it, and the Action is
// that effect. Use a [Grammar] to check restriction classes, and what is
// possible in one restriction list.
func ParseAction(rhs string) (Action, error) {
	return new(Grammar).ParseAction(rhs)
}

// A Grammar knows more about where an access table is used than the table
// itself says. The zero Grammar knows nothing more.
type Grammar struct {
	// Classes is smtpd_restriction_classes. When nil, a name that is no
	// restriction could be a class and is a warning; otherwise an error.
	Classes []string
	// List is the restriction list that uses the table, such as
	// "smtpd_helo_restrictions"; "" checks nothing about it.
	List string
}

// ParseAction is the function of that name with what g knows.
func (g *Grammar) ParseAction(rhs string) (Action, error) {
	a := split(rhs)
	c := checker{g: g, rhs: rhs}
	effect := c.check(a)
	return effect, c.found.Err()
}

// Split reads rhs as [ParseAction] does, but returns what is written instead
// of its effect, and checks nothing.
func Split(rhs string) Action { return split(rhs) }

// serverError is the reply of smtpd(8) to an entry it cannot use.
var serverError = Action{Kind: Defer, Code: 451, Status: "4.3.5", Text: "Server configuration error"}

type checker struct {
	g     *Grammar
	rhs   string
	found diag.List

	suggested int // unknown words for which a name was looked for
}

// maxSuggestions is for how many words of one value a known name is looked for:
// every one is compared with all names and classes.
const maxSuggestions = 20

// report adds a finding about the bytes start to end of the value.
func (c *checker) report(s diag.Severity, start, end int, format string, args ...any) {
	at := func(i int) diag.Position { return diag.Position{Offset: i, Line: 1, Col: i + 1} }
	c.found = append(c.found, diag.Diagnostic{
		Span: diag.Span{Start: at(start), End: at(end)}, Severity: s, Check: "access-action",
		Message: fmt.Sprintf(format, args...),
	})
}

// check adds findings and returns what Postfix does because of them.
func (c *checker) check(a Action) Action {
	whole := len(c.rhs)
	if !utf8.ValidString(c.rhs) {
		at := 0
		for r, n := utf8.DecodeRuneInString(c.rhs); r != utf8.RuneError || n > 1; r, n = utf8.DecodeRuneInString(c.rhs[at:]) {
			at += n
		}
		c.report(diag.Error, at, at+1, "value is not UTF-8; Postfix takes it for a broken table and replies 451 4.3.5, unless smtputf8_enable = no")
		return serverError
	}
	dunno := Action{Kind: Dunno}
	arg := len(c.rhs) - len(a.Arg) // for actions with an argument
	switch a.Kind {
	case Filter:
		if a.Arg == "" {
			c.report(diag.Error, 0, whole, "FILTER without value, want transport:destination; Postfix ignores the entry")
			return dunno
		}
		if !strings.Contains(a.Arg, ":") {
			c.report(diag.Error, arg, whole, "FILTER requires transport:destination, found %q; Postfix ignores the entry", a.Arg)
			return dunno
		}
	case Redirect, BCC:
		if a.Arg == "" {
			c.report(diag.Error, 0, whole, "%v without value, want user@domain; Postfix ignores the entry", a.Kind)
			return dunno
		}
		if !strings.Contains(a.Arg, "@") {
			c.report(diag.Error, arg, whole, "%v requires a user@domain target, found %q; Postfix ignores the entry", a.Kind, a.Arg)
			return dunno
		}
	case Prepend:
		if !isHeader(a.Arg) {
			c.report(diag.Error, arg, whole, "PREPEND requires \"header: text\", found %q; Postfix ignores the entry", a.Arg)
			return dunno
		}
	case OK:
		if a.Arg != "" && a.Arg != "RELAY" && len(a.Arg) == 3 && (a.Arg[0] == '4' || a.Arg[0] == '5') {
			c.report(diag.Warning, 0, whole, "%s without text is a number, which means OK; write \"%s text\" to refuse", a.Arg, a.Arg)
		}
		if a.Text != "" {
			c.report(diag.Info, whole-len(a.Text), whole, "text after OK is ignored")
		}
	case Dunno:
		if a.Text != "" {
			c.report(diag.Info, whole-len(a.Text), whole, "text after DUNNO is ignored")
		}
	case Reject, Defer, DeferIfPermit, DeferIfReject:
		class := byte('5')
		if a.Kind != Reject {
			class = '4' // as every 4NN
		}
		if a.Status != "" && a.Status[0] != class {
			i := strings.Index(c.rhs, a.Status) // nothing before it has dots
			c.report(diag.Info, i, i+1, "enhanced status %s does not fit the action; Postfix makes it %c%s", a.Status, class, a.Status[1:])
		}
		if a.Status != "" && a.Text == "" {
			c.report(diag.Warning, 0, whole, "no text after enhanced status %s: smtpd(8) reads past the end of the value and replies with what is there", a.Status)
		}
	case Hangup:
		c.report(diag.Info, 0, whole, "HANGUP is a test feature of Postfix and not documented")
	case Restriction:
		return c.restrictions()
	}
	return c.place(a)
}

// place checks whether the action is possible in the restriction list.
func (c *checker) place(a Action) Action {
	switch a.Kind {
	case Prepend:
		if c.g.List == "smtpd_end_of_data_restrictions" {
			c.report(diag.Error, 0, len(kindNames[Prepend]), "PREPEND must be used before smtpd_end_of_data_restrictions; Postfix ignores the entry")
			return Action{Kind: Dunno}
		}
	case Discard, Hold, Filter, Redirect, BCC:
		if c.g.List == "smtpd_etrn_restrictions" {
			c.report(diag.Error, 0, len(kindNames[a.Kind]), "%v is not available in smtpd_etrn_restrictions; Postfix ignores the entry", a.Kind)
			return Action{Kind: Dunno}
		}
	}
	return a
}

// restrictions checks a value that is no action: a list of restrictions.
func (c *checker) restrictions() Action {
	if c.rhs == "" {
		c.report(diag.Error, 0, 0, "empty value; Postfix takes it for a broken table and replies 451 4.3.5")
		return serverError
	}
	n := 0
	for range table.Elements(c.rhs) {
		n++
	}
	if n == 0 {
		c.report(diag.Warning, 0, len(c.rhs), "no restriction in %q; Postfix logs it and takes it for OK", c.rhs)
		return Action{Kind: OK}
	}
	if i := strings.IndexByte(c.rhs, ':'); i >= 0 {
		c.report(diag.Error, 0, len(c.rhs), "lookup table in an access table; define a restriction class and name that instead (Postfix replies 451 4.3.5)")
		return serverError
	}
	isClass := func(name string) bool { return slices.Contains(c.g.Classes, name) }
	if n > 10 {
		classes := map[string]bool{}
		for _, name := range c.g.Classes {
			classes[name] = true
		}
		isClass = func(name string) bool { return classes[name] }
	}
	effect := Action{Kind: Restriction, Arg: c.rhs}
	expect, of := argNone, ""
	last := "" // what ends the list whatever is asked
	for at, item := range table.Elements(c.rhs) {
		end := at + len(item)
		if last != "" {
			c.report(diag.Warning, at, len(c.rhs), "%q is never reached behind %s", c.rhs[at:], last)
			return effect
		}
		if expect != argNone {
			if expect == argSeconds && !allDigits(item) {
				c.report(diag.Error, at, end, "%s wants a number of seconds, found %q", of, item)
				effect = serverError
			}
			expect = argNone
			continue
		}
		if isClass(item) {
			of = item
			continue
		}
		r, ok := restrictions[strings.ToLower(item)]
		if !ok || r.status == gone {
			effect = c.unknown(at, item, r, effect)
			continue
		}
		if r.status == old {
			c.report(diag.Info, at, end, "%s is an old name, use %s", item, r.instead)
		}
		if letter := listLetters[c.g.List]; letter != 0 && strings.IndexByte(r.lists, letter) < 0 {
			c.report(diag.Warning, at, end, "%s has no information to work on in %s", item, c.g.List)
		}
		switch word := strings.ToLower(item); {
		case word == "permit", (word == "reject" || word == "defer") && !strings.EqualFold(of, "warn_if_reject"):
			last = item
		}
		expect, of = r.argument, item
		if expect == argTable || expect == argEndpoint {
			c.report(diag.Error, at, end, "%s needs a table or service, which cannot be named in an access table; define a restriction class", item)
			effect = serverError
		}
	}
	if expect == argDomain || expect == argSeconds {
		c.report(diag.Error, len(c.rhs), len(c.rhs), "%s needs an argument", of)
		if expect == argSeconds {
			effect = serverError
		}
	}
	return effect
}

func (c *checker) unknown(at int, item string, r restriction, effect Action) Action {
	severity, message := diag.Error, fmt.Sprintf("unknown action or restriction %q", item)
	switch {
	case r.status == gone:
		message = fmt.Sprintf("%s is not supported any more", item)
		if r.instead != "" {
			message += ", use " + r.instead
		}
	default:
		if c.g.Classes == nil {
			severity = diag.Warning
			message += ", unless it is in smtpd_restriction_classes"
		}
		if c.suggested++; c.suggested <= maxSuggestions {
			if near := nearest(item, c.g.Classes); near != "" {
				message += fmt.Sprintf(" (did you mean %s?)", near)
			}
		}
	}
	c.report(severity, at, at+len(item), "%s", message)
	if severity == diag.Error {
		return serverError
	}
	return effect
}

// nearest finds the action, restriction or class whose name is most like word.
func nearest(word string, classes []string) string {
	best, distance := "", 1+len(word)/4
	try := func(name, show string) {
		if d := near.Distance(word, name, distance); d < distance || d == distance && (best == "" || show < best) {
			best, distance = show, d
		}
	}
	for k := OK; int(k) < len(kindNames); k++ {
		if k != Restriction && k != Hangup {
			try(kindNames[k], kindNames[k])
		}
	}
	for name, r := range restrictions {
		if r.status == current {
			try(name, name)
		}
	}
	for _, name := range classes {
		try(name, name)
	}
	return best
}

// isHeader reports whether s starts with a message header label: printable
// characters without space, perhaps space, and a colon.
func isHeader(s string) bool {
	space := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':':
			return i > 0
		case c == ' ' || c == '\t':
			if i == 0 {
				return false
			}
			space = true
		case c < ' ' || c >= 0x7f || space:
			return false
		}
	}
	return false
}
