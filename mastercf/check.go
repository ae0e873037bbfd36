package mastercf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
)

// CheckOptions adjust [File.Check]. The zero value, or nil, checks against
// Postfix alone.
type CheckOptions struct {
	Defaults Defaults
	// Programs are further programs in daemon_directory. They are known, and
	// nothing is demanded of them.
	Programs []string
}

// Check reports what is wrong with the services in force, beyond what [Parse]
// reports: an Error is something the daemon refuses to start with, a Warning
// something it ignores or that is surely not meant. The ids of the findings:
//
//	unknown-daemon              program does not come with Postfix
//	duplicate-service           master(8) uses the last definition only
//	service-endpoint            inet service with a bad host or port
//	service-type                the program cannot serve the type
//	private-inet                inet service that is not "n" in the private column
//	privileges-needed           program that has to start as root
//	chroot-impossible           program that cannot be chrooted, or should not
//	process-limit               process limit the program demands
//	wakeup-missing              program that does nothing without being woken up
//	bad-override                -o that is no name=value
//	override-ignored            -o of a name Postfix sets itself
//	duplicate-override          -o of a name that is set again behind it
//	quoted-argument             quotes, which mean nothing in master.cf
//	unexpected-argument         argument the program refuses or ignores
//	internal-option             option master(8) uses itself
//	pipe-attributes             pipe(8) or spawn(8) arguments
//	options-after-disabled      options behind a commented-out service, read by the one before
func (f *File) Check(o *CheckOptions) diag.List {
	if o == nil {
		o = &CheckOptions{}
	}
	c := checker{file: f, opts: o}
	first := map[string]*Service{}
	for _, s := range f.active {
		id := s.identity()
		if old := first[id]; old != nil {
			c.add(diag.Warning, "duplicate-service", s.FieldSpan(FieldService), fmt.Sprintf("service %s/%s is defined again; Postfix uses the last definition", s.Name(), s.Type()))
			c.found[len(c.found)-1].Related = []diag.Related{{File: f.name, Span: old.FieldSpan(FieldService), Message: "defined here before"}}
		}
		first[id] = s
		c.service(s)
	}
	for _, s := range f.disabled {
		if s.stray {
			c.add(diag.Warning, "options-after-disabled", s.FieldSpan(FieldService),
				fmt.Sprintf("%s/%s is commented out, but lines after it are not: they are arguments of the service before it", s.Name(), s.Type()))
		}
	}
	c.found.Sort()
	return c.found
}

type checker struct {
	file  *File
	opts  *CheckOptions
	found diag.List
}

func (c *checker) add(sev diag.Severity, id string, at diag.Span, message string, fixes ...diag.Fix) {
	c.found = append(c.found, diag.Diagnostic{File: c.file.name, Span: at, Severity: sev, Check: id, Message: message, Fixes: fixes})
}

// fix proposes another value for a column.
func (c *checker) fix(s *Service, col Field, v string) diag.Fix {
	edits := s.fieldEdits(col, v)
	for i := range edits {
		edits[i].File = c.file.name
	}
	return diag.Fix{Message: fmt.Sprintf("set %s to %s", col, v), Edits: edits}
}

func (c *checker) service(s *Service) {
	if s.Type() == Inet {
		if _, err := ParseEndpoint(s.Name()); err != nil {
			c.add(diag.Error, "service-endpoint", s.FieldSpan(FieldService), strings.TrimPrefix(err.Error(), "mastercf: "))
		}
		if v := s.Field(FieldPrivate); v == "-" || v == "y" {
			c.add(diag.Error, "private-inet", s.FieldSpan(FieldPrivate), fmt.Sprintf("inet service %s must have n in the private column, not %s; Postfix does not start", s.Name(), v), c.fix(s, FieldPrivate, "n"))
		}
	}
	command := s.Command()
	program := command[strings.LastIndexByte(command, '/')+1:]
	d, known := LookupDaemon(program)
	if !known && !slices.Contains(c.opts.Programs, command) {
		m, fixes := fmt.Sprintf("%q is no daemon that comes with Postfix", program), []diag.Fix(nil)
		if near := suggest(program); near != "" {
			m += fmt.Sprintf(" (did you mean %s?)", near)
			fixes = append(fixes, c.fix(s, FieldCommand, near))
		}
		c.add(diag.Warning, "unknown-daemon", s.FieldSpan(FieldCommand), m, fixes...)
	}
	if known {
		c.demands(s, d)
	}
	c.arguments(s, d)
}

