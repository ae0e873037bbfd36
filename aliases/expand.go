package aliases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/postfixkit/postfixkit/internal/mailaddr"
	"github.com/postfixkit/postfixkit/table"
)

// What an [Error] of an expansion can be. Errors of tables and of the file
// system are passed on as they are.
var (
	ErrLoop        = errors.New("mail loop")
	ErrNotAllowed  = errors.New("destination not allowed")
	ErrNoTarget    = errors.New("no recipient in alias lookup result")
	ErrUnknownUser = errors.New("unknown user")
	ErrBadAddress  = errors.New("bad recipient address syntax")
	ErrBadFile     = errors.New("file cannot be used")
)

// Context is a set of places a target can stand in.
type Context uint8

// The places. The zero Context means the default of the field it is in.
const (
	InAlias Context = 1 << iota
	InForward
	InInclude
	Nowhere
)

// An Expander answers where mail for a local name goes, as local(8) delivers
// it: aliases, :include: files and .forward files all the way down to
// mailboxes, files, commands and addresses of other machines. Its fields are
// the main.cf parameters of that name; the zero value of each is Postfix's
// default. An Expander with no field set knows no alias.
//
// Not asked are canonical_maps, virtual_alias_maps, transport_maps,
// luser_relay, fallback_transport and the like: an address that would be
// handed to them is a destination. The rights with which local(8) opens files
// are not modelled.
//
// An Expander does not change: it is safe for concurrent use when its tables,
// file system and functions are.
type Expander struct {
	// Aliases is alias_maps: the tables are asked in order, for a name with
	// address extension and then for the one without. Every kind of table will
	// do, a [File] too.
	Aliases []table.Table

	// FS is where :include: and .forward files are read: os.DirFS("/") for the
	// files of this machine, whose names are looked up without the leading "/".
	// With nil every :include: is an error and there are no .forward files.
	FS fs.FS

	// Users tells whether there is a user of that name, and the home
	// directory. With nil every name is a user and there are no .forward files.
	Users func(name string) (home string, ok bool)

	// ForwardFiles is forward_path. It returns the names of the files of which
	// the first that exists is used. With nil they are ~/.forward followed by
	// delimiter and extension, when there is one, and ~/.forward.
	ForwardFiles func(Recipient) []string

	Origin  string                   // myorigin: added to addresses without domain; "" adds nothing
	IsLocal func(domain string) bool // mydestination; nil: no domain and Origin are local

	Delimiters         string  // recipient_delimiter
	NoOwnerSpecial     bool    // owner_request_special = no
	ExpandOwner        bool    // expand_owner_alias
	ResetOwner         bool    // reset_owner_alias
	PropagateUnmatched Context // propagate_unmatched_extensions: alias, forward, include; default: none
	AllowCommands      Context // allow_mail_to_commands; default: InAlias|InForward
	AllowFiles         Context // allow_mail_to_files; default: InAlias|InForward

	// MaxDepth is how deep the expansion of one recipient may nest, counted as
	// local(8) does: four for every alias within an alias, one for every
	// :include: within an :include:. Zero means 100, the limit built into
	// Postfix (for :include: since 3.12).
	MaxDepth int
	// MaxHops is how often mail may be forwarded to a local user as a new
	// message (hopcount_limit). Zero means 50.
	MaxHops int
	// DuplicateLimit is duplicate_filter_limit, the number of destinations
	// that are remembered so that mail is not delivered twice. Zero means
	// 1000; negative means no limit.
	DuplicateLimit int
	// LineLimit is line_length_limit: longer lines of :include: and .forward
	// files are broken. Zero means 2048.
	LineLimit int
	// MaxTargets is how many targets one Expand may look at, MaxSize how many
	// bytes of :include: and .forward files it may read. Zero means a million
	// targets and 64 MiB. Postfix has no such limits.
	MaxTargets int
	MaxSize    int64
}

// A Recipient is a local recipient while mail is delivered to it. Everything
// is folded to lower case, except Address.
type Recipient struct {
	Address   string // user+extension@domain
	Local     string // user+extension
	User      string
	Extension string // with its delimiter: "+extension", or ""
	Domain    string
	Home      string
}

// StepKind says what a [Step] of an expansion is.
type StepKind uint8

