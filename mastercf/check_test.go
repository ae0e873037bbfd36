package mastercf

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

func TestCheck(t *testing.T) {
	for src, want := range map[string]string{
		"smtp inet n - n - - smtpd\n":                                        "",
		"smtp inet - - n - - smtpd\n":                                        "m:1:11: error: inet service smtp must have n in the private column, not -; Postfix does not start [private-inet]",
		"smtp inet n - n - - smtdp\n":                                        `m:1:21: warning: "smtdp" is no daemon that comes with Postfix (did you mean smtp?) [unknown-daemon]`,
		"smtp inet n - n - - my-own-thing\n":                                 `m:1:21: warning: "my-own-thing" is no daemon that comes with Postfix [unknown-daemon]`,
		"smtp inet n - n - - smtpd\n25 inet n - n - 1 postscreen\n":          "m:2:1: warning: service 25/inet is defined again; Postfix uses the last definition [duplicate-service]",
		"[::1]:025 inet n - n - - smtpd\n[0:0::1]:smtp inet n - n - - smtpd": "m:2:1: warning: service [0:0::1]:smtp/inet is defined again; Postfix uses the last definition [duplicate-service]",
		"[::1:25 inet n - n - - smtpd\n":                                     `m:1:1: error: "[::1:25": missing "]" [service-endpoint]`,
		"qmgr inet n - n 300 1 qmgr\n":                                       "m:1:6: error: qmgr cannot serve type inet (want unix, fifo, pass) [service-type]",
		"pickup unix n - n - 1 pickup\n":                                     "m:1:19: warning: pickup is never woken up; it would not do its regular work [wakeup-missing]",
		"cleanup unix n - n - - cleanup\n":                                   "m:1:22: error: cleanup must run in any number: process_limit must be 0, not - [process-limit]",
		"anvil unix - - n - 0 anvil\n":                                       "m:1:20: error: anvil works as a single process: process_limit must be 1, not 0 [process-limit]",
		"proxywrite unix - - n - - proxymap\n":                               "m:1:25: warning: proxywrite protects tables from simultaneous writers only as a single process: process_limit must be 1, not - [process-limit]",
		"local unix - - y - - local\n":                                       "m:1:14: error: local has to start as root: the unprivileged column must be n, not - [privileges-needed]\nm:1:16: error: local cannot be chrooted: the chroot column must be n [chroot-impossible]",
		"proxymap unix - - y - - proxymap\n":                                 "m:1:19: warning: a chrooted proxymap reaches no more tables than its chrooted clients, which defeats its purpose [chroot-impossible]",
		"s unix - - n - - smtp -o x = y\n":                                   `m:1:26: error: -o needs name=value, not "x"; the daemon does not start (no space around "=", or put it in { }) [bad-override]` + "\n" + `m:1:28: warning: smtp does nothing with argument "="; a value with white space is written -o { name = value } [unexpected-argument]`,
		"smtp inet n - n - - smtpd\n -o a=permit, reject\n -o b=c\n":         `m:2:15: error: smtpd does not start with argument "reject"; a value with white space is written -o { name = value } [unexpected-argument]` + "\n" + `m:3:2: warning: options after "reject" are not read [unexpected-argument]`,
		"s unix - - n - - smtp -o x=\"y\" -o x=z\n":                          `m:1:26: warning: -o x is set again behind it; this one has no effect [duplicate-override]` + "\n" + `m:1:26: warning: quotes mean nothing in master.cf and become part of the value of x; for white space write -o { name = value } [quoted-argument]`,
		"s unix - - n - - smtp -o service_name=y -u\n":                       "m:1:26: warning: service_name is set by Postfix; -o does not change it [override-ignored]\nm:1:41: warning: option -u is for master(8) itself (want -o, -v or -D) [internal-option]",
		"s unix - - n - - smtp -o{ a = b }\n":                                "m:1:25: error: -o{ … } without space before the { is not understood by the daemon [bad-override]",
		"s unix - n n - - pipe flags=RZ user=root command=x\n":               "m:1:18: error: pipe needs a argv= argument [pipe-attributes]\n" + `m:1:23: error: pipe has no flag 'Z' (want some of BDFORXhqu.>) [pipe-attributes]` + "\n" + `m:1:32: error: pipe refuses to run commands as "root" [pipe-attributes]` + "\n" + `m:1:42: error: pipe does not know "command=x" (want flags=…, user=…, argv=…, directory=…, chroot=…, eol=…, size=…, null_sender=…, argv= last) [pipe-attributes]`,
		"s unix - n n - - pipe user=x argv=/y -z\n":                          "",
		"s unix - n n - 0 spawn\n":                                           "m:1:18: error: spawn needs a argv= argument [pipe-attributes]\nm:1:18: error: spawn needs a user= argument [pipe-attributes]",
		"smtp inet n - n - - smtpd\n#sub inet n - n - - smtpd\n  -o a=b\n":   "m:2:2: warning: sub/inet is commented out, but lines after it are not: they are arguments of the service before it [options-after-disabled]",
	} {
		f, _ := Parse("m", []byte(src))
		found := f.Check(nil)
		if got := found.Error(); got != want {
			t.Errorf("%q:\n got %s\nwant %s", src, got, want)
		}
		// A fix mends what it is about.
		fixed, _, err := diag.ApplyFixes("m", []byte(src), found)
		if err != nil {
			t.Errorf("%q: %v", src, err)
		}
		g, _ := Parse("m", fixed)
		for _, d := range g.Check(nil) {
			if len(d.Fixes) > 0 && d.Check != "chroot-impossible" {
				t.Errorf("%q: still %v in %q", src, d, fixed)
			}
		}
	}
	f := mustParse(t, "x unix - - - - - mydaemon w\nl unix - n - - - local\n")
	if got := f.Check(&CheckOptions{Programs: []string{"mydaemon"}, Defaults: Defaults{Chroot: true}}).Error(); got != "master.cf:2:12: error: local cannot be chrooted: the chroot column must be n [chroot-impossible]" {
		t.Errorf("options: %s", got)
	}
}

