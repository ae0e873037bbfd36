package headercheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postfixkit/postfixkit/table"
)

// rules is a small pattern table: pattern, value, pattern, value.
func rules(all ...string) table.Table {
	return table.Func(func(_ context.Context, key string) (string, bool, error) {
		for i := 0; i < len(all); i += 2 {
			if regexp.MustCompile("(?is)" + all[i]).MatchString(key) {
				return all[i+1], true, nil
			}
		}
		return "", false, nil
	})
}

const message = `From me@example.com Mon
Subject: offer
  of the day
X-Spam : yes
Received: from a
Content-Type: multipart/mixed; boundary=b

--b
Content-Disposition: attachment; filename=x.exe
X-Part: 1

line one
secret line
--b
Content-Type: message/rfc822

Subject: inner

inner body
--b--
`

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		checker Checker
		want    string // verdict, matches as line:kind:action, changed lines
	}{
		{"nothing", Checker{}, "DUNNO"},
		{"reject", Checker{Header: rules("^subject: offer\n  of", "REJECT go away", "^x-spam", "HOLD")}, "REJECT 5.7.1 go away | 2-3 header_checks REJECT go away | stopped"},
		{"reject-default", Checker{Header: rules("^x-spam:", "reject")}, "REJECT 5.7.1 message content rejected | 4-4 header_checks REJECT | stopped"},
		{"defer", Checker{Body: rules("^secret", "REJECT 4.7.0 later")}, "REJECT 4.7.0 later | 13-13 body_checks REJECT 4.7.0 later | stopped"},
		{"mime", Checker{MIMEHeader: rules("exe$", "DISCARD no", "^x-part", "HOLD"), Header: rules("disposition", "REJECT")}, "DISCARD | 9-9 mime_header_checks DISCARD no | stopped"},
		{"mime-default-is-header", Checker{Header: rules("^content-type", "WARN type")}, "DUNNO | 6-6 mime_header_checks WARN type | 15-15 mime_header_checks WARN type"},
		{"nested", Checker{NestedHeader: rules("^subject", "INFO"), Header: rules("", "DUNNO")}, "DUNNO | 1-1 header_checks DUNNO | 2-3 header_checks DUNNO | 4-4 header_checks DUNNO | 5-5 header_checks DUNNO | 6-6 mime_header_checks DUNNO | 9-9 mime_header_checks DUNNO | 10-10 mime_header_checks DUNNO | 15-15 mime_header_checks DUNNO | 17-17 nested_header_checks INFO"},
		{"change", Checker{Header: rules("^x-spam", "IGNORE", "^subject: o", "REPLACE Subject: x", "^received", "PREPEND X-Seen: 1"), Body: rules("^secret", "STRIP")},
			"DUNNO | 2-3 header_checks REPLACE Subject: x | 4-4 header_checks IGNORE | 5-5 header_checks PREPEND X-Seen: 1 | 13-13 body_checks STRIP | +Subject: x +X-Seen: 1 -Subject: offer -  of the day -X-Spam: yes -secret line"},
		{"recipients", Checker{Header: rules("^x-spam", "FILTER a:b", "^subject: o", "BCC a@b", "^received", "REDIRECT c@d")}, "DUNNO | 2-3 header_checks BCC a@b | 4-4 header_checks FILTER a:b | 5-5 header_checks REDIRECT c@d | bcc a@b redirect c@d stopped"},
		{"pass", Checker{Header: rules("^x-spam", "PASS", "^content-type", "REJECT")}, "DUNNO | 4-4 header_checks PASS | stopped"},
		{"hold-then-discard", Checker{Header: rules("^x-spam", "DISCARD", "^subject", "HOLD")}, "DISCARD | 2-3 header_checks HOLD | 4-4 header_checks DISCARD | stopped"},
		{"bad-values", Checker{Header: rules("^x-spam", "REPLACE nothing", "^subject: o", "NONSENSE", "^received", "FILTER x")}, "DUNNO | 2-3 header_checks DUNNO ! | 4-4 header_checks DUNNO ! | 5-5 header_checks DUNNO !"},
		{"body-size", Checker{Body: rules("^(line|inner)", "WARN"), Options: Options{BodySize: 9}}, "DUNNO | 12-12 body_checks WARN | 19-19 body_checks WARN"},
		{"body-size-cut", Checker{Body: rules("^(line|secret|inner)", "WARN"), Options: Options{BodySize: 10}}, "DUNNO | 12-12 body_checks WARN | 19-19 body_checks WARN"},
		{"no-mime", Checker{NestedHeader: rules("^x-part", "HOLD"), Options: Options{NoMIME: true}}, "DUNNO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			v, err := c.checker.Rewrite(context.Background(), &out, strings.NewReader(message))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{v.String()}
			for _, m := range v.Matches {
				bad := ""
				if len(m.Findings) > 0 {
					bad = " !"
				}
				got = append(got, fmt.Sprintf("%d-%d %v %v%s", m.Line, m.LastLine, m.Kind, m.Action, bad))
			}
			var more []string
			if len(v.BCC) > 0 {
				more = append(more, "bcc "+strings.Join(v.BCC, ","))
			}
			if v.Filter != "" {
				more = append(more, "filter "+v.Filter)
			}
			if v.Redirect != "" {
				more = append(more, "redirect "+v.Redirect)
			}
			if v.Stopped {
				more = append(more, "stopped")
			}
			plain := strings.Replace(strings.Replace(message, "From me", "X-Mailbox-Line: From me", 1), "X-Spam :", "X-Spam:", 1)
			before, after := strings.Split(plain, "\n"), strings.Split(out.String(), "\n")
			for len(before) > 0 && len(before)+len(after) > 0 {
				switch {
				case len(after) > 0 && before[0] == after[0]:
					before, after = before[1:], after[1:]
				case len(after) > 0 && !slices.Contains(before, after[0]):
					more, after = append(more, "+"+after[0]), after[1:]
				default:
					more, before = append(more, "-"+before[0]), before[1:]
				}
			}
			if len(more) > 0 {
				got = append(got, strings.Join(more, " "))
			}
			if g := strings.Join(got, " | "); g != c.want {
				t.Errorf("got  %s\nwant %s", g, c.want)
			}
		})
	}
}

