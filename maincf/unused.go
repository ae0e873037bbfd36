package maincf

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/macro"
	"github.com/postfixkit/postfixkit/internal/paramdb"
	"github.com/postfixkit/postfixkit/table"
)

// usage is which names a configuration uses, found as postconf(1) does: a name
// that Postfix does not know is used when something refers to it.
type usage struct {
	used      map[string]Class  // names set in main.cf that count
	classes   map[string]bool   // restriction classes
	services  []map[string]bool // names set in a service's options that count
	undefined []undefined
	malformed []error             // values that are not in the $name language
	err       error               // the first value of Postfix's that cannot be expanded
	near      map[string][]string // what Suggest returned
}

// undefined is a $name with neither a value nor a default.
type undefined struct {
	name   string
	at     *Assignment
	offset int // in the value
	master bool
}

// known reports whether Postfix itself, or a service, has the parameter.
func (e *Env) known(name string) (Class, bool) {
	if p := paramdb.Find(name); p != nil && p.Exists(e.Version.packed()) {
		if _, ok := e.template(name); ok {
			return Service, true
		}
		return Builtin, true
	}
	if _, ok := e.template(name); ok {
		return Service, true
	}
	return 0, false
}

// ownParam is known without the old names that feed another default.
func (e *Env) ownParam(name string) bool {
	_, known := e.known(name)
	p := paramdb.Find(name)
	return known && (p == nil || !p.LegacyAt(e.Version.packed()))
}

// effective returns the assignments of main.cf that count, by name.
func (e *Env) effective() map[string]*Assignment {
	set := map[string]*Assignment{}
	if e.Main != nil {
		for a := range e.Main.All() {
			set[a.Name()] = a
		}
	}
	return set
}

