package aliases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// delivery is the run of one Expand.
type delivery struct {
	x     *Expander
	ctx   context.Context
	queue []message // mail forwarded to local recipients, to be delivered next
	out   []Expansion
	errs  ErrorList

	message // the one being delivered
	seen    map[string]bool
	stopped bool // nothing more is delivered

	targets int
	read    int64
}

// message is mail for one local recipient. Everything forwarded on the way is
// a new message, with its own memory of duplicates; what is left of the old one
// is its Delivered-To: headers.
type message struct {
	to        string
	sender    string
	delivered []string // folded
	via       *chain
}

// state is what local(8) knows at one point of the expansion. It is passed by
// value: changes are for the targets below only.
type state struct {
	level     int
	address   string // of the recipient
	r         Recipient
	unmatched string  // extension to add to the addresses found, with delimiter
	from      string  // the name whose expansion this is
	in        Context // where the target stands
	owner     string  // set: local recipients get a new message
	delivered string  // for the Delivered-To: header of forwarded mail
	sender    string
	user      string // with whose rights mail is delivered
	home      string
	via       *chain
}

func (st *state) step(kind StepKind, name string) { st.via = &chain{Step{kind, name}, st.via} }

// stop ends the whole expansion.
func (d *delivery) stop(st *state, err error, format string, args ...any) {
	if !d.stopped {
		d.stopped = true
		d.fail(st, err, format, args...)
	}
}

// again reports whether that was delivered to before, and remembers it.
func (d *delivery) again(what, to string) bool {
	key := what + " " + casefold.String(to, true)
	if d.seen[key] {
		return true
	}
	if limit := orDefault(d.x.DuplicateLimit, 1000); limit < 0 || len(d.seen) < limit {
		d.seen[key] = true
	}
	return false
}

func (d *delivery) tooDeep(st *state) bool { return st.level > orDefault(d.x.MaxDepth, 100) }

// recipient delivers to a local address.
func (d *delivery) recipient(st state) {
	st.level++
	if d.tooDeep(&st) {
		d.fail(&st, errLoopLimit, "recipient nesting limit exceeded")
		return
	}
	if d.again("recipient "+strconv.Itoa(st.level), st.address) {
		return
	}
	folded := casefold.String(st.address, true)
	for _, to := range d.delivered {
		if to == folded {
			d.fail(&st, ErrLoop, "mail forwarding loop for %s", st.address)
			return
		}
	}
	if st.delivered == "" {
		st.delivered = st.address
	}
	r := Recipient{Address: st.address}
	r.Local, r.Domain, _ = mailaddr.Split(folded)
	r.User, r.Extension = d.x.splitter().Split(r.Local)
	if strings.Contains(r.Extension, "/") { // could lead out of the home directory
		r.Local, r.Extension = r.User, ""
	}
	st.r = r
	if r.User == "" {
		d.fail(&st, ErrBadAddress, "null username in \"%s\"", st.address)
		return
	}
	d.choose(st)
}

// choose tries aliases, .forward file and mailbox in that order.
func (d *delivery) choose(st state) {
	st.level++
	if st.address[0] == '\\' { // neither alias nor .forward
		st.address, st.r.Address, st.r.Local = st.address[1:], st.r.Address[1:], st.r.Local[1:]
		if st.r.User = st.r.User[1:]; st.r.User == "" || !d.mailbox(st) {
			d.unknown(st) // nobody's name is empty
		}
		return
	}
	st.unmatched = ""
	if d.alias(st, st.r.Local) {
		return
	}
	if st.r.Extension != "" {
		if d.x.PropagateUnmatched&InAlias != 0 {
			st.unmatched = st.r.Extension
		}
		if d.alias(st, st.r.User) {
			return
		}
		st.unmatched = st.r.Extension
	}
	if st.in == InInclude || st.owner != "" && casefold.String(st.owner, true) != st.r.User {
		d.indirect(st)
		return
	}
	if !d.forward(st) && !d.mailbox(st) {
		d.unknown(st)
	}
}

// lookup asks the alias tables for a folded name: in its quoted form, which is
// what Postfix 3.12 stores, then as it is. Only with both is it looked up as
// every release does that may have built the table.
func (d *delivery) lookup(st *state, name string) (value string, found bool) {
	quoted := mailaddr.QuoteLocal(name)
	for _, t := range d.x.Aliases {
		value, found, err := t.Lookup(d.ctx, quoted)
		if !found && err == nil && quoted != name {
			value, found, err = t.Lookup(d.ctx, name)
		}
		if err != nil {
			d.stop(st, err, "alias database unavailable: %v", err)
			return "", false
		}
		if found {
			return value, true
		}
	}
	return "", false
}

