package mastercf

import (
	"iter"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
)

// Type is a service type, the second column.
type Type string

// The service types of master(5).
const (
	Inet      Type = "inet"       // TCP, on the network
	Unix      Type = "unix"       // UNIX-domain stream socket
	UnixDgram Type = "unix-dgram" // UNIX-domain datagram socket, since Postfix 3.4
	Fifo      Type = "fifo"       // named pipe, obsolete
	Pass      Type = "pass"       // UNIX-domain socket that receives open connections
)

// Types lists the service types.
func Types() []Type { return []Type{Inet, Unix, UnixDgram, Fifo, Pass} }

// Valid reports whether t is one of [Types].
func (t Type) Valid() bool {
	switch t {
	case Inet, Unix, UnixDgram, Fifo, Pass:
		return true
	}
	return false
}

// Field is one of the eight columns. The zero Field is invalid.
type Field uint8

// The columns, in order.
const (
	_                 Field = iota
	FieldService            // name, or for inet host:port
	FieldType               // see [Types]
	FieldPrivate            // y: socket below private/, n: below public/
	FieldUnprivileged       // y: runs as mail_owner, n: starts as root
	FieldChroot             // y: sees nothing outside queue_directory
	FieldWakeup             // seconds between wake-ups, "?": only once it was used
	FieldProcessLimit       // most processes at a time, 0: any number
	FieldCommand            // program below daemon_directory, without its arguments
)

const columns = 8

var fieldNames = [columns + 1]string{"", "service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command"}

// String returns the name postconf(1) -F uses.
func (c Field) String() string {
	if c < FieldService || c > FieldCommand {
		return "invalid"
	}
	return fieldNames[c]
}

// ParseField is the reverse of [Field.String].
func ParseField(name string) (c Field, ok bool) {
	for c := FieldService; c <= FieldCommand; c++ {
		if fieldNames[c] == name {
			return c, true
		}
	}
	return 0, false
}

// A Service is an entry of a [File], in force or commented out. After it was
// deleted from its file, methods that read go on telling what it was, and
// methods that change return [ErrDeleted].
type Service struct {
	place
	file     *File // nil: deleted
	disabled bool
	text     text
	fields   []token
	args     []argument
	// Of a commented-out entry only:
	hashes int      // how many "#" its lines start with
	marks  []span   // the "#" of each line, with what must go before the name
	deeper []deeper // lines inside that keep one "#" when it is enabled
	stray  bool     // the lines after it continue an entry in force around it
}

type span struct{ start, end int }

type argKind uint8

const (
	argFlag  argKind = iota // "-v"
	argO                    // "-o", a value follows unless the entry ends
	argValue                // of a "-o"
	argWord                 // first argument without "-" and all after it
)

// An argument is one string the daemon gets.
type argument struct {
	kind       argKind
	text       string // without braces; "name=value" after -o
	start, end int    // in the text of the entry, braces included
	inner      span   // of a braced one: what is inside, without blanks at the ends
	name       span   // of a value: the parameter name
	value      span   // of a value: the parameter value
	wrong      string // what is wrong with it, "" for nothing
}

// Name is the first column: the name of a socket, or [host:]port.
func (s *Service) Name() string { return s.Field(FieldService) }

// Type is the second column. It is not necessarily [Type.Valid].
func (s *Service) Type() Type { return Type(s.Field(FieldType)) }

// Field returns a column as it is written: "-" when the default is used, ""
// for an invalid Field.
func (s *Service) Field(c Field) string {
	if c < FieldService || c > FieldCommand {
		return ""
	}
	t := s.fields[c-1]
	return s.text.s[t.start:t.end]
}

// FieldSpan is the place of a column.
func (s *Service) FieldSpan(c Field) diag.Span {
	if c < FieldService || c > FieldCommand {
		return diag.Span{}
	}
	t := s.fields[c-1]
	return s.text.span(t.start, t.end)
}

// Command is the program, the eighth column.
func (s *Service) Command() string { return s.Field(FieldCommand) }

// Disabled reports whether the entry is commented out.
func (s *Service) Disabled() bool { return s.disabled }

// Args returns the arguments as the daemon gets them: { } removed, options
// taken apart ("-vo a=b" is "-v", "-o", "a=b"), "-o { name = value }" as
// "name=value".
func (s *Service) Args() []string {
	all := make([]string, len(s.args))
	for i, a := range s.args {
		all[i] = a.text
	}
	return all
}

// ArgSpan is the place of argument i of [Service.Args].
func (s *Service) ArgSpan(i int) diag.Span { return s.text.span(s.args[i].start, s.args[i].end) }

// ArgSource is the text of argument i of [Service.Args] as it is written, with
// its { }, lines joined as Postfix joins them.
func (s *Service) ArgSource(i int) string { return s.text.s[s.args[i].start:s.args[i].end] }

// Text is the whole entry in one line: its lines joined as Postfix joins them,
// comments between them left out.
func (s *Service) Text() string { return s.text.s }

// An Option is a "-o name=value" of a service.
type Option struct {
	Name, Value string
	Span        diag.Span // of name=value, braces included
}

