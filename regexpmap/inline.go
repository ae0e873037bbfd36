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
	rules, inline, err := table.InlineRules(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s map: %w", d, err)
	case !inline:
		return nil, fmt.Errorf("%s map: no '{' at start of text in \"%s\"", d, text)
	}
	return Parse(text, []byte(rules), d, opts)
}

// Type returns the [table.OpenFunc] of "regexp:" or "pcre:" tables. Names that
// begin with a brace are inline tables, others are files of the Opener's FS.
// As for Postfix, a file that cannot be read is an error and bad rules are
// not: warn, if not nil, is told about those, and about rules that run out of
// steps later on.
func Type(d Dialect, warn func(diag.Diagnostic)) table.OpenFunc {
	return func(_ context.Context, o *table.Opener, name string) (table.Closer, error) {
		opts := &Options{NoSubst: o.Options.NoSubst, UTF8: o.Options.UTF8, FoldKey: o.Options.FoldPattern, ReadFile: o.Options.ReadFile, Warn: warn}
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