// alias delivers to the targets of an alias. It reports whether there was
// something to deliver, successfully or not.
func (d *delivery) alias(st state, name string) bool {
	st.level++
	if st.from == name { // an alias that lists its own name means the user
		return false
	}
	if d.tooDeep(&st) {
		d.fail(&st, errLoopLimit, "alias database loop for %s", name)
		return true
	}
	st.from = name
	value, found := d.lookup(&st, name)
	if !found {
		return d.stopped
	}
	st.step(StepAlias, name)
	st.in, st.user, st.home = InAlias, "", ""
	if !d.x.NoOwnerSpecial {
		owner, found := d.lookup(&st, "owner-"+name)
		if d.stopped {
			return true
		}
		if found {
			if !d.x.ExpandOwner {
				owner = mailaddr.Quote("owner-" + name)
			}
			src := []byte(owner)
			st.sender = mailaddr.Unquote(string(d.x.rewrite(src, mailaddr.Scan(nil, src))))
			st.owner = st.sender
		} else if d.x.ResetOwner {
			st.owner = ""
		}
	}
	if n := d.list(st, []byte(value)); n == 0 && !d.stopped {
		d.fail(&st, ErrNoTarget, "no recipient in alias lookup result for %s", name)
	}
	return true
}

// list delivers to the targets in a piece of text and returns their number.
func (d *delivery) list(st state, text []byte) int {
	toks := mailaddr.WithoutComments(mailaddr.Scan(nil, text))
	groups := mailaddr.Addresses(toks)
	var buf []byte
	for _, g := range groups {
		if d.stopped {
			break
		}
		if d.targets++; d.targets > orDefault(d.x.MaxTargets, 1_000_000) {
			d.stop(&st, ErrLimit, "more than %d targets", d.targets-1)
			break
		}
		if err := d.ctx.Err(); err != nil {
			d.stop(&st, err, "%v", err)
			break
		}
		group := toks[g.Start:g.End]
		buf = mailaddr.AppendInternal(buf[:0], text, group)
		switch t := classify(string(buf)); t.Kind {
		case Path:
			d.path(st, t.Value)
		case Command:
			d.command(st, t.Value)
		case Include:
			d.include(st, t.Value)
		default:
			d.address(st, text, group)
		}
	}
	return len(groups)
}

// address delivers to an address.
func (d *delivery) address(st state, src []byte, toks []mailaddr.Token) {
	st.level++
	a := d.x.resolve(src, toks)
	if a.bad {
		d.fail(&st, ErrBadAddress, "bad recipient address syntax: %s", a.text)
		return
	}
	if st.unmatched != "" {
		if i := strings.LastIndexByte(a.text, '@'); i >= 0 {
			a.text = a.text[:i] + st.unmatched + a.text[i:]
		} else {
			a.text += st.unmatched
		}
	}
	st.address = a.text
	if !a.local {
		d.remote(st)
		return
	}
	d.recipient(st)
}

func (d *delivery) remote(st state) {
	if !d.again("indirect", st.address) {
		d.out = append(d.out, Expansion{Target: Target{Address, st.address}, Sender: st.sender, via: st.via})
	}
}

// indirect forwards mail for a local recipient as a new message.
func (d *delivery) indirect(st state) {
	if d.again("indirect", st.address) {
		return
	}
	hops := len(d.delivered) + 1
	if hops > orDefault(d.x.MaxHops, 50) {
		d.fail(&st, errLoopLimit, "too many hops")
		return
	}
	st.step(StepResend, st.address)
	delivered := append(d.delivered[:hops-1:hops-1], casefold.String(st.delivered, true))
	d.queue = append(d.queue, message{to: st.address, sender: st.sender, delivered: delivered, via: st.via})
}

func (d *delivery) command(st state, command string) {
	if st.in&d.x.AllowCommands.or(InAlias|InForward) == 0 {
		d.fail(&st, ErrNotAllowed, "mail to command is restricted: %s", command)
	} else if !d.again("command "+st.r.User+":"+st.user, command) {
		d.out = append(d.out, Expansion{Target: Target{Command, command}, Sender: st.sender, via: st.via})
	}
}

func (d *delivery) path(st state, name string) {
	if name[0] == '~' {
		switch {
		case !strings.HasPrefix(name, "~/"):
			d.fail(&st, ErrBadFile, "bad home directory syntax for: %s", name)
			return
		case st.home == "":
			d.fail(&st, ErrBadFile, "unknown home directory for: %s", name)
			return
		}
		name = strings.TrimSuffix(st.home, "/") + name[1:]
	}
	if d.again("file "+st.user, name) {
		return
	}
	if st.in&d.x.AllowFiles.or(InAlias|InForward) == 0 {
		d.fail(&st, ErrNotAllowed, "mail to file is restricted: %s", name)
		return
	}
	d.out = append(d.out, Expansion{Target: Target{Path, name}, Sender: st.sender, via: st.via})
}

