// Package table is what every Postfix lookup table has in common: the [Table]
// interface, the "type:name" notation of main.cf ([Spec]), and an [Opener]
// that turns one into the other with exactly the table types it was given.
//
// Any type with a Lookup method is a Table; [Func] makes one from a function:
//
//	users := table.Func(func(ctx context.Context, key string) (string, bool, error) {
//		v, ok := accounts[key]
//		return v, ok, nil
//	})
//
// A miss is found == false with a nil error. An error means that the answer
// is not known: a mail server then defers where it would otherwise reject, so
// the two must never be mixed up.
//
// # Opening what main.cf names
//
// An [Opener] has a map of table types and nothing hidden: which types there
// are is decided by the program. The map with every built-in one is
// postfixkit.Types; a type of your own is one more entry.
//
//	types := postfixkit.Types()
//	types["vault"] = openVault // a table.OpenFunc
//	o := table.Opener{Types: types}
//	t, err := o.Open(ctx, "unionmap:{hash:/etc/postfix/local, vault:users}")
//	if err != nil {
//		return err // *table.UnknownTypeError names the types there are
//	}
//	defer t.Close()
//	value, found, err := t.Lookup(ctx, "postmaster@example.org")
//
// [ParseSpecs] reads a list such as the value of virtual_alias_maps, [Search]
// asks several tables for several keys as Postfix does.
//
// # Tables made of tables
//
// [First], [Union], [Pipe], [Static], [Random], [Inline] and [Fail] are what
// Postfix calls a list, unionmap:, pipemap:, static:, randmap:, inline: and
// fail:. [Cached], [Fold] and [Debug] change how a table is asked. [Reload]
// opens a table again when its file was replaced.
//
// # Limits
//
// The package knows no file format; what unix:passwd.byname and environ: need is
// all it reads. Listing and editing are not part of a Table:
// a table that can be listed is a [Lister] too.
package table

import (
	"context"
	"errors"
	"io"
	"iter"
)

// A Table answers lookups. Implementations in this module are safe for
// concurrent use.
type Table interface {
	// Lookup returns the value stored for key. A miss is found == false and a
	// nil error; a non-nil error means that nothing is known about the key.
	Lookup(ctx context.Context, key string) (value string, found bool, err error)
}

// Func is a function used as a [Table].
type Func func(ctx context.Context, key string) (value string, found bool, err error)

// Lookup calls f.
func (f Func) Lookup(ctx context.Context, key string) (string, bool, error) { return f(ctx, key) }

// Entry is one key with its value.
type Entry struct{ Key, Value string }

// A Lister is a Table whose entries can be read one after the other, in the
// order the table stores them (what "postmap -s" prints). After an error the
// sequence ends.
type Lister interface {
	Table
	All(ctx context.Context) iter.Seq2[Entry, error]
}

// An Appender is a Table with a form of Lookup that allocates nothing: the
// value is appended to dst, which is returned as it was on a miss.
type Appender interface {
	Table
	AppendLookup(dst, key []byte) (value []byte, found bool, err error)
}

// A Batcher is a Table that answers many keys in less time than one by one.
//
// LookupMany calls found for each of keys that is there, in their order, until
// found returns false; value is valid until then. It returns how many keys were
// answered before that, or before the one that err is about.
type Batcher interface {
	Table
	LookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error)
}

// LookupEach is [Batcher.LookupMany] for any table: it looks up one key after the
// other.
func LookupEach(t Appender, keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	var value []byte
	for i, key := range keys {
		var ok bool
		if value, ok, err = t.AppendLookup(value[:0], key); err != nil {
			return i, err
		}
		if ok && !found(i, value) {
			return i, nil
		}
	}
	return len(keys), nil
}

// A Closer is a Table that holds a file, a connection or other resources.
type Closer interface {
	Table
	io.Closer
}

// A Pattern is a Table that matches keys instead of storing them (regexp:,
// pcre:, cidr: and the like). Postfix asks such a table once, for the whole
// key, and never for parts of it such as a parent domain or the user alone
// (access(5): "regular expression tables"). A Table that is not a Pattern is
// asked for every partial key.
type Pattern interface {
	Table
	IsPattern() bool
}

// IsPattern reports whether t asks to be given whole keys only.
func IsPattern(t Table) bool {
	p, ok := t.(Pattern)
	return ok && p.IsPattern()
}

// A Locator is a Table that knows where in its source the answer to a key
// stands.
type Locator interface {
	Table
	// Locate returns the file and line of the entry or rule that answers key;
	// ok is false when none does or the place is not known.
	Locate(ctx context.Context, key string) (file string, line int, ok bool)
}

// Error is a lookup or an open that failed.
type Error struct {
	Spec      string // "type:name" of the table
	Key       string // what was looked up, "" when opening
	Temporary bool   // trying again later may help: defer, do not reject
	Err       error
}

// Error returns "type:name: key "KEY": cause".
func (e *Error) Error() string {
	s := e.Spec
	if e.Key != "" {
		s += ": key " + quote(e.Key)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// IsTemporary reports whether err, or an error it wraps, is an [*Error]
// marked temporary.
func IsTemporary(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Temporary
}
