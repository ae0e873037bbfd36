package main

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/maincf"
	"github.com/postfixkit/postfixkit/mastercf"
)

// services reads what main.cf parameters depend on from master.cf: service
// names, their programs, and -o options. A missing file is a warning.
func (c *command) services() ([]maincf.MasterService, error) {
	src, err := os.ReadFile(c.masterPath())
	if err != nil {
		c.warning("open %s: %s", c.masterPath(), reason(err))
		return nil, nil
	}
	all, err := c.parseMaster(src)
	return masterServices(all), err
}

// parseMaster returns the services of a master.cf, with the messages of
// Postfix, which stops at the first entry it cannot use.
func (c *command) parseMaster(src []byte) (all []*mastercf.Service, err error) {
	f, _ := mastercf.Parse(c.masterPath(), src)
	for e := range f.Entries() {
		switch e := e.(type) {
		case *mastercf.Bad:
			if text := joinedMaster(e); text != "" && cflines.IsSpace(text[0]) {
				c.warning("%s: logical line must not start with whitespace: \"%.30s%s\"", c.masterPath(), text, dots(text, 30))
				continue
			}
			return nil, fatalf("file %s: line %d: bad field count", c.masterPath(), e.Span().Start.Line)
		case *mastercf.Service:
			if err := c.checkEntry(e.Spec(), cString(e.Text())); err != nil {
				return nil, err
			}
			c.warnBraces(e)
			all = append(all, e)
		}
	}
	return all, nil
}

// masterServices are the services as package maincf wants them. Entries of the
// same name and type share their options: postconf keeps them by that name.
func masterServices(all []*mastercf.Service) []maincf.MasterService {
	shared := map[string]map[string]string{}
	out := make([]maincf.MasterService, len(all))
	for i, s := range all {
		ns := namespace(s)
		for o := range s.Options() {
			if shared[ns] == nil {
				shared[ns] = map[string]string{}
			}
			shared[ns][o.Name] = o.Value
		}
		out[i] = maincf.MasterService{Name: s.Name(), Type: string(s.Type()), Command: s.Command(), Overrides: shared[ns]}
	}
	return out
}

func namespace(s *mastercf.Service) string { return s.Name() + "/" + string(s.Type()) }

// dropReadOnly takes out options that Postfix ignores, with a warning.
func (c *command) dropReadOnly(s *maincf.MasterService) {
	for _, name := range slices.Sorted(maps.Keys(s.Overrides)) {
		if p, ok := maincf.LookupParam(name); ok && p.ReadOnly {
			c.warning("%s/master.cf: read-only parameter assignment: %s=%s", c.configDir, name, s.Overrides[name])
			delete(s.Overrides, name)
		}
	}
}

// joinedMaster is the logical line of an entry that is no service.
func joinedMaster(e mastercf.Entry) string {
	raw := []byte(e.Raw())
	it := cflines.Item{Kind: cflines.Logical, End: len(raw)}
	return cString(string(it.Text(raw).Bytes))
}

// cString is s up to a NUL byte.
func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// checkEntry refuses columns as Postfix does.
func (c *command) checkEntry(s mastercf.Spec, text string) error {
	bad := func(col mastercf.Field) error {
		return fatalf("invalid %s field \"%s\" in \"%s\"", col, s.Field(col), strings.ReplaceAll(text, "\n", " "))
	}
	if !s.Type.Valid() {
		return bad(mastercf.FieldType)
	}
	for col := mastercf.FieldPrivate; col <= mastercf.FieldChroot; col++ {
		if v := s.Field(col); v != "y" && v != "n" && v != "-" {
			return bad(col)
		}
	}
	digits := func(v string) bool { return strings.Trim(v, "0123456789") == "" }
	if v := strings.TrimSuffix(s.Field(mastercf.FieldWakeup), "?"); v != "-" && !digits(v) {
		return bad(mastercf.FieldWakeup)
	}
	if v := s.Field(mastercf.FieldProcessLimit); v != "-" && !digits(v) {
		return bad(mastercf.FieldProcessLimit)
	}
	return nil
}

// warnBraces warns about text in { } that is not as it should be.
func (c *command) warnBraces(s *mastercf.Service) {
	args := s.Args()
	options := len(args) - len(s.Words())
	for i, arg := range args {
		raw := s.ArgSource(i)
		if !strings.HasPrefix(raw, "{") {
			continue
		}
		switch end := cflines.Braced(raw); {
		case end == 0:
			c.warning("master.cf: missing '}' in \"%s\"", raw)
		case end < len(raw):
			c.warning("master.cf: syntax error after '}' in \"%s\"", raw)
		}
		if i < options {
			if _, _, why := splitNameValue(arg); why != "" {
				c.warning("master.cf: %s: \"%s\"", why, arg)
			}
		}
	}
}
