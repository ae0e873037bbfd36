package maincf

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func env(t testing.TB, text string) *Env {
	t.Helper()
	f, err := Parse("main.cf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &Env{Main: f}
}

// The recorded output of "postconf -d" of two builds: every built-in default.
func TestDefaultsListings(t *testing.T) {
	runtime := map[string]bool{"myhostname": true, "mydomain": true, "mynetworks": true, "process_id": true}
	for file, version := range map[string]Version{
		"defaults-3.12.txt":          {},
		"defaults-3.7.11-debian.txt": {Major: 3, Minor: 7, Patch: 11, Build: Debian},
	} {
		src, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]Param{}
		for p := range Params(version) {
			if !p.Legacy {
				have[p.Name] = p
			}
		}
		services := 0
		for line := range strings.Lines(string(src)) {
			name, want, _ := strings.Cut(strings.TrimRight(line, "\n"), " =")
			want = strings.TrimPrefix(want, " ")
			p, ok := have[name]
			delete(have, name)
			switch {
			case !ok && strings.HasPrefix(want, "$"):
				services++
			case !ok:
				t.Errorf("%s: %s is missing", file, name)
			case runtime[name]:
			case p.Default != want:
				t.Errorf("%s: %s = %q, want %q", file, name, p.Default, want)
			}
		}
		for name := range have {
			t.Errorf("%s: %s is too much", file, name)
		}
		if services < 100 {
			t.Errorf("%s: only %d service parameters", file, services)
		}
	}
}

func TestEval(t *testing.T) {
	e := env(t, "myhostname = mx.example.net\nmyorigin = $mydomain\nloop = a$loop2\nloop2 = ${x?y}$loop\n"+
		"bad = ${a\nmy = $bad\ntypo = $mydomian\nsmtpd_banner = $myhostname $$ ${relayhost?{yes}:{no}}\nwhere = $typo\n")
	for name, want := range map[string]string{
		"mydomain":                    "example.net",
		"myorigin":                    "example.net",
		"smtpd_banner":                "mx.example.net $ no",
		"maximal_queue_lifetime":      "5d",
		"smtputf8_enable":             "no",
		"address_verify_poll_count":   "3",
		"forward_path":                "$home/.forward${recipient_delimiter}${extension}, $home/.forward",
		"smtpd_tls_mandatory_ciphers": "medium",
	} {
		v, err := e.Eval(name)
		if err != nil || v.Text != want {
			t.Errorf("%s: got %q %v, want %q", name, v.Text, err, want)
		}
	}
	for name, want := range map[string]string{
		"loop":     `main.cf:3:8: loop: parameter loop refers to itself: $loop -> $loop2 -> $loop`,
		"my":       `main.cf:6:6: my: $bad: truncated macro reference: "${a"`,
		"typo":     `main.cf:7:8: typo: unknown parameter "mydomian"; did you mean mydomain?`,
		"where":    `main.cf:9:9: where: $typo: unknown parameter "mydomian"; did you mean mydomain?`,
		"mynetwor": `mynetwor: unknown parameter "mynetwor"; did you mean mynetworks?`,
	} {
		if _, err := e.Eval(name); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	_, err := e.Eval("loop")
	var loop *LoopError
	if !errors.As(err, &loop) || fmt.Sprint(loop.Chain) != "[loop loop2 loop]" {
		t.Errorf("loop: %#v", err)
	}
	if _, err := e.Eval("where"); !errors.Is(err, ErrUnknownParam) {
		t.Errorf("where: %#v", err)
	}
}

// The default of mydomain is made from myhostname, for which $mydomain is
// nothing then. The values are those of postconf -x.
func TestHostNameOfItsDomain(t *testing.T) {
	for _, c := range [][3]string{
		{"$mydomain", "localdomain", "localdomain"}, {"mail.$mydomain", "mail.", ""}, {"${mydomain:x.y}", "", "y"},
		{"${mydomain?a.b}", "a.b", "localdomain"}, {"h$mydomain.org", "horg.org", "org"}, {"$foo\nfoo = mail.$mydomain", "mail.", ""},
		{"${compatibility_level}mail.$mail_name", "0mail.Postfix", ""}, // of what is not set only $name stands for nothing
	} {
		e := env(t, "myhostname = "+c[0]+"\n")
		for range 2 { // without what the machine says, and with it
			for i, name := range []string{"myhostname", "mydomain"} {
				if v, err := e.Eval(name); err != nil || v.Text != c[i+1] {
					t.Errorf("myhostname = %s: %s = %q, %v; want %q", c[0], name, v.Text, err, c[i+1])
				}
			}
			e.Runtime, _ = Machine(e)
		}
	}
	e := env(t, "myhostname = $myhostname\n")
	var err *LoopError
	if _, got := e.Eval("mydomain"); !errors.As(got, &err) {
		t.Errorf("mydomain of $myhostname: %v", got)
	}
}
