package headercheck

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

func keysOf(t testing.TB, message string, o KeyOptions) (all []string) {
	t.Helper()
	for key, err := range Keys(strings.NewReader(message), o) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(key))
	}
	return all
}

// messages are by hand what is worth a look; the generator mixes their parts.
var messages = []string{
	"",
	"\n",
	"Subject: x\n",
	"Subject: x",
	"Subject: x\n\nbody\n",
	"Subject: a\n b\n\tc\n \nTo : x\nFrom:y\n\nbody\n\n--x\nlast",
	" leading\nSubject: x\n",
	"From me Mon\nSubject: x\n\nb\n",
	"Subject: x\nno header\nTo: y\n\nbody\n",
	"Subject:\n:\n: x\n",
	"Subject: x\r\nTo: y\r\n\r\nbody\r\n",
	"Sub ject: x\n\nb\n",
	"S\xc3\xa9: x\n\nb\n",
	"Subject: a\x00b\n c\x00d\nTo: x\n\nbo\x00dy\n\x00\n",
	"Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\npro\n--b\nContent-Type: text/plain\n\none\n--b\nX: y\n z\nno blank\n--b--\nepi\n--b\nX: y\n",
	"Content-Type: multipart/mixed; boundary=\"b c\"\n\n--b c\n\n--b\n--b cd\nA: b\n\nx\n--b c-- \nend\n",
	"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: nested\n\nbody\n--b\nContent-Type: message/rfc822\n\nSubject: deep\nContent-Type: multipart/mixed;\n boundary=bb\n\n--bb\nP: q\n\nx\n--b\nR: s\n\ny\n--bb\nT: u\n--b--\n",
	"Content-Type: message/rfc822\n\nSubject: in\n\nSubject: body\n",
	"Content-Type: message/global\n\nSubject: in\n\nSubject: body\n",
	"Content-Type: message/partial\n\nSubject: in\n\nSubject: body\n",
	"Content-Type: message/delivery-status\n\nSubject: in\n\nSubject: body\n",
	"content-TYPE : (comment (nested \\) ) here) Multipart (x) / Mixed ; foo=bar; Boundary = \"a\\\"b\"; boundary=two\n\n--a\"b\nX: 1\n\n--two\nY: 2\n\n--a\"b\nZ: 3\n\n",
	"Content-Type: multipart/mixed; boundary=\"a\n b\"\n\n--a b\nX: 1\n\n--ab\nX: 2\n\n",
	"Content-Type: multipart/mixed; boundary=\n\n--x\nX: 1\n\n--\nX: 2\n\n",
	"Content-Type: multipart/mixed; boundary=\"\"\n\n--x\nX: 1\n\n--\nX: 2\n\n----\nX: 3\n",
	"Content-Type: multipart; boundary=b\n\n--b\nX: 1\n\n--b--\n--b\nX: 2\n",
	"Content-Type: multipart/mixed boundary=b\n\n--b\nX: 1\n\n",
	"Content-Type: multipart/mixed; boundary=b/c\n\n--b\nX: 1\n\n--b/c\nX: 2\n",
	"Content-Type: multipart/mixed; boundary b\n\n--b\nX: 1\n\n",
	"Content-Type: \"multipart\"/mixed; boundary=b\n\n--b\nX: 1\n\n",
	"Content-Type: multipart/\"digest\"; boundary=b\n\n--b\n\nX: 1\n\n",
	"Content-Type: text/plain; boundary=b\n\n--b\nX: 1\n\n",
	"Content-Type:\n\n--b\nX: 1\n\n",
	"Content-Type: ;\n\n--b\nX: 1\n\n",
	"Content-Type: multipart/mixed; boundary=b\nContent-Type: message/rfc822\n\nX: 1\n\n--b\nY: 2\n\n",
	"Content-Type: message/rfc822\nContent-Type: application/x\n\nX: 1\n\n",
	"Content-Type: message/rfc822\nContent-Type: text/plain\n\nX: 1\n\n",
	"Content-Type: message/rfc822\nContent-Type: /\n\nX: 1\n\n",
	"Content-Type: multipart/mixed; boundary=b\x01c;boundary=d\x7f\n\n--b\nX: 1\n\n--d\nY: 1\n\n",
	"Content-Type: multipart/mixed; boundary=b;\n ; ;; boundary=c (x\n\n--c\nX: 1\n\n--b\nY: 2\n\n--c\nZ: 3\n\n",
	"Content-Transfer-Encoding: base64\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: 1\n\n",
	"Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 3000) + "\n\n--" + strings.Repeat("b", 2048) + "x\nX: 1\n\n--" + strings.Repeat("b", 2047) + "\nX: 2\n",
	"Subject: " + strings.Repeat("long ", 30000) + "\n folded\n again\nTo: x\n" + strings.Repeat("y", 300000) + "\n",
	"Subject: " + strings.Repeat("x", 102390) + "\n folded\n again\nTo: x\n\n",
	"Subject: " + strings.Repeat("x", 102390) + "\n folded\n\n", // one byte less than the limit
	"Subject: " + strings.Repeat("x", 102391) + "\n folded\n\n", // the limit
	deep(130),
}

