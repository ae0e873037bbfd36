package table

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// First returns a table that asks each of tables in turn. The first hit is the
// answer; an error stops the search, because what comes after it might be
// overruled by the table that failed.
func First(tables ...Table) Table { return first(slices.Clone(tables)) }

type first []Table

func (f first) Lookup(ctx context.Context, key string) (string, bool, error) {
	for _, t := range f {
		if v, found, err := t.Lookup(ctx, key); found || err != nil {
			return v, found, err
		}
	}
	return "", false, nil
}

func (f first) IsPattern() bool { return len(f) > 0 && IsPattern(f[0]) }

func (f first) parts() []Table {
	var all []Table
	for _, t := range f {
		all = append(all, Parts(t)...)
	}
	return all
}

// Parts returns the tables of a list made by [First] or [Opener.OpenList], and
// t alone when it is no list. In a list some may be a [Pattern] and some not.
func Parts(t Table) []Table {
	if l, ok := t.(interface{ parts() []Table }); ok {
		return l.parts()
	}
	return []Table{t}
}

// Locate returns the place in the table that has the answer.
func (f first) Locate(ctx context.Context, key string) (file string, line int, ok bool) {
	for _, t := range f {
		if _, found, err := t.Lookup(ctx, key); found || err != nil {
			if l, is := t.(Locator); is && err == nil {
				return l.Locate(ctx, key)
			}
			return "", 0, false
		}
	}
	return "", 0, false
}

// Union returns a table that asks all of tables and joins what they have with
// commas, in order (unionmap:). It has a key when one of them has it; an error
// of one is the answer.
func Union(tables ...Table) Table { return union(slices.Clone(tables)) }

type union []Table

func (u union) Lookup(ctx context.Context, key string) (string, bool, error) {
	var values []string
	for _, t := range u {
		v, found, err := t.Lookup(ctx, key)
		if err != nil {
			return "", false, err
		}
		if found {
			values = append(values, v)
		}
	}
	return strings.Join(values, ","), len(values) > 0, nil
}

func (u union) IsPattern() bool { return len(u) > 0 && IsPattern(u[0]) }

// Pipe returns a table that asks the first of tables for the key, each further
// one for what the one before it has, and answers with the last result
// (pipemap:). A miss or an error anywhere is the answer.
func Pipe(tables ...Table) Table { return pipe(slices.Clone(tables)) }

type pipe []Table

func (p pipe) Lookup(ctx context.Context, key string) (string, bool, error) {
	if len(p) == 0 {
		return "", false, nil
	}
	for _, t := range p {
		v, found, err := t.Lookup(ctx, key)
		if !found || err != nil {
			return "", false, err
		}
		key = v
	}
	return key, true, nil
}

func (p pipe) IsPattern() bool { return len(p) > 0 && IsPattern(p[0]) }

// Static returns a table that has value for every key (static:). It counts as
// a table that stores keys, so that it also answers for partial ones.
func Static(value string) Table { return static(value) }

type static string

func (s static) Lookup(context.Context, string) (string, bool, error) { return string(s), true, nil }

// Random returns a table that has one of values, a different one each time, for
// every key (randmap:). Without values it has no key.
func Random(values ...string) Table { return random(slices.Clone(values)) }

type random []string

func (r random) Lookup(context.Context, string) (string, bool, error) {
	if len(r) == 0 {
		return "", false, nil
	}
	return r[rand.IntN(len(r))], true, nil
}

func (random) IsPattern() bool { return true }

// Fail returns a table that answers everything with err (fail:). With a nil
// err it is a temporary failure.
func Fail(err error) Table {
	if err == nil {
		err = &Error{Spec: "fail:", Temporary: true, Err: errFail}
	}
	return failing{err}
}

type failing struct{ err error }

func (f failing) Lookup(context.Context, string) (string, bool, error) { return "", false, f.err }

func (f failing) All(context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) { yield(Entry{}, f.err) }
}

func (failing) IsPattern() bool { return true }

// Inline returns a table of entries. Of several with the same key the last
// counts, as in inline:. Keys are matched as they are; see [Fold].
func Inline(entries ...Entry) *Memory {
	m := new(Memory)
	for _, e := range entries {
		m.Put(e.Key, e.Value)
	}
	return m
}