// include delivers to the targets in a file.
func (d *delivery) include(st state, name string) {
	st.level++
	if d.tooDeep(&st) {
		d.fail(&st, errLoopLimit, ":include: nesting limit exceeded for %s", name)
		return
	}
	if d.again("include "+st.user, name) {
		return
	}
	st.from = st.r.Local
	if !strings.HasPrefix(name, "/") {
		d.fail(&st, ErrBadFile, ":include:%s uses a relative path", name)
		return
	}
	text, err := d.readFile(&st, name)
	if err != nil || d.stopped {
		if err != nil {
			d.fail(&st, err, "unable to use :include: file %s: %v", name, err)
		}
		return
	}
	st.step(StepInclude, name)
	st.in = InInclude
	if st.owner == "" {
		st.owner = st.address
	}
	if d.x.PropagateUnmatched&InInclude == 0 {
		st.unmatched = ""
	}
	d.lines(st, text)
}

// forward delivers to the targets in the .forward file of the recipient, and
// reports whether there were any.
func (d *delivery) forward(st state) bool {
	st.level++
	if d.x.Users == nil || d.x.FS == nil {
		return false
	}
	home, ok := d.x.Users(st.r.User)
	if !ok {
		return false
	}
	st.r.Home, st.home, st.user = home, home, st.r.User
	st.in, st.owner = InForward, st.r.User

	files := d.x.ForwardFiles
	if files == nil {
		files = forwardFiles
	}
	for _, name := range files(st.r) {
		if _, err := fs.Stat(d.x.FS, fsName(name)); err != nil {
			continue // local(8) takes every error for "not there", too
		}
		if d.x.PropagateUnmatched&InForward == 0 || st.r.Extension != "" && strings.HasSuffix(name, st.r.Extension[1:]) {
			st.unmatched = ""
		}
		if d.again("forward", name) {
			return d.seen["forward-done "+casefold.String(name, true)]
		}
		st.from = st.r.Local
		text, err := d.readFile(&st, name)
		if err != nil {
			return d.stopped // a file that may not be used counts as none
		}
		st.step(StepForward, name)
		if d.lines(st, text) == 0 {
			return d.stopped
		}
		d.again("forward-done", name)
		return true
	}
	return false
}

func forwardFiles(r Recipient) []string {
	plain := r.Home + "/.forward"
	if r.Extension == "" {
		return []string{plain}
	}
	return []string{plain + r.Extension, plain}
}

func fsName(name string) string { return strings.TrimPrefix(path.Clean(name), "/") }

// readFile returns the text of an :include: or .forward file.
func (d *delivery) readFile(st *state, name string) ([]byte, error) {
	if d.x.FS == nil {
		return nil, fmt.Errorf("%w: no file system was given", ErrBadFile)
	}
	info, err := fs.Stat(d.x.FS, fsName(name))
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is not a regular file", ErrBadFile)
	case info.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("%w: it is world writable", ErrBadFile)
	}
	f, err := d.x.FS.Open(fsName(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	limit := orDefault(d.x.MaxSize, 64<<20)
	text, err := io.ReadAll(io.LimitReader(f, limit-d.read+1))
	if err != nil {
		return nil, err
	}
	if d.read += int64(len(text)); d.read > limit {
		d.stop(st, ErrLimit, "more than %d bytes in :include: and .forward files (%s)", limit, name)
		return nil, nil
	}
	return text, nil
}

// lines delivers to the targets in the lines of a file and returns their
// number. Every line is a list of its own; "#" starts a comment only at the
// very beginning of one.
func (d *delivery) lines(st state, text []byte) (n int) {
	limit := orDefault(d.x.LineLimit, 2048)
	for len(text) > 0 && !d.stopped {
		line := text
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		line = line[:min(len(line), limit)]
		text = text[len(line):]
		if line[0] != '#' {
			n += d.list(st, line)
		}
	}
	return n
}

// mailbox delivers to a user, and reports whether there is one.
func (d *delivery) mailbox(st state) bool {
	if d.again("mailbox", st.r.Local) {
		return true
	}
	if d.x.Users != nil {
		if _, ok := d.x.Users(st.r.User); !ok {
			return false
		}
	}
	d.out = append(d.out, Expansion{Target: Target{Address, st.address}, Mailbox: true, Sender: st.sender, via: st.via})
	return true
}

func (d *delivery) unknown(st state) {
	switch {
	case d.again("deliver_unknown", st.r.Local):
	case st.r.User == "mailer-daemon" || st.r.User == "postmaster":
		d.fail(&st, ErrUnknownUser, "required alias not found: %s (mail is discarded)", st.r.User)
	default:
		d.fail(&st, ErrUnknownUser, "unknown user: \"%s\"", st.r.User)
	}
}

// errLoopLimit is what Postfix's own nesting limits are: they exist to end
// loops, and they are limits.
var errLoopLimit = errors.Join(ErrLoop, ErrLimit)
