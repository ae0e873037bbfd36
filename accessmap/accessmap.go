// Package accessmap answers what a Postfix access(5) table says about a
// client, a HELO name or a mail address: which keys are tried in which order,
// and what the value that is found means.
//
//	m := accessmap.Map{Table: t, Delimiters: "+"}
//	r, found, err := m.Email(ctx, "joe+lists@mail.example.com")
//	// tried: joe+lists@mail.example.com, joe@mail.example.com, mail.example.com,
//	//        .example.com, .com, joe+lists@, joe@
//	if err != nil {
//		// nothing is known: defer
//	}
//	if found && r.Action.Kind == accessmap.Reject {
//		code, status, text := r.Action.Reply(accessmap.Sender, "joe+lists@mail.example.com")
//	}
//
// The methods of [Map] are the check_…_access restrictions of postconf(5):
//
//	check_client_access                    [Map.Client]
//	check_reverse_client_hostname_access   [Map.Client], with the unverified name
//	check_helo_access, check_etrn_access   [Map.Domain]
//	check_sender_access                    [Map.Email]
//	check_recipient_access                 [Map.Email]
//	check_sasl_access                      [Map.Exact]
//	check_ccert_access                     [Map.Certificate]
//	check_*_mx_access, _ns_access, _a_access  [Map.Servers], with your [Resolver]
//
// Tables that match patterns (regexp:, pcre:, cidr:, socketmap: and the like,
// see [table.Pattern]) get the unmodified key only, as access(5) says. Set
// Map.Trace to see every key that was tried.
//
// [ParseAction] reads the right-hand side of a table into an [Action] and
// tells what Postfix would only log when mail arrives. [Map.Email] expects the
// address as smtpd(8) has it after trivial-rewrite(8): complete, without
// source route. The package does not evaluate whole restriction lists.
package accessmap

import (
	"context"
	"iter"
	"net/netip"

	"github.com/postfixkit/postfixkit/table"
)

// A Map is an access table with the parameters that say how it is searched.
// A Map is safe for concurrent use when its Table and Trace are.
type Map struct {
	Table table.Table

	// ParentDomains: smtpd_access_maps is in parent_domain_matches_subdomains
	// (it is by default, see postconf(5)), so that "example.com" matches its
	// subdomains. Otherwise ".example.com" does.
	ParentDomains bool
	// Delimiters is recipient_delimiter; empty is Postfix's default, no
	// extensions.
	Delimiters string
	// NullKey is smtpd_null_access_lookup_key; empty means "<>".
	NullKey string

	// Trace, when not nil, is called with every key tried and what it gave.
	Trace func(table.Step)
}

func (m *Map) nullKey() string {
	if m.NullKey == "" {
		return "<>"
	}
	return m.NullKey
}

// A Result is an entry that was found.
type Result struct {
	Action Action
	Key    string // the key that matched
	Raw    string // the value, as it is in the table
	// Invalid is what [ParseAction] has against the value, nil for a good one.
	// Action then still is what Postfix makes of it.
	Invalid error
}

// Client looks up a client as check_client_access does. The zero addr leaves
// out the keys of the address.
func (m *Map) Client(ctx context.Context, name string, addr netip.Addr) (Result, bool, error) {
	return m.search(ctx, m.client(name, addr))
}

// Addr looks up an address and the networks it is in.
func (m *Map) Addr(ctx context.Context, addr netip.Addr) (Result, bool, error) {
	return m.search(ctx, addrKeys(addr))
}

// Domain looks up a HELO name or an ETRN domain.
func (m *Map) Domain(ctx context.Context, name string) (Result, bool, error) {
	return m.search(ctx, m.domain(name, false))
}

// Email looks up a sender or recipient address; "" is the null sender.
func (m *Map) Email(ctx context.Context, addr string) (Result, bool, error) {
	return m.search(ctx, m.email(addr))
}

// Exact looks up one key and no part of it, as check_sasl_access does with a
// login name.
func (m *Map) Exact(ctx context.Context, key string) (Result, bool, error) {
	return m.search(ctx, one(key))
}

// Certificate looks up a client certificate as check_ccert_access does: its
// fingerprint, then that of its public key, both as "AB:CD:…" in upper case
// with the digest of smtpd_tls_fingerprint_digest. An empty one is left out; to
// follow a search_order attribute call [Map.Exact] for each.
func (m *Map) Certificate(ctx context.Context, cert, pubkey string) (Result, bool, error) {
	return m.search(ctx, chain(one(cert), one(pubkey)))
}

func (m *Map) search(ctx context.Context, keys iter.Seq[table.Key]) (Result, bool, error) {
	hit, found, err := table.Search(ctx, []table.Table{m.Table}, keys, m.Trace)
	if !found || err != nil {
		return Result{}, false, err
	}
	r := Result{Key: hit.Key, Raw: hit.Value}
	r.Action, r.Invalid = ParseAction(hit.Value)
	return r, true, nil
}