// The kinds of steps.
const (
	_           StepKind = iota
	StepAlias            // Name is the alias found
	StepInclude          // Name is the :include: file
	StepForward          // Name is the .forward file
	StepResend           // mail is forwarded as a new message to the address Name
)

// A Step is something an expansion went through.
type Step struct {
	Kind StepKind
	Name string
}

// String returns "alias name", "include /file", "forward /file" or "resend
// address".
func (s Step) String() string {
	kind := "?"
	switch s.Kind {
	case StepAlias:
		kind = "alias"
	case StepInclude:
		kind = "include"
	case StepForward:
		kind = "forward"
	case StepResend:
		kind = "resend"
	}
	return kind + " " + s.Name
}

// chain is the steps so far, the newest first; expansions share their
// beginnings.
type chain struct {
	step Step
	up   *chain
}

func (c *chain) list() []Step {
	n := 0
	for p := c; p != nil; p = p.up {
		n++
	}
	steps := make([]Step, n)
	for p := c; p != nil; p = p.up {
		n--
		steps[n] = p.step
	}
	return steps
}

// An Expansion is one destination.
type Expansion struct {
	// Target is an address, command or file.
	Target Target
	// Mailbox tells that the address is a local user who gets the mail into
	// the mailbox. Otherwise an address is one of another machine.
	Mailbox bool
	// Sender is the envelope sender set by an owner- alias, or "".
	Sender string

	via *chain
}

// Via returns the steps that led to the destination.
func (e Expansion) Via() []Step { return e.via.list() }

// An Error is a destination that mail does not get to. local(8) delivers to
// the others and returns the mail for this one.
type Error struct {
	Recipient string // who the mail was for when it happened
	Reason    string // as local(8) words it
	Err       error  // one of the errors of this package, or the cause

	via *chain
}

// Error returns "aliases: recipient: reason".
func (e *Error) Error() string { return "aliases: " + e.Recipient + ": " + e.Reason }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Via returns the steps that led to the error.
func (e *Error) Via() []Step { return e.via.list() }

// ErrorList is all errors of an expansion.
type ErrorList []*Error

// Error returns the errors, one to a line.
func (l ErrorList) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives [errors.Is] and [errors.As] access to the single errors.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Expand returns where mail for an address or name, in internal form, goes, in
// the order in which local(8) delivers it, without duplicates. A name without
// domain is a local one; an address of another machine is its own destination.
//
// The destinations are complete apart from those in the error, an [ErrorList],
// unless that contains [ErrLimit] for MaxTargets or MaxSize, an error of a
// table, or that of ctx: then the expansion ended there.
func (x *Expander) Expand(ctx context.Context, name string) ([]Expansion, error) {
	d := &delivery{x: x, ctx: ctx}
	if !strings.Contains(name, "@") {
		if x.Origin != "" {
			name += "@" + x.Origin
		}
		d.queue = append(d.queue, message{to: name})
	} else {
		first := []byte(mailaddr.Quote(name))
		switch a := x.resolve(first, mailaddr.Scan(nil, first)); {
		case a.bad:
			d.fail(&state{address: a.text}, ErrBadAddress, "bad recipient address syntax: %s", a.text)
		case !a.local:
			d.out = append(d.out, Expansion{Target: Target{Address, a.text}})
		default:
			d.queue = append(d.queue, message{to: a.text})
		}
	}
	for len(d.queue) > 0 && !d.stopped {
		m := d.queue[0]
		d.queue = d.queue[1:]
		d.message = m
		d.seen = map[string]bool{}
		d.recipient(state{address: m.to, sender: m.sender, via: m.via})
	}
	if len(d.errs) > 0 {
		return d.out, d.errs
	}
	return d.out, nil
}

func (x *Expander) splitter() mailaddr.Splitter {
	return mailaddr.Splitter{Delimiters: x.Delimiters, SplitOwner: x.NoOwnerSpecial}
}

func (c Context) or(def Context) Context {
	if c == 0 {
		return def
	}
	return c
}

func orDefault[T int | int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// fail records an error for the recipient of st.
func (d *delivery) fail(st *state, err error, format string, args ...any) {
	d.errs = append(d.errs, &Error{Recipient: st.address, Reason: fmt.Sprintf(format, args...), Err: err, via: st.via})
}