// Memory is a table in the memory of the process that can be changed
// (internal:). The zero Memory is empty and ready. Safe for concurrent use.
type Memory struct {
	mu      sync.RWMutex
	entries map[string]string
}

// Lookup returns the value of key.
func (m *Memory) Lookup(_ context.Context, key string) (value string, found bool, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	value, found = m.entries[key]
	return value, found, nil
}

// Put sets the value of key.
func (m *Memory) Put(key, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = map[string]string{}
	}
	m.entries[key] = value
}

// Delete removes key and reports whether it was there.
func (m *Memory) Delete(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, found := m.entries[key]
	delete(m.entries, key)
	return found
}

// Entries returns the entries in the order of their keys.
func (m *Memory) Entries() []Entry {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := make([]Entry, 0, len(m.entries))
	for k, v := range m.entries {
		list = append(list, Entry{k, v})
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// All lists the entries in the order of their keys, as they were when it begins.
func (m *Memory) All(context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range m.Entries() {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Fold returns a table that asks t for keys in lower case, as Postfix does
// with tables that store keys. A pattern table is returned as it is.
func Fold(t Table) Table {
	if IsPattern(t) {
		return t
	}
	return folding{t}
}

type folding struct{ Table }

func (f folding) Lookup(ctx context.Context, key string) (string, bool, error) {
	return f.Table.Lookup(ctx, Lower(key))
}

func (f folding) Locate(ctx context.Context, key string) (string, int, bool) {
	if l, ok := f.Table.(Locator); ok {
		return l.Locate(ctx, Lower(key))
	}
	return "", 0, false
}

// Debug returns a table that calls log with every lookup in t, in the words of
// the debug: type of Postfix 3.11. spec is the name of t.
// A table that can be listed still can be, and entries are logged too.
func Debug(t Table, spec string, log func(string)) Table {
	d := debugging{t, spec, log}
	if l, ok := t.(Lister); ok {
		return debuggingLister{d, l}
	}
	return d
}

type debugging struct {
	Table
	spec string
	log  func(string)
}

func (d debugging) Lookup(ctx context.Context, key string) (string, bool, error) {
	v, found, err := d.Table.Lookup(ctx, key)
	result := "not_found"
	switch {
	case err != nil:
		result = "error"
	case found:
		result = quote(v)
	}
	d.log(d.spec + " lookup: " + quote(key) + " = " + result)
	return v, found, err
}

func (d debugging) IsPattern() bool { return IsPattern(d.Table) }

func (d debugging) Locate(ctx context.Context, key string) (string, int, bool) {
	if l, ok := d.Table.(Locator); ok {
		return l.Locate(ctx, key)
	}
	return "", 0, false
}

type debuggingLister struct {
	debugging
	lister Lister
}

func (d debuggingLister) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range d.lister.All(ctx) {
			if err == nil {
				d.log(d.spec + " sequence: " + quote(e.Key) + " = " + quote(e.Value))
			}
			if !yield(e, err) {
				return
			}
		}
		d.log(d.spec + " sequence: found EOF")
	}
}

// Cached returns a table that remembers up to maxEntries answers of t, misses
// included and errors not. When it is full it starts again from nothing. It
// never notices a change of t: use it for tables that do not change, or for the
// time of one message. Less than one entry means none are remembered.
func Cached(t Table, maxEntries int) Table {
	if maxEntries < 1 {
		return t
	}
	return &cache{t: t, most: maxEntries, answers: map[string]answer{}}
}

type answer struct {
	value string
	found bool
}

type cache struct {
	t       Table
	most    int
	mu      sync.Mutex
	answers map[string]answer
}

func (c *cache) Lookup(ctx context.Context, key string) (string, bool, error) {
	c.mu.Lock()
	a, ok := c.answers[key]
	c.mu.Unlock()
	if ok {
		return a.value, a.found, nil
	}
	v, found, err := c.t.Lookup(ctx, key)
	if err != nil {
		return v, found, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) >= c.most {
		clear(c.answers)
	}
	c.answers[key] = answer{v, found}
	return v, found, nil
}

func (c *cache) IsPattern() bool { return IsPattern(c.t) }
