package accessmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/diag"
)

// values are right-hand sides: what they are, and what is wrong with them. They
// are also what the comparison with smtpd and the fuzz target start from.
var values = []struct {
	rhs   string
	want  Action
	found string // part of a finding; "" for none
}{
	{"OK", Action{Kind: OK}, ""},
	{"ok whatever", Action{Kind: OK, Text: "whatever"}, "text after OK"},
	{"RELAY", Action{Kind: OK, Arg: "RELAY"}, ""},
	{"1234567890", Action{Kind: OK, Arg: "1234567890"}, ""},
	{"550", Action{Kind: OK, Arg: "550"}, "550 without text"},
	{"250", Action{Kind: OK, Arg: "250"}, ""},
	{"REJECT", Action{Kind: Reject}, ""},
	{"reject go away", Action{Kind: Reject, Text: "go away"}, ""},
	{"REJECT 5.7.2   go away", Action{Kind: Reject, Status: "5.7.2", Text: "go away"}, ""},
	{"REJECT 4.7.2 no", Action{Kind: Reject, Status: "4.7.2", Text: "no"}, "makes it 5.7.2"},
	{"REJECT 5.7.2", Action{Kind: Reject, Status: "5.7.2"}, "past the end"},
	{"REJECT 5.7.1234 x", Action{Kind: Reject, Text: "5.7.1234 x"}, ""},
	{"550 5.1.1 gone", Action{Kind: Reject, Code: 550, Status: "5.1.1", Text: "gone"}, ""},
	{"521\tbot", Action{Kind: Reject, Code: 521, Text: "bot"}, ""},
	{"450 later", Action{Kind: Defer, Code: 450, Text: "later"}, ""},
	{"421 4.2.1 bye", Action{Kind: Defer, Code: 421, Status: "4.2.1", Text: "bye"}, ""},
	{"DEFER", Action{Kind: Defer}, ""},
	{"DEFER 4.2.1 x", Action{Kind: Defer, Status: "4.2.1", Text: "x"}, ""},
	{"defer_if_permit x y", Action{Kind: DeferIfPermit, Text: "x y"}, ""},
	{"DEFER_IF_REJECT", Action{Kind: DeferIfReject}, ""},
	{"DUNNO", Action{Kind: Dunno}, ""},
	{"DUNNO because", Action{Kind: Dunno, Text: "because"}, "text after DUNNO"},
	{"DISCARD", Action{Kind: Discard}, ""},
	{"HOLD look at it", Action{Kind: Hold, Text: "look at it"}, ""},
	{"FILTER smtp:[127.0.0.1]:10025", Action{Kind: Filter, Arg: "smtp:[127.0.0.1]:10025"}, ""},
	{"FILTER smtp:", Action{Kind: Filter, Arg: "smtp:"}, ""},
	{"FILTER smtp", Action{Kind: Dunno}, "requires transport:destination"},
	{"FILTER", Action{Kind: Dunno}, "FILTER without value"},
	{"PREPEND X-Spam: yes", Action{Kind: Prepend, Arg: "X-Spam: yes"}, ""},
	{"PREPEND X-Spam : yes", Action{Kind: Prepend, Arg: "X-Spam : yes"}, ""},
	{"PREPEND X Spam: yes", Action{Kind: Dunno}, "PREPEND requires"},
	{"PREPEND", Action{Kind: Dunno}, "PREPEND requires"},
	{"PREPEND : yes", Action{Kind: Dunno}, "PREPEND requires"},
	{"REDIRECT a@b.example", Action{Kind: Redirect, Arg: "a@b.example"}, ""},
	{"REDIRECT a", Action{Kind: Dunno}, "requires a user@domain"},
	{"BCC a@b.example", Action{Kind: BCC, Arg: "a@b.example"}, ""},
	{"BCC", Action{Kind: Dunno}, "BCC without value"},
	{"INFO", Action{Kind: Info}, ""},
	{"WARN strange", Action{Kind: Warn, Text: "strange"}, ""},
	{"HANGUP", Action{Kind: Hangup}, "not documented"},
	{"permit", Action{Kind: Restriction, Arg: "permit"}, ""},
	{"reject_unauth_destination, reject_unlisted_recipient", Action{Kind: Restriction, Arg: "reject_unauth_destination, reject_unlisted_recipient"}, ""},
	{"sleep 1 reject_rbl_client zen.example=127.0.0.[2;3]", Action{Kind: Restriction, Arg: "sleep 1 reject_rbl_client zen.example=127.0.0.[2;3]"}, ""},
	{"sleep", serverError, "sleep needs an argument"},
	{"sleep x", serverError, "number of seconds"},
	{"reject_rbl_client", Action{Kind: Restriction, Arg: "reject_rbl_client"}, "needs an argument"},
	{"check_client_access hash:/x", serverError, "define a restriction class"},
	{"check_client_access", serverError, "define a restriction class"},
	{"REJECTED", Action{Kind: Restriction, Arg: "REJECTED"}, "did you mean REJECT?"},
	{"reject_unath_destination", Action{Kind: Restriction, Arg: "reject_unath_destination"}, "did you mean reject_unauth_destination?"},
	{"reject_unknown_client", Action{Kind: Restriction, Arg: "reject_unknown_client"}, "use reject_unknown_client_hostname"},
	{"reject_maps_rbl", serverError, "not supported any more, use reject_rbl_client"},
	{"greylist", Action{Kind: Restriction, Arg: "greylist"}, "smtpd_restriction_classes"},
	{"550x", Action{Kind: Restriction, Arg: "550x"}, "unknown"},
	{"", serverError, "empty value"},
	{"550\vx", Action{Kind: Restriction, Arg: "550\vx"}, "unknown"},
	{"REJECT caf\xe9", serverError, "1:11: error: value is not UTF-8"},
	{",", Action{Kind: OK}, "no restriction"},
}

