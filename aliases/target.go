package aliases

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// Kind says what a [Target] is. The zero Kind is invalid.
type Kind uint8

// The kinds of targets.
const (
	_       Kind = iota
	Address      // a mail address or the name of another alias or user
	Command      // "|command"
	Path         // "/file/name", or "~/name" in the home directory of a .forward's user
	Include      // ":include:/file/name", a file with more targets
)

// String returns "address", "command", "path" or "include".
func (k Kind) String() string {
	switch k {
	case Address:
		return "address"
	case Command:
		return "command"
	case Path:
		return "path"
	case Include:
		return "include"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// A Target is one destination of an alias, an :include: file or a .forward
// file. Targets are comparable.
type Target struct {
	Kind Kind
	// Value is the address, command line or file name itself: without quotes
	// and backslashes, without "|" and without ":include:".
	Value string
}

const include = ":include:"

// classify makes a Target of what stands in a list, in internal form. Postfix
// decides by the first characters only, after quotes are gone: "\"/x\"@y" is a
// file.
func classify(internal string) Target {
	switch {
	case internal == "":
		return Target{Address, ""}
	case internal[0] == '/' || internal[0] == '~':
		return Target{Path, internal}
	case internal[0] == '|':
		return Target{Command, internal[1:]}
	case len(internal) >= len(include) && strings.EqualFold(internal[:len(include)], include):
		return Target{Include, internal[len(include):]}
	}
	return Target{Address, internal}
}

// internal is the text classify makes the target of.
func (t Target) internal() string {
	switch t.Kind {
	case Command:
		return "|" + t.Value
	case Include:
		return include + t.Value
	}
	return t.Value
}

// String returns the target as it is written in an alias file, quoted where it
// has to be. Commands are always quoted. A Value that cannot be written, see
// [Target.Check], gives text that reads as something else.
func (t Target) String() string {
	text := t.internal()
	switch t.Kind {
	case Command:
		return quoteString(text)
	case Address:
		if text == "" {
			return `""`
		}
		quoted := mailaddr.Quote(text)
		if quoted == text && needsQuotes(text, "@!%.[]|") {
			local, domain, _ := strings.Cut(text, "@")
			if quoted = quoteString(local); len(domain) > 0 {
				quoted += text[len(local):]
			}
		}
		return quoted
	}
	if needsQuotes(text, ".:@!%|") {
		return quoteString(text)
	}
	return text
}

// Check tells whether the target can be written so that it reads back as it
// is: nil, or why not.
func (t Target) Check() error {
	why := func(format string, args ...any) error {
		return fmt.Errorf("aliases: cannot write %v %q: %s", t.Kind, t.Value, fmt.Sprintf(format, args...))
	}
	switch {
	case t.Kind < Address || t.Kind > Include:
		return why("the kind is invalid")
	case strings.ContainsAny(t.Value, "\x00\n\r\t"):
		return why("NUL, TAB, CR and LF cannot be written")
	case t.Kind == Path && !strings.HasPrefix(t.Value, "/") && !strings.HasPrefix(t.Value, "~/"):
		return why("a file name starts with / or, in a .forward file, with ~/")
	case t.Kind == Include && !strings.HasPrefix(t.Value, "/"):
		return why("the name of an :include: file starts with /")
	case t.Kind == Command && strings.Trim(t.Value, " ") == "":
		return why("the command is empty")
	}
	if back := classify(t.internal()); back != t {
		return why("Postfix takes it for a %v", back.Kind)
	}
	back, err := ParseTargets(t.String())
	if err != nil || len(back) != 1 || back[0] != t {
		return why("it cannot be quoted")
	}
	return nil
}

// needsQuotes reports whether text is more than one run of atoms and the
// operators named.
func needsQuotes(text, operators string) bool {
	if text == "" || text[0] == '#' {
		return true
	}
	for _, tok := range mailaddr.Scan(nil, []byte(text)) {
		switch tok.Kind {
		case mailaddr.Atom:
		case mailaddr.Literal:
			if !tok.Closed() || strings.IndexByte(operators, '[') < 0 {
				return true
			}
		case mailaddr.Operator:
			if strings.IndexByte(operators, tok.Op) < 0 {
				return true
			}
		default:
			return true
		}
	}
	return bytes.ContainsAny([]byte(text), " \\\x00") || cflines.IsSpace(text[len(text)-1])
}

// quoteString returns text as one quoted string.
func quoteString(text string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(text) + `"`
}

// ParseTargets reads the right-hand side of an alias, or one line of an
// :include: or .forward file, as local(8) does: addresses separated by commas,
// or by nothing but white space. Everything has a meaning, so that the only
// error is a list without any target.
func ParseTargets(rhs string) ([]Target, error) {
	src := []byte(rhs)
	toks := mailaddr.WithoutComments(mailaddr.Scan(nil, src))
	targets := appendTargets(nil, src, toks)
	if len(targets) == 0 {
		return nil, fmt.Errorf("aliases: no target in %q", rhs)
	}
	return targets, nil
}

// appendTargets appends the targets in a list of tokens without comments.
func appendTargets(dst []Target, src []byte, toks []mailaddr.Token) []Target {
	var buf []byte
	for _, g := range mailaddr.Addresses(toks) {
		buf = mailaddr.AppendInternal(buf[:0], src, toks[g.Start:g.End])
		dst = append(dst, classify(string(buf)))
	}
	return dst
}

// FormatTargets returns targets as the right-hand side of an alias.
func FormatTargets(targets []Target) string {
	var b strings.Builder
	for i, t := range targets {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.String())
	}
	return b.String()
}

// formatName returns a name as it is written before the colon: in the form in
// which Postfix 3.12 looks it up, because that is what it stores.
func formatName(name string) string {
	switch {
	case mailaddr.QuoteLocal(name) != name:
		return quoteString(name)
	case strings.Contains(name, "%"): // would be refused without quotes
		return quoteString(name)
	case name[0] == '#':
		return `\` + name // not a comment, and no quotes that would be stored
	}
	return name
}

// checkName tells why a name cannot be written, or nil.
func checkName(name string) error {
	if strings.ContainsAny(name, "\x00\n\r\t") {
		return fmt.Errorf("aliases: cannot write name %q: NUL, TAB, CR and LF cannot be written", name)
	}
	return nil
}