// A long line is looked up in pieces, also in PREPEND and the like.
func TestLongLine(t *testing.T) {
	c := Checker{Body: rules("^0123456789$", "REPLACE x", "^abc$", "IGNORE"), Options: Options{LineLength: 10}}
	var out bytes.Buffer
	v, err := c.Rewrite(context.Background(), &out, strings.NewReader("a: b\n\n"+"0123456789abcdefghijabc\n0123456789\n"))
	if err != nil || len(v.Matches) != 3 || out.String() != "a: b\n\nxabcdefghijx\n" {
		t.Errorf("%v %+v\n%q", err, v.Matches, out.String())
	}
}

// CRs before a line end are gone, others are spaces, also at the end of a piece.
func TestLineEnds(t *testing.T) {
	for _, c := range []struct {
		length  int
		message string
		want    []string
	}{
		{0, "A: b\r\nC: d\re\r\r\n\r\nbody\r\nx\ry\r", []string{"A: b", "C: d e", "", "body", "x y"}},
		{4, "\nabc\rd\r\nabcd\r\n", []string{"", "abc ", "d", "abcd"}},
	} {
		s := NewScanner(strings.NewReader(c.message), &Options{LineLength: c.length})
		var got []string
		for {
			p, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(p.Text))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.message, got, c.want)
		}
	}
}

