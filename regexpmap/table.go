package regexpmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"unicode/utf8"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/literal"
	"github.com/postfixkit/postfixkit/regexpmap/internal/engine"
	"github.com/postfixkit/postfixkit/table"
)

// A Dialect is the language of a table's patterns. The zero Dialect is
// invalid.
type Dialect uint8

// The dialects.
const (
	_     Dialect = iota
	POSIX         // regexp_table(5): extended or basic regular expressions
	PCRE          // pcre_table(5): Perl-compatible regular expressions
)

// String returns the name of the table type: "regexp" or "pcre".
func (d Dialect) String() string {
	switch d {
	case POSIX:
		return "regexp"
	case PCRE:
		return "pcre"
	}
	return fmt.Sprintf("Dialect(%d)", uint8(d))
}

// Unsupported is the Check of the finding for a pattern that Postfix accepts
// and this package cannot honour exactly.
const Unsupported = "unsupported-pattern"

// Options change how a table is read and asked. The zero Options, and nil, are
// what Postfix does for most tables.
type Options struct {
	// NoSubst refuses rules with $1 and the like in their result, as Postfix
	// does for parameters where a client must not choose the result.
	NoSubst bool

	// UTF8 is smtputf8_enable for parameters that honour it: a key that is not
	// valid UTF-8 is not found, and a result that is not is an error. Patterns
	// match bytes all the same.
	UTF8 bool

	// FoldKey looks keys up in ASCII lower case. Postfix never does so for
	// pattern tables by itself.
	FoldKey bool

	// ReadFile, when set, makes the text after a pattern a list of files, as
	// "postmap -F" does: the result is their contents in base64.
	ReadFile func(name string) ([]byte, error)

	// NoPrefilter tries every rule, one after the other. The answers are the
	// same; tests use it.
	NoPrefilter bool

	// Warn, when set, is told during lookups when a rule runs out of steps.
	// It is called from whatever goroutine does the lookup.
	Warn func(diag.Diagnostic)
}

// A Table is a parsed pattern table. It does not change and is safe for
// concurrent use.
type Table struct {
	name    string
	dialect Dialect
	opts    Options
	rules   []*Rule // rules and conditions, in file order
	filter  *prefilter
}

var (
	_ table.Table    = (*Table)(nil)
	_ table.Appender = (*Table)(nil)
	_ table.Pattern  = (*Table)(nil)
	_ table.Locator  = (*Table)(nil)
)

// A Rule is one "/pattern/flags result" of a table, or an "if".
type Rule struct {
	Pattern string // between the delimiters, as written
	Flags   string // as written
	Negated bool   // "!" before the pattern, an odd number of times

	// And is the second pattern of a regexp: rule "/p1/!/p2/ result", which
	// has to hold as well; nil if there is none. Negated says how: Postfix
	// counts the "!" that joins the two.
	And *Rule

	If     bool      // a condition, without Result
	Result string    // as written; "$1" and the like are not replaced
	Guards []*Rule   // the conditions around the rule, outermost first
	Span   diag.Span // the whole rule

	table  *Table
	index  int32     // in table.rules
	guard  int32     // index of the innermost condition, or -1
	never  bool      // a condition that cannot be honoured
	result *template // nil for a condition
	lazy   lazyRegexp
}

// Line returns the line Postfix names in its warnings about the rule.
func (r *Rule) Line() int { return r.Span.Start.Line }

// Match is the answer to a key.
type Match struct {
	Rule   *Rule
	Groups []string // what the groups of Rule.Pattern matched, from 1; nil for a negated rule, and if that takes too long
	Result string
}

// Parse reads a table. name is used in findings. The table is never nil and
// always usable; the error is nil or a [diag.List] of what Postfix would warn
// about, in its words, and of patterns that cannot be honoured.
func Parse(name string, src []byte, d Dialect, opts *Options) (*Table, error) {
	t := &Table{name: name, dialect: d}
	if opts != nil {
		t.opts = *opts
	}
	p := &parser{table: t, src: src}
	p.parse()
	if !t.opts.NoPrefilter {
		t.filter = newPrefilter(t, p.required)
	}
	return t, p.found.Err()
}

// ParseFile reads a table from a file of fsys, or of the operating system if
// fsys is nil. The table is nil only if the file cannot be read.
func ParseFile(fsys fs.FS, name string, d Dialect, opts *Options) (*Table, error) {
	var src []byte
	var err error
	if fsys == nil {
		src, err = os.ReadFile(name)
	} else {
		src, err = fs.ReadFile(fsys, name)
	}
	if err != nil {
		return nil, fmt.Errorf("regexpmap: %w", err)
	}
	return Parse(name, src, d, opts)
}

// Name returns the name the table was parsed under.
func (t *Table) Name() string { return t.name }

// Dialect returns the language of the table's patterns.
func (t *Table) Dialect() Dialect { return t.dialect }

// IsPattern implements [table.Pattern]: only whole keys are looked up.
func (t *Table) IsPattern() bool { return true }

// Close does nothing; it makes a Table a [table.Closer].
func (t *Table) Close() error { return nil }

