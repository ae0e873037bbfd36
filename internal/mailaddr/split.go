package mailaddr

import "strings"

// Split cuts an address in internal form at its last "@". hasDomain is false
// when there is none; local is then the whole address.
func Split(addr string) (local, domain string, hasDomain bool) {
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		return addr[:i], addr[i+1:], true
	}
	return addr, "", false
}

// A Splitter separates users from address extensions (postconf(5),
// recipient_delimiter). The zero Splitter finds no extension.
type Splitter struct {
	// Delimiters is recipient_delimiter: a set of characters, each of which
	// separates user and extension. Empty: there are no extensions.
	Delimiters string
	// SplitOwner is owner_request_special = no. Otherwise owner-NAME and
	// NAME-request stay whole when "-" is a delimiter.
	SplitOwner bool
	// DoubleBounce is double_bounce_sender, which is never split; empty means
	// Postfix's default, "double-bounce".
	DoubleBounce string
}

// Split returns the user and the extension of a local part in internal form.
// The extension includes its delimiter, so that user+extension is the local
// part again, and "" means that there is none. The cut is before the first
// delimiter; a local part that begins with one is not cut, and neither are
// postmaster, mailer-daemon and the double-bounce sender.
func (s Splitter) Split(local string) (user, extension string) {
	i := 0 // a delimiter is a byte, not a rune
	for i < len(local) && strings.IndexByte(s.Delimiters, local[i]) < 0 {
		i++
	}
	if i == 0 || i == len(local) || s.whole(local) {
		return local, ""
	}
	return local[:i], local[i:]
}

// whole reports whether the local part is one of those that are never split.
func (s Splitter) whole(local string) bool {
	double := s.DoubleBounce
	if double == "" {
		double = "double-bounce"
	}
	if equalFold(local, "postmaster") || equalFold(local, "mailer-daemon") || equalFold(local, double) {
		return true
	}
	if s.SplitOwner || strings.IndexByte(s.Delimiters, '-') < 0 {
		return false
	}
	const owner, request = "owner-", "-request"
	n := len(local) - len(request)
	return len(local) >= len(owner) && equalFold(local[:len(owner)], owner) ||
		n > 0 && equalFold(local[n:], request)
}

// equalFold compares as strcasecmp(3) does: only ASCII letters have a case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
