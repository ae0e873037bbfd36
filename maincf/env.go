package maincf

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/macro"
	"github.com/postfixkit/postfixkit/internal/paramdb"
)

// An Env says what Postfix uses, which is more than what main.cf says:
// overrides of a master.cf service, defaults of a release, and values that only
// the running machine knows. The zero Env has the defaults of the newest
// release.
//
// An Env is safe for concurrent use as long as nothing in it changes.
type Env struct {
	// Main is main.cf; nil is an empty one.
	Main *File
	// Overrides win over main.cf: "-o name=value" of a master.cf service, or
	// of the postconf command.
	Overrides map[string]string
	// Runtime holds defaults that the machine decides: myhostname, mydomain,
	// mynetworks, process_id. See [Machine]. A value here also replaces the
	// default of any other parameter (config_directory, say).
	Runtime map[string]string
	// Version is the release, and build, whose defaults apply.
	Version Version
	// Services are the services of master.cf: they bring parameters of their
	// own, such as relay_destination_recipient_limit, and use others.
	Services []MasterService

	settingsOnly bool // see written
}

// A MasterService is what an [Env] needs to know about a master.cf entry.
type MasterService struct {
	Name      string            // first field
	Type      string            // second field
	Command   string            // program, as in the last field
	Overrides map[string]string // -o options
}

// Origin says where a value comes from. The zero Origin is invalid.
type Origin uint8

// The origins of values.
const (
	_            Origin = iota
	FromDefault         // built into the release
	FromMain            // main.cf
	FromOverride        // Env.Overrides
	FromRuntime         // Env.Runtime, or computed from other values
)

// String returns "default", "main.cf", "override" or "run time".
func (o Origin) String() string {
	switch o {
	case FromDefault:
		return "default"
	case FromMain:
		return "main.cf"
	case FromOverride:
		return "override"
	case FromRuntime:
		return "run time"
	}
	return fmt.Sprintf("Origin(%d)", uint8(o))
}

// A Value is what a parameter has.
type Value struct {
	Text   string // expanded
	Source string // as written, with its $names
	Origin Origin
	At     *Assignment // where it is written; nil when not in main.cf
}

// ErrRuntime is wrapped by the error for a parameter whose default only the
// running machine knows, when [Env.Runtime] does not have it.
var ErrRuntime = errors.New("only the running machine knows the value")

// A LoopError is a parameter whose value refers to itself.
type LoopError struct {
	Chain []string // names, from one to the same one again
}

// Error returns "parameter a refers to itself: $a -> $b -> $a".
func (e *LoopError) Error() string { return (&macro.LoopError{Chain: e.Chain}).Error() }

// IsExpansionError reports whether err says that a value could not be expanded:
// it is not in the $name language, or refers to itself.
func IsExpansionError(err error) bool {
	var me *macro.Error
	var loop *LoopError
	return errors.As(err, &me) || errors.As(err, &loop)
}

// A ParamError is a value that cannot be used.
type ParamError struct {
	Name    string
	File    string    // "" when the value is not from a file
	Span    diag.Span // of the value; zero when it is not from a file
	Service string    // "smtp/inet" when the value is that of an option of this service
	Err     error
}

// Error returns "main.cf:3:12: mydestination: what is wrong".
func (e *ParamError) Error() string {
	place := ""
	if e.Span.IsValid() {
		place = e.File + ":" + e.Span.String() + ": "
	}
	if e.Service != "" {
		place = e.Service + ": "
	}
	return place + e.Name + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ParamError) Unwrap() error { return e.Err }

// An UnknownError is a name that is neither set nor a parameter of the
// release. It wraps [ErrUnknownParam].
type UnknownError struct{ Name string }

// Error returns `unknown parameter "mynetwork"; did you mean mynetworks?`, with
// the first of what [Suggest] returns.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown parameter %q", e.Name) + didYouMean(Suggest(e.Name))
}

// Unwrap returns ErrUnknownParam.
func (e *UnknownError) Unwrap() error { return ErrUnknownParam }

// source is a value before expansion.
type source struct {
	text   string
	origin Origin
	at     *Assignment
	raw    bool
}

