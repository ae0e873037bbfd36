package mapcmd

import (
	"context"
	"errors"
	"iter"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/table"
)

// In UTF-8 mode Postfix looks at the keys and values of every table, also of
// those inside of others. Indexed tables do so by themselves.

// errSaid is the error of a lookup about which all was said.
var errSaid = errors.New("said")

// warnKey is about a key that is not UTF-8. The table is not asked for it.
func (c *command) warnKey(name, key string) {
	c.warn("%s: non-UTF-8 key \"%s\": malformed UTF-8 or invalid codepoint", name, key)
}

// warnValue is about a value that is not UTF-8. The lookup fails.
func (c *command) warnValue(name, key, value string) {
	c.warn("%s: key \"%s\": non-UTF-8 value \"%s\": malformed UTF-8 or invalid codepoint", name, key, value)
}

// checkedTypes makes tables of types look at their keys and values.
func (c *command) checkedTypes(types map[string]table.OpenFunc) {
	if !c.utf8Mode() {
		return
	}
	for typ, open := range types {
		types[typ] = func(ctx context.Context, o *table.Opener, name string) (table.Closer, error) {
			if typ == "regexp" || typ == "pcre" { // which only would check too
				plain := *o
				plain.Options.UTF8 = false
				o = &plain
			}
			t, err := open(ctx, o, name)
			if err != nil {
				return nil, err
			}
			ct := checked{t, c, typ + ":" + name}
			if l, ok := t.(table.Lister); ok {
				return checkedLister{ct, l}, nil
			}
			return ct, nil
		}
	}
}

type checked struct {
	table.Closer
	c    *command
	name string
}

func (t checked) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	if !casefold.Valid([]byte(key)) {
		t.c.warnKey(t.name, key)
		return "", false, nil
	}
	value, found, err = t.Closer.Lookup(ctx, key)
	if err == nil && found && !casefold.Valid([]byte(value)) {
		t.c.warnValue(t.name, key, value)
		return "", false, errSaid
	}
	return value, found, err
}

type checkedLister struct {
	checked
	lister table.Lister
}

func (t checkedLister) All(ctx context.Context) iter.Seq2[table.Entry, error] {
	return t.lister.All(ctx)
}