func (c *checker) demands(s *Service, d Daemon) {
	if s.Type().Valid() && !slices.Contains(d.Types, s.Type()) {
		var names []string
		for _, t := range d.Types {
			names = append(names, string(t))
		}
		c.add(diag.Error, "service-type", s.FieldSpan(FieldType), fmt.Sprintf("%s cannot serve type %s (want %s)", d.Program, s.Type(), strings.Join(names, ", ")))
	}
	if v := s.Field(FieldUnprivileged); d.Privileged && (v == "-" || v == "y") {
		c.add(diag.Error, "privileges-needed", s.FieldSpan(FieldUnprivileged), fmt.Sprintf("%s has to start as root: the unprivileged column must be n, not %s", d.Program, v), c.fix(s, FieldUnprivileged, "n"))
	}
	v := s.Field(FieldChroot)
	chrooted := v == "y" || v == "-" && c.opts.Defaults.Chroot
	switch {
	case chrooted && d.NoChroot:
		c.add(diag.Error, "chroot-impossible", s.FieldSpan(FieldChroot), fmt.Sprintf("%s cannot be chrooted: the chroot column must be n", d.Program), c.fix(s, FieldChroot, "n"))
	case chrooted && d.Program == "proxymap":
		c.add(diag.Warning, "chroot-impossible", s.FieldSpan(FieldChroot), "a chrooted proxymap reaches no more tables than its chrooted clients, which defeats its purpose", c.fix(s, FieldChroot, "n"))
	}
	if now, err := s.Settings(&c.opts.Defaults); err == nil {
		c.limits(s, d, now)
	}
}

func (c *checker) limits(s *Service, d Daemon, now Settings) {
	want, why := -1, ""
	switch {
	case d.Limit == LimitOne:
		want, why = 1, d.Program+" works as a single process"
	case d.Limit == LimitNone:
		want, why = 0, d.Program+" must run in any number"
	case d.Program == "proxymap" && s.Name() == "proxywrite":
		want, why = 1, "proxywrite protects tables from simultaneous writers only as a single process"
	}
	if want >= 0 && now.ProcessLimit != want {
		sev := diag.Error
		if d.Program == "proxymap" {
			sev = diag.Warning
		}
		c.add(sev, "process-limit", s.FieldSpan(FieldProcessLimit), fmt.Sprintf("%s: process_limit must be %d, not %s", why, want, s.Field(FieldProcessLimit)), c.fix(s, FieldProcessLimit, fmt.Sprint(want)))
	}
	if d.Wakeup && now.Wakeup == 0 {
		c.add(diag.Warning, "wakeup-missing", s.FieldSpan(FieldWakeup), fmt.Sprintf("%s is never woken up; it would not do its regular work", d.Program))
	}
}

func (c *checker) arguments(s *Service, d Daemon) {
	set := map[string]argument{}
	for i, a := range s.args {
		at := s.text.span(a.start, a.end)
		switch a.kind {
		case argFlag:
			if strings.Trim(a.text[1:], "vD") != "" {
				c.add(diag.Warning, "internal-option", at, fmt.Sprintf("option %s is for master(8) itself (want -o, -v or -D)", a.text))
			}
		case argValue:
			c.override(s, i, set)
		}
	}
	words := s.args[:0:0]
	for _, a := range s.args {
		if a.kind == argWord {
			words = append(words, a)
		}
	}
	switch {
	case d.Program == "pipe" || d.Program == "spawn":
		c.attributes(s, d.Program, words)
	case d.Program != "" && len(words) > 0:
		c.unexpected(s, d, words)
	}
}

