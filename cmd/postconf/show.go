package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/internal/macro"
	"github.com/postfixkit/postfixkit/maincf"
)

// showMain prints main.cf parameters: -n, -d, or neither, and the modifiers.
func (c *command) showMain(names []string) error {
	env, err := c.environment(c.mode&showDefaults == 0)
	if err != nil {
		return err
	}
	if env.Services, err = c.services(); err != nil {
		return err
	}
	var use maincf.Use
	if c.mode&showDefaults == 0 {
		if use, err = c.use(env); err != nil {
			return err
		}
	}
	p := &printer{c: c, env: env, use: use}
	if len(names) == 0 {
		err = p.all()
	} else {
		err = p.named(names)
	}
	if err != nil {
		return err
	}
	if c.mode&showDefaults == 0 && c.warn {
		c.warnUnused(env, use)
	}
	return nil
}

// environment is that of main.cf, unless only defaults are asked for, and of
// -o options; without services.
func (c *command) environment(withMain bool) (*maincf.Env, error) {
	env := &maincf.Env{Version: c.version, Runtime: map[string]string{"process_name": filepath.Base(c.prog)}}
	if withMain {
		src, err := os.ReadFile(c.mainPath())
		if err != nil {
			return nil, fatalf("open %s: %s", c.mainPath(), reason(err))
		}
		if env.Main, err = c.parseMain(src); err != nil {
			return nil, err
		}
		env.Runtime["config_directory"] = c.configDir
		env.Overrides = map[string]string{}
		for _, o := range c.overrides {
			name, value, why := splitNameValue(o)
			if why != "" {
				return nil, fatalf("invalid parameter override: %s: %s", o, why)
			}
			env.Overrides[name] = value
		}
	}
	return env, nil
}

// parseMain parses main.cf with the messages of Postfix, which stops at the
// first line it cannot use.
func (c *command) parseMain(src []byte) (*maincf.File, error) {
	f, _ := maincf.Parse(c.mainPath(), src) // what is wrong is said below, in the words of Postfix
	seen := map[string]string{"config_directory": c.configDir}
	for e := range f.Entries() {
		switch e := e.(type) {
		case *maincf.Bad:
			text, line := joined(e)
			if cflines.IsSpace(e.Raw()[0]) {
				c.warning("%s: logical line must not start with whitespace: \"%.30s%s\"", c.mainPath(), text, dots(text, 30))
				continue
			}
			_, _, why := splitNameValue(text)
			return nil, fatalf("%s, line %d: %s: \"%s\"", c.mainPath(), line, why, text)
		case *maincf.Assignment:
			if old, ok := seen[e.Name()]; ok && old != e.Value() {
				c.warning("%s, line %d: overriding earlier entry: %s=%s", c.mainPath(), e.Span().Start.Line, e.Name(), old)
			}
			seen[e.Name()] = e.Value()
			if strings.IndexByte(e.Raw(), 0) >= 0 && c.version.Compare(maincf.Version{Major: 3, Minor: 9}) >= 0 {
				c.warnNUL(e)
			}
		}
	}
	return f, nil
}

// warnNUL is the warning of Postfix 3.9 and later.
func (c *command) warnNUL(a *maincf.Assignment) {
	first, last := a.Span().Start.Line, a.Span().End.Line
	if strings.HasSuffix(a.Raw(), "\n") {
		last--
	}
	lines := fmt.Sprint(first)
	if last > first {
		lines = fmt.Sprintf("%d-%d", first, last)
	}
	c.warning("%s, line %s: text after null byte may be ignored", c.mainPath(), lines)
}

// joined returns the logical line of an entry as Postfix reads it, and the
// number of its first line.
func joined(e maincf.Entry) (text string, line int) {
	raw := []byte(e.Raw())
	it := cflines.Item{Kind: cflines.Logical, End: len(raw), Line: e.Span().Start.Line}
	b, _ := cflines.CutNUL(it.Text(raw).Bytes)
	return string(b), it.Line
}

func dots(text string, most int) string {
	if len(text) > most {
		return "..."
	}
	return ""
}

// splitNameValue splits "name = value" with the messages of Postfix.
func splitNameValue(text string) (name, value, why string) {
	b := cflines.TrimLeft([]byte(text))
	n := 0
	for n < len(b) && b[n] != '=' && !cflines.IsSpace(b[n]) {
		n++
	}
	if n == 0 {
		return "", "", "missing attribute name"
	}
	rest := cflines.TrimLeft(b[n:])
	if len(rest) == 0 || rest[0] != '=' {
		return "", "", "missing '=' after attribute name"
	}
	return string(b[:n]), string(cflines.Trim(rest[1:])), ""
}

