package addressmap

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/mailaddr"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/proxymap"
	"github.com/postfixkit/postfixkit/socketmap"
	"github.com/postfixkit/postfixkit/table"
)

// A recorder is tables that remember what they were asked.
type recorder struct {
	mu     sync.Mutex
	asked  map[string][]string
	answer func(name, key string) (string, bool) // may be nil
}

func (r *recorder) table(name string, pattern bool) table.Table {
	t := table.Func(func(_ context.Context, key string) (string, bool, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked[name] = append(r.asked[name], key)
		if r.answer == nil {
			return "", false, nil
		}
		v, found := r.answer(name, key)
		return v, found, nil
	})
	if pattern {
		return matching{t}
	}
	return t
}

type matching struct{ table.Table }

func (matching) IsPattern() bool { return true }

func (r *recorder) peek(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked[name])
}

func (r *recorder) take() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = map[string][]string{}
	return asked
}

var parameters = []string{"virtual_alias_maps", "recipient_canonical_maps", "sender_canonical_maps", "transport_maps", "relocated_maps",
	"sender_bcc_maps", "recipient_bcc_maps", "sender_dependent_relayhost_maps"}

// start runs a private Postfix whose tables are r.
func start(t *testing.T, r *recorder, more string) *realpostfix.Instance {
	t.Helper()
	r.asked = map[string][]string{}
	fixed, pattern := &proxymap.Server{Tables: map[string]table.Table{}}, &socketmap.Server{Tables: map[string]table.Table{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	main := more + "virtual_alias_domains =\nproxymap_service_name = recorder\nproxywrite_service_name = recorder\nsmtpd_reject_unlisted_recipient = no\nsmtpd_relay_restrictions = permit_mynetworks, reject\n" +
		"local_transport = discard:\ndefault_transport = discard:\nrelay_transport = discard:\nvirtual_transport = discard:\nsmtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 10000\n"
	for _, p := range parameters {
		fixed.Tables["hash:"+p] = r.table("fixed "+p, false)
		pattern.Tables[p] = r.table("pattern "+p, true)
		main += fmt.Sprintf("%s = proxy:hash:%[1]s, socketmap:inet:%s:%[1]s\n", p, l.Addr())
	}
	go pattern.Serve(l)
	t.Cleanup(func() { pattern.Shutdown(t.Context()); fixed.Shutdown(t.Context()) })
	return realpostfix.Start(t, realpostfix.Config{Main: main, Setup: func(inst *realpostfix.Instance) error {
		path := filepath.Join(inst.QueueDir, "private", "recorder")
		l, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		go fixed.Serve(l)
		return os.Chmod(path, 0o666)
	}})
}

type client struct {
	t *testing.T
	*textproto.Conn
}

func (c *client) cmd(want int, format string, args ...any) string {
	c.t.Helper()
	c.PrintfLine(format, args...)
	_, text, err := c.ReadResponse(want)
	if err != nil {
		c.t.Fatalf(format+": %v", append(args, err)...)
	}
	return text
}

// send hands in a message and waits until it is in the queue.
func (c *client) send(from, to string) {
	c.t.Helper()
	c.cmd(250, "MAIL FROM:<%s> SMTPUTF8", from)
	c.cmd(250, "RCPT TO:<%s>", to)
	c.cmd(354, "DATA")
	c.cmd(250, "Subject: x\r\n\r\nbody\r\n.")
}

func dial(t *testing.T, inst *realpostfix.Instance) *client {
	conn, err := textproto.Dial("tcp", inst.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.ReadResponse(220)
	c := &client{t, conn}
	c.cmd(250, "EHLO client.example")
	return c
}

var addresses = []string{
	"user@example.com", "user+ext@example.com", "User+Ext@Example.COM", "user@sub.example.net", "user+ext@a.b.example.net", "user+a+b@example.com", "+ext@example.com",
	"user+@example.net", "user-ext@example.com", "owner-list@example.com", "owner-list+x@example.net", "list-request@example.com",
	`"two words"@example.com`, `"two words+ext"@example.com`, `"two words+ext"@example.net`, `"quo\"te"@example.net`, "user@localhost", "user@real.example.com",
	"müller@example.com", "müller+ext@bücher.example", "USER@tld", "user@[192.0.2.1]", "user+x@[192.0.2.1]", "o'brien@example.com", "a.b+c.d@deep.sub.domain.example",
	"double-bounce+x@example.com", "mailer-daemon+x@example.com", "user@x.y.z",
}

// TestKeysAreThoseOfPostfix compares the order of keys with what the real
// daemons ask their tables for: cleanup(8) and trivial-rewrite(8).
func TestKeysAreThoseOfPostfix(t *testing.T) {
	local := func(domain string) bool { // mydestination and myorigin of the instance
		return slices.Contains([]string{"example.com", "localhost", "real.example.com"}, strings.ToLower(domain))
	}
	cases := 0
	for more, m := range map[string]Map{
		"recipient_delimiter = +\n": {Delimiters: "+", Local: local},
		"recipient_delimiter = +-\nparent_domain_matches_subdomains = transport_maps\n": {Delimiters: "+-", Local: local, ParentDomains: true},
	} {
		var r recorder
		inst := start(t, &r, more)
		c := dial(t, inst)
		for i, to := range addresses {
			from := addresses[(i+5)%len(addresses)]
			r.take()
			c.send(from, to)
			sender, recipient := mailaddr.Unquote(from), mailaddr.Unquote(to)
			_, domain, _ := mailaddr.Split(recipient)
			for _, p := range parameters {
				addr := recipient
				if strings.HasPrefix(p, "sender_") {
					addr = sender
				}
				keys := m.Keys(addr)
				switch {
				case p == "transport_maps":
					keys = m.TransportKeys(addr)
				case strings.Contains(p, "canonical") || strings.Contains(p, "virtual"):
					keys = m.RewriteKeys(addr)
				}
				// trivial-rewrite(8) is asked by several daemons, about the sender
				// too, and later on by the queue manager: ours has to be in what
				// it asks, without gaps.
				inside := p == "transport_maps" || p == "relocated_maps" || p == "sender_dependent_relayhost_maps"
				if p == "sender_dependent_relayhost_maps" && (local(domain) || strings.HasPrefix(domain, "[")) {
					continue // there is no relay host
				}
				for prefix, tab := range map[string]table.Table{"fixed ": r.table("", false), "pattern ": r.table("", true)} {
					cases++
					want := slices.Collect(table.Asked(tab, keys))
					if p == "transport_maps" && prefix == "fixed " {
						want = want[:len(want)-1] // "*" is asked for beforehand, and remembered
					}
					got := r.peek(prefix + p)
					for range 100 {
						if !inside || contains(got, want) {
							break
						}
						time.Sleep(10 * time.Millisecond)
						got = r.peek(prefix + p)
					}
					if inside && !contains(got, want) || !inside && !slices.Equal(got, want) {
						t.Errorf("%s%s %s with %q\n    got %q\nPostfix %q", prefix, p, addr, more, want, got)
					}
				}
			}
		}
	}
	t.Logf("%d comparisons", cases)
}

func contains(all, part []string) bool {
	for i := range all {
		if len(all)-i >= len(part) && slices.Equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

// virtual is a virtual(5) table with about everything that can be in one.
var virtual = map[string]string{
	"one@example.net":         "two@example.net, three@example.org",
	"two@example.net":         "@other.example",
	"three@example.org":       "four@example.org five@example.org,six@example.org",
	"six@example.org":         "one@example.com",
	"@wild.example":           "@target.example",
	"@catch.example":          "postmaster@example.org",
	"self@example.net":        "self@example.net, copy@example.net",
	"user@example.com":        "dest@example.org",
	"local":                   "far@example.org",
	"bare@example.net":        "localuser",
	"many@example.net":        "a@example.org, b@example.org, a@example.org, A@Example.Org",
	"ext+special@example.net": "special@example.org",
	"ext@example.net":         "normal@example.org",
	"chain@example.net":       "chain2@example.net",
	"chain2@example.net":      "chain3@example.net, chain@x.example",
	"chain3@example.net":      "end@example.org",
	"loop@example.net":        "loop2@example.net",
	"loop2@example.net":       "loop@example.net",
	`"two words"@example.net`: `"other words"@example.org`,
	"named@example.net":       "Some Body <body@example.org>, (comment) note@example.org",
	"at@example.net":          `"@"@example.org`,
	"list@example.net":        "x@wild.example, y@catch.example, self@example.net",
}

// TestVirtualIsThatOfCleanup compares the recipients that the real cleanup(8)
// makes of one with ours.
func TestVirtualIsThatOfCleanup(t *testing.T) {
	r := recorder{answer: func(name, key string) (string, bool) {
		v, found := virtual[key]
		return v, found && name == "fixed virtual_alias_maps"
	}}
	inst := start(t, &r, "recipient_delimiter = +\n")
	m := Map{
		Tables: []table.Table{table.Func(func(_ context.Context, key string) (string, bool, error) {
			v, found := virtual[key]
			return v, found, nil
		})},
		Delimiters: "+", Propagate: true, Origin: "real.example.com",
		Local: func(domain string) bool { return domain == "example.com" || domain == "real.example.com" },
	}
	c := dial(t, inst)
	for _, to := range []string{
		"one@example.net", "one+x@example.net", "two@example.net", "two+ext@example.net", "three@example.org", "any@wild.example", "any+ext@wild.example", "any+ext@catch.example",
		"self@example.net", "self+x@example.net", "user@example.com", "user+x@example.com", "local@example.com", "local+x@example.com", "local@example.net", "bare@example.net",
		"bare+x@example.net", "many@example.net", "ext+special@example.net", "ext+other@example.net", "ext@example.net", "chain@example.net", "chain+x@example.net",
		"loop@example.net", `"two words"@example.net`, `"two words+x"@example.net`, "named@example.net", "list@example.net", "at@example.net", "none@example.net", "Six@Example.Org",
	} {
		c.cmd(250, "MAIL FROM:<>")
		c.cmd(250, "RCPT TO:<%s>", to)
		c.cmd(354, "DATA")
		c.PrintfLine("Subject: x\r\n\r\nbody\r\n.")
		code, text, _ := c.ReadResponse(0)
		want, err := m.Virtual(context.Background(), mailaddr.Unquote(to))
		if (err != nil) != (code != 250) {
			t.Errorf("%s: got %v, Postfix %d %s", to, err, code, text)
		}
		if err != nil || code != 250 {
			continue
		}
		for i := range want {
			want[i] = mailaddr.Quote(want[i])
		}
		slices.Sort(want)
		id := text[strings.LastIndexByte(text, ' ')+1:]
		log := inst.WaitLog(id + ": removed")
		var got []string
		for line := range strings.Lines(log) {
			if _, rest, ok := strings.Cut(line, id+": to=<"); ok {
				addr, _, _ := strings.Cut(rest, ">,")
				got = append(got, addr)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s\n    got %q\nPostfix %q", to, want, got)
		}
	}
}
