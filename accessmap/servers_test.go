package accessmap

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/table"
)

// zone is a DNS with a few names. It answers over UDP, and is a Resolver.
var zone = map[string][]string{ // "name TYPE" to values
	"two.test MX":       {"a.mx.test", "b.mx.other.test"},
	"a.mx.test A":       {"192.0.2.10"},
	"b.mx.other.test A": {"198.51.100.20"},
	"two.test NS":       {"ns1.dns.test"},
	"ns1.dns.test A":    {"203.0.113.53"},
	"two.test A":        {"192.0.2.1"},
	"nomx.test A":       {"192.0.2.30"},
	"lost.test MX":      {"nowhere.test", "a.mx.test"},
	"test NS":           {"ns.root.test"},
	"ns.root.test A":    {"203.0.113.1"},
	"six.test AAAA":     {"2001:db8::25"},
	"one.test MX":       {"one.test"},
	"one.test A":        {"192.0.2.99"},
}

type zoneResolver struct{}

func lookupZone(name, typ string) ([]string, error) {
	values := zone[strings.ToLower(name)+" "+typ]
	if len(values) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return values, nil
}

func (zoneResolver) LookupMX(_ context.Context, name string) (list []*net.MX, err error) {
	values, err := lookupZone(name, "MX")
	for i, v := range values {
		list = append(list, &net.MX{Host: v + ".", Pref: uint16(i)})
	}
	return list, err
}

func (zoneResolver) LookupNS(_ context.Context, name string) (list []*net.NS, err error) {
	values, err := lookupZone(name, "NS")
	for _, v := range values {
		list = append(list, &net.NS{Host: v + "."})
	}
	return list, err
}

func (zoneResolver) LookupNetIP(_ context.Context, _, host string) (list []netip.Addr, err error) {
	a, err := lookupZone(host, "A")
	aaaa, err6 := lookupZone(host, "AAAA")
	for _, v := range append(slices.Clone(a), aaaa...) {
		list = append(list, netip.MustParseAddr(v))
	}
	if err != nil && err6 != nil {
		return nil, err
	}
	return list, nil
}

// answerDNS answers the question of one packet from the zone.
func answerDNS(q []byte) []byte {
	if len(q) < 12 {
		return nil
	}
	var labels []string
	at := 12
	for at < len(q) && q[at] != 0 {
		end := at + 1 + int(q[at])
		if end > len(q) {
			return nil
		}
		labels = append(labels, string(q[at+1:end]))
		at = end
	}
	if at+5 > len(q) {
		return nil
	}
	name := strings.ToLower(strings.Join(labels, "."))
	typ := map[uint16]string{1: "A", 2: "NS", 15: "MX", 28: "AAAA"}[binary.BigEndian.Uint16(q[at+1:])]
	values := zone[name+" "+typ]
	exists := false
	for k := range zone {
		owner, _, _ := strings.Cut(k, " ")
		exists = exists || owner == name
	}
	r := append([]byte(nil), q[:at+5]...)
	r[2], r[3] = 0x85, 0x80 // an authoritative answer, recursion available
	if !exists {
		r[3] |= 3 // no such name
	}
	binary.BigEndian.PutUint16(r[6:], uint16(len(values)))
	copy(r[8:12], []byte{0, 0, 0, 0})
	encode := func(name string) (out []byte) {
		for _, l := range strings.Split(name, ".") {
			out = append(append(out, byte(len(l))), l...)
		}
		return append(out, 0)
	}
	for i, v := range values {
		var data []byte
		switch typ {
		case "A":
			data = netip.MustParseAddr(v).AsSlice()
		case "AAAA":
			data = netip.MustParseAddr(v).AsSlice()
		case "NS":
			data = encode(v)
		case "MX":
			data = append([]byte{0, byte(i + 1)}, encode(v)...)
		}
		r = append(r, 0xc0, 12, q[at+1], q[at+2], 0, 1, 0, 0, 0, 60, byte(len(data)>>8), byte(len(data)))
		r = append(r, data...)
	}
	return r
}