// Lines "From " at the beginning, as many as there are, and what stands behind
// them; the kinds and texts are those the real cleanup(8) has.
func TestMailboxLines(t *testing.T) {
	for message, want := range map[string]string{
		"From a\nA: b\n":               `header_checks "X-Mailbox-Line: From a", header_checks "A: b"`,
		">From a\n>>From b\nA: b\n":    `header_checks "X-Mailbox-Line: >From a", header_checks "X-Mailbox-Line: >>From b", header_checks "A: b"`,
		"From a\n folded\nA: b\n":      `header_checks "X-Mailbox-Line: From a", body_checks "", body_checks " folded", body_checks "A: b"`,
		"A: b\nFrom a\n":               `header_checks "A: b", body_checks "", body_checks "From a"`,
		"\tfolded\n":                   `body_checks "", body_checks "\tfolded"`,
		"From a\n\nFrom b\n":           `header_checks "X-Mailbox-Line: From a", body_checks "", body_checks "From b"`,
		"Fromage: a\nFrom: b\n>From\n": `header_checks "Fromage: a", header_checks "From: b", body_checks "", body_checks ">From"`,
	} {
		var got []string
		s := NewScanner(strings.NewReader(message), nil)
		for p, err := s.Next(); err == nil; p, err = s.Next() {
			got = append(got, fmt.Sprintf("%v %q", p.Kind, p.Text))
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("%q\n got %s\nwant %s", message, g, want)
		}
	}
}

// The size of what is checked begins anew in each part, behind the last one
// too; a boundary belongs to the part before it, the last one to what follows.
func TestOffsets(t *testing.T) {
	const message = "Content-Type: multipart/mixed; boundary=b\n\npro\n--b\nA: b\n\none\ntwo\n--b\nContent-Type: message/rfc822\n\nC: d\n\nthree\n--b\nno header\n--b--\nepilog\nend\n"
	var got []string
	s := NewScanner(strings.NewReader(message), nil)
	for p, err := s.Next(); err == nil; p, err = s.Next() {
		if p.Kind == Body {
			got = append(got, fmt.Sprintf("%s %d", p.Text, p.Offset))
		}
	}
	const want = " 0, pro 1, --b 5,  0, one 1, two 5, --b 9,  0,  0, three 1, --b 7, no header 0, --b-- 0, epilog 6, end 13"
	if g := strings.Join(got, ", "); g != want {
		t.Errorf("got  %s\nwant %s", g, want)
	}
}

// An encoding counts when it is a word; a declared body may have 8 bits.
func TestEncodings(t *testing.T) {
	for encoding, want := range map[string]bool{"8bit": true, "BINARY (x)": true, "(c) 8bit": true, "\"8bit\"": false, "": false, "(8bit)": false, "7bit": false, "base64": true, ";": false, "8bit x": true, "x 8bit": false} {
		s := NewScanner(strings.NewReader("Content-Transfer-Encoding: "+encoding+"\n\n\xe9\n"), nil)
		for _, err := s.Next(); err == nil; _, err = s.Next() {
		}
		if len(s.Problems()) == 0 != want {
			t.Errorf("%q: %v", encoding, s.Problems())
		}
	}
}

// A header is a MIME header by its name, and nothing else.
func TestKindOfHeader(t *testing.T) {
	for name, want := range map[string]Kind{"Content-ID": MIMEHeader, "mime-version": MIMEHeader, "Message-Id": Header, "Content-Idx": Header, "X-Mailer-Ver": Header, "Content-Size": Header} {
		p, err := NewScanner(strings.NewReader(name+": x\n\n"), nil).Next()
		if err != nil || p.Kind != want {
			t.Errorf("%s: %v, %v; want %v", name, p.Kind, err, want)
		}
	}
}

