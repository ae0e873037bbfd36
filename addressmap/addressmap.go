// Package addressmap answers what the tables say that Postfix searches by mail
// address: canonical(5), virtual(5), generic(5), relocated(5), transport(5), and
// the sender-dependent, bcc and recipient tables of postconf(5).
//
//	m := addressmap.Map{
//		Tables:     []table.Table{t},
//		Delimiters: "+",
//		Local:      func(domain string) bool { return domain == "example.com" },
//	}
//	to, err := m.Virtual(ctx, "joe+lists@example.com")
//	// tried: joe+lists@example.com, joe@example.com, joe+lists, joe, @example.com
//
// All of them try an address, the address without its extension, the user
// alone when the domain is a local one, and the domain with "@" in front
// ([Map.RewriteKeys], [Map.Keys]); transport tables have an order of their own
// ([Map.TransportKeys]). Tables that match patterns get the whole address only.
// Map.Trace sees every key that is tried.
//
// Addresses are given and returned in internal form, without quotes, complete
// with their domain; where Postfix puts quotes into keys the methods do. The
// tables with actions for messages, header_checks(5) and body_checks(5), are
// package headercheck; those of access(5) package accessmap; aliases(5) package
// aliases. Masquerading, and the rewriting that trivial-rewrite(8) does by
// itself, are not done here.
package addressmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
	"github.com/postfixkit/postfixkit/table"
)

// A Map is the tables of one parameter with what else decides about a search.
// Each key goes to all tables before the next is tried. A Map is safe for
// concurrent use when its Tables and functions are.
type Map struct {
	Tables []table.Table
	// Delimiters is recipient_delimiter; empty is Postfix's default, no
	// extensions.
	Delimiters string
	// Local reports whether mail for a domain is for this machine, so that the
	// user alone is a key: the domain is $myorigin, in $mydestination, or an
	// address literal of $inet_interfaces or $proxy_interfaces. nil: none is.
	Local func(domain string) bool
	// ParentDomains, for transport tables: transport_maps is in
	// parent_domain_matches_subdomains.
	ParentDomains bool
	// Propagate: what follows the delimiter is added to what a table has for
	// the address without it (propagate_unmatched_extensions has the name of
	// the table: canonical, virtual, generic).
	Propagate bool
	// Origin is $myorigin, added to results without a domain, and Domain is
	// $mydomain, added to domains without a dot; empty adds nothing.
	Origin, Domain string
	// NoRelocatedPrefix is relocated_prefix_enable = no (Postfix 3.11): the
	// value of a relocated table begins with an enhanced status.
	NoRelocatedPrefix bool

	// Trace, when not nil, is called with every key tried and what it gave.
	Trace func(table.Step)
}

// Keys returns the keys that are tried for an address where the result says
// something about it: relocated(5), the sender-dependent and bcc tables, lists
// of recipients. Keys that need quotes are tried with them and then without.
func (m *Map) Keys(addr string) iter.Seq[table.Key] { return m.seq(addr, false, nil) }

// RewriteKeys returns the keys that are tried for an address where the result
// takes its place: canonical(5), virtual(5) and generic(5). In contrast to Keys
// they are tried only in the form with quotes.
func (m *Map) RewriteKeys(addr string) iter.Seq[table.Key] { return m.seq(addr, true, nil) }

// seq is the sequence of keys; the one at hand is also put into by.
func (m *Map) seq(addr string, quotedOnly bool, by *key) iter.Seq[table.Key] {
	return func(yield func(table.Key) bool) {
		for k := range m.keys(addr, quotedOnly) {
			if by != nil {
				*by = k
			}
			if !yield(k.Key) {
				return
			}
		}
	}
}

// key is a key with the extension that it leaves out.
type key struct {
	table.Key
	extension string
}

func (m *Map) keys(addr string, quotedOnly bool) iter.Seq[key] {
	local, domain, hasDomain := mailaddr.Split(addr)
	user, extension := mailaddr.Splitter{Delimiters: m.Delimiters}.Split(local)
	return func(next func(key) bool) {
		stopped := false
		yield := func(k key) bool {
			stopped = stopped || !next(k)
			return !stopped
		}
		forms := func(text, extension string, partial bool, quote func(string) string) bool {
			if quoted := quote(text); quoted != text {
				if !yield(key{table.Key{Text: quoted, Partial: partial}, extension}) || quotedOnly {
					return !stopped
				}
			}
			return yield(key{table.Key{Text: text, Partial: partial}, extension})
		}
		if !forms(addr, "", false, mailaddr.Quote) {
			return
		}
		if !hasDomain {
			if extension != "" {
				forms(user, extension, true, mailaddr.Quote)
			}
			return
		}
		if extension != "" && !forms(user+"@"+domain, extension, true, mailaddr.Quote) {
			return
		}
		if m.Local != nil && m.Local(domain) {
			if !forms(local, "", true, mailaddr.QuoteLocal) || extension != "" && !forms(user, extension, true, mailaddr.QuoteLocal) {
				return
			}
		}
		if domain != "" {
			yield(key{table.Key{Text: "@" + domain, Partial: true}, ""})
		}
	}
}

