package addressmap

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/postfixkit/postfixkit/internal/mailaddr"
	"github.com/postfixkit/postfixkit/table"
)

// A Route is the result of transport(5): which delivery agent gets a message,
// and where it takes it.
type Route struct {
	Transport string // the name in master.cf; "" keeps the one there would be otherwise
	NextHop   string // "" with a Transport: the domain of the recipient; without one: as otherwise
}

// ParseRoute reads a right-hand side "transport:nexthop". Either part may be
// empty. Without a colon Postfix takes the value for a transport, as in
// "transport:", and the error says so; the Route is right then.
func ParseRoute(rhs string) (Route, error) {
	transport, nexthop, ok := strings.Cut(rhs, ":")
	r := Route{transport, nexthop}
	if !ok {
		return r, fmt.Errorf("addressmap: no colon in transport %q, taken for %q", rhs, r)
	}
	return r, nil
}

// String returns "transport:nexthop".
func (r Route) String() string { return r.Transport + ":" + r.NextHop }

// NextHops returns the destinations in the next hop of an SMTP or LMTP
// transport, which since Postfix 3.5 may be a list.
func (r Route) NextHops() []string {
	return strings.FieldsFunc(r.NextHop, func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) })
}

// TransportKeys returns the keys that are tried for an address in a transport
// table: the address, without its extension, the domain, its parent domains,
// and "*", which Postfix asks for beforehand and remembers.
func (m *Map) TransportKeys(addr string) iter.Seq[table.Key] {
	local, domain, hasDomain := mailaddr.Split(addr)
	user, extension := mailaddr.Splitter{Delimiters: m.Delimiters}.Split(local)
	return func(yield func(table.Key) bool) {
		forms := func(text string, partial bool) bool {
			if quoted := mailaddr.Quote(text); quoted != text && !yield(table.Key{Text: quoted, Partial: partial}) {
				return false
			}
			return yield(table.Key{Text: text, Partial: partial})
		}
		if !forms(addr, false) || !hasDomain || extension != "" && !forms(user+"@"+domain, true) {
			return
		}
		for name := domain; name != ""; {
			if !yield(table.Key{Text: name, Partial: true}) {
				return
			}
			dot := strings.IndexByte(name[1:], '.')
			if dot < 0 {
				break
			}
			name = name[1+dot:]
			if m.ParentDomains {
				name = name[1:]
			}
		}
		yield(table.Key{Text: "*", Partial: true})
	}
}

// Transport looks up the route for a recipient. found is false when no table
// says anything about it. An error of [ParseRoute] comes with the Route.
func (m *Map) Transport(ctx context.Context, addr string) (r Route, found bool, err error) {
	hit, found, err := table.Search(ctx, m.Tables, m.TransportKeys(addr), m.Trace)
	if !found || err != nil {
		return Route{}, false, err
	}
	r, err = ParseRoute(hit.Value)
	return r, true, err
}
