package accessmap

import (
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

// ScreenAction is a word of postscreen_access_list, or of the result of a table
// in it. The zero ScreenAction is invalid.
type ScreenAction uint8

// The actions of postscreen(8).
const (
	_                ScreenAction = iota
	ScreenPermit                  // permit: pass the client to smtpd(8) untested
	ScreenReject                  // reject: do what postscreen_denylist_action says
	ScreenDunno                   // dunno: nothing is decided; end this list
	ScreenMyNetworks              // permit_mynetworks: permit for clients in mynetworks
)

var screenNames = [...]string{ScreenPermit: "permit", ScreenReject: "reject", ScreenDunno: "dunno", ScreenMyNetworks: "permit_mynetworks"}

// String returns the word.
func (a ScreenAction) String() string {
	if a == 0 || int(a) >= len(screenNames) {
		return fmt.Sprintf("ScreenAction(%d)", uint8(a))
	}
	return screenNames[a]
}

// ParseScreen reads the result of a table in postscreen_access_list, a list of
// actions that are tried in order; usually it is one. The error is a
// [diag.List] as that of [ParseAction]: postscreen(8) logs a warning for a word
// that it does not know, tables among them, and ignores the remainder of the
// access list. The actions before that word are returned with it.
func ParseScreen(rhs string) ([]ScreenAction, error) {
	var list []ScreenAction
	for at, word := range table.Elements(rhs) {
		a := ScreenAction(0)
		for i := ScreenPermit; int(i) < len(screenNames); i++ {
			if strings.EqualFold(word, screenNames[i]) {
				a = i
			}
		}
		if a == 0 {
			c := checker{rhs: rhs}
			what := "unknown action"
			if strings.Contains(word, ":") {
				what = "lookup table in a table"
			}
			c.report(diag.Error, at, at+len(word), "%s %q, want permit, reject, dunno or permit_mynetworks; postscreen ignores the remainder of the access list", what, word)
			return list, c.found
		}
		list = append(list, a)
	}
	return list, nil
}
