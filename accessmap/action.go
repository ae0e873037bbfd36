package accessmap

import (
	"strconv"
	"strings"
)

// Kind says what an [Action] does. The zero Kind is invalid.
type Kind uint8

// The actions of access(5).
const (
	_             Kind = iota
	OK                 // OK, RELAY, or a number: accept and stop the restriction list
	Reject             // REJECT [status] [text], or 5NN [status] text
	Defer              // DEFER [status] [text], or 4NN [status] text
	DeferIfPermit      // DEFER_IF_PERMIT [status] [text]: a later permit becomes a deferral
	DeferIfReject      // DEFER_IF_REJECT [status] [text]: a later reject becomes a deferral
	Dunno              // DUNNO: as if not found, and do not try the rest of the keys
	Discard            // DISCARD [text]: accept the message and drop it
	Hold               // HOLD [text]: put the message into the hold queue
	Filter             // FILTER transport:destination: set the content filter
	Prepend            // PREPEND name: value: add a message header
	Redirect           // REDIRECT user@domain: replace all recipients
	BCC                // BCC user@domain: add a recipient
	Info               // INFO [text]: log, then as DUNNO
	Warn               // WARN [text]: log a warning, then as DUNNO
	Restriction        // a list of restrictions or restriction classes to apply
	Hangup             // HANGUP: drop the connection without a word; a test feature of Postfix, not documented
)

var kindNames = [...]string{
	OK: "OK", Reject: "REJECT", Defer: "DEFER", DeferIfPermit: "DEFER_IF_PERMIT", DeferIfReject: "DEFER_IF_REJECT",
	Dunno: "DUNNO", Discard: "DISCARD", Hold: "HOLD", Filter: "FILTER", Prepend: "PREPEND", Redirect: "REDIRECT",
	BCC: "BCC", Info: "INFO", Warn: "WARN", Restriction: "restriction", Hangup: "HANGUP",
}

// String returns the word of access(5), "restriction" for a restriction list.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// An Action is the right-hand side of an access(5) entry. [ParseAction] makes
// one, and String prints it back.
type Action struct {
	Kind Kind
	// Code is the SMTP reply code of a 4NN or 5NN action, 0 for the words
	// (whose code is access_map_reject_code or access_map_defer_code).
	Code int
	// Status is the enhanced status code before the text of a refusal
	// ("5.7.1"); "" when the value has none.
	Status string
	// Arg is what FILTER, PREPEND, REDIRECT, BCC and a restriction list are
	// about; for OK the word or number when it is another than OK.
	Arg string
	// Text is the optional text.
	Text string
}

// refuses reports whether the text of the action may start with an enhanced
// status code.
func (k Kind) refuses() bool { return Reject <= k && k <= DeferIfReject }

// hasArg reports whether what follows the word is an argument and not text.
func (k Kind) hasArg() bool {
	return k == Filter || k == Prepend || k == Redirect || k == BCC
}

// String returns the value that means a: ParseAction(a.String()) is a again.
func (a Action) String() string {
	words := make([]string, 0, 4)
	switch {
	case a.Code != 0:
		words = append(words, strconv.Itoa(a.Code))
	case a.Kind == Restriction:
		return a.Arg
	case a.Kind == OK && a.Arg != "":
		words = append(words, a.Arg)
	default:
		words = append(words, a.Kind.String())
	}
	if a.Status != "" {
		words = append(words, a.Status)
	}
	if a.Kind.hasArg() && a.Arg != "" {
		words = append(words, a.Arg)
	}
	if a.Text != "" {
		words = append(words, a.Text)
	}
	return strings.Join(words, " ")
}

// kindOf finds the action that a word names. Postfix does not care about case.
func kindOf(word string) Kind {
	for k := OK; int(k) < len(kindNames); k++ {
		if k != Restriction && strings.EqualFold(word, kindNames[k]) {
			return k
		}
	}
	return 0
}

// split reads a value as smtpd(8) does: the named actions first, then numbers,
// then reply codes with text, and what is left is a restriction list.
func split(rhs string) Action {
	word, rest := rhs, ""
	if i := strings.IndexAny(rhs, " \t"); i >= 0 {
		word, rest = rhs[:i], trimSpaceLeft(rhs[i:])
	}
	k := kindOf(word)
	switch {
	case k == OK:
		return Action{Kind: OK, Text: rest}
	case strings.EqualFold(word, "RELAY"):
		return Action{Kind: OK, Arg: "RELAY", Text: rest}
	case k.hasArg():
		return Action{Kind: k, Arg: rest}
	case k.refuses():
		status, text := cutStatus(rest)
		return Action{Kind: k, Status: status, Text: text}
	case k != 0:
		return Action{Kind: k, Text: rest}
	case allDigits(rhs):
		return Action{Kind: OK, Arg: rhs}
	case isReply(rhs):
		a := Action{Kind: Reject, Code: int(rhs[0]-'0')*100 + int(rhs[1]-'0')*10 + int(rhs[2]-'0')}
		if a.Code < 500 {
			a.Kind = Defer
		}
		a.Status, a.Text = cutStatus(trimSpaceLeft(rhs[3:]))
		return a
	}
	return Action{Kind: Restriction, Arg: rhs}
}

// isReply: 4NN or 5NN as a word of its own, text.
func isReply(s string) bool {
	return len(s) > 4 && (s[0] == '4' || s[0] == '5') && allDigits(s[:3]) && (s[3] == ' ' || s[3] == '\t') && trimSpaceLeft(s[3:]) != ""
}

// cutStatus cuts an enhanced status code (RFC 3463) off the front of a text.
func cutStatus(text string) (status, rest string) {
	end := strings.IndexFunc(text, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	if end < 0 {
		end = len(text)
	}
	if !isStatus(text[:end]) {
		return "", text
	}
	return text[:end], trimSpaceLeft(text[end:])
}

// isStatus: 2, 4 or 5, a number of up to three digits, another one.
func isStatus(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != "2" && parts[0] != "4" && parts[0] != "5" {
		return false
	}
	return allDigits(parts[1]) && len(parts[1]) <= 3 && allDigits(parts[2]) && len(parts[2]) <= 3
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func trimSpaceLeft(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	return s
}
