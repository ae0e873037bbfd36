package macro

import (
	"fmt"
	"strings"
)

// Limits of one expansion. Postfix has the first one only.
const (
	maxDepth = 100     // references inside values inside references …
	maxSteps = 1 << 18 // pieces looked at in total
	maxSize  = 1 << 24 // bytes of the result
)

// An Expander replaces the references in texts. The zero Expander finds every
// name undefined. It is safe for concurrent use when its functions are.
type Expander struct {
	// Lookup returns the value of a name; ok is false when it has none.
	Lookup func(name string) (value string, ok bool)
	// Undefined is called when the value of a name without one is asked for,
	// not in ${name?…} and ${name:…}. With a nil Undefined, or when it
	// returns nil, the reference stands for nothing; an error ends the
	// expansion.
	Undefined func(name string) error
	// Once takes values as they are instead of expanding them in turn.
	Once bool
	// Raw reports names whose values are taken as they are.
	Raw func(name string) bool
	// Functions are what ${name{text}} can call. nil: that is an error.
	Functions map[string]func(text string) (string, error)
	// Enter and Leave, when set, are called around the expansion of the value
	// of a name.
	Enter, Leave func(name, value string)
}

// A LoopError is a name whose value refers to itself.
type LoopError struct {
	Chain []string // the names, from one to the same one again
}

// Error returns "parameter a refers to itself: $a -> $b -> $a".
func (e *LoopError) Error() string {
	return fmt.Sprintf("parameter %s refers to itself: $%s", e.Chain[0], strings.Join(e.Chain, " -> $"))
}

// A ChainError is an error in the value of a name that the text refers to.
type ChainError struct {
	Chain []string // from the name in the text to the one with the error
	Err   error
}

// Error returns "$a -> $b: what is wrong".
func (e *ChainError) Error() string {
	return "$" + strings.Join(e.Chain, " -> $") + ": " + e.Err.Error()
}

// Unwrap returns the error without the chain.
func (e *ChainError) Unwrap() error { return e.Err }

// Append appends text, expanded, to dst. Errors are *[Error], *[LoopError], one
// of Undefined or of a function, wrapped in *[ChainError] when it is not the
// text itself that is wrong.
func (x *Expander) Append(dst []byte, text string) ([]byte, error) {
	if strings.IndexByte(text, '$') < 0 {
		return append(dst, text...), nil
	}
	r := run{x: x, out: dst, limit: len(dst) + maxSize}
	err := r.text(text, 0)
	return r.out, err
}

// Expand returns text, expanded.
func (x *Expander) Expand(text string) (string, error) {
	if strings.IndexByte(text, '$') < 0 {
		return text, nil
	}
	b, err := x.Append(nil, text)
	return string(b), err
}

// ExpandValue returns text, which is the value of name, expanded: a reference to
// name is a loop. An empty name is a text on its own.
func (x *Expander) ExpandValue(name, text string) (string, error) {
	if strings.IndexByte(text, '$') < 0 {
		return text, nil
	}
	r := run{x: x, limit: maxSize}
	if name != "" {
		r.stack, r.own = append(r.stack, name), 1
	}
	err := r.text(text, 0)
	return string(r.out), err
}

// run is one expansion.
type run struct {
	x     *Expander
	out   []byte
	limit int
	steps int
	stack []string // names whose values are being expanded
	own   int      // how many of them the caller knows
}