// Rules returns the rules that can match, in order. Conditions are not among
// them; they are the Guards of the rules they enclose.
func (t *Table) Rules() iter.Seq[*Rule] {
	return func(yield func(*Rule) bool) {
		for _, r := range t.rules {
			if !r.If && !yield(r) {
				return
			}
		}
	}
}

// Lookup returns the result of the first rule that holds for key. An empty
// result is returned as found: Postfix then reports an error of the table.
//
// Text after a NUL byte is ignored, as Postfix ignores it.
func (t *Table) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	out, found, err := t.AppendLookup(nil, []byte(key))
	return string(out), found, err
}

// AppendLookup is Lookup for bytes: the result is appended to dst. A miss
// allocates nothing once the engines of the rules it needs exist.
func (t *Table) AppendLookup(dst, key []byte) (value []byte, found bool, err error) {
	r, key, err := t.find(key)
	if r == nil || err != nil {
		return dst, false, err
	}
	value, err = t.appendResult(dst, r, key)
	return value, err == nil, err
}

// Match tells which rule answers key, and how. It does more work than Lookup.
// Groups is nil if finding the groups takes more steps than are allowed, or the
// graph that the GNU C library would find them with is too large; that does not
// change the answer.
func (t *Table) Match(ctx context.Context, key string) (m Match, found bool, err error) {
	r, text, err := t.find([]byte(key))
	if r == nil || err != nil {
		return Match{}, false, err
	}
	value, err := t.appendResult(nil, r, text)
	if err != nil {
		return Match{}, false, err
	}
	m = Match{Rule: r, Result: string(value)}
	if !r.Negated {
		re := r.lazy.get(r)
		bounds, ok, err := re.Groups(text, re.NumGroups())
		if err == nil && ok {
			m.Groups = []string{}
			for i := 2; i < len(bounds); i += 2 {
				group := ""
				if bounds[i] >= 0 {
					group = string(text[bounds[i]:bounds[i+1]])
				}
				m.Groups = append(m.Groups, group)
			}
		}
	}
	return m, true, nil
}

// Locate implements [table.Locator]: it returns the place of the rule that
// answers key.
func (t *Table) Locate(ctx context.Context, key string) (file string, line int, ok bool) {
	r, _, err := t.find([]byte(key))
	if r == nil || err != nil {
		return "", 0, false
	}
	return t.name, r.Line(), true
}

// find returns the rule that answers key, and the key as patterns see it.
func (t *Table) find(key []byte) (*Rule, []byte, error) {
	if i := bytes.IndexByte(key, 0); i >= 0 {
		key = key[:i]
	}
	if t.opts.UTF8 && !utf8.Valid(key) {
		return nil, key, nil
	}
	if t.opts.FoldKey {
		key = literal.AppendLower(nil, key)
	}
	if t.filter != nil {
		return t.filter.find(key), key, nil
	}
	return t.findSlowly(key), key, nil
}

// findSlowly tries one rule after the other; the prefilter is measured
// against it.
func (t *Table) findSlowly(key []byte) *Rule {
	holds := make([]bool, len(t.rules)) // conditions
	for i, r := range t.rules {
		if r.guard >= 0 && !holds[r.guard] {
			continue
		}
		switch {
		case r.If:
			holds[i] = r.holds(key)
		case r.holds(key):
			return r
		}
	}
	return nil
}

// holds reports whether the patterns of the rule hold for key, regardless of
// the conditions around it.
func (r *Rule) holds(key []byte) bool {
	if r.never {
		return false
	}
	ok, err := r.lazy.get(r).Match(key, r.groups())
	if err != nil {
		r.warn(err)
		return false // whatever the sign
	}
	if ok == r.Negated {
		return false
	}
	return r.And == nil || r.And.holds(key)
}

// groups returns the highest group that the result has.
func (r *Rule) groups() int {
	if r.result == nil {
		return 0
	}
	return r.result.groups
}

func (r *Rule) warn(err error) {
	if r.table.opts.Warn == nil {
		return
	}
	text := err.Error()
	if r.table.dialect == POSIX && errors.Is(err, engine.ErrLimit) {
		text = "Memory exhausted"
	}
	r.table.opts.Warn(diag.Diagnostic{File: r.table.name, Span: r.Span, Severity: diag.Warning, Check: "match-limit", Message: text})
}

// appendResult appends the result of r for key.
func (t *Table) appendResult(dst []byte, r *Rule, key []byte) ([]byte, error) {
	start := len(dst)
	var bounds []int
	if r.result.groups > 0 {
		var ok bool
		var err error
		bounds, ok, err = r.lazy.get(r).Groups(key, r.result.groups)
		if err != nil || !ok {
			if err == nil {
				err = errors.New("groups do not match")
			}
			r.warn(err)
			return dst, &table.Error{Spec: t.dialect.String() + ":" + t.name, Key: string(key),
				Err: fmt.Errorf("line %d: %w", r.Line(), err)}
		}
	}
	dst = r.result.append(dst, key, bounds)
	if t.opts.UTF8 && !utf8.Valid(dst[start:]) {
		return dst[:start], &table.Error{Spec: t.dialect.String() + ":" + t.name, Key: string(key),
			Err: fmt.Errorf("non-UTF-8 value %q", dst[start:])}
	}
	return dst, nil
}
