package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/maincf"
)

// showExplanations prints all that is known about parameters: --explain.
func (c *command) showExplanations() error {
	env, err := c.environment(true)
	if err != nil {
		return err
	}
	if env.Services, err = c.services(); err != nil {
		return err
	}
	if err := c.askMachine(env); err != nil {
		return err
	}
	for i, name := range c.explain {
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}
		if err := c.explainOne(env, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) explainOne(env *maincf.Env, name string) error {
	p, known := env.Param(name)
	v, steps, err := env.Steps(name)
	var unknown *maincf.UnknownError
	if errors.As(err, &unknown) && unknown.Name == name && v.Origin == 0 {
		return c.explainUnknown(unknown)
	}
	c.line(name + " = " + v.Text)
	show := func(label, format string, args ...any) {
		fmt.Fprintf(c.stdout, "    %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	if p.Summary != "" {
		show("about:", "%s", p.Summary)
	}
	show("from:", "%s", c.place(v.Origin, v.At))
	if v.Source != v.Text {
		show("written as:", "%s", v.Source)
		for _, s := range steps {
			show("", "%s$%s = %s (%s)", strings.Repeat("  ", s.Depth-1), s.Name, s.Source, c.place(s.Origin, s.At))
		}
	}
	if err != nil {
		show("error:", "%s", err)
	}
	if !known {
		show("unused:", "Postfix does not know this name, and no other value refers to it%s", suggestion(name))
		return nil
	}
	if p.Class == maincf.User {
		show("class:", "defined in main.cf, for use in other values")
		return nil
	}
	show("type:", "%s", typeText(p))
	c.explainDefault(show, p)
	c.explainHistory(show, p)
	return nil
}

func (c *command) explainUnknown(e *maincf.UnknownError) error {
	if p, ok := maincf.LookupParam(e.Name); ok {
		return fatalf("%s is not a parameter of Postfix %s: it exists from %s to %s%s", e.Name, c.version, p.Since, until(p), replaced(p))
	}
	return fatalf("%s", e)
}

func until(p maincf.Param) string {
	if p.Until.IsZero() {
		return "now"
	}
	return p.Until.String()
}

func replaced(p maincf.Param) string {
	if p.Replaced == "" {
		return ""
	}
	return "; use " + p.Replaced
}

func suggestion(name string) string {
	if near := maincf.Suggest(name); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return ""
}

// place says where a value comes from.
func (c *command) place(o maincf.Origin, at *maincf.Assignment) string {
	switch {
	case at != nil:
		return fmt.Sprintf("%s:%s", c.mainPath(), at.Span().Start)
	case o == maincf.FromDefault:
		v := c.version
		if v.IsZero() {
			v = maincf.Newest
		}
		return "default of Postfix " + v.String()
	case o == maincf.FromOverride:
		return "-o option"
	}
	return "found on this machine"
}

func typeText(p maincf.Param) string {
	text := p.Type.String()
	if p.Kind != "" {
		text += ": " + p.Kind
	}
	if len(p.Values) > 0 {
		text += " (" + strings.Join(p.Values, ", ") + ")"
	}
	unit := ""
	switch p.Type {
	case maincf.TimeType:
		unit = "s"
		if p.Unit != 0 {
			text += ", unit of a bare number " + string(rune(p.Unit))
		}
	case maincf.StringType:
		if p.Min != nil {
			return text + ", not empty"
		}
	}
	if p.Min != nil {
		text += fmt.Sprintf(", at least %d%s", *p.Min, unit)
	}
	if p.Max != nil {
		text += fmt.Sprintf(", at most %d%s", *p.Max, unit)
	}
	return text
}

func (c *command) explainDefault(show func(string, string, ...any), p maincf.Param) {
	switch {
	case p.Runtime:
		show("default:", "found on the running machine")
	case p.Default == "":
		show("default:", "empty")
	default:
		show("default:", "%s", p.Default)
	}
}

func (c *command) explainHistory(show func(string, string, ...any), p maincf.Param) {
	if p.Class == maincf.Service {
		show("class:", "made from the name of a master.cf service")
	}
	show("since:", "Postfix %s%s", p.Since.Branch(), map[bool]string{true: " or earlier"}[p.Since.Branch() == maincf.Oldest])
	if len(p.History) > 1 {
		for _, h := range p.History {
			text := h.Default
			if text == "" {
				text = "empty"
			}
			since := h.Since.Branch()
			if h.Since.Patch > 0 {
				since = h.Since
			}
			show("", "%s: %s", since, text)
		}
	}
	if p.Advice != "" && !p.Deprecated.IsZero() {
		show("deprecated:", "since Postfix %s; instead, %s", p.Deprecated.Branch(), p.Advice)
	}
	if !p.Ignored.IsZero() {
		show("ignored:", "without effect since Postfix %s", p.Ignored.Branch())
	}
}
