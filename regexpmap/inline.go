package regexpmap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

// ParseInline reads a table written into its name, "{ {rule}, {rule} }", as
// main.cf allows in "regexp:{…}" and "pcre:{…}". The rules become the lines of
// a file, and findings count lines in that. The error is a [diag.List] as that
// of [Parse], with a table, or says why there is no table: Postfix does not
// start then.
//
// Braces are counted; a backslash does not protect them.
func ParseInline(text string, d Dialect, opts *Options) (*Table, error) {
	body, err := inBraces(text)
	if err != nil {
		return nil, fmt.Errorf("%s map: %w", d, err)
	}
	var file strings.Builder
	for body != "" {
		var element string
		element, body = nextElement(body)
		if element == "" {
			continue
		}
		rule, err := inBraces(element)
		if err != nil {
			return nil, fmt.Errorf("%s map: %w", d, err)
		}
		file.WriteString(rule)
		file.WriteByte('\n')
	}
	return Parse(text, []byte(file.String()), d, opts)
}

const inlineBlank = " \t\r\n"

// inBraces returns what stands between the braces of "{…}", trimmed.
func inBraces(text string) (string, error) {
	if !strings.HasPrefix(text, "{") {
		return "", fmt.Errorf("no '{' at start of text in %s", quoted(text))
	}
	level := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			level++
		case '}':
			if level--; level > 0 {
				continue
			}
			if strings.Trim(text[i+1:], inlineBlank+"\v\f") != "" {
				return "", fmt.Errorf("syntax error after '}' in %s", quoted(text))
			}
			return strings.Trim(text[1:i], inlineBlank+"\v\f"), nil
		}
	}
	return "", fmt.Errorf("missing '}' in %s", quoted(text))
}

// quoted is text in quotes as Postfix writes it: nothing is escaped.
func quoted(text string) string { return `"` + text + `"` }

// nextElement cuts the first element off a list separated by commas and blanks
// outside braces.
func nextElement(list string) (element, rest string) {
	list = strings.TrimLeft(list, ","+inlineBlank)
	level := 0
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '{':
			level++
		case c == '}':
			level--
		case level <= 0 && strings.IndexByte(","+inlineBlank, c) >= 0:
			return list[:i], list[i:]
		}
	}
	return list, ""
}

// Type returns the [table.OpenFunc] of "regexp:" or "pcre:" tables. Names that
// begin with a brace are inline tables, others are files of the Opener's FS.
// As for Postfix, a file that cannot be read is an error and bad rules are
// not: warn, if not nil, is told about those, and about rules that run out of
// steps later on.
func Type(d Dialect, warn func(diag.Diagnostic)) table.OpenFunc {
	return func(_ context.Context, o *table.Opener, name string) (table.Closer, error) {
		opts := &Options{NoSubst: o.Options.NoSubst, UTF8: o.Options.UTF8, FoldKey: o.Options.FoldPattern, Warn: warn}
		var t *Table
		var err error
		if strings.HasPrefix(name, "{") {
			t, err = ParseInline(name, d, opts)
		} else {
			var fsys fs.FS = o.FS
			t, err = ParseFile(fsys, name, d, opts)
		}
		var found diag.List
		if errors.As(err, &found) && t != nil {
			if warn != nil {
				for _, f := range found {
					warn(f)
				}
			}
			err = nil
		}
		if err != nil {
			return nil, err
		}
		return t, nil
	}
}
