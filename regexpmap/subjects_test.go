package regexpmap

import (
	"math/rand/v2"
	"strings"

	"github.com/postfixkit/postfixkit/regexpmap/internal/pattern"
)

// fixedSubjects returns keys as Postfix makes them: header and body lines,
// host names, addresses, bytes that are not UTF-8.
func fixedSubjects() []string {
	headers := []string{"Subject", "From", "To", "Received", "X-Mailer", "Content-Type", "Content-Disposition", "Message-ID", "Date",
		"Reply-To", "X-Originating-IP", "User-Agent", "MIME-Version", "DKIM-Signature", "X-Spam-Status"}
	values := []string{"make money fast", "[Bulk] Viagra and Cialis 50% OFF!!!", "\"John Doe\" <john.doe@example.com>", "text/html; charset=\"utf-8\"",
		"attachment; filename=\"invoice.pdf.exe\"", "from mail.example.com (unknown [192.0.2.17]) by mx.example.net", "The Bat! (v3.0) Professional",
		"=?utf-8?B?w6kgw6k=?=", "Mon, 21 Nov 2022 10:11:12 +0100", "<20221121.12345@localhost.localdomain>", "caf\xc3\xa9 \xe9t\xe9", "a\tb  c\vd",
		"undisclosed-recipients:;", "Yes, score=12.3 required=5.0 tests=[BAYES_99=3.5]", ""}
	var out []string
	for i, h := range headers {
		for j, v := range values {
			if (i+j)%2 == 0 || i < 4 {
				out = append(out, h+": "+v)
			}
		}
	}
	out = append(out,
		"", " ", "a", "A", "ab", "aab", "aaa", "abc", "ABC", "abcabc", "_", "0", "127.0.0.1", "::1", "192.0.2.1", "1.2.3.4.5",
		"adsl-71-145-1-2.dsl.example.net", "host-12-34-56-78.dynamic.example.com", "c-67-160-1-2.hsd1.wa.comcast.net", "12.34.56.78.static.example.org",
		"pool-96-224-3-4.nycmny.fios.verizon.net", "p5b123456.dip0.t-ipconnect.de", "mail.example.com", "unknown", "localhost", "ip-1-2-3-4.example",
		"user@example.com", "User+ext@Example.COM", "owner-list@example.com", "postmaster@", "@example.com", "a@b", "friend@public.com", "x%y@z!w@v",
		"TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "<iframe src=cid:abc height=0 width=0>",
		"--boundary_42", "begin 644 readme.txt.pif", "\xff\xfe", "\xc3\xa9", "\xe9", "K\xe2\x84\xaa", "a\\b", "[x]", "]", "^", "$", "(a)", "a{2}", "a|b", ".*", "--", "a-z", "[[:alpha:]]")
	return out
}

// derived makes keys from a pattern: what it matches, and near misses.
func derived(r *rand.Rand, p *pattern.Pattern, n int) []string {
	var out []string
	for len(out) < n {
		g := generator{r: r, p: p, steps: 200}
		g.node(p.Root)
		s := g.b.String()
		switch r.IntN(6) {
		case 0:
			s = "x" + s
		case 1:
			s += "x"
		case 2:
			if len(s) > 0 {
				i := r.IntN(len(s))
				s = s[:i] + s[i+1:]
			}
		case 3:
			if len(s) > 0 {
				i := r.IntN(len(s))
				s = s[:i] + string(rune('!'+r.IntN(90))) + s[i+1:]
			}
		case 4:
			s = strings.ToUpper(s)
		}
		s = strings.Map(func(c rune) rune {
			if c == 0 || c == '\n' || c == '\r' {
				return ' '
			}
			return c
		}, s)
		if len(s) > 2000 {
			s = s[:2000]
		}
		out = append(out, s)
	}
	return out
}

// generator walks a pattern and writes what it passes.
type generator struct {
	r     *rand.Rand
	p     *pattern.Pattern
	b     strings.Builder
	steps int
}

func (g *generator) node(n *pattern.Node) {
	if g.steps--; g.steps < 0 {
		return
	}
	switch n.Op {
	case pattern.OpSet:
		// Prefer what can be read.
		for range 20 {
			c := byte(' ' + g.r.IntN(95))
			if n.Set.Has(c) {
				g.b.WriteByte(c)
				return
			}
		}
		if !n.Set.Empty() {
			g.b.WriteByte(n.Set.Min())
		}
	case pattern.OpAlt, pattern.OpCond:
		if len(n.Sub) > 0 {
			g.node(n.Sub[g.r.IntN(min(2, len(n.Sub)))])
		}
	case pattern.OpRepeat:
		times := n.Min
		if n.Max < 0 {
			times += g.r.IntN(3)
		} else if n.Max > n.Min {
			times += g.r.IntN(min(4, n.Max-n.Min+1))
		}
		for range min(times, 60) {
			g.node(n.Sub[0])
		}
	case pattern.OpLook:
		if !n.Negate && !n.Behind && g.r.IntN(2) == 0 {
			g.node(n.Sub[0])
		}
	case pattern.OpBackref, pattern.OpCall:
		g.b.WriteString([]string{"a", "b", "ab", ""}[g.r.IntN(4)])
	default:
		for _, s := range n.Sub {
			g.node(s)
		}
	}
}
