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

// IsHost reports whether Postfix takes s for an address where it looks at names
// of hosts, and not for a name. In contrast to the library it does not mind
// leading zeros of an octet, and takes 0.1.2.3 for a name.
func IsHost(s string) bool {
	if strings.IndexByte(s, ':') < 0 {
		return isHost4(s)
	}
	colons, length, gap := 0, 0, 0 // length: of the field at hand; gap: which field is the "::"
	for at := 0; at < len(s); {
		if s[at] == '.' {
			return colons >= 2 && colons <= 6 && isHost4(s[at-length:])
		}
		if s[at] != ':' {
			for length = 0; at < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[at]) >= 0; at++ {
				length++
			}
			if length == 0 || length > 4 {
				return false
			}
			continue
		}
		if at == 0 && !strings.HasPrefix(s, "::") {
			return false
		}
		if colons++; colons > 7 {
			return false
		}
		if at, length = at+1, 0; at < len(s) && s[at] == ':' {
			if gap > 0 {
				return false
			}
			gap = colons
		}
	}
	return colons >= 2 && (length > 0 || gap == colons-1)
}

// isHost4 is IsHost for IPv4.
func isHost4(s string) bool {
	octets := strings.Split(s, ".")
	for i, octet := range octets {
		n := 0
		for _, digit := range []byte(octet) {
			if n = n*10 + int(digit-'0'); digit < '0' || digit > '9' || n > 255 {
				return false
			}
		}
		if octet == "" || i == 0 && n == 0 && strings.Trim(s, "0.") != "" {
			return false
		}
	}
	return len(octets) == 4
}