func (c *checker) override(s *Service, i int, set map[string]argument) {
	a := s.args[i]
	at := s.text.span(a.start, a.end)
	raw := s.text.s[a.start:a.end]
	if a.name.end == a.name.start {
		if a.inner.start > 0 {
			return // Parse reports what is wrong with text in { }
		}
		m := fmt.Sprintf("-o needs name=value, not %q; the daemon does not start", raw)
		if i+1 < len(s.args) && strings.HasPrefix(s.args[i+1].text, "=") {
			m += " (no space around \"=\", or put it in { })"
		}
		c.add(diag.Error, "bad-override", at, m)
		return
	}
	name := s.text.s[a.name.start:a.name.end]
	value := s.text.s[a.value.start:a.value.end]
	if a.inner.start > 0 && s.args[i-1].end == a.start {
		c.add(diag.Error, "bad-override", at, "-o{ … } without space before the { is not understood by the daemon")
	}
	if strings.ContainsAny(name[:1], "\"'") || value != "" && strings.ContainsAny(value[:1], "\"'") {
		c.add(diag.Warning, "quoted-argument", at, fmt.Sprintf("quotes mean nothing in master.cf and become part of the value of %s; for white space write -o { name = value }", name))
	}
	if readOnly(name) {
		c.add(diag.Warning, "override-ignored", at, fmt.Sprintf("%s is set by Postfix; -o does not change it", name))
	}
	if old, ok := set[name]; ok {
		c.add(diag.Warning, "duplicate-override", s.text.span(old.start, old.end), fmt.Sprintf("-o %s is set again behind it; this one has no effect", name))
	}
	set[name] = a
}

func (c *checker) unexpected(s *Service, d Daemon, words []argument) {
	sev, does := diag.Error, "does not start with"
	switch d.Program {
	case "smtp", "lmtp", "postscreen", "nbdb_reindexd":
		sev, does = diag.Warning, "does nothing with"
	}
	a := words[0]
	m := fmt.Sprintf("%s %s argument %q", d.Program, does, a.text)
	if len(s.args) > len(words) && s.args[len(s.args)-len(words)-1].kind == argValue {
		m += "; a value with white space is written -o { name = value }"
	}
	c.add(sev, "unexpected-argument", s.text.span(a.start, a.end), m)
	for _, w := range words[1:] {
		if strings.HasPrefix(w.text, "-o") {
			c.add(diag.Warning, "unexpected-argument", s.text.span(w.start, w.end), fmt.Sprintf("options after %q are not read", a.text))
			return
		}
	}
}

// attributes checks what pipe(8) and spawn(8) demand of their arguments.
func (c *checker) attributes(s *Service, program string, words []argument) {
	known := []string{"user", "argv"}
	if program == "pipe" {
		known = []string{"flags", "user", "argv", "directory", "chroot", "eol", "size", "null_sender"}
	}
	bad := func(a argument, m string) {
		c.add(diag.Error, "pipe-attributes", s.text.span(a.start, a.end), m)
	}
	seen := map[string]bool{}
	for _, a := range words {
		name, value, ok := strings.Cut(a.text, "=")
		name = strings.ToLower(name)
		if !ok || !slices.Contains(known, name) {
			bad(a, fmt.Sprintf("%s does not know %q (want %s=…, argv= last)", program, a.text, strings.Join(known, "=…, ")))
			continue
		}
		seen[name] = true
		switch name {
		case "user":
			user, _, _ := strings.Cut(value, ":")
			if user == "" || user == "root" {
				bad(a, fmt.Sprintf("%s refuses to run commands as %q", program, user))
			}
		case "flags":
			for _, l := range value {
				if !strings.ContainsRune("BDFORXhqu.>", l) {
					bad(a, fmt.Sprintf("pipe has no flag %q (want some of BDFORXhqu.>)", l))
				}
			}
		}
		if name == "argv" {
			if value == "" {
				bad(a, "argv= names no command")
			}
			break
		}
	}
	for _, need := range []string{"user", "argv"} {
		if !seen[need] {
			c.add(diag.Error, "pipe-attributes", s.FieldSpan(FieldCommand), fmt.Sprintf("%s needs a %s= argument", program, need))
		}
	}
}
