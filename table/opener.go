package table

import (
	"context"
	"errors"
	"io"
	"io/fs"
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
	s := "table: unsupported dictionary type: " + quote(e.Type)
	if len(e.Known) > 0 {
		s += " (supported: " + strings.Join(e.Known, ", ") + ")"
	}
	return s
}

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
	t, err := open(ctx, o, s.Name)
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
	var l list
	for _, spec := range Elements(specs) {
		t, err := o.Open(ctx, spec)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l = append(l, t)
	}
	return l, nil
}

// list is the tables of one parameter.
type list []Closer

func (l list) Lookup(ctx context.Context, key string) (string, bool, error) {
	for _, t := range l {
		if v, found, err := t.Lookup(ctx, key); found || err != nil {
			return v, found, err
		}
	}
	return "", false, nil
}

func (l list) Close() error {
	var errs []error
	for _, t := range l {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// NopCloser gives t a Close method that does nothing.
func NopCloser(t Table) Closer {
	return struct {
		Table
		io.Closer
	}{t, nopCloser{}}
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }
