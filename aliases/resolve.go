package aliases

import (
	"bytes"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/inet"
	"github.com/postfixkit/postfixkit/internal/mailaddr"
)

// resolved is an address in the form local(8) gets it from trivial-rewrite(8).
type resolved struct {
	text  string // internal form
	local bool
	bad   bool // not an address mail is sent to
}

func (x *Expander) isLocal(domain string) bool {
	if x.IsLocal != nil && x.IsLocal(domain) {
		return true
	}
	return x.Origin != "" && x.IsLocal == nil && casefold.String(domain, true) == casefold.String(x.Origin, true)
}

// rewrite returns the tokens of an address in external form, canonical: source
// routes gone, "site!user" and "user%site" turned around, the origin added.
func (x *Expander) rewrite(src []byte, toks []mailaddr.Token) []byte {
	if len(toks) == 1 && toks[0].Op == '@' {
		return []byte(`""`)
	}
	if len(toks) == 1 && toks[0].Kind == mailaddr.Quoted && len(mailaddr.AppendText(nil, src, toks[0])) == 0 {
		return []byte(`""`)
	}
	if len(toks) > 0 && toks[0].Op == '@' {
		if colon := index(toks, ':'); colon >= 0 && colon != len(toks)-1 {
			toks = toks[colon+1:]
		}
	}
	text := func(toks []mailaddr.Token) []byte { return mailaddr.AppendExternal(nil, src, toks) }
	var out []byte
	if at := lastIndex(toks, '@'); at >= 0 {
		out = text(toks)
	} else if bang := index(toks, '!'); bang >= 0 {
		out = slices.Concat(text(toks[bang+1:]), []byte("@"), text(toks[:bang]))
	} else if percent := lastIndex(toks, '%'); percent >= 0 {
		out = slices.Concat(text(toks[:percent]), []byte("@"), text(toks[percent+1:]))
	} else if out = text(toks); x.Origin != "" {
		out = append(append(out, '@'), x.Origin...)
	}
	if n := len(out); n >= 2 && out[n-1] == '.' && out[n-2] != '.' && out[n-2] != '@' {
		out = out[:n-1]
	}
	return out
}

// resolve turns an address as written into the recipient mail is for. Local
// domains are stripped until there is none, because "user%other@here" is
// user@other.
func (x *Expander) resolve(src []byte, toks []mailaddr.Token) resolved {
	if r, ok := x.resolvePlain(src, toks); ok {
		return r
	}
	return x.resolveAny(src, toks)
}