func TestParseAction(t *testing.T) {
	for _, c := range values {
		got, err := ParseAction(c.rhs)
		if got != c.want {
			t.Errorf("%q\n got %+v\nwant %+v", c.rhs, got, c.want)
		}
		if c.found == "" && err != nil || c.found != "" && (err == nil || !strings.Contains(err.Error(), c.found)) {
			t.Errorf("%q: found %v, want %q", c.rhs, err, c.found)
		}
	}
}

// What is no action prints as a number.
func TestScreenActionString(t *testing.T) {
	for a, want := range map[ScreenAction]string{0: "ScreenAction(0)", ScreenPermit: "permit", ScreenMyNetworks: "permit_mynetworks", ScreenMyNetworks + 1: "ScreenAction(5)"} {
		if got := a.String(); got != want {
			t.Errorf("%d: %s, want %s", uint8(a), got, want)
		}
	}
}

// TestManyUnknownWords has as many classes as unknown words: some get a
// suggestion, all are found.
func TestManyUnknownWords(t *testing.T) {
	const n = 30_000
	var words, classes []string
	for i := range n {
		words, classes = append(words, fmt.Sprint("clxss", i)), append(classes, fmt.Sprint("class", i))
	}
	ended := make(chan error, 1)
	go func() {
		_, err := (&Grammar{Classes: classes}).ParseAction(strings.Join(words, " "))
		ended <- err
	}()
	select {
	case err := <-ended:
		var found diag.List
		if !errors.As(err, &found) || len(found) != n || !strings.Contains(found[3].Message, "did you mean class3?") {
			t.Errorf("%d findings", len(found))
		}
	case <-time.After(60 * time.Second):
		t.Error("it does not end")
	}
}

func TestGrammar(t *testing.T) {
	g := Grammar{Classes: []string{"greylist"}, List: "smtpd_helo_restrictions"}
	for rhs, want := range map[string]string{
		"greylist":                       "",
		"greylist, permit, nonsense":     `1:19: warning: "nonsense" is never reached behind permit [access-action]`,
		"warn_if_reject permit nonsense": `1:23: warning: "nonsense" is never reached behind permit [access-action]`,
		"REJECT_unlisted_sender reject x y": "1:1: warning: REJECT_unlisted_sender has no information to work on in smtpd_helo_restrictions [access-action]\n" +
			`1:31: warning: "x y" is never reached behind reject [access-action]`,
		"warn_if_reject reject nonsense": `1:23: error: unknown action or restriction "nonsense" [access-action]`,
		"greylost":                       `1:1: error: unknown action or restriction "greylost" (did you mean greylist?) [access-action]`,
		"reject_non_fqdn_sender, permit": "1:1: warning: reject_non_fqdn_sender has no information to work on in smtpd_helo_restrictions [access-action]",
	} {
		_, err := g.ParseAction(rhs)
		if got := fmt.Sprint(err); got != want && (want != "" || err != nil) {
			t.Errorf("%q\n got %s\nwant %s", rhs, got, want)
		}
	}
	if a, _ := g.ParseAction("permit, nonsense"); a.Kind != Restriction {
		t.Errorf("behind permit: %+v", a)
	}
	g.List = "smtpd_end_of_data_restrictions"
	if a, err := g.ParseAction("PREPEND X: y"); a.Kind != Dunno || err == nil {
		t.Errorf("PREPEND at the end of data: %+v, %v", a, err)
	}
	g.List = "smtpd_etrn_restrictions"
	if a, err := g.ParseAction("HOLD"); a.Kind != Dunno || err == nil {
		t.Errorf("HOLD for ETRN: %+v, %v", a, err)
	}
}

// TestRestrictionsAreThoseOfPostfix compares the table with the reviewed list.
func TestRestrictionsAreThoseOfPostfix(t *testing.T) {
	src, err := os.ReadFile("testdata/restrictions.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name, Status string
		Lists        []string
		Args         []struct{ Type string }
	}
	if err := json.Unmarshal(src, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(restrictions) {
		t.Errorf("%d restrictions, want %d", len(restrictions), len(list))
	}
	for _, want := range list {
		got, ok := restrictions[want.Name]
		if !ok || len(got.lists) != len(want.Lists) || (got.argument != argNone) != (len(want.Args) > 0) || (got.status == current) != (want.Status == "active") {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want)
		}
		for _, l := range want.Lists {
			if strings.IndexByte(got.lists, listLetters[l]) < 0 {
				t.Errorf("%s may stand in %s", want.Name, l)
			}
		}
	}
}

// FuzzAction: every value parses to something that prints as a value with the
// same meaning, and no finding points outside of it.
func FuzzAction(f *testing.F) {
	for _, v := range values {
		f.Add(v.rhs)
	}
	f.Fuzz(func(t *testing.T, rhs string) {
		a := Split(rhs)
		if again := Split(a.String()); again != a {
			t.Fatalf("%q is %+v\nprints %q\nwhich is %+v", rhs, a, a.String(), again)
		}
		effect, err := ParseAction(rhs)
		var found diag.List
		if errors.As(err, &found); found.Max() < diag.Error && effect != a && effect != (Action{Kind: OK}) {
			t.Fatalf("%q is %+v, but has the effect %+v with %v", rhs, a, effect, err)
		}
		for _, d := range found {
			if s, e := d.Span.Start.Offset, d.Span.End.Offset; s < 0 || e < s || e > len(rhs) {
				t.Fatalf("%q: finding at %d-%d: %v", rhs, s, e, d)
			}
		}
	})
}
