package accessmap

import (
	"strconv"
	"strings"
)

// Class says what an access table was asked about; it decides about the reply
// to a refusal. The zero Class is invalid.
type Class uint8

// The classes, each with the restrictions it belongs to.
const (
	_             Class = iota
	Client              // check_client_access
	ReverseClient       // check_reverse_client_hostname_access
	Certificate         // check_ccert_access
	SASL                // check_sasl_access
	Helo                // check_helo_access
	Sender              // check_sender_access
	Recipient           // check_recipient_access
	ETRN                // check_etrn_access
)

var classNames = [...]string{
	Client: "Client host", ReverseClient: "Unverified Client host", Certificate: "Client certificate", SASL: "SASL login name",
	Helo: "Helo command", Sender: "Sender address", Recipient: "Recipient address", ETRN: "Etrn command",
}

// String returns the words that Postfix uses in a reply.
func (c Class) String() string {
	if c == 0 || int(c) >= len(classNames) {
		return "Class(" + strconv.Itoa(int(c)) + ")"
	}
	return classNames[c]
}

// The reply codes of the actions that are words, as Postfix has them by
// default.
const (
	RejectCode = 554 // access_map_reject_code
	DeferCode  = 450 // access_map_defer_code
)

// Reply returns what smtpd(8) answers because of an action that refuses:
// [Reject], [Defer], and [DeferIfPermit] and [DeferIfReject] once their
// condition has come true. For other actions code is 0. what is the thing that
// was looked up, as Postfix shows it: a mail address, a name, or
// "name[address]" for a client.
//
// access(5): the status of an address (x.1.y) is changed to one that fits the
// class, and the first digit to that of the code.
func (a Action) Reply(class Class, what string) (code int, status, text string) {
	if !a.Kind.refuses() {
		return 0, "", ""
	}
	if a == serverError {
		return a.Code, a.Status, a.Text
	}
	code = a.Code
	switch {
	case code != 0:
	case a.Kind == Reject:
		code = RejectCode
	default:
		code = DeferCode
	}
	status = a.Status
	if status == "" {
		status = "x.7.1"
	}
	status = strconv.Itoa(code/100) + class.fit(status)[1:]
	text = a.Text
	if text == "" {
		text = "Access denied"
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return code, status, "<" + what + ">: " + class.String() + " rejected: " + text
}

// fit changes a status about an address into one for the class.
func (c Class) fit(status string) string {
	detail, ok := strings.CutPrefix(status[1:], ".1.")
	if !ok {
		return status
	}
	subject := map[Class]map[string]string{
		Sender:    {"0": "0", "1": "7", "2": "8", "3": "7", "4": "7", "5": "0", "6": "7", "7": "7", "8": "8"},
		Recipient: {"0": "0", "1": "1", "2": "2", "3": "3", "4": "4", "5": "5", "6": "6", "7": "3", "8": "2"},
	}
	digits, known := subject[c]
	if !known {
		return status[:1] + ".0.0"
	}
	if digit := digits[detail]; digit != "" {
		return status[:1] + ".1." + digit
	}
	return status[:1] + ".1.0"
}
