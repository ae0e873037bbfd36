package mailaddr

import (
	"bytes"
	"container/list"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// simple is a token as the slow, plain version of the scanner makes it.
type simple struct {
	kind Kind
	op   byte
	text string
}

// scanSimple is that version: one byte at a time, text built as it goes, and
// the kind of an atom decided by looking at its finished text.
func scanSimple(src string) (toks []simple) {
	src, _, _ = strings.Cut(src, "\x00")
	isSpace := func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
	collect := func(stop func(c byte) bool) string {
		var text []byte
		for len(src) > 0 {
			c := src[0]
			if c == '\\' {
				if src = src[1:]; src == "" {
					break
				}
				c = src[0]
			} else if stop(c) {
				break
			}
			if isSpace(c) {
				c = ' '
			}
			text, src = append(text, c), src[1:]
		}
		return string(text)
	}
	for len(src) > 0 {
		switch c := src[0]; {
		case isSpace(c):
			src = src[1:]
		case c == '(':
			depth, text := 0, ""
			for len(src) > 0 {
				c := src[0]
				text, src = text+string(src[:1]), src[1:]
				if c == '\\' && src != "" {
					text, src = text+src[:1], src[1:]
				} else if c == '(' {
					depth++
				} else if c == ')' {
					if depth--; depth == 0 {
						break
					}
				}
			}
			toks = append(toks, simple{Comment, 0, text})
		case c == '[' || c == '"':
			kind, end := Literal, byte(']')
			if c == '"' {
				kind, end = Quoted, '"'
			}
			src = src[1:]
			text := collect(func(c byte) bool { return c == end })
			if src != "" {
				src = src[1:]
			}
			toks = append(toks, simple{kind, 0, text})
		case c != '\\' && strings.IndexByte(operators, c) >= 0:
			toks = append(toks, simple{Operator, c, src[:1]})
			src = src[1:]
		default:
			text := collect(func(c byte) bool { return isSpace(c) || strings.IndexByte(operators, c) >= 0 })
			kind := Atom
			for i := range len(text) {
				if c := text[i]; c <= ' ' || c == 0x7f || strings.IndexByte(operators, c) >= 0 {
					kind = Quoted
				}
			}
			toks = append(toks, simple{kind, 0, text})
		}
	}
	return toks
}

func externalSimple(toks []simple) string {
	var b strings.Builder
	escape := strings.NewReplacer(`"`, `\"`, `\`, `\\`)
	for i, t := range toks {
		switch t.kind {
		case Quoted:
			b.WriteString(`"` + escape.Replace(t.text) + `"`)
		case Literal:
			b.WriteString(`[` + strings.ReplaceAll(t.text, `\`, `\\`) + `]`)
		default:
			b.WriteString(t.text)
		}
		switch last := i+1 == len(toks); {
		case t.op == ',', !last && toks[i+1].op == '<', !last && t.op == 0 && toks[i+1].op == 0:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// addressesSimple regroups a linked list from right to left, moving comments
// out of the way and putting the missing commas in, and reads the result.
func addressesSimple(toks []simple) (out []string) {
	l := list.New()
	l.PushBack(simple{})
	for _, t := range toks {
		l.PushBack(t)
	}
	tail := l.PushBack(simple{})
	at := func(e *list.Element) simple { return e.Value.(simple) }
	group := func(left, right *list.Element) {
		if left == right || left.Next() == right {
			return
		}
		var b strings.Builder
		for e := left.Next(); e != right; {
			if t := at(e); t.kind == Literal {
				b.WriteString("[" + t.text + "]")
			} else {
				b.WriteString(t.text)
			}
			next := e.Next()
			l.Remove(e)
			e = next
		}
		out = append(out, b.String())
	}
	right, tp := tail, tail.Prev()
	word, named := true, false
	for at(tp).kind != 0 {
		t := at(tp)
		switch {
		case t.kind == Comment:
			prev := tp.Prev()
			l.MoveBefore(tp, right)
			right, tp = tp, prev
			continue
		case t.op == ';':
			group(tp, right)
			right, named, word = tp, true, true
		case t.op == ':' && named:
			group(tp, right)
			for at(tp).kind != 0 && at(tp).op != ',' {
				tp = tp.Prev()
			}
			right = tp
			continue
		case t.op == '>':
			group(tp, right)
			right = tp
			for at(tp).kind != 0 && at(tp).op != '<' {
				prev := tp.Prev()
				if at(tp).kind == Comment {
					l.MoveBefore(tp, right)
					right = tp
				}
				tp = prev
			}
			group(tp, right)
			for at(tp).kind != 0 && (at(tp).op == 0 || !strings.Contains(">;,:", string(at(tp).op))) {
				tp = tp.Prev()
			}
			right, word = tp, true
			continue
		case t.op == 0:
			if !word {
				group(tp, right)
				right = tp.Next()
			}
			word = false
		case t.op == ',':
			group(tp, right)
			right, word = tp, true
		default:
			word = true
		}
		tp = tp.Prev()
	}
	group(tp, right)
	slices.Reverse(out)
	return out
}

// check is the contract of the scanner for one source.
func check(t *testing.T, src []byte) {
	t.Helper()
	toks := Scan(nil, src)
	want := scanSimple(string(src))
	var got []simple
	end, literal := 0, false
	for _, tok := range toks {
		if tok.Start < end || tok.End <= tok.Start || tok.End > len(src) || len(bytes.Trim(src[end:tok.Start], " \t\r\n")) > 0 {
			t.Fatalf("%q: token %+v after offset %d", src, tok, end)
		}
		end = tok.End
		text := string(AppendText(nil, src, tok))
		got = append(got, simple{tok.Kind, tok.Op, text})
		literal = literal || tok.Kind == Literal && strings.Contains(text, "]")
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Scan(%q):\n got %q\nwant %q", src, got, want)
	}
	external := AppendExternal(nil, src, toks)
	if w := externalSimple(want); string(external) != w {
		t.Fatalf("AppendExternal(%q):\n got %q\nwant %q", src, external, w)
	}
	// What was written in external form reads as the same tokens.
	again := scanSimple(string(external))
	if n := len(want); n > 0 && want[n-1] == (simple{Atom, 0, ""}) { // a lone backslash at the end
		want = want[:n-1]
	}
	if !literal && !slices.Equal(again, want) {
		t.Fatalf("%q in external form is %q, which reads as\n     %q\nwant %q", src, external, again, want)
	}

	toks = WithoutComments(toks)
	var addrs []string
	for _, g := range Addresses(toks) {
		addrs = append(addrs, string(AppendInternal(nil, src, toks[g.Start:g.End])))
	}
	if w := addressesSimple(scanSimple(string(src))); !slices.Equal(addrs, w) {
		t.Fatalf("Addresses(%q):\n got %q\nwant %q", src, addrs, w)
	}
}

var sources = []struct{ src, external, addrs string }{
	{"", "", ""},
	{"b@c . d", "b@c.d", "b@c.d"},
	{`a\ b, c\,d`, `"a b", "c,d"`, "a b|c,d"},
	{"a<b>c", "a <b>c", "b|c"},
	{`"unterminated`, `"unterminated"`, "unterminated"},
	{"one,\n two", "one, two", "one|two"},
	{"one two(x)three", "one two (x) three", "one|two|three"},
	{`"a\"b\\c"@[1.2\].3]`, `"a\"b\\c"@[1.2].3]`, `a"b\c@[1.2].3]`},
	{"Some Body <a@b>, (c) d", "Some Body <a@b>, (c) d", "a@b|d"},
	{"list: a, b c;, d", "list:a, b c;, d", "a|b|c|d"},
	{`"|/bin/x -a \"b\"", /dev/null`, `"|/bin/x -a \"b\"", /dev/null`, `|/bin/x -a "b"|/dev/null`},
	{"|/bin/x -a", "|/bin/x -a", "|/bin/x|-a"},
	{":include:/etc/a.b", ":include:/etc/a.b", ":include:/etc/a.b"},
	{":include:/etc/a;", ":include:/etc/a;", "/etc/a"},
	{"<>", " <>", ""},
	{"a,", "a, ", "a"},
	{"(a(b\\))c", "(a(b\\))c", ""},
	{"a\\", "a", "a"},
	{"a\tb\x7f\x01", "a \"b\x7f\x01\"", "a|b\x7f\x01"},
	{"x!y%z@d", "x!y%z@d", "x!y%z@d"},
	{"a \x00 b", "a", "a"},
	{"j\xc3\xbcrgen@ex\xff", "j\xc3\xbcrgen@ex\xff", "j\xc3\xbcrgen@ex\xff"},
	{"<@a,@b:c@d>", " <@a, @b:c@d>", "@a,@b:c@d"},
	{"a <b <c> d> e; f: g", "a <b <c>d>e;f:g", ""},
	{"[1] [2", "[1] [2]", "[1]|[2]"},
	{")a]>b", ")a]>b", ")a]|b"},
}

func TestScan(t *testing.T) {
	for _, c := range sources {
		src := []byte(c.src)
		check(t, src)
		toks := Scan(nil, src)
		external := string(AppendExternal(nil, src, toks))
		if external != c.external && !strings.HasPrefix(c.external, " <") {
			t.Errorf("%q: external form %q, want %q", c.src, external, c.external)
		}
		if c.addrs == "" {
			continue
		}
		var addrs []string
		toks = WithoutComments(toks)
		for _, g := range Addresses(toks) {
			addrs = append(addrs, string(AppendInternal(nil, src, toks[g.Start:g.End])))
		}
		if got := strings.Join(addrs, "|"); got != c.addrs {
			t.Errorf("%q: addresses %q, want %q", c.src, got, c.addrs)
		}
	}
}

func TestInternalList(t *testing.T) {
	for src, want := range map[string]string{
		"(comment) k (c2)": "(comment) k (c2)",
		`"Two Words"`:      "Two Words",
		`bs\@x`:            "bs@x",
		`a.b [c]d`:         "a.b [c] d",
	} {
		if got := string(AppendInternalList(nil, []byte(src), Scan(nil, []byte(src)))); got != want {
			t.Errorf("%q: got %q, want %q", src, got, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, c := range sources {
		f.Add([]byte(c.src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) < 1<<12 {
			check(t, src)
		}
	})
}

func TestQuote(t *testing.T) {
	for _, c := range []struct{ internal, external, local string }{
		{"a.b@c", "a.b@c", `"a.b@c"`},
		{"a b@c", `"a b"@c`, `"a b@c"`},
		{"a..b@c", `"a..b"@c`, `"a..b@c"`},
		{".a@c", `".a"@c`, `".a@c"`},
		{"a.@c", `"a."@c`, `"a.@c"`},
		{"a@b@c", `"a@b"@c`, `"a@b@c"`},
		{`a"b\c@d`, `"a\"b\\c"@d`, `"a\"b\\c@d"`},
		{"@r1,@r2:a b@c", `@r1,@r2:"a b"@c`, `@r1,@r2:"a b@c"`},
		{"", `""`, `""`},
		{"@c", `""@c`, `"@c"`},
		{"plain", "plain", "plain"},
		{"a\r\tb", "\"a\\\r\tb\"", "\"a\\\r\tb\""},
		{"j\xc3\xbcrgen", "j\xc3\xbcrgen", "j\xc3\xbcrgen"},
		{"a|b%c!d", "a|b%c!d", "a|b%c!d"},
	} {
		if got := Quote(c.internal); got != c.external {
			t.Errorf("Quote(%q) = %q, want %q", c.internal, got, c.external)
		}
		if got := QuoteLocal(c.internal); got != c.local {
			t.Errorf("QuoteLocal(%q) = %q, want %q", c.internal, got, c.local)
		}
		if got := Unquote(c.external); got != c.internal {
			t.Errorf("Unquote(%q) = %q, want %q", c.external, got, c.internal)
		}
	}
	for external, want := range map[string]string{
		`"a@b`: "a@b", `a\`: "a", `"a"@"b"`: `a@"b"`, `"a"."b"@c`: "a.b@c", `a\@b@c`: "a@b@c",
	} {
		if got := Unquote(external); got != want {
			t.Errorf("Unquote(%q) = %q, want %q", external, got, want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, c := range sources {
		f.Add(c.src)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		if addr == "" || addr[0] != '@' { // a route is not quoted
			if got := Unquote(QuoteLocal(addr)); got != addr {
				t.Fatalf("QuoteLocal(%q) = %q, which is %q without its quotes", addr, QuoteLocal(addr), got)
			}
		}
		if i := strings.LastIndexByte(addr, '@'); i > 0 && addr[0] != '@' && !strings.ContainsAny(addr[i:], "\"\\") {
			if got := Unquote(Quote(addr)); got != addr {
				t.Fatalf("Quote(%q) = %q, which is %q without its quotes", addr, Quote(addr), got)
			}
		}
	})
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		s          Splitter
		local      string
		user, rest string
	}{
		{Splitter{}, "a+b", "a+b", ""},
		{Splitter{Delimiters: "+"}, "a+b+c", "a", "+b+c"},
		{Splitter{Delimiters: "+-"}, "a-b+c", "a", "-b+c"},
		{Splitter{Delimiters: "+"}, "+b", "+b", ""},
		{Splitter{Delimiters: "+"}, "a+", "a", "+"},
		{Splitter{Delimiters: "+"}, "", "", ""},
		{Splitter{Delimiters: "t"}, "Postmaster", "Postmaster", ""},
		{Splitter{Delimiters: "-"}, "mailer-daemon", "mailer-daemon", ""},
		{Splitter{Delimiters: "-"}, "double-Bounce", "double-Bounce", ""},
		{Splitter{Delimiters: "-", DoubleBounce: "x"}, "double-bounce", "double", "-bounce"},
		{Splitter{Delimiters: "-"}, "Owner-list-x", "Owner-list-x", ""},
		{Splitter{Delimiters: "-"}, "list-x-REQUEST", "list-x-REQUEST", ""},
		{Splitter{Delimiters: "-"}, "-request", "-request", ""},
		{Splitter{Delimiters: "+"}, "list+x-request", "list", "+x-request"},
		{Splitter{Delimiters: "-", SplitOwner: true}, "owner-list", "owner", "-list"},
		{Splitter{Delimiters: "\xbc"}, "j\xc3\xbcrgen", "j\xc3", "\xbcrgen"},
		{Splitter{Delimiters: "t"}, "po\u017ftmaster", "po\u017f", "tmaster"}, // long s is no s
	} {
		user, rest := c.s.Split(c.local)
		if user != c.user || rest != c.rest {
			t.Errorf("%+v: Split(%q) = %q, %q, want %q, %q", c.s, c.local, user, rest, c.user, c.rest)
		}
	}
	for addr, want := range map[string]string{"a@b": "a b true", "a@b@c": "a@b c true", "a": "a  false", "@b": " b true", "a@": "a  true"} {
		local, domain, has := Split(addr)
		if got := fmt.Sprint(local, " ", domain, " ", has); got != want {
			t.Errorf("Split(%q): %s, want %s", addr, got, want)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	src := []byte(`staff: alice, bob@example.com, "|/usr/local/bin/filter -f \"x y\"", :include:/etc/postfix/lists/staff`)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	var toks []Token
	var out []byte
	for b.Loop() {
		toks = Scan(toks[:0], src)
		out = AppendExternal(out[:0], src, toks)
	}
}
