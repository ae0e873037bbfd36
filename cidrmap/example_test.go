package cidrmap_test

import (
	"fmt"
	"net/netip"

	"github.com/postfixkit/postfixkit/cidrmap"
)

func Example() {
	t, err := cidrmap.Parse("client.cidr", []byte(`
192.168.1.1     OK
192.168.0.0/16  REJECT
192.168.7.0/24  DISCARD
10.0.0.1/8      OK
`))
	fmt.Println(err)
	if r, found := t.Match(netip.MustParseAddr("192.168.7.8")); found {
		fmt.Printf("line %d: %v %s\n", r.Line, r.Prefix, r.Result)
	}
	for r := range t.Unreachable() {
		fmt.Printf("line %d can never match\n", r.Line)
	}
	// Output:
	// client.cidr:5:1: error: non-null host address bits in "10.0.0.1/8", perhaps you should use "10.0.0.0/8" instead: skipping this rule
	// line 3: 192.168.0.0/16 REJECT
	// line 4 can never match
}
