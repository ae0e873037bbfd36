package aliases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/postfixkit/postfixkit/internal/mailaddr"
	"github.com/postfixkit/postfixkit/table"
)

// outcome is an expansion as lines of text.
func outcome(out []Expansion, err error) (lines []string) {
	for _, e := range out {
		kind := e.Target.Kind.String()
		if e.Target.Kind == Address {
			kind = "remote"
			if e.Mailbox {
				kind = "mailbox"
			}
		}
		line := kind + " " + e.Target.Value
		if e.Sender != "" {
			line += " from " + e.Sender
		}
		lines = append(lines, line)
	}
	if list, ok := err.(ErrorList); ok {
		for _, e := range list {
			lines = append(lines, "error "+e.Reason)
		}
	}
	return lines
}

func TestExpand(t *testing.T) {
	file := parse(t, strings.Join([]string{
		`root: alice, root, "|/bin/x y", /var/mail/x`,
		`alice: bob@example.net`,
		`list: :include:/etc/list, carol`,
		`owner-list: alice`,
		`empty: <>`,
		``}, "\n"))
	x := &Expander{Aliases: []table.Table{file}, FS: fstest.MapFS{
		"etc/list": {Data: []byte("# members\nroot, dave@example.org\n:include:/etc/more\n|/bin/no\n/no\n")},
		"etc/more": {Data: []byte("dave@Example.org, erin")},
	}}
	for name, want := range map[string]string{
		"root":  "remote bob@example.net; mailbox root; command /bin/x y; path /var/mail/x",
		"carol": "mailbox carol",
		"x@y":   "remote x@y",
		"empty": "error no recipient in alias lookup result for empty",
		"list": "remote bob@example.net from owner-list; command /bin/x y from owner-list; path /var/mail/x from owner-list; " + // root as an alias
			// and then root, the user it lists itself, as a new message
			"remote dave@example.org from owner-list; remote bob@example.net from owner-list; mailbox root from owner-list; command /bin/x y from owner-list; path /var/mail/x from owner-list; mailbox erin from owner-list; mailbox carol from owner-list; error mail to command is restricted: /bin/no; error mail to file is restricted: /no",
		"no@-bad-domain": "error bad recipient address syntax: no@-bad-domain",
	} {
		got := strings.Join(outcome(x.Expand(context.Background(), name)), "; ")
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	out, err := x.Expand(context.Background(), "list")
	if got := fmt.Sprint(out[4].Via()); got != "[alias list include /etc/list alias root resend root alias root alias alice]" {
		t.Errorf("%v came via %s", out[4].Target, got)
	}
	var e *Error
	if !errors.As(err, &e) || fmt.Sprint(e.Via()) != "[alias list include /etc/list]" || e.Recipient != "list" || !errors.Is(e, ErrNotAllowed) {
		t.Errorf("got %v", err)
	}
}

func TestExpandErrors(t *testing.T) {
	broken := errors.New("no connection")
	for _, c := range []struct {
		x    *Expander
		name string
		want error
	}{
		{&Expander{Aliases: []table.Table{table.Func(func(context.Context, string) (string, bool, error) { return "", false, broken })}}, "a", broken},
		{&Expander{Aliases: []table.Table{parse(t, "a: :include:/x\n")}}, "a", ErrBadFile},
		{&Expander{Aliases: []table.Table{parse(t, "a: b\nb: a\n")}}, "a", ErrLoop},
		{&Expander{Aliases: []table.Table{parse(t, "a: b\nb: a\n")}}, "a", ErrLimit},
		{&Expander{Aliases: []table.Table{parse(t, "a: b, c, d\n")}, MaxTargets: 2}, "a", ErrLimit},
		{&Expander{Aliases: []table.Table{parse(t, "a: :include:/x\n")}, FS: fstest.MapFS{"x": {Data: make([]byte, 100)}}, MaxSize: 99}, "a", ErrLimit},
		{&Expander{Users: func(string) (string, bool) { return "", false }}, "a", ErrUnknownUser},
	} {
		_, err := c.x.Expand(context.Background(), c.name)
		if !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&Expander{Aliases: []table.Table{parse(t, "a: b\n")}}).Expand(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// FuzzExpand: whatever the files say, an expansion ends, stays within its
// limits, and gives the same answer twice.
func FuzzExpand(f *testing.F) {
	for i, src := range sources {
		f.Add(src, "a, :include:/y, |c", "b+x, :include:/x", "a", uint16(i*37))
	}
	f.Add("a: b, :include:/x\nb: a+x, c\nowner-a: b\n", "a+y, b\n:include:/y", "\\a, :include:/x, ~/z", "a+z@here", uint16(0xffff))
	f.Fuzz(func(t *testing.T, src, x, y, name string, options uint16) {
		if len(src)+len(x)+len(y)+len(name) > 1<<10 {
			return
		}
		file, _ := Parse("x", []byte(src), nil)
		bit := func(n int) bool { return options>>n&1 == 1 }
		expander := &Expander{
			Aliases:            []table.Table{file},
			FS:                 fstest.MapFS{"x": {Data: []byte(x)}, "y": {Data: []byte(y)}, "home/.forward": {Data: []byte(y)}},
			NoOwnerSpecial:     bit(0),
			ExpandOwner:        bit(1),
			ResetOwner:         bit(2),
			PropagateUnmatched: Context(options >> 3 & 7),
			AllowCommands:      Context(options >> 6 & 7),
			MaxTargets:         300,
			MaxSize:            1 << 12,
		}
		if bit(9) {
			expander.Delimiters = "+-"
		}
		if bit(10) {
			expander.Origin = "here"
		}
		if bit(11) {
			expander.DuplicateLimit = 3
		}
		if bit(12) {
			expander.Users = func(name string) (string, bool) { return "/home", len(name) < 3 }
		}
		out, err := expander.Expand(context.Background(), name)
		again, err2 := expander.Expand(context.Background(), name)
		if fmt.Sprint(outcome(out, err)) != fmt.Sprint(outcome(again, err2)) {
			t.Fatalf("%q:\n%q\nand then\n%q", src, outcome(out, err), outcome(again, err2))
		}
		errs, _ := err.(ErrorList)
		// A target leads to one destination or error, a forwarded message to
		// one more, and an alias without targets to one.
		if n := len(out) + len(errs); n > 4*300+4 {
			t.Fatalf("%q: %d destinations and errors", src, n)
		}
		for _, e := range out {
			if len(e.Via()) > 100*51 {
				t.Fatalf("%q: %d steps", src, len(e.Via()))
			}
			if e.Target.Kind == Address && e.Mailbox == (mailDomain(e.Target.Value) != "" && mailDomain(e.Target.Value) != expander.Origin) {
				t.Fatalf("%q: %q has mailbox %v", src, e.Target.Value, e.Mailbox)
			}
		}
	})
}

// FuzzResolve: the short way to resolve a plain address gives what the long
// one does.
func FuzzResolve(f *testing.F) {
	for _, src := range []string{"a@b.c", "a.b", "a..b@c", ".a", "a@here", "@a", "a@b@c", "a\\b@c", "-a", "a@b..c", "a@1.2", "\xff@a"} {
		f.Add(src, uint8(0))
		f.Add(src, uint8(3))
	}
	f.Fuzz(func(t *testing.T, addr string, options uint8) {
		if len(addr) > 200 {
			return
		}
		x := &Expander{}
		if options&1 == 1 {
			x.Origin = "here"
		}
		if options&2 == 2 {
			x.IsLocal = func(domain string) bool { return domain == "b" || domain == "here" && options&4 == 4 }
		}
		src := []byte(addr)
		toks := mailaddr.WithoutComments(mailaddr.Scan(nil, src))
		for _, g := range mailaddr.Addresses(toks) {
			group := toks[g.Start:g.End]
			short, ok := x.resolvePlain(src, group)
			if long := x.resolveAny(src, group); ok && short != long {
				t.Fatalf("%q with options %d: %+v, but the long way %+v", addr, options, short, long)
			}
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	f, _ := Parse("x", []byte("postmaster: root\nroot: alice, bob@example.net\nalice: \"|/bin/filter -f x\", /var/mail/a, carol@example.com\n"), nil)
	x := &Expander{Aliases: []table.Table{f}, Origin: "example.org", Delimiters: "+"}
	b.ReportAllocs()
	for b.Loop() {
		if out, err := x.Expand(context.Background(), "postmaster+x"); len(out) != 4 || err != nil {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkExpandList(b *testing.B) {
	x := &Expander{
		Aliases: []table.Table{table.Func(func(_ context.Context, key string) (string, bool, error) { return ":include:/list", key == "list", nil })},
		FS:      fstest.MapFS{"list": {Data: bytes.Repeat([]byte("some.member@example.com, other\n"), 5000)}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if out, err := x.Expand(context.Background(), "list"); len(out) != 2 || err != nil {
			b.Fatal(out, err)
		}
	}
}

func mailDomain(addr string) string {
	_, domain, ok := strings.Cut(addr[max(0, strings.LastIndexByte(addr, '@')):], "@")
	if !ok {
		return ""
	}
	return domain
}
