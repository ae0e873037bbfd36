package maincf

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTypedValues(t *testing.T) {
	e := env(t, `smtpd_helo_required = YES
disable_vrfy_command = maybe
message_size_limit = 10240000
header_size_limit = x
smtpd_soft_error_limit = 0
default_process_limit = ${stress?{1}:{2}}
smtpd_timeout = 2
bounce_queue_lifetime = 1
delay_warning_time = 2h
queue_run_delay = 3y
maximal_queue_lifetime = 200d
mydestination = a, b {c, d}
smtpd_tls_security_level = MAY
mynetworks_style = perhaps
virtual_alias_maps = hash:/a, regexp:/b oops
`)
	check := func(what string, got any, err error, want any, wantErr string) {
		t.Helper()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if wantErr == "" && (err != nil || fmt.Sprint(got) != fmt.Sprint(want)) || !strings.HasSuffix(text, wantErr) {
			t.Errorf("%s: got %v, %v; want %v, %s", what, got, err, want, wantErr)
		}
	}
	b, err := e.Bool("smtpd_helo_required")
	check("bool", b, err, true, "")
	_, err = e.Bool("disable_vrfy_command")
	check("bool", nil, err, nil, `main.cf:2:24: disable_vrfy_command: "maybe" is neither yes nor no`)
	n, err := e.Int("message_size_limit")
	check("int", n, err, 10240000, "")
	n, err = e.Int("default_process_limit")
	check("int", n, err, 2, "")
	_, err = e.Int("header_size_limit")
	check("int", nil, err, nil, `header_size_limit: "x" is not a whole number`)
	_, err = e.Int("smtpd_soft_error_limit")
	check("int", nil, err, nil, `smtpd_soft_error_limit: 0 is less than 1, the least Postfix accepts`)
	d, err := e.Duration("smtpd_timeout")
	check("time", d, err, 2*time.Second, "")
	d, err = e.Duration("bounce_queue_lifetime")
	check("time", d, err, 24*time.Hour, "")
	d, err = e.Duration("delay_warning_time")
	check("time", d, err, 2*time.Hour, "")
	_, err = e.Duration("queue_run_delay")
	check("time", nil, err, nil, `"3y" is not a time: the unit has to be s, m, h, d or w`)
	_, err = e.Duration("maximal_queue_lifetime")
	check("time", nil, err, nil, `17280000s is more than 8640000s, the most Postfix accepts`)
	l, err := e.List("mydestination")
	check("list", l, err, "[a b {c, d}]", "")
	s, err := e.Enum("smtpd_tls_security_level")
	check("enum", s, err, "may", "")
	_, err = e.Enum("mynetworks_style")
	check("enum", nil, err, nil, `"perhaps" is not one of host, subnet, class`)
	specs, err := e.Specs("virtual_alias_maps")
	check("specs", specs, nil, "[hash:/a regexp:/b]", "")
	if err == nil {
		t.Error("specs: no error")
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5": 5 * time.Hour, "5s": 5 * time.Second, "5M": 5 * time.Minute, "1w": 7 * 24 * time.Hour, "2d": 48 * time.Hour,
	} {
		if got, err := ParseDuration(text, 'h'); err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "s", "-1", "+1", "1.5s", "1 s", "9223372036854775807w", "99999999999999999999", "5y"} {
		if got, err := ParseDuration(bad, 's'); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
	if d, err := ParseDuration(fmt.Sprint(math.MaxInt64/int64(time.Second)), 's'); err != nil || d <= 0 {
		t.Errorf("longest: %v %v", d, err)
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]string{
		"3.7": "3.7", "3.7.11": "3.7.11", "3.7.11/debian": "3.7.11/debian", "3.7-Debian": "3.7/debian",
		"3.12-20260821": "3.12", "2.0": "2.0", "3.12/upstream": "3.12",
	} {
		if v, err := ParseVersion(text); err != nil || v.String() != want {
			t.Errorf("%q: %v %v, want %s", text, v, err, want)
		}
	}
	for _, bad := range []string{"", "3", "3.x", "3.7.1.2", "0.9", "1.0", "3.13", "4.0", "3.-1", "3.+1", "3.7.300", "3.7/suse"} {
		if v, err := ParseVersion(bad); err == nil {
			t.Errorf("%q: %v", bad, v)
		}
	}
	order := []Version{{Major: 2, Minor: 11}, {Major: 3, Minor: 7}, {Major: 3, Minor: 7, Patch: 3}, {Major: 3, Minor: 7, Patch: NewestPatch}, {Major: 3, Minor: 8}, {}}
	if !slices.IsSortedFunc(order, Version.Compare) {
		t.Error("releases are out of order")
	}
}

func TestDefaultsOfPatchReleases(t *testing.T) {
	for _, c := range []struct{ name, version, want string }{
		{"milter_default_action", "3.7.19", "tempfail"},
		{"milter_default_action", "3.7.20", "shutdown"},
		{"milter_default_action", "3.9", "shutdown"},
		{"milter_default_action", "2.4", "tempfail"},
		{"smtpd_forbid_unauth_pipelining", "3.8.0", "(none)"},
		{"smtpd_forbid_unauth_pipelining", "3.8.1", "no"},
		{"smtpd_forbid_unauth_pipelining", "3.9", "yes"},
		{"daemon_directory", "3.9/debian", "/usr/lib/postfix/sbin"},
		{"daemon_directory", "3.9", "/usr/libexec/postfix"},
		{"tls_fast_shutdown", "3.4.6", "yes"},
		{"tls_fast_shutdown", "3.4.7", "(none)"},
		{"virtual_maps", "1.1", ""},
		{"mail_version", "3.8.1", "3.8.1"},
	} {
		v, err := ParseVersion(c.version)
		if err != nil {
			t.Fatal(err)
		}
		got := "(none)"
		for p := range Params(v) {
			if p.Name == c.name {
				got = p.Default
			}
		}
		if got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.name, c.version, got, c.want)
		}
	}
}

func TestSuggest(t *testing.T) {
	for name, want := range map[string]string{
		"mynetwork": "mynetworks", "my_networks": "mynetworks", "smtpd_recipent_restrictions": "smtpd_recipient_restrictions",
		"virtual_maps": "virtual_alias_maps", "relay_host": "relayhost", "messages_size_limit": "message_size_limit", "zzzzzz": "",
	} {
		got := ""
		if all := Suggest(name); len(all) > 0 {
			got = all[0]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
