package cidrmap

import (
	"net/netip"

	"github.com/postfixkit/postfixkit/internal/inet"
)

// parseAddr is inet.Parse, in less time for what is usual.
func parseAddr(s string) (addr netip.Addr, ok bool) {
	if ip, n := cutIPv4(s); n > 0 && n == len(s) {
		return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}), true
	}
	if k, n := cutIPv6(s); n > 0 && n == len(s) {
		return k.addr(false), true
	}
	return inet.Parse(s)
}

// cutIPv4 reads an IPv4 address at the start of s. It returns how long it is, 0
// if there is none. What follows may show that it was none at all.
func cutIPv4[S ~string | ~[]byte](s S) (ip uint32, n int) {
	for octet := 0; octet < 4; octet++ {
		if octet > 0 {
			if n == len(s) || s[n] != '.' {
				return 0, 0
			}
			n++
		}
		start, v := n, uint32(0)
		for ; n < len(s) && isDigit(s[n]) && n < start+3; n++ {
			v = v*10 + uint32(s[n]-'0')
		}
		if n == start || v > 255 || n > start+1 && s[start] == '0' {
			return 0, 0
		}
		ip = ip<<8 | v
	}
	return ip, n
}

// cutIPv6 does that for an IPv6 address without an IPv4 address at its end.
func cutIPv6[S ~string | ~[]byte](s S) (k key, n int) {
	var words [8]uint64
	count, gap, afterGap := 0, -1, -1 // words, those before "::", and where its text ends
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		gap, afterGap, n = 0, 2, 2
	}
	for {
		start, v := n, uint64(0)
		for ; n < len(s) && n < start+4; n++ {
			d := s[n] - '0'
			if d > 9 {
				if d = s[n] | 0x20 - 'a'; d > 5 {
					break
				}
				d += 10
			}
			v = v<<4 | uint64(d)
		}
		if n == start {
			if n == afterGap {
				break // at the end
			}
			return key{}, 0
		}
		words[count] = v
		count++
		if n == len(s) || s[n] != ':' {
			break
		}
		if n++; count == 8 {
			return key{}, 0
		}
		if n < len(s) && s[n] == ':' {
			if gap >= 0 {
				return key{}, 0
			}
			n++
			gap, afterGap = count, n
		}
	}
	if gap < 0 && count < 8 || gap >= 0 && count == 8 {
		return key{}, 0
	}
	if gap >= 0 {
		for i := count - 1; i >= gap; i-- {
			words[8-count+i], words[i] = words[i], 0
		}
	}
	return key{words[0]<<48 | words[1]<<32 | words[2]<<16 | words[3], words[4]<<48 | words[5]<<32 | words[6]<<16 | words[7]}, n
}

func isDigit(c byte) bool { return c-'0' <= 9 }