const inNamespace = "ACCESSMAP_TEST_OWN_DNS"

// TestServerKeysAreThoseOfSMTPD compares the keys for MX and name servers and
// addresses with what the real smtpd asks for. Postfix has the name server of
// the system only, so that the test runs itself again where /etc/resolv.conf is
// another file, which nobody else sees.
func TestServerKeysAreThoseOfSMTPD(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		realpostfix.Need(t, "root", "postmap", "unshare")
		const server = "127.9.9.9"
		conn, err := net.ListenPacket("udp", server+":53")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			buf := make([]byte, 1500)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				if reply := answerDNS(buf[:n]); reply != nil {
					conn.WriteTo(reply, from)
				}
			}
		}()
		file := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(file, []byte("nameserver "+server+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("unshare", "-m", "sh", "-c", `mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`, "sh", file, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=yes")
		out, err := cmd.CombinedOutput()
		if t.Logf("%s", out); err != nil || !strings.Contains(string(out), "comparisons") {
			t.Fatal(err)
		}
		return
	}
	var r recorder
	inst := startSMTPD(t, &r, "sender_mx", "sender_ns", "sender_a", "helo_mx", "helo_ns", "helo_a")
	c := dial(t, inst.Addr)
	cases := 0
	m := Map{ParentDomains: true}
	names := []string{"two.test", "nomx.test", "lost.test", "nx.test", "six.test", "one.test", "sub.two.test", "deep.sub.two.test", "[192.0.2.77]", "[IPv6:2001:db8::1]", "TWO.test"}
	for i, domain := range names {
		helo := names[(i+3)%len(names)]
		r.take()
		c.play(session{name: "client.example", reverse: "client.example", addr: "192.0.2.7", helo: helo, sender: "user@" + domain, recipient: "to@example.org"})
		asked := r.take()
		for kind, typ := range map[string]ServerType{"mx": MX, "ns": NS, "a": A} {
			for what, name := range map[string]string{"sender_": "user@" + domain, "helo_": helo} {
				for prefix, pattern := range map[string]bool{"fixed ": false, "pattern ": true} {
					m.Table = r.table("", pattern)
					cases++
					keys := func() iter.Seq[string] { return m.ServerKeys(context.Background(), zoneResolver{}, typ, name) }
					if got, want := slices.Collect(keys()), asked[prefix+what+kind]; !slices.Equal(got, want) {
						t.Errorf("%s%s%s %s\n  got %q\nsmtpd %q", prefix, what, kind, name, got, want)
					}
				}
			}
		}
	}
	t.Logf("%d comparisons", cases)
}

func TestServers(t *testing.T) {
	ctx := context.Background()
	m := Map{Table: table.Inline(table.Entry{Key: "192.0.2", Value: "REJECT"}, table.Entry{Key: "ns1.dns.test", Value: "OK"})}
	if r, found, err := m.Servers(ctx, zoneResolver{}, MX, "user@two.test"); !found || err != nil || r.Key != "192.0.2" || r.Action.Kind != Reject {
		t.Errorf("got %+v, %v, %v", r, found, err)
	}
	if r, found, err := m.Servers(ctx, zoneResolver{}, NS, "two.test"); !found || err != nil || r.Action != serverError || r.Invalid == nil {
		t.Errorf("OK for a name server: got %+v, %v, %v", r, found, err)
	}
	if _, found, err := m.Servers(ctx, zoneResolver{}, A, "nx.test"); found || err != nil {
		t.Errorf("no such name: %v, %v", found, err)
	}
	var failed []string
	m.Trace = func(s table.Step) {
		if s.Err != nil {
			failed = append(failed, s.Key)
		}
	}
	if _, found, err := m.Servers(ctx, brokenResolver{}, MX, "two.test"); found || err != nil || fmt.Sprint(failed) != "[two.test]" {
		t.Errorf("broken DNS: %v, %v, %v", found, err, failed)
	}
}

type brokenResolver struct{ zoneResolver }

func (brokenResolver) LookupMX(context.Context, string) ([]*net.MX, error) {
	return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
}