func (r *run) text(text string, depth int) error {
	for at := 0; at < len(text); {
		p, err := next(text, at)
		if err != nil {
			return r.wrap(err)
		}
		at = p.End
		if r.steps++; r.steps > maxSteps || len(r.out) > r.limit {
			return r.wrap(&Error{Message: fmt.Sprintf("unreasonable macro expansion: more than %d references or %d bytes", maxSteps, maxSize), Offset: p.Start})
		}
		if depth > maxDepth {
			return r.wrap(&Error{Message: fmt.Sprintf("unreasonable macro call nesting: \"%s\"", p.Text), Offset: p.Start})
		}
		if !p.Ref {
			r.out = append(r.out, p.Text...)
			continue
		}
		if err := r.reference(p, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// wrap adds the names that led to an error.
func (r *run) wrap(err error) error {
	if len(r.stack) == r.own {
		return err
	}
	return &ChainError{append([]string(nil), r.stack[r.own:]...), err}
}

// bad is wrap for what is wrong with a reference itself.
func (r *run) bad(err error, p Piece) error {
	if pe, ok := err.(*Error); ok && pe.Offset < 0 {
		pe.Offset = p.Start
	}
	return r.wrap(err)
}

func (r *run) reference(p Piece, depth int) error {
	e, err := parse(p.Text, r.x.Functions != nil)
	if err != nil {
		return r.bad(err, p)
	}
	var value string
	defined := true
	switch {
	case e.call:
		return r.call(e, depth)
	case e.rel != nil:
		holds, err := r.compare(e.rel, depth)
		if err != nil {
			return err
		}
		if holds {
			value = "true"
		}
	case r.x.Lookup != nil:
		value, defined = r.x.Lookup(e.name)
	default:
		defined = false
	}
	if err := e.branches(); err != nil {
		return r.bad(err, p)
	}
	if e.test {
		switch {
		case value != "" && e.isYes:
			return r.text(e.yes, depth)
		case value == "" && e.isNo:
			return r.text(e.no, depth)
		}
		return nil
	}
	return r.value(e, value, defined, depth)
}

// value puts the value of a name into the result.
func (r *run) value(e expression, value string, defined bool, depth int) error {
	if !defined {
		if r.x.Undefined != nil {
			if err := r.x.Undefined(e.name); err != nil {
				return r.wrap(err)
			}
		}
		return nil
	}
	if e.rel != nil || r.x.Once || strings.IndexByte(value, '$') < 0 || r.x.Raw != nil && r.x.Raw(e.name) {
		if r.x.Enter != nil && e.rel == nil {
			r.x.Enter(e.name, value)
			r.x.Leave(e.name, value)
		}
		r.out = append(r.out, value...)
		return nil
	}
	for i, name := range r.stack {
		if name == e.name {
			return &LoopError{append(append([]string(nil), r.stack[i:]...), name)}
		}
	}
	r.stack = append(r.stack, e.name)
	if r.x.Enter != nil {
		r.x.Enter(e.name, value)
	}
	err := r.text(value, depth)
	if r.x.Leave != nil {
		r.x.Leave(e.name, value)
	}
	r.stack = r.stack[:len(r.stack)-1]
	return err
}

// apart expands a text that is not part of the result.
func (r *run) apart(text string, depth int) (string, error) {
	start := len(r.out)
	err := r.text(text, depth)
	result := string(r.out[start:])
	r.out = r.out[:start]
	return result, err
}

func (r *run) compare(rel *relation, depth int) (bool, error) {
	left, err := r.apart(rel.left, depth)
	if err != nil {
		return false, err
	}
	right, err := r.apart(rel.right, depth)
	if err != nil {
		return false, err
	}
	holds, err := rel.compare(left, right)
	if err != nil {
		return false, r.wrap(err)
	}
	return holds, nil
}

func (r *run) call(e expression, depth int) error {
	function := r.x.Functions[e.name]
	if function == nil {
		return r.wrap(&Error{Message: fmt.Sprintf("unknown function \"%s\" at\"...>>>%s{%s}\"", e.name, e.name, e.arg), Offset: -1})
	}
	arg, err := r.apart(e.arg, depth)
	if err != nil {
		return err
	}
	result, err := function(arg)
	if err != nil {
		return r.wrap(err)
	}
	r.out = append(r.out, result...)
	return nil
}

// Names calls found for every name that text refers to, in both branches of
// conditions, with its place in text; test is set for ${name?…} and
// ${name:…}. It does not look into values. Without functions "${name{text}}"
// is an error.
func Names(text string, functions bool, found func(name string, offset int, test bool)) error {
	return references(text, functions, func(e expression, at func(part string) int) {
		if e.rel == nil && !e.call {
			found(e.name, at(e.name), e.test)
		}
	})
}

// A Syntax is a part of the language that not every release knows.
type Syntax struct {
	What         string
	Major, Minor int // the first release that knows it
}

var (
	braces    = Syntax{"${name?{text}:{text}}", 3, 0}
	relations = Syntax{"a comparison", 3, 0}
	levels    = Syntax{"a comparison of levels", 3, 6}
	calls     = Syntax{"a function", 3, 11}
)

// Newer calls found for every piece of syntax in text that came with Postfix
// 3.0 or later, with its place in text.
func Newer(text string, found func(s Syntax, offset int)) error {
	return references(text, true, func(e expression, at func(part string) int) {
		_ = e.branches() // whether they are in braces; what is wrong with them ends the walk
		switch {
		case e.call:
			found(calls, at(e.name))
		case e.rel != nil && e.rel.suffix != "":
			found(levels, at(e.rel.left))
		case e.rel != nil:
			found(relations, at(e.rel.left))
		case e.braced:
			found(braces, at(e.name))
		}
	})
}

// references calls visit for every reference in text, the outer before the
// inner ones; at gives the place in text of a part of the expression.
func references(text string, functions bool, visit func(e expression, at func(part string) int)) error {
	if strings.IndexByte(text, '$') < 0 {
		return nil
	}
	steps := 0
	return walk(text, functions, 0, 0, &steps, visit)
}

func walk(text string, functions bool, offset, depth int, steps *int, visit func(expression, func(string) int)) error {
	for p, err := range Split(text) {
		if err != nil {
			return err
		}
		if *steps++; *steps > maxSteps || depth > maxDepth {
			return &Error{Message: fmt.Sprintf("unreasonable macro call nesting: \"%s\"", p.Text), Offset: offset + p.Start}
		}
		if !p.Ref {
			continue
		}
		e, err := parse(p.Text, functions)
		if err != nil {
			return err
		}
		// The parts are substrings: their place follows from their length.
		within := func(part string) int { return offset + p.Start + strings.Index(text[p.Start:p.End], part) }
		into := func(parts ...string) error {
			for _, part := range parts {
				if strings.IndexByte(part, '$') < 0 {
					continue
				}
				if err := walk(part, functions, within(part), depth+1, steps, visit); err != nil {
					return err
				}
			}
			return nil
		}
		visit(e, within)
		if e.rel != nil {
			if err := into(e.rel.left, e.rel.right); err != nil {
				return err
			}
		}
		if err := e.branches(); err != nil {
			return err
		}
		if err := into(e.yes, e.no, e.arg); err != nil {
			return err
		}
	}
	return nil
}
