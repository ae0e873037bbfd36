package table

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// A Spec names a table as main.cf does: "hash:/etc/postfix/access". The name
// is whatever the type makes of it: a path, a service, an inline list in
// braces, or another "type:name" (proxy:hash:/etc/aliases).
type Spec struct{ Type, Name string }

// String returns "type:name".
func (s Spec) String() string { return s.Type + ":" + s.Name }

// ParseSpec splits one "type:name" at its first colon. Both parts must be
// there. Whether the type exists is the business of an [Opener].
func ParseSpec(s string) (Spec, error) {
	typ, name, ok := strings.Cut(s, ":")
	if !ok || typ == "" || name == "" {
		return Spec{}, fmt.Errorf("table: expecting \"type:name\" form instead of %s", quote(s))
	}
	return Spec{typ, name}, nil
}

// ParseSpecs parses a parameter value that lists tables, such as that of
// virtual_alias_maps. Every element is looked at: the error joins all that is
// wrong, and the specs that were right are returned with it.
func ParseSpecs(s string) ([]Spec, error) {
	var (
		specs []Spec
		errs  []error
	)
	for _, elem := range Elements(s) {
		spec, err := ParseSpec(elem)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		specs = append(specs, spec)
	}
	return specs, errors.Join(errs...)
}

// Elements cuts a parameter value into its elements, each with its offset in
// the value. Elements are separated by commas and white space, except inside
// braces, which belong to the element: "inline:{ {a = b}, c=d }" is one. An
// opening brace that is never closed takes the rest of the value with it.
func Elements(value string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		depth, start := 0, -1
		for i := 0; i < len(value); i++ {
			c := value[i]
			if depth == 0 && isSeparator(c) {
				if start >= 0 && !yield(start, value[start:i]) {
					return
				}
				start = -1
				continue
			}
			if start < 0 {
				start = i
			}
			switch {
			case c == '{':
				depth++
			case c == '}' && depth > 0:
				depth--
			}
		}
		if start >= 0 {
			yield(start, value[start:])
		}
	}
}

func isSeparator(c byte) bool {
	switch c {
	case ',', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

func quote(s string) string { return strconv.Quote(s) }