// deep nests multiparts beyond the limit.
func deep(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n", i, i)
	}
	b.WriteString("X: innermost\n\n")
	for i := n - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d.\nX: %d\n\n", i, i)
	}
	return b.String()
}

// generate makes a message of pieces that matter to the parser.
func generate(r *rand.Rand) string {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	var b strings.Builder
	for range r.IntN(25) {
		switch r.IntN(9) {
		case 0, 1:
			b.WriteString(pick("Subject", "X-Y", "to", "Content-ID", "mime-version", "Content-Disposition", "A b", "", "\xc3\xa9", "x\x01"))
			b.WriteString(pick(": ", ":", " : ", "\t:", "", " "))
			b.WriteString(pick("text", "", "a\x00b", "(c) \"d\"", ":"))
		case 2:
			b.WriteString(pick(" ", "\t", "  \t", "", "\v") + pick("folded", "", "boundary=c", "; boundary=\"b\""))
		case 3, 4:
			b.WriteString(pick("Content-Type", "content-type ", "Content-Transfer-Encoding") + ":" + pick(" ", "", "\n ", " (x) "))
			b.WriteString(pick("multipart/mixed", "multipart/digest", "message/rfc822", "message/global", "message/partial", "text/html", "application/x", "Multipart / Mixed", "multipart", "base64", "", "8bit", "/"))
			b.WriteString(pick("; boundary=b", ";boundary=\"c\"", "; x=y; BOUNDARY = b", "; boundary=b; boundary=c", "", ";\n boundary=\"c", "; boundary=\"b\\c\"", ";;boundary=(q)b", "; boundary=\"\""))
		case 5, 6:
			b.WriteString(pick("--b", "--c", "--b--", "--c--", "--bc", "--", "---", "--b --", "-b", "--bc--", "--d"))
		case 7:
			b.WriteString(pick("", "", "", "\r"))
		case 8:
			b.WriteString(pick("body text", "8\xc3\xa9", "Fake: header", " indented", "\x00", "x\x00y", "."))
		}
		b.WriteString(pick("\n", "\n", "\n", "\n", "\n", "\r\n"))
	}
	if r.IntN(4) == 0 {
		return strings.TrimSuffix(b.String(), "\n")
	}
	return b.String()
}

// With headers alone nothing behind them is waited for.
func TestKeysReadNoFurther(t *testing.T) {
	broken := errors.New("read too far")
	for message, want := range map[string][]string{"A: b\nC: d\n\n": {"A: b", "C: d"}, "\n": nil, "A: b\nno header\n": {"A: b"}} {
		var got []string
		for key, err := range Keys(io.MultiReader(strings.NewReader(message), iotest.ErrReader(broken)), KeyOptions{Headers: true}) {
			if err != nil {
				t.Fatalf("%q: %v", message, err)
			}
			got = append(got, string(key))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q", message, got)
		}
	}
}

var modes = []struct {
	flags string
	keys  KeyOptions
}{
	{"-h", KeyOptions{Headers: true}},
	{"-b", KeyOptions{Body: true}},
	{"-hb", KeyOptions{Headers: true, Body: true}},
	{"-hm", KeyOptions{Headers: true, MIME: true}},
	{"-bm", KeyOptions{Body: true, MIME: true}},
	{"-hbm", KeyOptions{Headers: true, Body: true, MIME: true}},
}

// The original postmap, asked with tables that match everything, prints the
// keys. It runs over a message at a time, hence the generated ones are few
// unless POSTFIXKIT_LONG is set.
func TestKeysAgainstReal(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:regexp")
	dir := t.TempDir()
	// Two rules, so that the value says which of them matched as well.
	rules := filepath.Join(dir, "all")
	if err := os.WriteFile(rules, []byte("/^--/ dashes\n/^[^:]*:/ colon\n/^/ any\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	value := func(key string) string {
		switch {
		// "^" of a regexp table matches at the start of each line only with
		// the m flag; without it, at the start of the key.
		case strings.HasPrefix(key, "--"):
			return "dashes"
		case strings.Contains(key, ":"):
			return "colon"
		}
		return "any"
	}
	all := append([]string(nil), messages...)
	n, seed := 60, uint64(1)
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		n, seed = 4000, rand.Uint64()
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	for range n {
		all = append(all, generate(r))
	}
	var calls []realpostfix.Call
	for _, m := range all {
		for _, mode := range modes {
			calls = append(calls, realpostfix.Call{Name: "postmap", Args: []string{mode.flags, "-q", "-", "regexp:" + rules}, Stdin: m})
		}
	}
	wrong := 0
	for i, res := range real.RunAll(calls) {
		m, mode := all[i/len(modes)], modes[i%len(modes)]
		var want strings.Builder
		for _, key := range keysOf(t, m, mode.keys) {
			want.WriteString(key + "\t" + value(key) + "\n")
		}
		if res.Stdout != want.String() || res.Stderr != "" {
			t.Errorf("postmap %s of\n%.2000q\ngives (%s)\n%.2000q\nwe have\n%.2000q", mode.flags, m, res.Stderr, res.Stdout, want.String())
			if wrong++; wrong > 5 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d messages, %d runs", len(all), len(calls))
}