// lookup finds the value of a name, unexpanded.
func (e *Env) lookup(name string) (source, error) {
	p := paramdb.Find(name)
	if p != nil && !p.Exists(e.Version.packed()) {
		p = nil
	}
	raw := p != nil && p.KindAt(e.Version.packed()) == paramdb.Raw
	if text, ok := e.Overrides[name]; ok {
		return source{text, FromOverride, nil, raw}, nil
	}
	if e.Main != nil && (p == nil || p.Status != paramdb.ReadOnly || e.settingsOnly) {
		if a := e.Main.Find(name); a != nil {
			return source{a.Value(), FromMain, a, raw}, nil
		}
	}
	if e.settingsOnly && name != "config_directory" {
		return source{}, &UnknownError{name}
	}
	if text, ok := e.Runtime[name]; ok {
		return source{text, FromRuntime, nil, true}, nil
	}
	if p == nil {
		if t, ok := e.template(name); ok {
			return source{"$" + t.Base, FromDefault, nil, false}, nil
		}
		return source{}, &UnknownError{name}
	}
	if p.Flags&paramdb.RuntimeOnly != 0 {
		if name == "mydomain" {
			host, err := e.lookup("myhostname")
			if err != nil {
				return source{}, err
			}
			text := host.text
			if !host.raw {
				text, err = e.written("myhostname", text)
			}
			if err != nil {
				return source{}, err
			}
			return source{domainOf(text), FromRuntime, nil, true}, nil
		}
		return source{}, ErrRuntime
	}
	return source{paramOf(p, e.Version).Default, FromDefault, nil, raw}, nil
}

// written expands the value of a setting as Postfix does while it finds out
// about the machine: its defaults are not there yet, so that a name that is not
// set stands for nothing.
func (e *Env) written(name, text string) (string, error) {
	n := *e
	n.settingsOnly = true
	return n.ExpandLoosely(name, text)
}

// early is the value of one of the parameters that Postfix needs then.
func (e *Env) early(name string) (string, error) {
	src, err := e.lookup(name)
	if err != nil {
		return "", err
	}
	if src.origin != FromMain && src.origin != FromOverride {
		return e.ExpandLoosely(name, src.text)
	}
	text, err := e.written(name, src.text)
	if err != nil {
		err = e.paramError(name, src.at, err)
	}
	return text, err
}

// domainOf is what follows the first dot of a host name.
func domainOf(host string) string {
	if _, domain, ok := strings.Cut(host, "."); ok {
		return domain
	}
	return "localdomain"
}

// template returns the service parameter family that name belongs to.
func (e *Env) template(name string) (*paramdb.Template, bool) {
	for i, t := range paramdb.Templates() {
		service, ok := strings.CutSuffix(name, t.Suffix)
		if !ok || t.Since > e.Version.packed() {
			continue
		}
		for _, s := range e.Services {
			if s.Name == service && slices.Contains(t.Programs, s.Command) {
				return &paramdb.Templates()[i], true
			}
		}
	}
	return nil, false
}

// Class returns the class of a name that is a parameter of the release or made
// from a service, and whether its values are taken as they are (RawType). It is
// the quick form of [Env.Param] without the names that main.cf defines.
func (e *Env) Class(name string) (c Class, raw, ok bool) {
	p := paramdb.Find(name)
	if p != nil && !p.Exists(e.Version.packed()) {
		p = nil
	}
	if _, service := e.template(name); service {
		return Service, false, true
	}
	if p == nil {
		return 0, false, false
	}
	return Builtin, p.KindAt(e.Version.packed()) == paramdb.Raw, true
}

// Param returns what is known about a name in this environment: a parameter of
// the release, one made from a service of Services, or one that main.cf
// defines for its own use. ok is false for a name Postfix does not use.
func (e *Env) Param(name string) (p Param, ok bool) {
	if p, ok := e.postfixParam(name); ok {
		return p, true
	}
	if (e.hasOverride(name) || e.Main != nil && e.Main.Find(name) != nil) && e.usage().used[name] == User {
		return Param{Name: name, Class: User, Type: StringType}, true
	}
	return Param{}, false
}

// postfixParam is Param without the names that main.cf defines, for which it has
// to look through the whole file.
func (e *Env) postfixParam(name string) (p Param, ok bool) {
	if q := paramdb.Find(name); q != nil && q.Exists(e.Version.packed()) {
		p = paramOf(q, e.Version)
		if _, service := e.template(name); service {
			p.Class = Service
		}
		return p, true
	}
	if t, ok := e.template(name); ok {
		p = Param{Name: name, Class: Service, Type: typeOf(t.Kind), Default: "$" + t.Base, Since: unpack(t.Since), Unit: t.Unit}
		if t.Flags&paramdb.HasMin != 0 {
			p.Min = &t.Min
		}
		if t.Flags&paramdb.HasMax != 0 {
			p.Max = &t.Max
		}
		return p, true
	}
	return Param{}, false
}

// Eval returns the value that Postfix uses for a parameter, with every $name
// in it replaced. A name that is not known, here or in the value, is an
// [*UnknownError]; a value that refers to itself is a [*LoopError]; both come
// in a [*ParamError] that says where the value stands and by which names the
// problem was reached. Raw parameters are not expanded, unless another value
// refers to them.
func (e *Env) Eval(name string) (Value, error) {
	src, err := e.lookup(name)
	if err != nil {
		return Value{}, &ParamError{Name: name, Err: err}
	}
	v := Value{Text: src.text, Source: src.text, Origin: src.origin, At: src.at}
	if src.raw {
		return v, nil
	}
	v.Text, err = e.expander(nil).ExpandIn(name, src.text)
	if err != nil {
		return v, e.paramError(name, src.at, err)
	}
	return v, nil
}

