package accessmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strings"

	"github.com/postfixkit/postfixkit/internal/inet"
	"github.com/postfixkit/postfixkit/table"
)

// A Resolver answers DNS questions. [*net.Resolver] is one. An error that is a
// [*net.DNSError] with IsNotFound means that there is no such record.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNS(ctx context.Context, name string) ([]*net.NS, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// ServerType says which servers of a domain are looked up. The zero ServerType
// is invalid.
type ServerType uint8

// The types of servers.
const (
	_  ServerType = iota
	MX            // check_*_mx_access: mail servers; the domain itself when it has no MX record
	NS            // check_*_ns_access: name servers, of the closest parent domain that has some
	A             // check_*_a_access: the addresses of the name itself
)

// Servers looks up the servers of a domain as check_sender_mx_access and its
// many relatives do: for each server its name with parent domains (not for
// [A]), then each of its addresses with the networks above. name may be a mail
// address, whose domain is taken, or an address literal "[192.0.2.1]".
//
// Like Postfix it skips servers it cannot resolve: DNS errors other than "no
// such name" are passed to Trace and are not an error of the lookup. An OK is
// not allowed as an answer (any domain could get it); Postfix replies 451, and
// so does the Action of the Result, whose Invalid says why.
func (m *Map) Servers(ctx context.Context, r Resolver, typ ServerType, name string) (Result, bool, error) {
	domain := name[strings.LastIndexByte(name, '@')+1:]
	result, found, err := m.search(ctx, m.servers(ctx, r, typ, domain))
	if found && result.Action.Kind == OK {
		result.Action = serverError
		result.Invalid = fmt.Errorf("accessmap: OK is not allowed for the servers of a domain; Postfix replies 451 4.3.5, use DUNNO for exceptions")
	}
	return result, found, err
}

// ServerKeys returns the keys that [Map.Servers] tries.
func (m *Map) ServerKeys(ctx context.Context, r Resolver, typ ServerType, name string) iter.Seq[string] {
	return table.Asked(m.Table, m.servers(ctx, r, typ, name[strings.LastIndexByte(name, '@')+1:]))
}

func (m *Map) servers(ctx context.Context, r Resolver, typ ServerType, domain string) iter.Seq[table.Key] {
	return func(yield func(table.Key) bool) {
		all := func(seq iter.Seq[table.Key]) bool {
			for k := range seq {
				if !yield(k) {
					return false
				}
			}
			return true
		}
		if strings.HasPrefix(domain, "[") {
			if addr, ok := literal(domain); ok && typ != NS { // an address has no name servers
				all(addrKeys(addr))
			}
			return
		}
		for _, host := range m.hosts(ctx, r, typ, domain) {
			if addr, ok := inet.Parse(host); ok && !all(addrKeys(addr)) {
				return
			}
			if typ != A && !all(m.domain(host, false)) {
				return
			}
			addrs, err := r.LookupNetIP(ctx, "ip", host)
			m.failed(host, err)
			for _, addr := range addrs {
				if !all(addrKeys(addr)) {
					return
				}
			}
		}
	}
}

// hosts returns the names of the servers of a domain.
func (m *Map) hosts(ctx context.Context, r Resolver, typ ServerType, domain string) []string {
	var hosts []string
	switch typ {
	case MX:
		list, err := r.LookupMX(ctx, domain)
		if len(list) == 0 && notFound(err) {
			return []string{domain}
		}
		m.failed(domain, err)
		for _, mx := range list {
			hosts = append(hosts, strings.TrimSuffix(mx.Host, ".")) // "" of RFC 7505: there is no server
		}
	case NS:
		for {
			list, err := r.LookupNS(ctx, domain)
			if len(list) == 0 && notFound(err) {
				if _, parent, ok := strings.Cut(domain, "."); ok && parent != "" {
					domain = parent
					continue
				}
			}
			m.failed(domain, err)
			for _, ns := range list {
				hosts = append(hosts, strings.TrimSuffix(ns.Host, "."))
			}
			return hosts
		}
	case A:
		hosts = append(hosts, domain)
	}
	return hosts
}

func notFound(err error) bool {
	var dns *net.DNSError
	return err == nil || errors.As(err, &dns) && dns.IsNotFound
}

// failed tells Trace about a DNS failure.
func (m *Map) failed(name string, err error) {
	if m.Trace != nil && !notFound(err) {
		m.Trace(table.Step{Key: name, Err: err})
	}
}

// literal parses "[192.0.2.1]" and "[IPv6:2001:db8::1]".
func literal(s string) (netip.Addr, bool) {
	s, ok := strings.CutSuffix(strings.TrimPrefix(s, "["), "]")
	if len(s) > 5 && strings.EqualFold(s[:5], "IPv6:") {
		s = s[5:]
	}
	addr, valid := inet.Parse(s)
	return addr, ok && valid
}
