package sqlmap

import (
	"fmt"
	"strings"
)

// parts says what a template takes from a key or value.
type parts struct {
	domain bool // %d: there must be a domain
	user   bool // %u: the user must not be empty
	labels int  // %1 to %9: the domain must have so many labels
}

// needs finds out what a template takes. upper is for the capitals and digits
// of a result_format, which mean the key, and lower for the rest; in a query
// both are the same.
func needs(template string) (upper, lower parts, err error) {
	for i := 0; i < len(template); i++ {
		if template[i] != '%' {
			continue
		}
		i++
		if i == len(template) {
			return upper, lower, fmt.Errorf("%q ends with a %%, want %%%% for one", template)
		}
		switch c := template[i]; {
		case c == '%' || c == 's' || c == 'S':
		case c == 'u':
			lower.user = true
		case c == 'd':
			lower.domain = true
		case c == 'U':
			upper.user = true
		case c == 'D':
			upper.domain = true
		case '1' <= c && c <= '9':
			upper.labels = max(upper.labels, int(c-'0'))
		default:
			return upper, lower, fmt.Errorf("%%%c in %q, want %%s, %%u, %%d, their capitals, %%1 to %%9, or %%%% for a %%", c, template)
		}
	}
	return upper, lower, nil
}

func (p parts) and(q parts) parts {
	return parts{p.domain || q.domain, p.user || q.user, max(p.labels, q.labels)}
}

// splitKey cuts at the last "@".
func splitKey(s string) (user, domain string, qualified bool) {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return s[:at], s[at+1:], true
	}
	return s, "", false
}

// satisfied reports whether a key or value has all that is taken from it.
func (p parts) satisfied(s string) bool {
	user, domain, qualified := splitKey(s)
	switch {
	case p.user && qualified && user == "":
		return false
	case (p.domain || p.labels > 0) && (!qualified || domain == ""):
		return false
	}
	return p.labels == 0 || len(strings.Split(domain, ".")) >= p.labels
}

// expand fills in a template. The lower case letters mean value, the others key.
func expand(template, value, key string) string {
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		if template[i] != '%' || i+1 == len(template) {
			b.WriteByte(template[i])
			continue
		}
		i++
		switch c := template[i]; c {
		case '%':
			b.WriteByte('%')
		case 's':
			b.WriteString(value)
		case 'u':
			user, _, _ := splitKey(value)
			b.WriteString(user)
		case 'd':
			_, domain, _ := splitKey(value)
			b.WriteString(domain)
		case 'S':
			b.WriteString(key)
		case 'U':
			user, _, _ := splitKey(key)
			b.WriteString(user)
		case 'D':
			_, domain, _ := splitKey(key)
			b.WriteString(domain)
		default:
			_, domain, _ := splitKey(key)
			labels := strings.Split(domain, ".")
			if n := len(labels) - int(c-'0'); n >= 0 && n < len(labels) {
				b.WriteString(labels[n])
			}
		}
	}
	return b.String()
}