func TestCheckErrors(t *testing.T) {
	broken := errors.New("broken")
	c := Checker{Header: table.Func(func(context.Context, string) (string, bool, error) { return "", false, broken })}
	if _, err := c.Check(context.Background(), strings.NewReader(message)); !errors.Is(err, broken) {
		t.Errorf("table: %v", err)
	}
	c = Checker{Header: rules("", "")}
	if _, err := c.Check(context.Background(), strings.NewReader(message)); err == nil {
		t.Error("an empty value is accepted")
	}
	if _, err := new(Checker).Check(context.Background(), io.MultiReader(strings.NewReader(message), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
	for _, err := range Keys(io.MultiReader(strings.NewReader("a: b\n"), iotest.ErrReader(broken)), KeyOptions{Headers: true}) {
		if err != nil && !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		"a: b\n\nbody\n":    "",
		"a: b\nbody\n":      "[{primary header was terminated with non-empty line 2}]",
		"a: \xe9\n\n\xe9\n": "[{improper use of 8-bit data in message header 1} {improper use of 8-bit data in message body 3}]",
		"content-transfer-encoding: 8bit\n\n\xe9\n":                                    "",
		"content-type: multipart/x; boundary=b\ncontent-transfer-encoding: base64\n\n": "[{invalid message/* or multipart/* encoding domain 3}]",
		"content-type: message/partial\ncontent-transfer-encoding: 8bit\n\n":           "[{invalid message/* or multipart/* encoding domain 3}]",
		"content-type: message/rfc822\ncontent-transfer-encoding: 8bit\n\na: b":        "",
		"a: " + strings.Repeat("x", 200) + "\n b\n\n":                                  "[{message header length exceeds safety limit 2}]",
		deep(9): "[{MIME nesting exceeds safety limit 22}]",
	} {
		s := NewScanner(strings.NewReader(text), &Options{HeaderSize: 100, Nesting: 5})
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
		got := ""
		if p := s.Problems(); len(p) > 0 {
			got = fmt.Sprint(p)
		}
		if got != want {
			t.Errorf("%.80q: got %s, want %s", text, got, want)
		}
	}
}

func TestParseAction(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		value, want string
	}{
		{Header, "REJECT", "REJECT"},
		{Header, "reject  5.1.1 no  such", "REJECT 5.1.1 no  such"},
		{Header, "REJECT 5.1 text", "REJECT 5.1 text"},
		{Header, "REJECT 2.0.0 x", "REJECT 4.0.0 x !1:8: warning: status 2.0.0 of a REJECT must start with 4 or 5; Postfix makes it 4.0.0"},
		{Header, "OK", "DUNNO"},
		{Header, "IGNORE x", "IGNORE x !1:8: info: text after IGNORE is ignored"},
		{Header, "PREPEND x", "DUNNO !1:1: error: PREPEND of a header needs \"name: value\", found \"x\""},
		{Body, "PREPEND x", "PREPEND x"},
		{Body, "REPLACE", "DUNNO !1:1: error: REPLACE without text"},
		{Header, "FILTER smtp:", "FILTER smtp:"},
		{Header, "FILTER", "DUNNO !1:1: error: FILTER needs transport:destination, found \"\""},
		{Header, "BCC x", "DUNNO !1:1: error: BCC needs user@domain, found \"x\""},
		{Header, "DELAY 1h", "DUNNO !1:1: error: unknown action \"DELAY\" (want BCC, DISCARD, DUNNO, FILTER, HOLD, IGNORE, INFO, PASS, PREPEND, REDIRECT, REJECT, REPLACE, STRIP, WARN)"},
		{Header, "", "DUNNO !1:1: error: empty value; Postfix takes it for a broken table and defers the mail"},
		{Header, "WARN\tx", "WARN x"},
	} {
		a, err := ParseAction(c.kind, c.value)
		got := a.String()
		if err != nil {
			got += " !" + strings.ReplaceAll(err.Error(), " [header-check-action]", "")
		}
		if got != c.want {
			t.Errorf("%q: got %s\nwant %s", c.value, got, c.want)
		}
	}
	for _, value := range []string{"5.a.1 t", "5.1234.1 t", "5..1 t", "5.1. t", "5.1 t", "5.1.1.1 t", "6.1.1 t"} {
		if a, _ := ParseAction(Header, "REJECT "+value); a.Status != "" || a.Text != value {
			t.Errorf("REJECT %s: status %q, text %q", value, a.Status, a.Text)
		}
	}
	if _, err := Client.ParseAction(Header, "REJECT x"); err == nil {
		t.Error("smtp(8) does not reject")
	}
	if _, err := Milter.ParseAction(Header, "PREPEND x: y"); err == nil {
		t.Error("milter_header_checks do not prepend")
	}
}

func FuzzParseAction(f *testing.F) {
	for _, s := range []string{"REJECT 5.7.1 x", "ok", "PREPEND a: b", "FILTER x:y", "BCC a@b c", " REJECT", "REJECT\v4.1.1"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, value string, body bool) {
		kind := Header
		if body {
			kind = Body
		}
		a, err := ParseAction(kind, value)
		if a.Kind == 0 {
			t.Fatalf("%q gives no action (%v)", value, err)
		}
		if a.Kind == Dunno {
			return
		}
		if b, _ := ParseAction(kind, a.String()); b != a {
			t.Fatalf("%q is %+v, printed %q, and that is %+v", value, a, a.String(), b)
		}
	})
}

