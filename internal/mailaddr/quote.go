package mailaddr

import "strings"

// Quote returns the external form of an address in internal form: the part
// before the last "@", or all of it when there is none, gets quotes when it is
// not a sequence of atoms with dots between them. A source route in front
// ("@relay,@relay2:") stays as it is. Bytes above 127 need no quotes.
func Quote(addr string) string {
	if local, _, _ := Split(addr); isDotString(local) {
		return addr
	}
	return string(AppendQuote(nil, addr))
}

// AppendQuote is [Quote] with a slice to append to.
func AppendQuote(dst []byte, addr string) []byte {
	start := routeEnd(addr)
	end := strings.LastIndexByte(addr[start:], '@')
	if end < 0 {
		end = len(addr)
	} else {
		end += start
	}
	dst = append(dst, addr[:start]...)
	dst = appendLocal(dst, addr[start:end])
	return append(dst, addr[end:]...)
}

// QuoteLocal is [Quote] for a local part alone: an "@" in it needs quotes.
func QuoteLocal(local string) string {
	if isDotString(local) {
		return local
	}
	return string(AppendQuoteLocal(nil, local))
}

// AppendQuoteLocal is [QuoteLocal] with a slice to append to.
func AppendQuoteLocal(dst []byte, local string) []byte {
	start := routeEnd(local)
	return appendLocal(append(dst, local[:start]...), local[start:])
}

// routeEnd returns the length of the source route in front of an address.
func routeEnd(addr string) int {
	if len(addr) == 0 || addr[0] != '@' {
		return 0
	}
	return strings.IndexByte(addr, ':') + 1
}

func appendLocal(dst []byte, local string) []byte {
	if isDotString(local) {
		return append(dst, local...)
	}
	dst = append(dst, '"')
	for i := 0; i < len(local); i++ {
		if c := local[i]; c == '"' || c == '\\' || c == '\r' {
			dst = append(dst, '\\')
		}
		dst = append(dst, local[i])
	}
	return append(dst, '"')
}

// isDotString reports whether a local part needs no quotes.
func isDotString(local string) bool {
	if local == "" || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return false
	}
	for i := 0; i < len(local); i++ {
		switch c := local[i]; c {
		case ' ', '(', ')', '<', '>', '@', ',', ';', ':', '\\', '"', '[', ']', 0x7f:
			return false
		default:
			if c < ' ' {
				return false
			}
		}
	}
	return true
}

// Unquote returns the internal form of an address in external form: quotes and
// backslashes are removed before the last "@" outside quotes. Quotes that do
// not match are removed as well.
func Unquote(addr string) string { return string(AppendUnquote(nil, addr)) }

// AppendUnquote is [Unquote] with a slice to append to.
func AppendUnquote(dst []byte, addr string) []byte {
	start := routeEnd(addr)
	dst = append(dst, addr[:start]...)
	quoted := false
	atSrc, atDst := -1, 0
	for i := start; i < len(addr); i++ {
		c := addr[i]
		switch {
		case c == '"':
			quoted = !quoted
			continue
		case c == '@' && !quoted:
			atSrc, atDst = i, len(dst)
		case c == '\\':
			if i+1 == len(addr) {
				continue
			}
			i++
			c = addr[i]
		}
		dst = append(dst, c)
	}
	if atSrc >= 0 { // the domain keeps its quotes
		dst = append(dst[:atDst], addr[atSrc:]...)
	}
	return dst
}
