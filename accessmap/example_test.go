package accessmap_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/postfixkit/postfixkit/accessmap"
	"github.com/postfixkit/postfixkit/table"
)

func Example() {
	m := accessmap.Map{
		Table: table.Inline(
			table.Entry{Key: "192.0.2", Value: "REJECT 5.7.1 this network is closed"},
			table.Entry{Key: "friend.example.com", Value: "DUNNO"},
		),
		ParentDomains: true,
		Trace:         func(s table.Step) { fmt.Println("tried", s.Key) },
	}
	r, found, err := m.Client(context.Background(), "host.example.org", netip.MustParseAddr("192.0.2.7"))
	if err != nil {
		fmt.Println("defer:", err)
		return
	}
	if found {
		fmt.Println(r.Key, "says", r.Action)
		fmt.Println(r.Action.Reply(accessmap.Client, "host.example.org[192.0.2.7]"))
	}
	// Output:
	// tried host.example.org
	// tried example.org
	// tried org
	// tried 192.0.2.7
	// tried 192.0.2
	// 192.0.2 says REJECT 5.7.1 this network is closed
	// 554 5.7.1 <host.example.org[192.0.2.7]>: Client host rejected: this network is closed
}

func ExampleParseAction() {
	for _, rhs := range []string{"REJECT 5.7.1 no", "550", "FILTER smtp", "REJCT", "check_client_access hash:/x"} {
		a, err := accessmap.ParseAction(rhs)
		fmt.Printf("%s: %v\n", rhs, a.Kind)
		if err != nil {
			fmt.Println(" ", err)
		}
	}
	// Output:
	// REJECT 5.7.1 no: REJECT
	// 550: OK
	//   1:1: warning: 550 without text is a number, which means OK; write "550 text" to refuse [access-action]
	// FILTER smtp: DUNNO
	//   1:8: error: FILTER requires transport:destination, found "smtp"; Postfix ignores the entry [access-action]
	// REJCT: restriction
	//   1:1: warning: unknown action or restriction "REJCT", unless it is in smtpd_restriction_classes (did you mean REJECT?) [access-action]
	// check_client_access hash:/x: DEFER
	//   1:1: error: lookup table in an access table; define a restriction class and name that instead (Postfix replies 451 4.3.5) [access-action]
}

func ExampleParseScreen() {
	fmt.Println(accessmap.ParseScreen("reject"))
	fmt.Println(accessmap.ParseScreen("permit_mynetworks, cidr:/x"))
	// Output:
	// [reject] <nil>
	// [permit_mynetworks] 1:20: error: lookup table in a table "cidr:/x", want permit, reject, dunno or permit_mynetworks; postscreen ignores the remainder of the access list [access-action]
}
