package inet

import (
	"net/netip"
	"testing"
)

func TestString(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::192.0.2.1": "::192.0.2.1", "::1": "::1", "::": "::", "::ffff:1.2.3.4": "::ffff:1.2.3.4",
		"::1:0": "::0.1.0.0", "::1:0:0": "::1:0:0", "2001:db8:0:0:1::1": "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
		"fe80::1%eth0": "fe80::1",
	} {
		if got := String(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s prints as %s, want %s", in, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"", "1.2.3", "01.2.3.4", "1.2.3.4 ", "fe80::1%eth0", "1:2:3:4:5:6:7::8", "00001::", "1.2.3.256", ":::", "x"} {
		if addr, ok := Parse(bad); ok {
			t.Errorf("%q is %v", bad, addr)
		}
	}
	if addr, ok := Parse("1:2:3:4:5:6:7::"); !ok || addr != netip.MustParseAddr("1:2:3:4:5:6:7:0") {
		t.Error(addr, ok)
	}
}

// What smtpd(8) and trivial-rewrite(8) of Postfix 3.7.11 take for addresses.
func TestIsHost(t *testing.T) {
	for _, s := range []string{"1.2.3.4", "0.0.0.0", "00.0.0.0", "01.2.3.04", "1.2.3.0004", "255.255.255.255", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6::",
		"::1.2.3.4", "::ffff:1.2.3.4", "::ffff:01.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:1.2.3.4", "ABCD:ef::"} {
		if !IsHost(s) {
			t.Errorf("%q is none", s)
		}
	}
	for _, s := range []string{"", ".", "1", "1.2.3", "1.2.3.4.", ".1.2.3.4", "1.2.3.4.5", "1.2.3.256", "1..2.3", "1.2.3.+4", "1.2.3.a", "0.1.2.3", "0.0.0.1", ":", ":1", "1:", "1:2",
		":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", "00001::", "g::1", "::ffff:0.1.2.3", "::1.2.3", "1:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
		":1:2:1.2.3.4", "::00001.2.3.4", "1:2.3.4.5:6", "fe80::1%eth0", "::1.2.3.4."} {
		if IsHost(s) {
			t.Errorf("%q is one", s)
		}
	}
}