func (e *Env) paramError(name string, at *Assignment, err error) error {
	pe := &ParamError{Name: name, Err: err}
	if at != nil {
		pe.File, pe.Span = e.Main.name, at.ValueSpan()
	}
	return pe
}

// Expand replaces every $name in text, as Eval does.
func (e *Env) Expand(text string) (string, error) {
	return e.expander(nil).ExpandIn("", text)
}

// expander joins the $name language with the values of an Env.
type expander struct{ x macro.Expander }

func (e *Env) expander(step func(name, value string, depth int)) *expander {
	// One name is asked about several times in a row.
	var last struct {
		name string
		src  source
		err  error
		have bool
	}
	lookup := func(name string) (source, error) {
		if !last.have || last.name != name {
			last.src, last.err = e.lookup(name)
			last.name, last.have = name, true
		}
		return last.src, last.err
	}
	x := &expander{macro.Expander{
		Lookup: func(name string) (string, bool) {
			src, err := lookup(name)
			return src.text, err == nil
		},
		Undefined: func(name string) error {
			_, err := lookup(name)
			return err
		},
		Raw: func(name string) bool {
			src, err := lookup(name)
			return err == nil && src.origin == FromRuntime
		},
	}}
	x.x.Functions = e.functions()
	if step != nil {
		depth := 0
		x.x.Enter = func(name, value string) { depth++; step(name, value, depth) }
		x.x.Leave = func(string, string) { depth-- }
	}
	return x
}

// functions are those of the release, or nil.
func (e *Env) functions() map[string]func(string) (string, error) {
	if e.Version.packed() < paramdb.V(3, 11, 0) {
		return nil
	}
	return functions
}

// ExpandIn expands the value of a parameter, or a text on its own.
func (x *expander) ExpandIn(name, text string) (string, error) {
	out, err := x.x.ExpandValue(name, text)
	var loop *macro.LoopError
	if errors.As(err, &loop) {
		err = &LoopError{loop.Chain}
	}
	return out, err
}

// A Step is one name that was looked up while a value was expanded.
type Step struct {
	Depth  int // 1: named in the value itself
	Name   string
	Source string // its value, unexpanded
	Origin Origin
	At     *Assignment
}

// Steps evaluates a parameter as [Env.Eval] does and tells which names were
// looked up on the way, in order. Names in conditions (${name?…}) are not
// among them.
func (e *Env) Steps(name string) (Value, []Step, error) {
	src, err := e.lookup(name)
	if err != nil {
		return Value{}, nil, &ParamError{Name: name, Err: err}
	}
	v := Value{Text: src.text, Source: src.text, Origin: src.origin, At: src.at}
	if src.raw {
		return v, nil, nil
	}
	var steps []Step
	x := e.expander(func(n, value string, depth int) {
		s, _ := e.lookup(n)
		steps = append(steps, Step{depth, n, value, s.origin, s.at})
	})
	v.Text, err = x.ExpandIn(name, src.text)
	if err != nil {
		return v, steps, e.paramError(name, src.at, err)
	}
	return v, steps, nil
}

// ServiceParams yields the names that the services of master.cf bring, such as
// relay_destination_recipient_limit, with the parameter each default refers
// to, by service and in the order of postconf(1). Names that are parameters of
// Postfix itself are left out.
func (e *Env) ServiceParams() iter.Seq2[string, string] {
	return func(yield func(name, base string) bool) {
		seen := map[string]bool{}
		for _, s := range e.Services {
			for i := range paramdb.Templates() {
				t := &paramdb.Templates()[i]
				if t.Since > e.Version.packed() || !slices.Contains(t.Programs, s.Command) {
					continue
				}
				name := s.Name + t.Suffix
				if p := paramdb.Find(name); seen[name] || p != nil && p.Exists(e.Version.packed()) {
					continue
				}
				seen[name] = true
				if !yield(name, t.Base) {
					return
				}
			}
		}
	}
}

// Source returns the value that counts for a parameter without expanding it,
// and whether there is one.
func (e *Env) Source(name string) (v Value, ok bool) {
	src, err := e.lookup(name)
	return Value{Text: src.text, Source: src.text, Origin: src.origin, At: src.at}, err == nil
}

// ExpandLoosely replaces every $name in text as the postconf command does: a
// name that is neither set nor known stands for nothing. The value of a
// parameter is expanded with its name, so that a loop is noticed at once.
func (e *Env) ExpandLoosely(name, text string) (string, error) {
	x := e.expander(nil)
	x.x.Undefined = nil
	return x.ExpandIn(name, text)
}