// reason is an error in the words of the C library.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		switch errno {
		case syscall.ENOENT:
			return "No such file or directory"
		case syscall.EACCES:
			return "Permission denied"
		case syscall.ENOTDIR:
			return "Not a directory"
		case syscall.EISDIR:
			return "Is a directory"
		}
		return errno.Error()
	}
	return err.Error()
}

// use finds out which names count, with the warnings of Postfix about the
// values of all, and stops at what Postfix stops at: options of services come
// first, then the machine, then main.cf.
func (c *command) use(env *maincf.Env) (maincf.Use, error) {
	use := env.Use()
	var end *maincf.ParamError // where the run ends, before it comes to warnings about the same value
	if errors.As(use.Err, &end) && end.Name != "smtpd_restriction_classes" {
		end = nil
	}
	warn := func(services bool) {
		for _, err := range use.Malformed {
			var pe *maincf.ParamError
			switch errors.As(err, &pe); {
			case inService(err) != services, end != nil && pe.Name == end.Name && pe.Service == end.Service:
			case maincf.IsExpansionError(err):
				c.warning("%s", macroText(err))
			case services:
				c.warning("master.cf:%s: %s", pe.Service, pe.Err)
			default:
				c.warning("main.cf: %s", pe.Err)
			}
		}
	}
	warn(true)
	c.warnServices(env, use)
	if inService(use.Err) {
		return use, c.macroError(use.Err)
	}
	if err := c.checkDefaults(env); err != nil {
		return use, err
	}
	warn(false)
	c.warnMain(env, use)
	if use.Err != nil {
		return use, c.macroError(use.Err)
	}
	c.warnClients(env)
	return use, nil
}

func inService(err error) bool {
	var pe *maincf.ParamError
	return errors.As(err, &pe) && pe.Service != ""
}

// checkDefaults reports what keeps Postfix from computing the defaults that
// depend on the machine, which it does whether they are asked for or not.
func (c *command) checkDefaults(env *maincf.Env) error {
	isSet := func(name string) bool {
		v, _ := env.Source(name)
		return v.Origin == maincf.FromMain || v.Origin == maincf.FromOverride
	}
	host, domain := isSet("myhostname"), isSet("mydomain")
	if host && !domain {
		if _, err := env.Eval("mydomain"); maincf.IsExpansionError(err) {
			return c.dictionaryError("mail_dict", err)
		}
	}
	if !isSet("mynetworks") {
		if err := env.CheckNetworkSettings(); err != nil {
			return c.machineError(err)
		}
	}
	// What is left needs the machine, and time. Most files leave nothing.
	if domain && !host || isSet("inet_interfaces") {
		return c.askMachine(env)
	}
	return nil
}

// machineError reports a value that keeps Postfix from knowing its machine.
func (c *command) machineError(err error) error {
	var pe *maincf.ParamError
	switch {
	case !maincf.IsExpansionError(err):
		return fatalf("%s", err)
	case errors.As(err, &pe):
		return c.dictionaryError("mail_dict", err)
	}
	return c.macroError(err) // in a default
}

// macroError reports a value that cannot be expanded, as Postfix does.
func (c *command) macroError(err error) error {
	var pe *maincf.ParamError
	if errors.As(err, &pe) && pe.Name == "smtpd_restriction_classes" {
		dictionary := "mail_dict"
		if pe.Service != "" {
			dictionary = pe.Service
		}
		return c.dictionaryError(dictionary, err)
	}
	return c.expansionError("macro processing error", err)
}

// dictionaryError is macroError for a value that Postfix expands where it is
// kept.
func (c *command) dictionaryError(dictionary string, err error) error {
	return c.expansionError("dictionary "+dictionary+": macro processing error", err)
}

func (c *command) expansionError(end string, err error) error {
	var me *macro.Error
	if errors.As(err, &me) && me.Fatal {
		return fatalf("%s", me)
	}
	c.warning("%s", macroText(err))
	return fatalf("%s", end)
}

// macroText is what is wrong with a value, without where it was found.
func macroText(err error) string {
	var me *macro.Error
	if errors.As(err, &me) {
		return me.Error()
	}
	var pe *maincf.ParamError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}