func (e *Env) usage() *usage {
	const main = -1 // not a service
	at := e.Version.packed()
	u := &usage{used: map[string]Class{}, classes: map[string]bool{}, near: map[string][]string{}}
	options := map[string][]int{} // by name, the services that have it
	for i := range e.Services {
		u.services = append(u.services, map[string]bool{})
		for name := range e.Services[i].Overrides {
			options[name] = append(options[name], i)
		}
	}
	set := e.effective()
	isSet := func(name string) bool { return set[name] != nil || e.hasOverride(name) }
	// refer notes that a value refers to name.
	refer := func(name string, service int, at *Assignment, offset int, database bool) {
		supplied := false
		if service >= 0 {
			if _, supplied = e.Services[service].Overrides[name]; supplied {
				u.services[service][name] = true
			}
		}
		if !supplied && isSet(name) {
			supplied = true
			if _, known := e.known(name); !known {
				u.used[name] = User
			}
		}
		if service < 0 {
			for _, i := range options[name] {
				supplied = true
				u.services[i][name] = true
			}
		}
		if supplied || database {
			return
		}
		if _, known := e.known(name); !known {
			u.undefined = append(u.undefined, undefined{name, at, offset, service >= 0})
		}
	}
	scan := func(name, value string, service int, at *Assignment) {
		err := macro.Names(value, e.functions() != nil, func(name string, offset int, _ bool) { refer(name, service, at, offset, false) })
		if err != nil {
			u.malformed = append(u.malformed, e.usedError(name, service, at, err))
		}
	}
	fail := func(name string, service int, at *Assignment, err error) {
		if err != nil && u.err == nil {
			u.err = e.usedError(name, service, at, err)
		}
	}
	braces := func(name string, service int, at *Assignment) func(string) {
		return func(what string) {
			u.malformed = append(u.malformed, e.usedError(name, service, at, errors.New(what)))
		}
	}
	for i := range e.Services {
		overrides := e.Services[i].Overrides
		if value, ok := overrides["smtpd_restriction_classes"]; ok {
			// postconf(1) sees no more than the options of the service here.
			own := macro.Expander{Lookup: func(name string) (string, bool) { v, ok := overrides[name]; return v, ok }, Functions: e.functions()}
			text, err := own.ExpandValue("smtpd_restriction_classes", value)
			fail("smtpd_restriction_classes", i, nil, err)
			for _, name := range SplitList(text) {
				refer(name, i, nil, 0, false)
			}
		}
		var scope *Env
		for _, name := range slices.Sorted(maps.Keys(overrides)) {
			if p := paramdb.Find(name); e.raw(name) || p != nil && p.Exists(at) && p.Status == paramdb.ReadOnly {
				continue
			}
			scan(name, overrides[name], i, nil)
			if _, known := e.known(name); known {
				if scope == nil {
					scope = e.serviceEnv(&e.Services[i])
				}
				fail(name, i, nil, scope.clientNames(overrides[name], func(name string) { refer(name, i, nil, 0, true) }, braces(name, i, nil)))
			}
		}
	}
	// Defaults refer to names that are parameters themselves, in all releases:
	// a test sees to it. They need not be looked at.
	if v, ok := e.Source("smtpd_restriction_classes"); ok && isSet("smtpd_restriction_classes") {
		text, err := e.written("smtpd_restriction_classes", v.Text)
		fail("smtpd_restriction_classes", main, v.At, err)
		for _, name := range SplitList(text) {
			u.classes[name] = true
			refer(name, main, v.At, 0, false)
		}
	}
	each := func(name, value string, a *Assignment) {
		p := paramdb.Find(name)
		if p != nil && p.Exists(at) {
			if p.LegacyAt(at) {
				u.used[name] = User
			}
			if p.KindAt(at) == paramdb.Raw || p.Status == paramdb.ReadOnly {
				return
			}
		}
		scan(name, value, main, a)
		if e.ownParam(name) {
			fail(name, main, a, e.clientNames(value, func(name string) { refer(name, main, a, 0, true) }, braces(name, main, a)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if _, over := e.Overrides[name]; !over {
			each(name, set[name].Value(), set[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Overrides)) {
		each(name, e.Overrides[name], nil)
	}
	return u
}

// usedError is paramError for the value of an option of a service, or of main.cf
// when there is no such service.
func (e *Env) usedError(name string, service int, at *Assignment, err error) error {
	if service < 0 {
		return e.paramError(name, at, err)
	}
	s := &e.Services[service]
	return &ParamError{Name: name, Service: s.Name + "/" + s.Type, Err: err}
}

func (e *Env) hasOverride(name string) bool {
	_, ok := e.Overrides[name]
	return ok
}

// serviceEnv is the environment in which a service sees values.
func (e *Env) serviceEnv(s *MasterService) *Env {
	n := *e
	n.Overrides = maps.Clone(e.Overrides)
	if n.Overrides == nil {
		n.Overrides = map[string]string{}
	}
	maps.Copy(n.Overrides, s.Overrides)
	return &n
}

// clientNames calls found for every main.cf name that a database table in a
// value may read its settings from: with ldap:users that is users_server_host
// and so on (ldap_table(5), "obsolete main.cf parameters"). The error is that
// of a value that cannot be expanded; wrong gets what else is wrong.
func (e *Env) clientNames(value string, found, wrong func(string)) error {
	return e.clients(value, func(typ, name string) {
		if name[0] != '/' {
			for _, suffix := range paramdb.ClientNames(typ) {
				found(name + "_" + suffix)
			}
		}
	}, wrong)
}

// clients calls found for every type:name in a value whose type is that of a
// database client, as postconf(1) looks for them: it does not know whether
// the value is a list of tables at all. wrong gets braces that do not match.
func (e *Env) clients(value string, found func(typ, name string), wrong func(what string)) error {
	if strings.Contains(value, "$") {
		var err error
		if value, err = e.ExpandLoosely("", value); err != nil {
			return err
		}
	}
	if strings.ContainsAny(value, ":{") {
		w := clientWalk{found, wrong, e.Version.packed() >= paramdb.V(3, 11, 0)}
		w.value(value, 0)
	}
	return nil
}

type clientWalk struct {
	found func(typ, name string)
	wrong func(what string)
	debug bool // the release knows debug:type:name
}

func (w *clientWalk) value(value string, depth int) {
	if depth > maxNesting {
		return
	}
	for _, elem := range table.Elements(value) {
		if strings.HasPrefix(elem, "{") {
			w.braced(elem, depth)
			continue
		}
		typ, name, ok := strings.Cut(elem, ":")
		for ok && (typ == "proxy" || typ == "debug" && w.debug) {
			typ, name, ok = strings.Cut(name, ":")
		}
		switch {
		case !ok || name == "" || name[0] == '.':
		case name[0] == '{':
			w.braced(name, depth)
		case paramdb.ClientNames(typ) != nil:
			w.found(typ, name)
		}
	}
}

// braced looks at an element that starts with a brace.
func (w *clientWalk) braced(elem string, depth int) {
	inside := elem[1:]
	switch n := cflines.Braced(elem); {
	case n == 0:
		w.wrong(fmt.Sprintf("missing '}' in \"%s\"", elem))
	case n < len(elem):
		w.wrong(fmt.Sprintf("syntax error after '}' in \"%s\"", elem))
		inside = elem[1 : n-1]
	default:
		inside = elem[1 : n-1]
	}
	w.value(inside, depth+1)
}

// ClientFiles returns the database client files (ldap_table(5), mysql_table(5)
// and the like) that values set in main.cf and in service options name, each
// once, with the parameter names that their type of table reads.
func (e *Env) ClientFiles() (specs []table.Spec, names [][]string) {
	seen := map[table.Spec]bool{}
	found := func(typ, name string) {
		if s := (table.Spec{Type: typ, Name: name}); name[0] == '/' && !seen[s] {
			seen[s] = true
			specs = append(specs, s)
			names = append(names, paramdb.ClientNames(typ))
		}
	}
	look := func(name, value string) {
		if e.raw(name) {
			return
		}
		if e.ownParam(name) {
			_ = e.clients(value, found, func(string) {}) // Use has the errors
		}
	}
	for i := range e.Services {
		for _, name := range slices.Sorted(maps.Keys(e.Services[i].Overrides)) {
			look(name, e.Services[i].Overrides[name])
		}
	}
	set := e.effective()
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if !e.hasOverride(name) {
			look(name, set[name].Value())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Overrides)) {
		look(name, e.Overrides[name])
	}
	return specs, names
}

// maxNesting bounds braces inside braces.
const maxNesting = 100

// insideBraces returns what is between the braces around an element.
func insideBraces(elem string) string {
	return strings.TrimSuffix(strings.TrimPrefix(elem, "{"), "}")
}

// A Use tells what a configuration makes of the names set in it, as the
// warnings of postconf(1) do.
type Use struct {
	// Unused are names of main.cf, and of Overrides, that Postfix does not
	// use: not a parameter of the release, nor made from a service, nor a
	// restriction class, nor referred to as $name by another value. A misspelt
	// name is one of them.
	Unused []string
	// Unknown are the $names with neither a value nor a default, once for
	// every value that refers to them; those in master.cf options are in
	// UnknownInMaster.
	Unknown, UnknownInMaster []string
	// User are names of main.cf, and of Overrides, that Postfix does not know
	// but another value refers to.
	User []string
	// UnusedOptions are the names in the Overrides of each of Services that
	// Postfix does not use.
	UnusedOptions [][]string
	// Malformed are the values of main.cf, Overrides and service options that
	// are not in the $name language, and elements with braces that do not
	// match, each a [*ParamError].
	Malformed []error
	// Err is the [*ParamError] of the first value of a parameter of Postfix
	// that cannot be expanded, which postconf(1) stops at, or nil.
	Err error
}

// Use finds out which names count. The lists are sorted.
func (e *Env) Use() Use {
	u := e.usage()
	out := Use{Malformed: u.malformed, Err: u.err}
	names := e.effective()
	for name := range e.Overrides {
		names[name] = nil
	}
	for name := range names {
		_, known := e.known(name)
		switch {
		case u.used[name] != 0:
			out.User = append(out.User, name)
		case !known:
			out.Unused = append(out.Unused, name)
		}
	}
	slices.Sort(out.User)
	slices.Sort(out.Unused)
	for _, n := range u.undefined {
		if n.master {
			out.UnknownInMaster = append(out.UnknownInMaster, n.name)
		} else {
			out.Unknown = append(out.Unknown, n.name)
		}
	}
	slices.Sort(out.Unknown)
	slices.Sort(out.UnknownInMaster)
	for i := range e.Services {
		var unused []string
		for name := range e.Services[i].Overrides {
			if _, known := e.known(name); !known && u.used[name] == 0 && !u.services[i][name] && !u.classes[name] {
				unused = append(unused, name)
			}
		}
		slices.Sort(unused)
		out.UnusedOptions = append(out.UnusedOptions, unused)
	}
	return out
}

// Unused yields the settings of main.cf that Postfix does not use, in the
// order of the file; see [Use]. Settings that a later one overrides are left
// out.
func (e *Env) Unused() iter.Seq[*Assignment] {
	return func(yield func(*Assignment) bool) {
		if e.Main == nil {
			return
		}
		u, set := e.usage(), e.effective()
		for a := range e.Main.All() {
			name := a.Name()
			if set[name] != a || u.used[name] != 0 {
				continue
			}
			if _, known := e.known(name); !known && !yield(a) {
				return
			}
		}
	}
}

// Check reports what Postfix would warn about in the names of main.cf, and more:
//
//   - "unknown-parameter": set, but not used (see [Env.Unused]), with the nearest
//     known names as fixes;
//   - "undefined-name": a $name with neither a value nor a default;
//   - "removed-parameter", "deprecated-parameter": with the name to use instead;
//   - "ignored-parameter": accepted by the release but without effect;
//   - "read-only-parameter": only Postfix sets it;
//   - "bad-value": not of the type, or outside the limits, of the parameter;
//   - "newer-syntax": an expression that the release does not know;
//   - "bad-expression": not in the $name language, or referring to itself.
//
// What [File.Check] finds in the text alone is not repeated.
func (e *Env) Check() diag.List {
	var found diag.List
	if e.Main == nil {
		return found
	}
	report := func(s diag.Severity, at diag.Span, check, message string, fixes ...diag.Fix) {
		d := e.Main.finding(s, at, check, message)
		d.Fixes = fixes
		found = append(found, d)
	}
	u := e.usage()
	set := e.effective()
	for a := range e.Main.All() {
		if set[a.Name()] != a {
			continue
		}
		if e.checkName(a, u, report) {
			e.checkValue(a, report)
		}
	}
	var p places // of the value that names the last one
	for _, n := range u.undefined {
		if n.at != nil {
			if p.a != n.at {
				p = n.at.places()
			}
			at := diag.Span{Start: p.pos(n.offset)}
			report(diag.Warning, at, "undefined-name", "$"+n.name+" has neither a value nor a default"+didYouMean(u.suggest(n.name)))
		}
	}
	found.Sort()
	return slices.CompactFunc(found, func(a, b diag.Diagnostic) bool { return a.String() == b.String() })
}

// suggest is Suggest for a name that may come many times.
func (u *usage) suggest(name string) []string {
	near, ok := u.near[name]
	if !ok {
		near = Suggest(name)
		u.near[name] = near
	}
	return near
}

type reporter func(s diag.Severity, at diag.Span, check, message string, fixes ...diag.Fix)

// checkName reports what is wrong with the name, and whether its value counts.
func (e *Env) checkName(a *Assignment, u *usage, report reporter) bool {
	name, at := a.Name(), a.NameSpan()
	rename := func(to string) diag.Fix {
		return diag.Fix{Message: "rename to " + to, Edits: []diag.Edit{{
			File: e.Main.name, Start: at.Start.Offset, End: at.End.Offset, New: to,
		}}}
	}
	p := paramdb.Find(name)
	_, known := e.known(name)
	switch {
	case known && p != nil && p.Status == paramdb.ReadOnly:
		report(diag.Warning, at, "read-only-parameter", name+" is set by Postfix; the setting is ignored")
		return false
	case known && p != nil && p.Ignored != 0 && p.Ignored <= e.Version.packed():
		report(diag.Warning, at, "ignored-parameter", name+" has no effect since Postfix "+unpack(p.Ignored).Branch().String())
		return true
	case known && p != nil && p.Deprecated != 0 && p.Deprecated <= e.Version.packed():
		report(diag.Warning, at, "deprecated-parameter", "support for "+name+" will be removed; instead, "+p.Advice)
		return true
	case known || u.used[name] != 0:
		return true
	case p != nil && p.Removed != 0 && p.Removed <= e.Version.packed():
		message := name + " was removed in Postfix " + unpack(p.Removed).Branch().String()
		if p.Replaced != "" {
			message += "; use " + p.Replaced
		}
		report(diag.Warning, at, "removed-parameter", message)
	case p != nil:
		report(diag.Warning, at, "unknown-parameter", name+" exists since Postfix "+unpack(p.Since).Branch().String())
	default:
		var fixes []diag.Fix
		for _, to := range u.suggest(name) {
			if set := e.Main.Find(to); set == nil {
				fixes = append(fixes, rename(to))
			}
		}
		report(diag.Warning, at, "unknown-parameter", "unknown parameter "+name+didYouMean(u.suggest(name)), fixes...)
	}
	return false
}

func (e *Env) checkValue(a *Assignment, report reporter) {
	newer := false
	var p places
	if !e.raw(a.Name()) {
		// Its error is found again below, with the parameter it came from.
		_ = macro.Newer(a.Value(), func(s macro.Syntax, offset int) {
			if paramdb.V(s.Major, s.Minor, 0) > e.Version.packed() {
				if p.a == nil {
					p = a.places()
				}
				report(diag.Error, diag.Span{Start: p.pos(offset)}, "newer-syntax", fmt.Sprintf("%s needs Postfix %d.%d", s.What, s.Major, s.Minor))
				newer = true
			}
		})
	}
	if newer {
		return
	}
	if _, err := e.expandValue(a); err != nil {
		report(diag.Error, a.ValueSpan(), "bad-expression", err.Error())
		return
	}
	if err := e.typeError(a.Name()); err != nil {
		report(diag.Error, a.ValueSpan(), "bad-value", a.Name()+": "+err.Error())
	}
}

// expandValue expands the value of an assignment, with undefined names
// standing for nothing.
func (e *Env) expandValue(a *Assignment) (string, error) {
	if e.raw(a.Name()) {
		return a.Value(), nil
	}
	return e.ExpandLoosely(a.Name(), a.Value())
}

// raw reports whether the value of a parameter is taken as it is.
func (e *Env) raw(name string) bool {
	p := paramdb.Find(name)
	return p != nil && p.KindAt(e.Version.packed()) == paramdb.Raw
}
