package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Options say how the tables of one parameter are used. Postfix decides them
// per parameter, not per table. The zero Options fit most parameters.
type Options struct {
	NoFold      bool // look up fixed keys as they are; otherwise they are folded to lower case
	FoldPattern bool // fold the key also for pattern tables, which normally see it as it is
	NoSubst     bool // refuse $1 and the like in pattern tables (security-sensitive parameters)
	UTF8        bool // smtputf8_enable: check keys and values, fold full Unicode

	// ReadFile, when set, makes each value that stands in a text or in a name
	// (cidr, inline, pcre, randmap, regexp, static, texthash) a list of files:
	// [FileValue] of it is what lookups find. It is usually os.ReadFile. Indexed
	// tables got theirs when they were built.
	ReadFile func(name string) ([]byte, error)
}

// An OpenFunc opens the table of one type. It gets the Opener it was called
// by, so that types which contain tables (proxy:, unionmap:, pipemap:) can
// open those with the same rules.
type OpenFunc func(ctx context.Context, o *Opener, name string) (Closer, error)

// An Opener opens tables by their "type:name". There is no global registry:
// what Types does not have cannot be opened. The zero Opener opens nothing.
// An Opener is safe for concurrent use as long as its fields are not changed.
type Opener struct {
	Types   map[string]OpenFunc
	FS      fs.FS // where files are read, for types that support it; nil is the real file system
	Options Options

	// Report, when not nil, is told what is wrong with a table that is usable
	// all the same, such as rules that Postfix skips with a warning. The error
	// is what the package of the type returns, usually a list of findings.
	Report func(spec string, err error)
	// Log gets what debug: tables have to say, one line at a time; nil is
	// [log.Print].
	Log func(line string)
}

// Warn calls o.Report when there is something to tell.
func (o *Opener) Warn(spec string, err error) {
	if err != nil && o.Report != nil {
		o.Report(spec, err)
	}
}

// UnknownTypeError is returned for a type an [Opener] does not have.
type UnknownTypeError struct {
	Type  string
	Known []string // sorted
}

// Error names the type and the types there are.
func (e *UnknownTypeError) Error() string {
	s := "table: unsupported dictionary type: " + e.Type
	if len(e.Known) > 0 {
		s += " (supported: " + strings.Join(e.Known, ", ") + ")"
	}
	return s
}

// depthKey is the key in a context for how many tables are being opened inside
// each other.
type depthKey struct{}

// maxDepth is how many that may be: unionmap:{debug:proxy:…}.
const maxDepth = 32

// Open opens the table that spec names. Errors are of type [*Error], wrapping
// [*UnknownTypeError] for a type the Opener does not have.
func (o *Opener) Open(ctx context.Context, spec string) (Closer, error) {
	s, err := ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	open := o.Types[s.Type]
	if open == nil {
		return nil, &Error{Spec: spec, Err: &UnknownTypeError{s.Type, slices.Sorted(maps.Keys(o.Types))}}
	}
	depth, _ := ctx.Value(depthKey{}).(int)
	if depth >= maxDepth {
		return nil, &Error{Spec: s.Type + ":…", Err: fmt.Errorf("table: more than %d tables inside each other", maxDepth)}
	}
	t, err := open(context.WithValue(ctx, depthKey{}, depth+1), o, s.Name)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Spec == spec {
			return nil, err
		}
		return nil, &Error{Spec: spec, Temporary: IsTemporary(err), Err: err}
	}
	return t, nil
}

// OpenList opens every table that a parameter value lists and returns them as
// one, searched in order: the first hit is the answer, and an error stops the
// search. When one cannot be opened those opened before it are closed again.
func (o *Opener) OpenList(ctx context.Context, specs string) (Closer, error) {
	var opened list
	var tables []Table
	for _, spec := range Elements(specs) {
		t, err := o.Open(ctx, spec)
		if err != nil {
			return nil, errors.Join(err, opened.Close())
		}
		opened = append(opened, t)
		tables = append(tables, t)
	}
	return withClose(First(tables...), opened), nil
}

// list is tables that are closed together.
type list []Closer

func (l list) Close() error {
	var errs []error
	for _, t := range l {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// NopCloser gives t a Close method that does nothing. What else t can do
// ([Lister], [Locator], [Pattern]) is kept.
func NopCloser(t Table) Closer { return withClose(t, nopCloser{}) }

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

// closing is a table with something to close.
type closing struct {
	Table
	io.Closer
}

// withClose makes a Closer of t that closes c.
func withClose(t Table, c io.Closer) Closer {
	if l, ok := t.(Lister); ok {
		return closingLister{closing{t, c}, l}
	}
	return closing{t, c}
}

func (c closing) IsPattern() bool { return IsPattern(c.Table) }

func (c closing) Locate(ctx context.Context, key string) (string, int, bool) {
	if l, ok := c.Table.(Locator); ok {
		return l.Locate(ctx, key)
	}
	return "", 0, false
}

func (c closing) parts() []Table { return Parts(c.Table) }

type closingLister struct {
	closing
	lister Lister
}

func (c closingLister) All(ctx context.Context) iter.Seq2[Entry, error] { return c.lister.All(ctx) }