// warnServices warns about names in options of services that Postfix does not
// know or ignores, and takes the latter out.
func (c *command) warnServices(env *maincf.Env, use maincf.Use) {
	for _, name := range use.UnknownInMaster {
		c.warning("%s/master.cf: undefined parameter: %s", c.configDir, name)
	}
	for i := range env.Services {
		c.dropReadOnly(&env.Services[i])
	}
}

// warnMain warns about such names in main.cf.
func (c *command) warnMain(env *maincf.Env, use maincf.Use) {
	for _, name := range use.Unknown {
		c.warning("%s/main.cf: undefined parameter: %s", c.configDir, name)
	}
	for a := range env.Main.All() {
		if p, ok := maincf.LookupParam(a.Name()); ok && p.ReadOnly && env.Main.Find(a.Name()) == a {
			c.warning("%s/main.cf: read-only parameter assignment: %s=%s", c.configDir, a.Name(), a.Value())
		}
	}
}

// warnUnused warns about names that are set and not used, or going away.
func (c *command) warnUnused(env *maincf.Env, use maincf.Use) {
	set := map[string]string{}
	for a := range env.Main.All() {
		set[a.Name()] = a.Value()
	}
	for name, value := range env.Overrides {
		set[name] = value
	}
	c.warnNames("main.cf", set, use.Unused, env)
	for i, s := range env.Services {
		c.warnNames("master.cf", s.Overrides, use.UnusedOptions[i], env)
	}
}

func (c *command) warnNames(file string, set map[string]string, unused []string, env *maincf.Env) {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		advice, warns := deprecation(name, env.Version)
		_, isUnused := slices.BinarySearch(unused, name)
		switch {
		case isUnused && warns:
			c.warning("%s/%s: support for parameter %s has been removed; instead, %s", c.configDir, file, name, advice)
			c.deprecated = true
		case isUnused:
			c.warning("%s/%s: unused parameter: %s=%s", c.configDir, file, name, set[name])
		case warns:
			c.warning("%s/%s: support for parameter \"%s\" will be removed; instead, %s", c.configDir, file, name, advice)
			c.deprecated = true
		}
	}
}

// deprecation is how the warning about a name ends in a release, if there is
// one.
func deprecation(name string, v maincf.Version) (advice string, warns bool) {
	p, ok := maincf.LookupParam(name)
	if !ok || p.Advice == "" || p.Deprecated.IsZero() || v.Compare(p.Deprecated) < 0 {
		return "", false
	}
	return p.Advice, true
}

// printer prints parameters in the form the options ask for.
type printer struct {
	c   *command
	env *maincf.Env
	use maincf.Use
}

// param returns what is known about a name. It asks the Env only about names
// that are not already known to be the user's own.
func (p *printer) param(name string) (maincf.Param, bool) {
	if _, user := slices.BinarySearch(p.use.User, name); user {
		return maincf.Param{Name: name, Class: maincf.User}, true
	}
	if _, unused := slices.BinarySearch(p.use.Unused, name); unused {
		return maincf.Param{}, false
	}
	if p.c.mode&showDefaults != 0 {
		return p.env.Param(name)
	}
	class, raw, ok := p.env.Class(name)
	param := maincf.Param{Name: name, Class: class, Runtime: runtimeNames[name]}
	if raw {
		param.Type = maincf.RawType
	}
	return param, ok
}

// runtimeNames have no default of their own.
var runtimeNames = map[string]bool{"myhostname": true, "mydomain": true, "mynetworks": true, "process_id": true}

// runtime asks the machine for what only it knows, when that is needed.
func (p *printer) runtime() error { return p.c.askMachine(p.env) }

// askMachine puts what only the machine knows into an environment, once.
func (c *command) askMachine(env *maincf.Env) error {
	if _, ok := env.Runtime["process_id"]; ok {
		return nil
	}
	run, err := maincf.Machine(env)
	var pe *maincf.ParamError
	if v, _ := env.Source("mynetworks"); err != nil && (v.Origin != maincf.FromMain && v.Origin != maincf.FromOverride || errors.As(err, &pe) && pe.Name == "mydomain") {
		return c.machineError(err)
	}
	if nets := run["mynetworks"]; nets != "" {
		run["mynetworks"] += " " // as Postfix has it; $mynetworks shows it
	}
	env.Runtime = run
	return nil
}