// What holds for any message: nothing is lost, and small reads, CRLF and
// line limits change nothing that must stay.
func FuzzScan(f *testing.F) {
	for _, m := range messages {
		if len(m) < 5000 {
			f.Add([]byte(m), 7)
		}
	}
	f.Add([]byte(message), 40)
	f.Fuzz(func(t *testing.T, src []byte, limit int) {
		if len(src) > 1<<13 {
			return
		}
		// Without limits and repairs the text of all parts is the message, but
		// for white space before colons, NUL bytes in headers, and the blank
		// line put before a body that has none.
		o := Options{LineLength: -1, KeepCR: true, KeepFrom: true}
		s := NewScanner(iotest.OneByteReader(bytes.NewReader(src)), &o)
		var kinds []Kind
		var text, whole bytes.Buffer
		last := 0
		for {
			p, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil || p.Kind == 0 || p.Line < last || p.LastLine < p.Line {
				t.Fatalf("%+v, %v", p, err)
			}
			last = p.Line
			kinds = append(kinds, p.Kind)
			text.Write(squeeze(p.Text))
			fmt.Fprintf(&whole, "%v %q\n", p.Kind, p.Text)
		}
		if !bytes.Contains(src, []byte{0}) && !bytes.Equal(text.Bytes(), squeeze(src)) {
			t.Fatalf("%q came out as %q", src, text.Bytes())
		}
		// Lines cut and put together again.
		o.LineLength = 1 + max(limit, -limit)%100
		s = NewScanner(bytes.NewReader(src), &o)
		var joined bytes.Buffer
		var line []byte
		body := false
		for {
			p, err := s.Next()
			if err != nil {
				break
			}
			if line = append(line, p.Text...); p.More {
				body = true
				continue
			}
			fmt.Fprintf(&joined, "%v %q\n", p.Kind, line)
			line = line[:0]
		}
		if !body && joined.String() != whole.String() && longest(src) <= o.LineLength {
			t.Fatalf("with lines of %d:\n%s\nwithout limit:\n%s", o.LineLength, joined.String(), whole.String())
		}
		keys := 0
		for key, err := range Keys(bytes.NewReader(src), KeyOptions{Headers: true, Body: true, MIME: true}) {
			if err != nil || bytes.IndexByte(key, 0) >= 0 {
				t.Fatalf("key %q, %v", key, err)
			}
			keys++
		}
		if keys != len(kinds) {
			t.Fatalf("%d keys, %d parts", keys, len(kinds))
		}
	})
}

func longest(src []byte) (n int) {
	for l := range bytes.SplitSeq(src, []byte("\n")) {
		n = max(n, len(l))
	}
	return n
}

// squeeze takes out what may differ: line ends and blanks.
func squeeze(b []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, bytes.ToValidUTF8(b, []byte("?")))
}

func BenchmarkScan(b *testing.B) {
	src := []byte(message + strings.Repeat("An ordinary line of text as they stand in mail.\n", 2000))
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner(bytes.NewReader(src), nil)
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
