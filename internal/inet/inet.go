// Package inet reads and prints addresses as inet_pton(3) and inet_ntop(3) of
// the GNU C library do, which is what Postfix uses for keys of tables.
package inet

import (
	"net/netip"
	"strings"
)

// Parse parses an address: IPv6 when it has a colon, else four decimal octets
// without leading zeros. There are no zones.
func Parse(s string) (netip.Addr, bool) {
	if strings.IndexByte(s, '%') >= 0 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	return addr, err == nil
}

// String prints an address. In contrast to netip it prints the last 32 bits of
// an IPv6 address as IPv4 when all others are zero and they are not small.
func String(addr netip.Addr) string {
	if b := addr.As16(); addr.Is6() && [12]byte(b[:12]) == [12]byte{} && b[12]|b[13] != 0 {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return addr.WithZone("").String()
}