// all prints every parameter, by name.
func (p *printer) all() error {
	var names []string
	switch {
	case p.c.mode&showNonDefault != 0:
		names = p.setNames()
	default:
		for param := range maincf.Params(p.env.Version) {
			if !param.Legacy {
				names = append(names, param.Name)
			}
		}
		for name := range p.env.ServiceParams() {
			names = append(names, name)
		}
		names = append(names, p.use.User...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		param, ok := p.param(name)
		if !ok || p.c.classes&(1<<param.Class) == 0 {
			continue
		}
		if err := p.one(name, param); err != nil {
			return err
		}
	}
	return nil
}

// setNames are the names that have a value in main.cf, or by other means.
func (p *printer) setNames() (names []string) {
	for a := range p.env.Main.All() {
		names = append(names, a.Name())
	}
	for name := range p.env.Overrides {
		names = append(names, name)
	}
	return append(names, "config_directory")
}

// named prints the parameters of the command line.
func (p *printer) named(names []string) error {
	for _, name := range names {
		param, ok := p.param(name)
		if !ok {
			p.c.warning("%s: unknown parameter", name)
			continue
		}
		if err := p.one(name, param); err != nil {
			return err
		}
	}
	return nil
}

// value returns what to print for a parameter, unexpanded.
func (p *printer) value(name string, param maincf.Param) (value string, ok bool, err error) {
	if p.c.mode&showDefaults != 0 {
		if param.Runtime {
			err = p.runtime()
			return p.env.Runtime[name], err == nil, err
		}
		if v, ok := p.env.Runtime[name]; ok && name == "process_name" {
			return v, true, nil
		}
		return param.Default, true, nil
	}
	if v, ok := p.env.Source(name); ok {
		if v.Origin == maincf.FromDefault || v.Origin == maincf.FromRuntime && name != "config_directory" {
			return v.Text, p.c.mode&showNonDefault == 0, nil
		}
		return v.Text, true, nil
	}
	if !param.Runtime || p.c.mode&showNonDefault != 0 {
		return "", false, nil
	}
	err = p.runtime()
	return p.env.Runtime[name], err == nil, err
}

func (p *printer) one(name string, param maincf.Param) error {
	value, ok, err := p.value(name, param)
	if !ok || err != nil {
		return err
	}
	if p.c.mode&hideValue != 0 {
		p.c.line(name)
		return nil
	}
	if p.c.mode&expand != 0 && param.Type != maincf.RawType && strings.Contains(value, "$") {
		if err := p.runtime(); err != nil {
			return err
		}
		expanded, err := p.env.ExpandLoosely(name, value)
		if err != nil {
			return p.c.macroError(err)
		}
		value = expanded
	}
	switch {
	case p.c.mode&showJSON != 0:
		fmt.Fprintf(p.c.stdout, "{%s: %s}\n", quoteJSON(name), quoteJSON(value))
	case p.c.mode&hideName != 0:
		p.c.line(value)
	default:
		p.c.line(name + " = " + value)
	}
	return nil
}

// The words of a line are separated by one space, or by a new line and an
// indentation where the line would become too long and -f was given.
const (
	lineLimit  = 80
	lineIndent = "    "
)

func (c *command) line(text string) {
	length := 0
	for _, word := range strings.FieldsFunc(text, isBlank) {
		if length > 0 {
			if c.mode&foldLines == 0 || length+len(word) < lineLimit {
				c.stdout.WriteByte(' ')
				length++
			} else {
				c.stdout.WriteString("\n" + lineIndent)
				length = len(lineIndent)
			}
		}
		c.stdout.WriteString(word)
		length += len(word)
	}
	c.stdout.WriteByte('\n')
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// quoteJSON quotes as Postfix does: bytes above 127 stay as they are.
func quoteJSON(s string) string {
	b := []byte{'"'}
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; {
		case ch == '"' || ch == '\\':
			b = append(b, '\\', ch)
		case ch == '\b':
			b = append(b, `\b`...)
		case ch == '\f':
			b = append(b, `\f`...)
		case ch == '\n':
			b = append(b, `\n`...)
		case ch == '\r':
			b = append(b, `\r`...)
		case ch == '\t':
			b = append(b, `\t`...)
		case ch < ' ' || ch == 0x7f:
			b = fmt.Appendf(b, `\u%04X`, ch)
		default:
			b = append(b, ch)
		}
	}
	return string(append(b, '"'))
}
