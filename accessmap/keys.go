package accessmap

import (
	"iter"
	"net/netip"
	"strings"

	"github.com/postfixkit/postfixkit/internal/inet"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
	"github.com/postfixkit/postfixkit/table"
)

// Every sequence below is checked against what a real smtpd(8) asks its
// tables for, see smtpd_test.go.

// ClientKeys returns the keys that check_client_access tries for a client
// name and address, in order: the name and its parent domains, then the
// address and the networks above it. The name is "unknown" when there is none.
// check_reverse_client_hostname_access tries the same for the unverified name.
func (m *Map) ClientKeys(name string, addr netip.Addr) iter.Seq[string] {
	return table.Asked(m.Table, m.client(name, addr))
}

// AddrKeys returns the keys for an address alone: the address, then what is
// left each time the last octet (IPv4) or the text after the last colon (IPv6,
// in its compressed form) is cut off.
func (m *Map) AddrKeys(addr netip.Addr) iter.Seq[string] {
	return table.Asked(m.Table, addrKeys(addr))
}

// DomainKeys returns the keys that check_helo_access and check_etrn_access
// try: the name, then its parent domains, down to the top-level domain. A bare
// address has no parents.
func (m *Map) DomainKeys(name string) iter.Seq[string] {
	return table.Asked(m.Table, m.domain(name, false))
}

// EmailKeys returns the keys that check_sender_access and
// check_recipient_access try: the address, the address without its extension,
// the domain and its parents, and the user alone. A key that needs quotes is
// tried with them first. The empty address is the null sender.
func (m *Map) EmailKeys(addr string) iter.Seq[string] {
	return table.Asked(m.Table, m.email(addr))
}

func (m *Map) client(name string, addr netip.Addr) iter.Seq[table.Key] {
	return chain(m.domain(name, false), addrKeys(addr))
}

func (m *Map) email(addr string) iter.Seq[table.Key] {
	if addr == "" {
		return one(m.nullKey())
	}
	addr = table.Lower(addr) // smtpd does, for tables of every kind
	at := strings.LastIndexByte(addr, '@')
	if at < 0 { // smtpd never asks for one: trivial-rewrite(8) has completed it
		return one(addr)
	}
	bare, extension := mailaddr.Splitter{Delimiters: m.Delimiters}.Split(addr[:at])
	return func(yield func(table.Key) bool) {
		if !yieldForms(yield, addr, false) ||
			extension != "" && !yieldForms(yield, bare+addr[at:], true) {
			return
		}
		for k := range m.domain(addr[at+1:], true) {
			if !yield(k) {
				return
			}
		}
		if yieldForms(yield, addr[:at+1], true) && extension != "" {
			yieldForms(yield, bare+"@", true)
		}
	}
}

// yieldForms yields an address in its external form, with quotes where it
// needs them, and then, when that is another, in its internal form.
func yieldForms(yield func(table.Key) bool, addr string, partial bool) bool {
	if quoted := mailaddr.Quote(addr); quoted != addr && !yield(table.Key{Text: quoted, Partial: partial}) {
		return false
	}
	return yield(table.Key{Text: addr, Partial: partial})
}

// domain yields name and its parents. With partial, name itself is only part
// of what is looked for.
func (m *Map) domain(name string, partial bool) iter.Seq[table.Key] {
	return func(yield func(table.Key) bool) {
		numerical := inet.IsHost(name)
		for name != "" {
			if !yield(table.Key{Text: name, Partial: partial}) || numerical {
				return
			}
			dot := strings.IndexByte(name[1:], '.')
			if dot < 0 {
				return
			}
			name = name[1+dot:]
			if m.ParentDomains {
				name = name[1:]
			}
			partial = true
		}
	}
}

func addrKeys(addr netip.Addr) iter.Seq[table.Key] {
	if !addr.IsValid() {
		return func(func(table.Key) bool) {}
	}
	addr = addr.Unmap()
	delimiter := byte('.')
	if addr.Is6() {
		delimiter = ':'
	}
	return func(yield func(table.Key) bool) {
		text, partial := inet.String(addr), false
		for yield(table.Key{Text: text, Partial: partial}) {
			cut := strings.LastIndexByte(text, delimiter)
			if cut < 0 {
				return
			}
			text, partial = text[:cut], true
		}
	}
}

func one(key string) iter.Seq[table.Key] {
	return func(yield func(table.Key) bool) { yield(table.Key{Text: key}) }
}

func chain(seqs ...iter.Seq[table.Key]) iter.Seq[table.Key] {
	return func(yield func(table.Key) bool) {
		for _, seq := range seqs {
			for k := range seq {
				if !yield(k) {
					return
				}
			}
		}
	}
}