// The stock files are as they should be.
func TestCheckStock(t *testing.T) {
	for _, name := range []string{"stock/debian-3.7.11.cf", "stock/postfix-3.12.cf"} {
		f := mustParse(t, string(read(t, name)))
		for s := range f.Disabled() {
			if err := f.Enable(s); err != nil && s.Name() != "smtp" && s.Name() != "qmgr" {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, d := range f.Check(nil) {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// What the corpus has wrong, by kind; a new kind of finding must be looked at
// before the numbers here change.
func TestCheckCorpus(t *testing.T) {
	count := map[string]int{}
	for _, name := range corpus(t) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := Parse(name, src)
		for _, d := range append(f.Findings(), f.Check(nil)...) {
			count[d.Check]++
			t.Log(d)
		}
	}
	want := map[string]int{"bad-override": 1, "options-after-disabled": 1, "unexpected-argument": 6, "unknown-daemon": 1}
	if !maps.Equal(count, want) {
		t.Errorf("got %v, want %v", count, want)
	}
}

// The table is the reviewed data.
func TestDaemons(t *testing.T) {
	var data struct {
		Daemons []struct {
			Program       string
			AcceptsTypes  []Type `json:"accepts_types"`
			Since         string
			Privileged    bool
			NoChroot      any  `json:"no_chroot"`
			ProcessLimit  *int `json:"process_limit"`
			WakeupNeeded  bool `json:"wakeup_needed"`
			Transport     bool
			EnforcedLimit bool `json:"process_limit_enforced"`
		}
	}
	if err := json.Unmarshal(read(t, "master-services.json"), &data); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, want := range data.Daemons {
		if want.Program == "master" {
			continue
		}
		n++
		d, ok := LookupDaemon(want.Program)
		if !ok {
			t.Errorf("%s is missing", want.Program)
			continue
		}
		limit := LimitAny
		if want.ProcessLimit != nil {
			limit = map[int]Limit{0: LimitNone, 1: LimitOne}[*want.ProcessLimit]
		}
		if !slices.Equal(d.Types, want.AcceptsTypes) || d.Since != want.Since || d.Privileged != want.Privileged ||
			d.NoChroot != (want.NoChroot == true) || d.Limit != limit || d.Wakeup != want.WakeupNeeded || d.Transport != want.Transport {
			t.Errorf("%+v is not %+v", d, want)
		}
	}
	if all := Daemons(); len(all) != n || !slices.IsSortedFunc(all, func(a, b Daemon) int { return strings.Compare(a.Program, b.Program) }) {
		t.Errorf("%d daemons, want %d, sorted", len(all), n)
	}
}

func TestSettings(t *testing.T) {
	f := mustParse(t, "a unix - - - 1000? - smtp\nb inet n n y 0? 0 smtpd\nc inet y - - - - smtpd\n")
	a, err := f.Service("a", Unix).Settings(nil)
	if err != nil || !a.Private || !a.Unprivileged || a.Chroot || a.Wakeup.Seconds() != 1000 || !a.WakeupIfUsed || a.ProcessLimit != 100 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, _ := f.Service("a", Unix).Settings(&Defaults{ProcessLimit: 7, Chroot: true}); !a.Chroot || a.ProcessLimit != 7 {
		t.Errorf("%+v", a)
	}
	b, err := f.Service("b", Inet).Settings(nil)
	if err != nil || b.Private || b.Unprivileged || !b.Chroot || b.Wakeup != 0 || b.WakeupIfUsed || b.ProcessLimit != 0 {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := f.Service("c", Inet).Settings(nil); err == nil {
		t.Error("a private inet service is accepted")
	}
}

func TestParseEndpoint(t *testing.T) {
	for name, want := range map[string]string{
		"25": "|25", "smtp": "|smtp", "127.0.0.1:25": "127.0.0.1|25", "mail.example.com:smtp": "mail.example.com|smtp",
		"[::1]:25": "::1|25", "[127.0.0.1]:25": "127.0.0.1|25", "[ipv6:::1]:25": "::1|25", "::1:25": "::1|25", ":25": "|25",
		"[::1]": "error", "[::1]25": "error", "[::1": "error", "host:": "error", "25x": "error", "70000": "error", "a b:25": "error",
		"[ipv6:127.0.0.1]:25": "error", "-bad:25": "error", "1.2.3.400:25": "error", "[]:25": "error",
	} {
		e, err := ParseEndpoint(name)
		got := e.Host + "|" + e.Port
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: got %s (%v), want %s", name, got, err, want)
		}
		if err == nil {
			if again, err := ParseEndpoint(e.String()); err != nil || again != e {
				t.Errorf("%s is written as %s", name, e)
			}
		}
	}
}
