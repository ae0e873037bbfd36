package headercheck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
)

// ActionKind says what an [Action] does. The zero ActionKind is invalid.
type ActionKind uint8

// The actions of header_checks(5).
const (
	_        ActionKind = iota
	Dunno               // DUNNO, OK: nothing, look at the next line
	Reject              // REJECT [status] [text]
	Warn                // WARN [text]: log
	Info                // INFO [text]: log
	Filter              // FILTER transport:destination
	Pass                // PASS [text]: log and look at nothing more
	Discard             // DISCARD [text]: accept and drop the message
	Hold                // HOLD [text]
	Prepend             // PREPEND text: a line before this one
	Replace             // REPLACE text: instead of this line
	Redirect            // REDIRECT user@domain: instead of all recipients
	BCC                 // BCC user@domain: one more recipient
	Strip               // STRIP [text]: log and delete the line
	Ignore              // IGNORE: delete the line
)

var actionNames = [...]string{Dunno: "DUNNO", Reject: "REJECT", Warn: "WARN", Info: "INFO", Filter: "FILTER", Pass: "PASS",
	Discard: "DISCARD", Hold: "HOLD", Prepend: "PREPEND", Replace: "REPLACE", Redirect: "REDIRECT", BCC: "BCC", Strip: "STRIP", Ignore: "IGNORE"}

// String returns the word of header_checks(5).
func (k ActionKind) String() string {
	if k == 0 || int(k) >= len(actionNames) {
		return "ActionKind(" + strconv.Itoa(int(k)) + ")"
	}
	return actionNames[k]
}

// An Action is the right-hand side of a header_checks(5) entry.
type Action struct {
	Kind ActionKind
	// Status is the enhanced status code of a REJECT, "" when it has none
	// (5.7.1 then). One that starts with 4 makes the client try again later.
	Status string
	// Text is what follows: the text to log or to reply with, the line of
	// PREPEND and REPLACE, the target of FILTER, REDIRECT and BCC.
	Text string
}

// String returns a value that means a: ParseAction gives a again.
func (a Action) String() string {
	return strings.Join(slices.DeleteFunc([]string{a.Kind.String(), a.Status, a.Text}, func(s string) bool { return s == "" }), " ")
}

// Program is who performs the checks; not all actions are possible everywhere.
// The zero Program is cleanup(8).
type Program uint8

// The programs that check headers.
const (
	Cleanup Program = iota // header_checks and so on, body_checks
	Client                 // smtp(8), lmtp(8): smtp_header_checks and so on
	Milter                 // milter_header_checks
)

// possible reports whether a program knows an action.
func (p Program) possible(k ActionKind) bool {
	switch k {
	case Dunno, Warn, Info, Replace, Strip, Ignore:
		return true
	case Prepend:
		return p != Milter
	}
	return p != Client
}

// ParseAction reads a table value as Postfix does for a key of that kind, in
// cleanup(8). The error is a [diag.List]: what Postfix would only log when mail
// arrives, or ignore without a word; places in it are offsets into value. When
// [diag.List.Max] is [diag.Error] Postfix does nothing, and the Action says so:
// it is Dunno.
func ParseAction(kind Kind, value string) (Action, error) {
	return Cleanup.ParseAction(kind, value)
}

// ParseAction is the function of that name for another program.
func (p Program) ParseAction(kind Kind, value string) (Action, error) {
	var found diag.List
	report := func(sev diag.Severity, start int, format string, args ...any) {
		at := func(i int) diag.Position { return diag.Position{Offset: i, Line: 1, Col: i + 1} }
		found = append(found, diag.Diagnostic{Span: diag.Span{Start: at(start), End: at(len(value))}, Severity: sev,
			Check: "header-check-action", Message: fmt.Sprintf(format, args...)})
	}
	fail := func(format string, args ...any) (Action, error) {
		report(diag.Error, 0, format, args...)
		return Action{Kind: Dunno}, found
	}
	word, text := value, ""
	if i := strings.IndexAny(value, " \t"); i >= 0 {
		word, text = value[:i], trimSpaceLeft(value[i:])
	}
	a := Action{Text: text}
	for k, name := range actionNames {
		if name != "" && strings.EqualFold(word, name) {
			a.Kind = ActionKind(k)
		}
	}
	if strings.EqualFold(word, "OK") {
		a.Kind = Dunno
	}
	textAt := len(value) - len(text)
	switch {
	case value == "":
		return fail("empty value; Postfix takes it for a broken table and defers the mail")
	case a.Kind == 0:
		return fail("unknown action %q (want %s)", word, p.actions())
	case !p.possible(a.Kind):
		return fail("%v is not possible here (want %s)", a.Kind, p.actions())
	}
	switch a.Kind {
	case Reject:
		a.Status, a.Text = cutStatus(text)
		if a.Status != "" && a.Status[0] == '2' {
			report(diag.Warning, textAt, "status %s of a REJECT must start with 4 or 5; Postfix makes it 4%s", a.Status, a.Status[1:])
			a.Status = "4" + a.Status[1:]
		}
	case Filter:
		if !strings.Contains(text, ":") {
			return fail("FILTER needs transport:destination, found %q", text)
		}
	case Redirect, BCC:
		if !strings.Contains(text, "@") {
			return fail("%v needs user@domain, found %q", a.Kind, text)
		}
	case Prepend, Replace:
		if text == "" {
			return fail("%v without text", a.Kind)
		}
		if kind != Body && headerName([]byte(text)) == 0 {
			return fail("%v of a header needs \"name: value\", found %q", a.Kind, text)
		}
	case Dunno, Ignore:
		if text != "" {
			report(diag.Info, textAt, "text after %s is ignored", strings.ToUpper(word))
		}
	}
	return a, found.Err()
}

// actions lists what a program knows.
func (p Program) actions() string {
	var names []string
	for k := Dunno; k <= Ignore; k++ {
		if p.possible(k) {
			names = append(names, actionNames[k])
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// cutStatus cuts an enhanced status code (RFC 3463) off the front of a text.
func cutStatus(text string) (status, rest string) {
	end := strings.IndexAny(text, " \t\n\v\f\r")
	if end < 0 {
		end = len(text)
	}
	parts := strings.Split(text[:end], ".")
	if len(parts) != 3 || parts[0] != "2" && parts[0] != "4" && parts[0] != "5" || !threeDigits(parts[1]) || !threeDigits(parts[2]) {
		return "", text
	}
	return text[:end], trimSpaceLeft(text[end:])
}

func threeDigits(s string) bool {
	return s != "" && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}

func trimSpaceLeft(s string) string { return strings.TrimLeft(s, " \t\n\v\f\r") }