// resolvePlain does it for what nearly every address is: atoms with dots and
// at most one "@".
func (x *Expander) resolvePlain(src []byte, toks []mailaddr.Token) (r resolved, ok bool) {
	at := -1
	for i, t := range toks {
		switch {
		case t.Kind == mailaddr.Atom && string(src[t.Start:t.End]) == `\`:
			return r, false // an empty atom
		case t.Kind == mailaddr.Atom && (i == 0 || toks[i-1].Kind == mailaddr.Operator):
		case t.Op == '.':
		case t.Op == '@' && at < 0 && i > 0:
			at = i
		default:
			return r, false
		}
	}
	if n := len(toks); n == 0 || toks[n-1].Kind != mailaddr.Atom {
		return r, false
	}
	text := mailaddr.AppendInternal(make([]byte, 0, 80), src, toks)
	if at >= 0 {
		_, domain, _ := mailaddr.Split(string(text))
		return x.finish(text, x.isLocal(domain)), true
	}
	if x.Origin == "" {
		return x.finish(text, true), true
	}
	text = append(append(text, '@'), x.Origin...)
	return x.finish(text, x.isLocal(x.Origin)), true
}

// maxRounds is how many local domains and routing operators an address may have,
// one inside the other. Postfix allows as many as there are characters, which
// takes it, too, the square of the time.
const maxRounds = 100

// resolveAny does it for any address.
func (x *Expander) resolveAny(src []byte, toks []mailaddr.Token) resolved {
	ext := x.rewrite(src, toks)
	// From here on the address is quoted by what it means, not as written.
	internal := string(mailaddr.AppendInternalList(nil, ext, mailaddr.Scan(nil, ext)))
	ext = mailaddr.AppendQuote(nil, internal)
	domain, hasDomain := "", false // the last local domain that was stripped
	for range maxRounds {
		toks = mailaddr.Scan(toks[:0:0], ext)
		if n := len(toks); n > 1 && toks[n-1].Op == '.' && lastIndex(toks, '@') >= 0 && toks[n-2].Op != '.' && toks[n-2].Op != '@' {
			toks = toks[:n-1]
		}
		if at := lastIndex(toks, '@'); at >= 0 {
			if at+1 < len(toks) {
				d := string(mailaddr.AppendInternalList(nil, ext, toks[at+1:]))
				if !x.isLocal(d) {
					return x.finish(mailaddr.AppendInternalList(nil, ext, toks), false)
				}
				domain, hasDomain = d, true
			} else {
				domain, hasDomain = "", true
			}
			toks = toks[:at]
		}
		if index(toks, '@') >= 0 || index(toks, '!') >= 0 || index(toks, '%') >= 0 {
			ext = x.rewrite(ext, toks)
			continue
		}
		if len(toks) == 1 && toks[0].Kind == mailaddr.Quoted {
			local := mailaddr.AppendText(nil, ext, toks[0])
			if len(local) == 0 {
				toks = nil
			} else if opened := openQuotes(local); opened != nil {
				ext = x.rewrite(opened, mailaddr.Scan(nil, opened))
				continue
			}
		}
		if len(toks) == 0 {
			ext = []byte("MAILER-DAEMON")
			toks = mailaddr.Scan(nil, ext)
		}
		if !hasDomain {
			domain = x.Origin // the machine itself is local, whatever it is called
		}
		local := mailaddr.AppendInternalList(nil, ext, toks)
		if hasDomain || domain != "" { // "user@" is no address
			local = append(append(local, '@'), domain...)
		}
		return x.finish(local, true)
	}
	return resolved{text: internal, bad: true}
}

// openQuotes returns the text of a quoted local part in which routing
// operators stand without their quotes, or nil when there is none. Postfix
// does not let quotes hide them.
func openQuotes(local []byte) []byte {
	if i := bytes.LastIndexByte(local, '@'); i >= 0 {
		return mailaddr.AppendQuote(nil, string(local))
	}
	if i := bytes.LastIndexByte(local, '%'); i >= 0 {
		local = bytes.Clone(local)
		local[i] = '@'
		return mailaddr.AppendQuote(nil, string(local))
	}
	if bytes.IndexByte(local, '!') >= 0 {
		return local
	}
	return nil
}

// finish refuses what Postfix does not take for an address.
func (x *Expander) finish(addr []byte, local bool) resolved {
	r := resolved{text: string(addr), local: local}
	_, domain, hasDomain := mailaddr.Split(r.text)
	r.bad = strings.HasPrefix(r.text, "-") || hasDomain && !validDomain(domain)
	return r
}

// validDomain is Postfix's idea of a host name or an address in brackets;
// international names are taken as they are.
func validDomain(domain string) bool {
	if literal, ok := strings.CutSuffix(domain, "]"); ok && strings.HasPrefix(literal, "[") {
		literal, is6 := literal[1:], false
		if len(literal) >= 5 && strings.EqualFold(literal[:5], "IPv6:") {
			literal, is6 = literal[5:], true
		}
		return inet.IsHost(literal) && is6 == strings.Contains(literal, ":")
	}
	if len(domain) > 255 {
		return false
	}
	numeric := true
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case '0' <= c && c <= '9':
			case c == '-', c == '_', 'a' <= c|0x20 && c|0x20 <= 'z', c >= 0x80:
				numeric = false
			default:
				return false
			}
		}
	}
	return !numeric
}

func index(toks []mailaddr.Token, op byte) int {
	return slices.IndexFunc(toks, func(t mailaddr.Token) bool { return t.Op == op })
}

func lastIndex(toks []mailaddr.Token, op byte) int {
	for i := len(toks) - 1; i >= 0; i-- {
		if toks[i].Op == op {
			return i
		}
	}
	return -1
}
