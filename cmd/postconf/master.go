package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/maincf"
	"github.com/postfixkit/postfixkit/mastercf"
)

// master shows and edits master.cf: -M, -F and -P, alone or with -e, -X and -#.
func (c *command) master(operands []string) error {
	if c.mode&editModes != 0 {
		if len(operands) == 0 {
			return fatalf("missing service argument")
		}
		return c.editMaster(operands)
	}
	m, err := c.readMaster()
	if err != nil {
		return err
	}
	requests, err := c.masterRequests(operands)
	if err != nil {
		return err
	}
	if err := m.show(requests); err != nil {
		return err
	}
	for _, r := range requests {
		if !r.matched {
			c.warning("unmatched request: \"%s\"", r.text)
		}
	}
	if c.warn {
		for i, s := range m.env.Services {
			c.warnNames("master.cf", s.Overrides, m.use.UnusedOptions[i], m.env)
		}
	}
	return nil
}

// masterView is what -M, -F and -P show.
type masterView struct {
	c        *command
	services []*mastercf.Service
	env      *maincf.Env // Services has one element for each of services
	use      maincf.Use

	last      *maincf.Env // what scope returned for lastScope
	lastScope int
}

// readMaster reads both files.
func (c *command) readMaster() (*masterView, error) {
	src, err := os.ReadFile(c.masterPath())
	if err != nil {
		return nil, fatalf("open %s: %s", c.masterPath(), reason(err))
	}
	m := &masterView{c: c}
	if m.services, err = c.parseMaster(src); err != nil {
		return nil, err
	}
	if m.env, err = c.environment(true); err != nil {
		return nil, err
	}
	m.env.Services = masterServices(m.services)
	m.use, err = c.use(m.env)
	return m, err
}

// A masterRequest is an operand: service[/type[/field or parameter]], "*" for
// any.
type masterRequest struct {
	text           string
	service, type_ string
	third          string
	field          mastercf.Field // with -F; 0 for any
	matched        bool
}

func (r *masterRequest) matches(service, type_ string) bool {
	return (r.service == "*" || r.service == service) && (r.type_ == "*" || r.type_ == type_)
}

// masterPattern splits a pattern at its slashes into at most the given number
// of parts; false when there are too few or too many, or a "*" is not alone.
func masterPattern(text string, least, most int) (r masterRequest, ok bool) {
	parts := strings.FieldsFunc(text, func(c rune) bool { return c == '/' })
	if strings.HasPrefix(text, "/") || len(parts) < least || len(parts) > most {
		return r, false
	}
	for _, p := range parts {
		if p != "*" && strings.Contains(p, "*") {
			return r, false
		}
	}
	for len(parts) < 3 {
		parts = append(parts, "*")
	}
	return masterRequest{service: parts[0], type_: parts[1], third: parts[2]}, true
}

// masterRequests reads the operands of a display.
func (c *command) masterRequests(operands []string) (all []*masterRequest, err error) {
	most, usage := 3, "-P option requires service_name[/type[/parameter]]"
	switch {
	case c.mode&masterEntry != 0:
		most, usage = 2, "-M option requires service_name[/type]"
	case c.mode&masterFields != 0:
		usage = "-F option requires service_name[/type[/field]]"
	}
	for _, text := range operands {
		r, ok := masterPattern(text, 1, most)
		if !ok {
			return nil, fatalf("%s", usage)
		}
		r.text = text
		if c.mode&masterFields != 0 {
			if err := r.parseField(); err != nil {
				return nil, err
			}
		}
		all = append(all, &r)
	}
	return all, nil
}

func (r *masterRequest) parseField() error {
	if r.third == "*" {
		return nil
	}
	var ok bool
	if r.field, ok = mastercf.ParseField(r.third); !ok {
		return fatalf("invalid service attribute name: \"%s\"", r.third)
	}
	return nil
}

// expandFor replaces $name in an option value of service i.
func (m *masterView) expandFor(i int, text string) (string, error) {
	if m.c.mode&expand == 0 || !strings.Contains(text, "$") {
		return text, nil
	}
	if err := m.c.askMachine(m.env); err != nil {
		return "", err
	}
	text, err := m.scope(i).ExpandLoosely("", text)
	if err != nil {
		return "", m.c.macroError(err)
	}
	return text, nil
}

// scope is the environment of service i: its options before main.cf, and what
// Postfix itself sets before both.
func (m *masterView) scope(i int) *maincf.Env {
	if m.last != nil && m.lastScope == i {
		return m.last
	}
	env := *m.env
	env.Overrides = maps.Clone(m.env.Overrides)
	maps.Copy(env.Overrides, m.env.Services[i].Overrides)
	maps.Copy(env.Overrides, m.services[i].Runtime())
	m.last, m.lastScope = &env, i
	return &env
}

