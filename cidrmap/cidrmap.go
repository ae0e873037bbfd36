// Package cidrmap reads cidr_table(5): rules that match an IP address against
// networks, the first that matches gives the answer.
//
//	# /etc/postfix/client.cidr
//	192.168.1.1         OK
//	192.168.0.0/16      REJECT
//	if 2001:db8::/32
//	!2001:db8:1::/48    REJECT not from here
//	endif
//
//	t, err := cidrmap.ParseFile(nil, "/etc/postfix/client.cidr")
//	if t == nil {
//		return err // the file cannot be read
//	}
//	// err lists the rules that Postfix would skip with a warning; t has the others
//	result, found := t.LookupAddr(netip.MustParseAddr("192.168.7.8"))
//
// Postfix tries one rule after the other. Here the rules become an index of
// addresses when the table is parsed, "!" and "if" included: a lookup goes
// through the same few instructions with ten networks as with a million, and
// reads one line of the index. With a million networks that is often not in the
// processor's cache, which is all that makes it slower: about 20 ns and, with
// what else wants the cache, 50 to 100 ns. A million networks take a quarter of a
// second to read and 90 MB to keep. As a side result [Table.Unreachable] knows
// every rule that never can match.
//
// The exception is thousands of "if !" blocks inside each other: the rules of
// such a table are tried one after the other, and Unreachable knows nothing.
//
// A key that is no address matches nothing, "!" rules included. An address of
// one family never matches a rule for the other one, again with or without
// "!"; the rules inside an "if" for the other family are skipped.
//
// Tables for postscreen_access_list have this format too; what their results
// may be says accessmap.ParseScreen.
package cidrmap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/postfixkit/postfixkit/table"
)

// A Table is a parsed table. It is a [table.Pattern] and a [table.Locator]. It
// never changes, and is safe for concurrent use.
type Table struct {
	name    string
	rules   []rule
	nesting []nest // by rule; nil if there is no "if"
	v4      tree[uint32]
	v6      tree6
	// plain: the rules are nested in a way that would make the trees much
	// larger than the source. They are tried one by one then.
	plain bool
	used  []bool // by rule: it can match
	empty bool   // the result of a rule is empty: of a file, see parser.value
}

// A Rule is one rule of a table.
type Rule struct {
	Prefix  netip.Prefix
	Negated bool // "!": matches what Prefix does not, in its address family
	Result  string
	Line    int         // where it starts, from 1
	If      []Condition // the "if" blocks around it, outermost first
}

// A Condition is the start of an "if" block.
type Condition struct {
	Prefix  netip.Prefix
	Negated bool
	Line    int
}

// ParseFile reads a file. With a nil fsys it is one of the real file system.
// The table is nil only when the file cannot be read.
func ParseFile(fsys fs.FS, name string) (*Table, error) { return parseFile(fsys, name, nil) }

func parseFile(fsys fs.FS, name string, readFile func(string) ([]byte, error)) (*Table, error) {
	var src []byte
	var err error
	if fsys != nil {
		src, err = fs.ReadFile(fsys, name)
	} else {
		src, err = os.ReadFile(name)
	}
	switch {
	case errors.Is(err, syscall.EISDIR):
		return nil, fmt.Errorf("cidr map %s: read error: Is a directory", name)
	case err != nil:
		return nil, err
	}
	return parse(name, src, readFile == nil, readFile)
}

// Type is the [table.OpenFunc] of the table type "cidr". The name is that of a
// file, or "{ {rule}, {rule} }". Rules that are skipped are reported to the
// Opener.
func Type(_ context.Context, o *table.Opener, name string) (table.Closer, error) {
	text, inline, err := table.InlineRules(name)
	if err != nil {
		return nil, fmt.Errorf("cidr map: %w", err)
	}
	var t *Table
	if inline {
		t, err = parse(name, []byte(text), o.Options.ReadFile == nil, o.Options.ReadFile)
	} else {
		t, err = parseFile(o.FS, name, o.Options.ReadFile)
	}
	if t == nil {
		return nil, err
	}
	o.Warn("cidr:"+name, err)
	return closer{t}, nil
}

type closer struct{ *Table }

func (closer) Close() error { return nil }