// Options returns the -o options in order, repeated ones too. One that is no
// name=value is left out; [File.Check] reports it.
func (s *Service) Options() iter.Seq[Option] {
	return func(yield func(Option) bool) {
		for _, a := range s.args {
			if a.kind == argValue && a.name.end > a.name.start {
				if !yield(Option{s.text.s[a.name.start:a.name.end], s.text.s[a.value.start:a.value.end], s.text.span(a.start, a.end)}) {
					return
				}
			}
		}
	}
}

// Option returns the value a parameter has by -o; the last one counts.
func (s *Service) Option(name string) (value string, ok bool) {
	for o := range s.Options() {
		if o.Name == name {
			value, ok = o.Value, true
		}
	}
	return value, ok
}

// readOnly are the names a -o cannot change.
func readOnly(name string) bool {
	return name == "process_name" || name == "service_name" || name == "process_id"
}

// Overrides returns the main.cf parameters the service sets with -o, never
// nil. The ones Postfix ignores there (process_name, service_name and
// process_id) are left out; see [Service.Runtime].
func (s *Service) Overrides() map[string]string {
	m := map[string]string{}
	for o := range s.Options() {
		if !readOnly(o.Name) {
			m[o.Name] = o.Value
		}
	}
	return m
}

// Runtime returns the parameters the daemon itself sets from its entry, which
// values such as "syslog_name = postfix/$service_name" refer to: service_name
// and process_name.
func (s *Service) Runtime() map[string]string {
	cmd := s.Command()
	return map[string]string{
		"service_name": s.Name(),
		"process_name": cmd[strings.LastIndexByte(cmd, '/')+1:],
	}
}

// Words returns the arguments behind the options, such as those of pipe(8).
func (s *Service) Words() (all []string) {
	for _, a := range s.args {
		if a.kind == argWord {
			all = append(all, a.text)
		}
	}
	return all
}

// Spec returns the entry as data, to be added somewhere else.
func (s *Service) Spec() Spec {
	return Spec{
		Name: s.Name(), Type: s.Type(), Private: s.Field(FieldPrivate), Unprivileged: s.Field(FieldUnprivileged),
		Chroot: s.Field(FieldChroot), Wakeup: s.Field(FieldWakeup), ProcessLimit: s.Field(FieldProcessLimit),
		Command: s.Command(), Args: s.Args(),
	}
}

func (s *Service) nameOffset() int { return s.text.pos(s.fields[0].start).Offset }

// split finds the columns and arguments in the text; false: too few columns.
func (s *Service) split() bool {
	toks := tokens(s.text.s)
	if len(toks) < columns {
		return false
	}
	s.fields = toks[:columns:columns]
	s.splitArgs(toks[columns:])
	return true
}

func (s *Service) splitArgs(toks []token) {
	str := s.text.s
	s.args = nil
	for len(toks) > 0 {
		t := toks[0]
		raw := str[t.start:t.end]
		if raw[0] != '-' || raw == "-" || raw == "--" {
			break
		}
		toks = toks[1:]
		o := valueLetter(raw)
		if o == 0 {
			s.args = append(s.args, argument{kind: argFlag, text: raw, start: t.start, end: t.end})
			continue
		}
		opt := argument{kind: argO, text: "-o", start: t.start, end: t.start + o + 1}
		if o > 1 {
			s.args = append(s.args, argument{kind: argFlag, text: raw[:o], start: t.start, end: t.start + o})
			opt.start = t.start + o
		}
		value := token{t.start + o + 1, t.end}
		if value.start == value.end {
			if len(toks) == 0 {
				opt.wrong = "missing name=value after -o"
				s.args = append(s.args, opt)
				break
			}
			value, toks = toks[0], toks[1:]
		}
		s.args = append(s.args, opt, optionValue(str, value))
	}
	for _, t := range toks {
		s.args = append(s.args, word(str, t))
	}
}

// valueLetter returns the index of the "o" in a group of option letters, and 0
// when there is none. Letters that take a value themselves end the group.
func valueLetter(raw string) int {
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case 'o':
			return i
		case 'i', 'm', 'n', 'r', 's', 't':
			return 0
		}
	}
	return 0
}

func word(str string, t token) argument {
	a := argument{kind: argWord, text: str[t.start:t.end], start: t.start, end: t.end}
	if a.text[0] == '{' {
		from, to, wrong := unbrace(a.text)
		a.inner, a.wrong = span{t.start + from, t.start + to}, wrong
		a.text = a.text[from:to]
	}
	return a
}

func optionValue(str string, t token) argument {
	a := word(str, t)
	a.kind = argValue
	from := t.start
	if a.inner.start > 0 {
		from = a.inner.start
	}
	ns, ne, vs, ve, wrong := nameValue(a.text)
	if wrong != "" {
		if a.wrong == "" {
			a.wrong = wrong
		}
		return a
	}
	a.name, a.value = span{from + ns, from + ne}, span{from + vs, from + ve}
	if a.inner.start > 0 {
		a.text = a.text[ns:ne] + "=" + a.text[vs:ve]
	}
	return a
}
