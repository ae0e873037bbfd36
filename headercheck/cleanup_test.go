package headercheck

import (
	"context"
	"fmt"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/table"
)

// actOn is a table whose answers stand in the message itself: what follows
// the prefix is the action.
func actOn(prefix string) table.Table {
	return table.Func(func(_ context.Context, key string) (string, bool, error) {
		if len(key) > len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
			v, _, _ := strings.Cut(key[len(prefix):], "\n")
			return v, v != "", nil
		}
		return "", false, nil
	})
}

// actRule is the same as a regexp: table.
func actRule(prefix string) string { return "/^" + prefix + "([^[:cntrl:]]+)/ $1\n" }

// What cleanup(8) does with a message: its reply, what it logs, and the mail
// that is delivered.
func TestCheckAgainstReal(t *testing.T) {
	var users strings.Builder
	for i := range 100 {
		fmt.Fprintf(&users, " u%d@example.net=u%d", i, i)
	}
	inst := realpostfix.Start(t, realpostfix.Config{
		Main: `header_checks = regexp:@DIR@/conf/header
mime_header_checks = regexp:@DIR@/conf/mime
nested_header_checks = regexp:@DIR@/conf/nested
body_checks = regexp:@DIR@/conf/body
body_checks_size_limit = 5000
virtual_mailbox_domains = example.net
virtual_mailbox_base = @DIR@/mail
virtual_mailbox_maps = inline:{` + users.String() + `}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
`,
		Files: map[string]string{
			"header": actRule("X-Act: "), "mime": actRule("Content-Description: "), "nested": actRule("X-In: "), "body": actRule("act: "),
		},
	})
	checker := Checker{Header: actOn("X-Act: "), MIMEHeader: actOn("Content-Description: "), NestedHeader: actOn("X-In: "), Body: actOn("act: "),
		Options: Options{BodySize: 5000}}

	const head = "From: a@example.com\nTo: b@example.com\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-Id: <x@example.com>\n"
	line := strings.Repeat("x", 60) + "\n"
	messages := []string{
		"",
		"X-Act: REJECT\n",
		"X-Act: REJECT go away\nX-Act: HOLD\n",
		"X-Act: REJECT 4.7.1 try later\n\nact: WARN not seen\n",
		"X-Act: REJECT 5.1.1 text with  spaces\n",
		"X-Act: REJECT 2.0.0 odd\n",
		"X-Act: reject lower\n",
		"X-Act: WARN one\nX-Act: INFO two\n\nact: WARN three\n",
		"X-Act: IGNORE\nX-Act: STRIP why\nX-Keep: 1\n\nact: IGNORE\nbody\nact: STRIP\n",
		"X-Act: REPLACE X-New: y\nX-Act: REPLACE nothing\nX-Act: PREPEND X-Before: z\nX-Act: PREPEND bad\n\nact: REPLACE new line\nact: PREPEND before\n",
		"X-Act: NONSENSE\nX-Act: FILTER x\nX-Act: REDIRECT nobody\nX-Act: BCC nobody\nX-Act: FILTER\nX-Act: DUNNO x\nX-Act: OK\n",
		"X-Act: PASS on\nX-Act: REJECT not seen\n\nact: REJECT not seen\n",
		"X-Act: DISCARD it\nX-Act: REJECT not seen\n",
		"X-Act: HOLD it\nX-Act: HOLD again\nX-Act: WARN seen\n",
		"X-Act: HOLD it\nX-Act: DISCARD it\n",
		"X-Act: DISCARD\n\nact: HOLD\n",
		"X-Act: BCC u98@example.net\nX-Act: REDIRECT u99@example.net\nX-Act: WARN not seen\n",
		"Content-Description: WARN mime in primary\nX-In: WARN not nested\n\nX-Act: WARN body\n",
		"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\nact: WARN prolog\n--b\nX-Act: WARN not primary\nContent-Description: WARN part\n" +
			"\nact: WARN part body\n--b\nContent-Type: message/rfc822\n\nX-In: WARN nested\nX-Act: WARN no\nContent-Description: WARN mime in nested\n\nact: WARN nested body\n--b--\nact: WARN epilog\n",
		"X-Act : WARN space before colon\nX-Act:  WARN two spaces\n",
		"X-Act: WARN folded\n folded line\nX-Folded: a\n b\n",
		"\n" + strings.Repeat(line, 80) + "act: WARN inside the limit\n" + strings.Repeat(line, 10) + "act: WARN beyond the limit\n",
		"\n" + strings.Repeat("x", 2048) + "act: WARN second piece\nact: WARN next line\n",
		"\n" + strings.Repeat("x", 2047) + "act: WARN inside the piece\n",
		"X-Long: " + strings.Repeat("x", 3000) + "\nX-Act: WARN after long\n",
		"not a header\nX-Act: WARN in the body\nact: WARN body\n",
		" indented after header\n\nact: WARN body\n",
	}
	type outcome struct {
		reply, log string
	}
	var want []outcome
	for i, m := range messages {
		if !strings.Contains(m, "\n\n") && !strings.HasPrefix(m, "\n") {
			m += "\nbody\n"
		}
		messages[i] = head + m
		err := smtp.SendMail(inst.Addr, nil, "s@example.com", []string{fmt.Sprintf("u%d@example.net", i)}, []byte(messages[i]))
		reply := "250"
		if e, ok := err.(*textproto.Error); ok {
			reply = fmt.Sprintf("%d %s", e.Code, e.Msg)
		} else if err != nil {
			t.Fatal(err)
		}
		want = append(want, outcome{reply: reply})
	}
	logged := regexp.MustCompile(`(?m)cleanup\[\d+\]: \w+: (reject|warning|info|filter|pass|discard|hold|prepend|replace|redirect|bcc|strip): (header|body) (.*) from localhost\[127\.0\.0\.1\]; from=<s@example\.com> to=<u(\d+)@example\.net>`)
	for _, g := range logged.FindAllStringSubmatch(inst.Log(), -1) {
		var i int
		fmt.Sscan(g[4], &i)
		want[i].log += g[1] + " " + g[2] + " " + g[3] + "\n"
	}
	box := func(name string) string {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			src, err := os.ReadFile(filepath.Join(inst.MailDir, name))
			if err == nil && strings.HasSuffix(string(src), "\n\n") {
				return string(src)
			}
			if time.Now().After(deadline) {
				return "no mail"
			}
		}
	}
	for i, m := range messages {
		var out strings.Builder
		v, err := checker.Rewrite(context.Background(), &out, strings.NewReader(m))
		if err != nil {
			t.Fatal(err)
		}
		got := outcome{reply: "250"}
		if v.Kind == Reject {
			code := map[bool]string{true: "451", false: "550"}[v.Status[0] == '4']
			got.reply = strings.TrimSpace(code + " " + v.Status + " " + v.Text)
		}
		held := false
		for _, match := range v.Matches {
			if w := logWord(match.Action.Kind); w != "" && !(w == "hold" && held) {
				where := "header"
				if match.Kind == Body {
					where = "body"
				}
				held = held || w == "hold"
				got.log += fmt.Sprintf("%s %s %.200s\n", w, where, strings.ReplaceAll(match.Key, "\n", "?"))
			}
		}
		// Of the reply the code and the text count; Postfix adds nothing to it.
		if got.reply != want[i].reply && !(got.reply[:3] != "250" && want[i].reply[3:] == got.reply[3:]) || got.log != want[i].log {
			t.Errorf("%q:\ngot  %s\n%s\nwant %s\n%s", m, got.reply, got.log, want[i].reply, want[i].log)
			continue
		}
		if v.Kind != Dunno {
			continue
		}
		names := []string{fmt.Sprintf("u%d", i)}
		if v.Redirect != "" {
			names = []string{strings.TrimSuffix(v.Redirect, "@example.net")}
		}
		for _, name := range names {
			if real := delivered(box(name)); real != out.String() {
				t.Errorf("%q:\nbecame\n%q\nwant\n%q", m, out.String(), real)
			}
		}
	}
	if testing.Verbose() {
		all := 0
		for _, w := range want {
			all += strings.Count(w.log, "\n")
		}
		t.Logf("%d messages, %d logged actions", len(messages), all)
	}
}

// logWord is how cleanup(8) logs an action; "": not at all.
func logWord(k ActionKind) string {
	switch k {
	case Dunno, Ignore:
		return ""
	case Warn:
		return "warning"
	}
	return strings.ToLower(k.String())
}

// delivered is the mail in a mailbox without what Postfix puts before it and
// the line that ends it.
func delivered(box string) string {
	lines := strings.Split(strings.TrimSuffix(box, "\n"), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "From: ") })
	// PREPEND puts its line before the header it is about, never before From:.
	if i < 0 {
		return box
	}
	return strings.Join(lines[i:], "\n")
}