// Lookup returns the result of the first rule that matches an address given as
// text. The error is always nil.
func (t *Table) Lookup(_ context.Context, key string) (value string, found bool, err error) {
	if addr, ok := parseAddr(key); ok {
		value, found = t.LookupAddr(addr)
	}
	return value, found, nil
}

// LookupAddr returns the result of the first rule that matches addr. An
// IPv4-mapped IPv6 address is an IPv6 address here, as it is to Postfix.
func (t *Table) LookupAddr(addr netip.Addr) (result string, found bool) {
	known := false
	if t.empty {
		i := t.find(addr)
		return t.result(i), i >= 0
	}
	if addr.Is4() {
		ip := addr.As4()
		result, known = t.v4.value(binary.BigEndian.Uint32(ip[:]))
	} else if addr.Is6() {
		ip := addr.As16()
		result, known = t.v6.value(binary.BigEndian.Uint64(ip[:]))
	}
	if !known {
		result = t.result(t.find(addr))
	}
	return result, result != ""
}

// result returns the result of a rule, "" for none.
func (t *Table) result(rule int32) string {
	if rule < 0 {
		return ""
	}
	r := &t.rules[rule]
	if r.is4 {
		return r.result.of(t.v4.texts)
	}
	return r.result.of(t.v6.texts)
}

// Match returns the first rule that matches addr.
func (t *Table) Match(addr netip.Addr) (r Rule, found bool) {
	if i := t.find(addr); i >= 0 {
		return t.rule(int(i)), true
	}
	return Rule{}, false
}

// Locate returns the place of the rule that answers key.
func (t *Table) Locate(_ context.Context, key string) (file string, line int, ok bool) {
	if addr, valid := parseAddr(key); valid {
		if i := t.find(addr); i >= 0 {
			return t.name, int(t.rules[i].line), true
		}
	}
	return "", 0, false
}

// IsPattern returns true: Postfix asks for the whole address only.
func (t *Table) IsPattern() bool { return true }

// Len returns the number of rules, "if" not counted.
func (t *Table) Len() int {
	n := 0
	for i := range t.rules {
		if !t.rules[i].isIf {
			n++
		}
	}
	return n
}

// Rules returns the rules in the order of the source.
func (t *Table) Rules() iter.Seq[Rule] {
	return t.list(func(int) bool { return true })
}

// Unreachable returns the rules that never can match, because earlier ones
// match every address they would, or because no address satisfies all
// conditions around them.
func (t *Table) Unreachable() iter.Seq[Rule] {
	return t.list(func(i int) bool { return !t.used[i] })
}

func (t *Table) list(want func(i int) bool) iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for i := range t.rules {
			if !t.rules[i].isIf && want(i) && !yield(t.rule(i)) {
				return
			}
		}
	}
}

// rule makes the public form of a rule.
func (t *Table) rule(i int) Rule {
	r := &t.rules[i]
	out := Rule{Prefix: r.prefix(), Negated: r.negated, Result: t.result(int32(i)), Line: int(r.line)}
	if t.nesting != nil {
		for b := t.nesting[i].block; b >= 0; b = t.nesting[b].block {
			c := &t.rules[b]
			out.If = append(out.If, Condition{c.prefix(), c.negated, int(c.line)})
		}
		slices.Reverse(out.If)
	}
	return out
}

// find returns the index of the first rule that matches, or none.
func (t *Table) find(addr netip.Addr) int32 {
	switch {
	case t.plain:
		return t.findPlain(addr)
	case addr.Is4():
		return t.v4.ownerOf(uint32(keyOf(addr).hi >> 32))
	case addr.Is6():
		return t.v6.ownerOf(keyOf(addr))
	}
	return none
}

// findPlain is what Postfix does: try one rule after the other. It is used for
// tables of an odd shape, and is what the tests compare the trees with.
func (t *Table) findPlain(addr netip.Addr) int32 {
	for i := int32(0); int(i) < len(t.rules); {
		r := &t.rules[i]
		match := r.is4 == addr.Is4() && r.prefix().Contains(addr.WithZone("")) != r.negated
		switch {
		case !r.isIf && match:
			return i
		case r.isIf && !match:
			i = t.nesting[i].end
		default:
			i++
		}
	}
	return none
}