// Find returns what the tables have for an address. It is the lookup of
// sender_dependent_relayhost_maps, sender_bcc_maps, local_recipient_maps and
// the like, whose result is taken as it is.
func (m *Map) Find(ctx context.Context, addr string) (hit table.Step, found bool, err error) {
	return table.Search(ctx, m.Tables, m.Keys(addr), m.Trace)
}

// addresses returns what the tables have for addr as a list of addresses: with
// the user for a result "@domain", the extension that was not part of the key,
// and the missing domains.
func (m *Map) addresses(ctx context.Context, addr string) (list []string, found bool, err error) {
	var by key
	hit, found, err := table.Search(ctx, m.Tables, m.seq(addr, true, &by), m.Trace)
	if !found || err != nil {
		return nil, false, err
	}
	toks := mailaddr.WithoutComments(mailaddr.Scan(nil, []byte(hit.Value)))
	for _, a := range mailaddr.Addresses(toks) {
		to := string(mailaddr.AppendInternal(nil, []byte(hit.Value), toks[a.Start:a.End]))
		if strings.HasPrefix(hit.Value, "@") && len(list) == 0 {
			local, _, _ := mailaddr.Split(addr)
			to = strings.TrimSuffix(local, by.extension) + to
		}
		to = m.complete(to)
		if m.Propagate && by.extension != "" {
			local, domain, _ := mailaddr.Split(to)
			to = local + by.extension
			if domain != "" {
				to += "@" + domain
			}
		}
		list = append(list, to)
	}
	return list, true, nil
}

// complete adds what trivial-rewrite(8) adds to an address.
func (m *Map) complete(addr string) string {
	_, domain, has := mailaddr.Split(addr)
	switch {
	case !has && addr != "" && m.Origin != "":
		return addr + "@" + m.Origin
	case has && domain != "" && m.Domain != "" && !strings.ContainsAny(domain, ".["):
		return addr + "." + m.Domain
	}
	return addr
}

// ErrNesting is the error for results that lead to ever more results. Postfix
// does not accept such a message.
var ErrNesting = errors.New("addressmap: unreasonable nesting")

// maxNesting is how often Postfix looks up the result of canonical(5) again.
const maxNesting = 10

// Canonical rewrites an address as canonical(5) says, and what comes out again,
// until nothing changes. The address itself is returned when no table has it.
func (m *Map) Canonical(ctx context.Context, addr string) (string, error) {
	start := addr
	for range maxNesting {
		to, found, err := m.one(ctx, addr)
		if err != nil {
			return "", err
		}
		if !found || same(to, addr) {
			return to, nil
		}
		addr = to
	}
	return "", fmt.Errorf("%w of %s", ErrNesting, start)
}

// Generic rewrites an address as generic(5) says, once. The address itself is
// returned when no table has it.
func (m *Map) Generic(ctx context.Context, addr string) (string, error) {
	to, _, err := m.one(ctx, addr)
	return to, err
}

// one looks up an address for which there can be one result. Of more than one
// Postfix uses the first.
func (m *Map) one(ctx context.Context, addr string) (to string, found bool, err error) {
	list, found, err := m.addresses(ctx, addr)
	if err != nil || !found || len(list) == 0 {
		return addr, false, err
	}
	return list[0], true, nil
}

func fold(addr string) string { return casefold.String(addr, true) }

func same(a, b string) bool { return fold(a) == fold(b) }

// Limits of [Map.Virtual].
const (
	MaxExpansion = 1000 // virtual_alias_expansion_limit: addresses an address may become
	MaxRecursion = 1000 // virtual_alias_recursion_limit: results looked up again, one after the other
	MaxLength    = 1000 // virtual_alias_address_length_limit: bytes of a result
)

// Virtual expands a recipient as virtual(5) says: every result is looked up
// again, unless it is the address it is a result of. Each final address is in
// the list once. The list is addr alone when no table has it. Above one of the
// limits the error is [ErrNesting].
func (m *Map) Virtual(ctx context.Context, addr string) ([]string, error) {
	// As cleanup(8) does: the first result takes the place of the address, the
	// others go to the end of the list.
	list := []string{addr}
	itself := map[string]bool{} // addresses that are among their own results
	for i := 0; i < len(list); i++ {
		for deep := 0; !itself[fold(list[i])]; deep++ {
			if deep >= MaxRecursion {
				return nil, fmt.Errorf("%w of %s: looked up %d times", ErrNesting, addr, MaxRecursion)
			}
			from := list[i]
			results, found, err := m.addresses(ctx, from)
			if err != nil {
				return nil, err
			}
			if !found || len(results) == 0 {
				break
			}
			for n, to := range results {
				if len(to) > MaxLength {
					return nil, fmt.Errorf("%w of %s: an address of %d bytes", ErrNesting, addr, len(to))
				}
				if same(to, from) {
					itself[fold(from)] = true
				}
				if n == 0 {
					list[i] = to
				} else {
					list = append(list, to)
				}
			}
			// cleanup(8) looks at it when it comes to the next address, which
			// results in a circle may put off for as much memory as there is.
			if len(list) > MaxExpansion {
				return nil, fmt.Errorf("%w of %s: more than %d addresses", ErrNesting, addr, MaxExpansion)
			}
		}
	}
	var out []string
	seen := map[string]bool{}
	for _, a := range list {
		if k := fold(a); !seen[k] {
			seen[k] = true
			out = append(out, a)
		}
	}
	return out, nil
}
