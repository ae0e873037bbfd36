package table

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/postfixkit/postfixkit/internal/casefold"
)

// Types returns the table types that need no file format: debug, environ,
// fail, inline, internal, pipemap, randmap, static, unionmap and unix. The map
// is a new one each time and yours to add to.
func Types() map[string]OpenFunc {
	return map[string]OpenFunc{
		"debug":    openDebug,
		"environ":  openEnviron,
		"fail":     openFail,
		"inline":   openInline,
		"internal": openInternal,
		"pipemap":  openPipe,
		"randmap":  openRandom,
		"static":   openStatic,
		"unionmap": openUnion,
		"unix":     openUnix,
	}
}

// Key returns key as a table that stores keys has to be asked: folded, unless
// the options say otherwise.
func (o Options) Key(key string) string {
	if o.NoFold {
		return key
	}
	return casefold.String(key, o.UTF8)
}

// openStatic: static:value or static:{ value with spaces at its ends }.
func openStatic(_ context.Context, o *Opener, name string) (Closer, error) {
	if strings.HasPrefix(name, "{") {
		value, err := unbrace(name)
		if err != nil {
			return nil, fmt.Errorf("bad static:name syntax: %w", err)
		}
		name = value
	}
	value, err := o.Options.value(name)
	if err != nil {
		return nil, err
	}
	return NopCloser(Static(value)), nil
}

var errFail = errors.New("this table always fails")

// openFail: fail:anything.
func openFail(_ context.Context, _ *Opener, name string) (Closer, error) {
	return NopCloser(Fail(&Error{Spec: "fail:" + name, Temporary: true, Err: errFail})), nil
}

// openInternal: internal:name. Postfix programs keep what they learn in such
// tables; opened by name each is a new one and empty.
func openInternal(_ context.Context, _ *Opener, _ string) (Closer, error) {
	return NopCloser(new(Memory)), nil
}

// openEnviron: environ:anything. The key is the name of an environment
// variable, folded like any other key.
func openEnviron(_ context.Context, o *Opener, _ string) (Closer, error) {
	options := o.Options
	return NopCloser(Func(func(_ context.Context, key string) (string, bool, error) {
		value, found := os.LookupEnv(options.Key(key))
		return value, found, nil
	})), nil
}

// openDebug: debug:type:name. Lookups go to Opener.Log.
func openDebug(ctx context.Context, o *Opener, name string) (Closer, error) {
	t, err := o.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	to := o.Log
	if to == nil {
		to = func(line string) { log.Print(line) }
	}
	return withClose(Debug(t, name, to), t), nil
}

func openUnion(ctx context.Context, o *Opener, name string) (Closer, error) {
	return openAll(ctx, o, "unionmap", name, Union)
}

func openPipe(ctx context.Context, o *Opener, name string) (Closer, error) {
	return openAll(ctx, o, "pipemap", name, Pipe)
}

// openAll: {type:name, type:name, …}.
func openAll(ctx context.Context, o *Opener, typ, name string, combine func(...Table) Table) (Closer, error) {
	bad := fmt.Errorf("bad syntax: \"%s:%s\"; need \"%[1]s:{type:name...}\"", typ, name)
	specs, err := members(name)
	if err != nil {
		return nil, bad
	}
	for _, spec := range specs {
		if !strings.Contains(spec, ":") {
			return nil, bad
		}
	}
	var opened list
	var tables []Table
	for _, spec := range specs {
		t, err := o.Open(ctx, spec)
		if err != nil {
			return nil, errors.Join(err, opened.Close())
		}
		opened = append(opened, t)
		tables = append(tables, t)
	}
	return withClose(combine(tables...), opened), nil
}

// openRandom: {value, value, …}.
func openRandom(_ context.Context, o *Opener, name string) (Closer, error) {
	values, err := members(name)
	if err != nil {
		return nil, fmt.Errorf("bad syntax: \"randmap:%s\"; need \"randmap:{value...}\"", name)
	}
	for i, v := range values {
		if values[i], err = o.Options.value(v); err != nil {
			return nil, err
		}
	}
	return NopCloser(Random(values...)), nil
}

var errNoMembers = errors.New("no members")

// members cuts "{a, b c}" into its elements. There must be one.
func members(name string) ([]string, error) {
	inside, err := unbrace(name)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range Elements(inside) {
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, errNoMembers
	}
	return all, nil
}

// openInline: {key=value, { key = value with space }, …}.
func openInline(_ context.Context, o *Opener, name string) (Closer, error) {
	what := "value"
	if o.Options.ReadFile != nil {
		what = "filename"
	}
	need := fmt.Sprintf("\"inline:%s\"; need \"inline:{name=%s...}\"", name, what)
	inside, err := unbrace(name)
	if err != nil || len(name) <= len("{}") {
		return nil, fmt.Errorf("bad syntax: \"inline:%s\"; need \"inline:{name=value...}\"", name)
	}
	m := new(Memory)
	n := 0
	for _, item := range Elements(inside) {
		key, value, err := assignment(item)
		if err == nil {
			value, err = o.Options.value(value)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, need)
		}
		m.Put(o.Options.Key(key), value)
		n++
	}
	if n == 0 {
		return nil, errors.New("empty table: " + need)
	}
	return NopCloser(inlineTable{m, o.Options}), nil
}

// An inlineTable is asked for keys that are not folded yet.
type inlineTable struct {
	*Memory
	options Options
}

func (t inlineTable) Lookup(ctx context.Context, key string) (string, bool, error) {
	return t.Memory.Lookup(ctx, t.options.Key(key))
}

// assignment splits "name=value" or "{ name = value }".
func assignment(item string) (key, value string, err error) {
	text := item
	if strings.HasPrefix(item, "{") {
		if text, err = unbrace(item); err != nil {
			return "", "", err
		}
		if text == "" {
			return "", "", errors.New("no key found; expected format: key = value")
		}
	}
	const space = " \t\n\v\f\r"
	end := strings.IndexAny(text, "="+space)
	if end < 0 {
		end = len(text)
	}
	rest := strings.TrimLeft(text[end:], space)
	if !strings.HasPrefix(rest, "=") {
		return "", "", errors.New("missing '=' after attribute name")
	}
	return text[:end], strings.Trim(rest[1:], space), nil
}
