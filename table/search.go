package table

import (
	"context"
	"iter"

	"github.com/postfixkit/postfixkit/internal/casefold"
)

// A Key is one of the keys that a table is asked for in turn, such as an
// address, its domain, and the parents of that.
type Key struct {
	Text    string
	Partial bool // only part of what is looked for: not for tables that are a [Pattern]
}

// A Step is what one key gave in one table. A sequence of them says how an
// answer came about.
type Step struct {
	Key   string // as the table was asked
	Table int    // which of the tables, from 0
	Value string // what was found
	Found bool
	Err   error
	File  string // where the entry or rule stands, "" when the table is no [Locator] or does not know
	Line  int    // from 1; 0 when not known
}

// Search asks tables for the keys as Postfix does: each key goes to every
// table before the next key is tried, tables that are a [Pattern] get whole
// keys only, as they are, and the others get keys in lower case, as every
// stored table is built. The first hit ends the search, and so does an error.
//
// A list made by [First] or [Opener.OpenList] counts as its tables.
//
// When trace is not nil it gets every question that was asked, in order.
func Search(ctx context.Context, tables []Table, keys iter.Seq[Key], trace func(Step)) (hit Step, found bool, err error) {
	var parts [4]Table
	all := parts[:0]
	for _, t := range tables {
		all = append(all, Parts(t)...)
	}
	for key := range keys {
		folded := ""
		for i, t := range all {
			pattern := IsPattern(t)
			if pattern && key.Partial || key.Text == "" {
				continue
			}
			step := Step{Key: key.Text, Table: i}
			if !pattern {
				if folded == "" {
					folded = Lower(key.Text)
				}
				step.Key = folded
			}
			step.Value, step.Found, step.Err = t.Lookup(ctx, step.Key)
			if step.Err != nil {
				step.Found = false
			}
			if l, ok := t.(Locator); ok && step.Found && trace != nil {
				if file, line, ok := l.Locate(ctx, step.Key); ok {
					step.File, step.Line = file, line
				}
			}
			if trace != nil {
				trace(step)
			}
			if step.Found || step.Err != nil {
				return step, step.Found, step.Err
			}
		}
	}
	return Step{}, false, nil
}

// Asked returns the keys that Search would ask a table for that knows none of
// them, as it would ask for them.
func Asked(t Table, keys iter.Seq[Key]) iter.Seq[string] {
	return func(yield func(string) bool) {
		pattern := t != nil && IsPattern(t)
		for key := range keys {
			if pattern && key.Partial || key.Text == "" {
				continue
			}
			if !pattern {
				key.Text = Lower(key.Text)
			}
			if !yield(key.Text) {
				return
			}
		}
	}
}

// Lower folds a key as Postfix does for stored tables with smtputf8_enable =
// yes, the default: ASCII letters always, other letters when the key is UTF-8.
func Lower(key string) string { return casefold.String(key, true) }