// show prints what is asked for, everything when nothing is.
func (m *masterView) show(requests []*masterRequest) error {
	for i, s := range m.services {
		if len(requests) == 0 {
			if err := m.showOne(i, &masterRequest{third: "*"}); err != nil {
				return err
			}
		}
		for _, r := range requests {
			if r.matches(s.Name(), string(s.Type())) {
				if err := m.showOne(i, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (m *masterView) showOne(i int, r *masterRequest) error {
	switch {
	case m.c.mode&masterEntry != 0:
		r.matched = true
		return m.showEntry(i)
	case m.c.mode&masterFields != 0:
		r.matched = true
		for col := mastercf.FieldService; col <= mastercf.FieldCommand; col++ {
			if r.field == 0 || r.field == col {
				if err := m.showField(i, col); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return m.showParams(i, r)
}

// expanded is the entry with the values of its options expanded for -x.
func (m *masterView) expanded(i int) (mastercf.Spec, error) {
	spec := m.services[i].Spec()
	for k := 1; k < len(spec.Args); k++ {
		if spec.Args[k-1] != "-o" {
			continue
		}
		var err error
		if spec.Args[k], err = m.expandFor(i, spec.Args[k]); err != nil {
			return spec, err
		}
		k++
	}
	return spec, nil
}

func (m *masterView) showEntry(i int) error {
	spec, err := m.expanded(i)
	if err != nil {
		return err
	}
	if m.c.mode&showJSON != 0 {
		var words []string
		for col := mastercf.FieldService; col <= mastercf.FieldCommand; col++ {
			words = append(words, spec.Field(col))
		}
		text := strings.Join(append(words, spec.FormatArgs()...), " ")
		fmt.Fprintf(m.c.stdout, "{%s: %s}\n", quoteJSON(namespace(m.services[i])), quoteJSON(text))
		return nil
	}
	m.c.stdout.WriteString(spec.Format(m.c.mode&foldLines != 0))
	return nil
}

// showField prints a column as service/type/field = value.
func (m *masterView) showField(i int, col mastercf.Field) error {
	spec, err := m.expanded(i)
	if err != nil {
		return err
	}
	name := namespace(m.services[i]) + "/" + col.String()
	var args []string
	if col == mastercf.FieldCommand {
		args = spec.FormatArgs()
	}
	out := m.c.stdout
	switch {
	case m.c.mode&showJSON != 0:
		fmt.Fprintf(out, "{%s: %s}\n", quoteJSON(name), quoteJSON(strings.Join(append([]string{spec.Field(col)}, args...), " ")))
	case m.c.mode&hideValue != 0:
		fmt.Fprintln(out, name)
	default:
		m.field(name, spec.Field(col), args)
	}
	return nil
}

// field prints one column, folded with -f: every option on a line of its own.
func (m *masterView) field(name, value string, args []string) {
	out, n := m.c.stdout, 0
	add := func(text string) { out.WriteString(text); n += len(text) }
	if m.c.mode&hideName == 0 {
		add(name + " = ")
		if n+len(value) > lineLimit {
			out.WriteString("\n" + lineIndent)
			n = len(lineIndent)
		}
	}
	add(value)
	inOptions := true
	for _, arg := range args {
		inOptions = inOptions && strings.HasPrefix(arg, "-") && arg != "--"
		size, hasValue := len(arg), inOptions && strings.Contains(arg, " ")
		if hasValue {
			n = lineLimit
		} else if !inOptions && strings.HasPrefix(arg, "{") {
			size -= 2 // as postconf counts
		}
		if n > len(lineIndent) {
			if m.c.mode&foldLines == 0 || n+1+size < lineLimit {
				add(" ")
			} else {
				out.WriteString("\n" + lineIndent)
				n = len(lineIndent)
			}
		}
		add(arg)
		if hasValue {
			n = lineLimit
		}
	}
	out.WriteByte('\n')
}

// showParams prints -o settings, with -PP all settings of a service.
func (m *masterView) showParams(i int, r *masterRequest) error {
	set := m.env.Services[i].Overrides
	if m.c.mode&masterPP != 0 {
		var err error
		if set, err = m.merged(i); err != nil {
			return err
		}
	}
	if set == nil {
		return nil
	}
	if r.third != "*" {
		value, ok := set[r.third]
		if !ok {
			return nil
		}
		r.matched = true
		return m.param(i, r.third, value)
	}
	r.matched = true
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if err := m.param(i, name, set[name]); err != nil {
			return err
		}
	}
	return nil
}

// merged is every parameter with the value that service i uses.
func (m *masterView) merged(i int) (map[string]string, error) {
	set := map[string]string{}
	env := m.scope(i)
	add := func(name string) {
		if v, ok := env.Source(name); ok {
			set[name] = v.Text
		} else if v, ok := m.env.Runtime[name]; ok {
			set[name] = v
		}
	}
	if err := m.c.askMachine(m.env); err != nil {
		return nil, err
	}
	env.Runtime = m.env.Runtime
	for p := range maincf.Params(m.env.Version) {
		if !p.Legacy || m.env.Main.Find(p.Name) != nil {
			add(p.Name)
		}
	}
	for name := range m.env.ServiceParams() {
		add(name)
	}
	for _, name := range m.use.User {
		add(name)
	}
	maps.Copy(set, m.env.Services[i].Overrides)
	return set, nil
}

func (m *masterView) param(i int, name, value string) error {
	full := namespace(m.services[i]) + "/" + name
	if m.c.mode&hideValue != 0 {
		m.c.line(full)
		return nil
	}
	value, err := m.expandFor(i, value)
	if err != nil {
		return err
	}
	switch {
	case m.c.mode&showJSON != 0:
		fmt.Fprintf(m.c.stdout, "{%s: %s}\n", quoteJSON(full), quoteJSON(value))
	case m.c.mode&hideName != 0:
		m.c.line(value)
	default:
		m.c.line(full + " = " + value)
	}
	return nil
}
