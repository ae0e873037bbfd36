package maincf

import (
	"fmt"
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	e := env(t, `myconf = /etc/postfix
alias_maps =
virtual_alias_maps = proxy:hash:$myconf/virtual,
    # nested
    debug:unionmap:{cdb:/a, pipemap:{static:{a b}, lmdb:/b}} inline:{ {k = v:w}, x=y }
mynetworks = 127.0.0.0/8, !cidr:/not, /etc/postfix/file, [::1]/128 hash:/nets
mydestination = $myhostname regexp:/dest
local_recipient_maps =
smtpd_client_restrictions = check_client_access hash:/c check_policy_service unix:private/p reject_rbl_client a.b:c
    sleep 1, CHECK_SENDER_ACCESS texthash:/s hash:/bare, warn_if_reject reject
smtpd_restriction_classes = strangers unset
strangers = check_ccert_access { lmdb:/cert, { search_order = cert_fingerprint } }, permit
nosuch = hash:/unused
postscreen_access_list = permit_mynetworks, cidr:/ps
transport_maps = $virtual_alias_maps
proxy_read_maps = hash:/allowed
`)
	var got []string
	for u := range e.TableUses() {
		if u.At == nil {
			continue
		}
		s := fmt.Sprintf("%s:%s %s", u.Span.Start, u.Param, u.Spec)
		for _, v := range u.Via {
			s += " in " + v.Type
		}
		if u.Restriction != "" {
			s += " of " + u.Restriction
		}
		got = append(got, s)
	}
	want := `7:29 mydestination regexp:/dest
6:27 mynetworks cidr:/not
6:68 mynetworks hash:/nets
14:45 postscreen_access_list cidr:/ps
9:49 smtpd_client_restrictions hash:/c of check_client_access
10:34 smtpd_client_restrictions texthash:/s of check_sender_access
10:46 smtpd_client_restrictions hash:/bare
15:18 transport_maps proxy:hash:/etc/postfix/virtual
15:18 transport_maps hash:/etc/postfix/virtual in proxy
15:18 transport_maps debug:unionmap:{cdb:/a, pipemap:{static:{a b}, lmdb:/b}}
15:18 transport_maps unionmap:{cdb:/a, pipemap:{static:{a b}, lmdb:/b}} in debug
15:18 transport_maps cdb:/a in debug in unionmap
15:18 transport_maps pipemap:{static:{a b}, lmdb:/b} in debug in unionmap
15:18 transport_maps static:{a b} in debug in unionmap in pipemap
15:18 transport_maps lmdb:/b in debug in unionmap in pipemap
15:18 transport_maps inline:{ {k = v:w}, x=y }
3:22 virtual_alias_maps proxy:hash:/etc/postfix/virtual
3:22 virtual_alias_maps hash:/etc/postfix/virtual in proxy
5:5 virtual_alias_maps debug:unionmap:{cdb:/a, pipemap:{static:{a b}, lmdb:/b}}
5:5 virtual_alias_maps unionmap:{cdb:/a, pipemap:{static:{a b}, lmdb:/b}} in debug
5:5 virtual_alias_maps cdb:/a in debug in unionmap
5:5 virtual_alias_maps pipemap:{static:{a b}, lmdb:/b} in debug in unionmap
5:5 virtual_alias_maps static:{a b} in debug in unionmap in pipemap
5:5 virtual_alias_maps lmdb:/b in debug in unionmap in pipemap
5:62 virtual_alias_maps inline:{ {k = v:w}, x=y }
12:32 strangers lmdb:/cert of check_ccert_access`
	strip := func(s string) string { // "6:27:mynetworks" -> "6:27 mynetworks"
		a, b, _ := strings.Cut(s, " ")
		i := strings.LastIndexByte(a, ':')
		return a[:i] + " " + a[i+1:] + " " + b
	}
	for i := range got {
		got[i] = strip(got[i])
	}
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
	defaults := 0
	for _, at := range (&Env{}).Tables() {
		if at == nil {
			defaults++
		}
	}
	if defaults < 4 {
		t.Errorf("%d tables in the defaults", defaults)
	}
	deep := &Env{Main: &File{}}
	if err := deep.Main.Set("virtual_alias_maps", strings.Repeat("proxy:", 100000)+"hash:/a"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range deep.Tables() {
		n++
	}
	if n > 500 {
		t.Errorf("%d tables in one another", n)
	}
}

func TestCheck(t *testing.T) {
	e := env(t, `mynetwork = 10.0.0.0/8
smtpd_recipient_limit = many
myorigin = ${x
relay_domains = $typo
tls_legacy_public_key_fingerprints = yes
process_id = 7
maps_rbl_domains = x
smtpd_relay_restrictionsx = permit
virtual_maps = hash:/x
mydomain = $mydomain
queue_run_delay = $minimal_backoff_time
`)
	want := `main.cf:1:1: warning: unknown parameter mynetwork; did you mean mynetworks? [unknown-parameter]
main.cf:2:25: error: smtpd_recipient_limit: "many" is not a whole number [bad-value]
main.cf:3:12: error: truncated macro reference: "${x" [bad-expression]
main.cf:4:18: warning: $typo has neither a value nor a default [undefined-name]
main.cf:5:1: warning: tls_legacy_public_key_fingerprints was removed in Postfix 3.11 [removed-parameter]
main.cf:6:1: warning: process_id is set by Postfix; the setting is ignored [read-only-parameter]
main.cf:7:1: warning: maps_rbl_domains has no effect since Postfix 3.9 [ignored-parameter]
main.cf:8:1: warning: unknown parameter smtpd_relay_restrictionsx; did you mean smtpd_relay_restrictions? [unknown-parameter]
main.cf:9:1: warning: support for virtual_maps will be removed; instead, specify "virtual_alias_maps" [deprecated-parameter]
main.cf:10:12: error: parameter mydomain refers to itself: $mydomain -> $mydomain [bad-expression]`
	if got := e.Check().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	e = env(t, "relayhost = ${{$myhostname} == {a} ? {b} : {c}}\nmyorigin = x\n  ${mydomain?{$mydomain}:{z}}\n"+
		"mydomain = ${{$compatibility_level} <level {3.6} ? {no} : {yes}}\nmydestination = x ${domain_to_ascii{$mydomain}}\ninet_interfaces = ${mail_name?all}\n")
	for _, c := range []struct {
		v    Version
		want string
	}{
		{Version{Major: 2, Minor: 11}, `main.cf:1:16: error: a comparison needs Postfix 3.0 [newer-syntax]
main.cf:3:5: error: ${name?{text}:{text}} needs Postfix 3.0 [newer-syntax]
main.cf:4:15: error: a comparison of levels needs Postfix 3.6 [newer-syntax]
main.cf:4:16: warning: $compatibility_level has neither a value nor a default [undefined-name]
main.cf:5:21: error: a function needs Postfix 3.11 [newer-syntax]`},
		{Version{Major: 3, Minor: 6}, `main.cf:5:21: error: a function needs Postfix 3.11 [newer-syntax]`},
		{Version{}, ""},
	} {
		e.Version = c.v
		if got := e.Check().Error(); got != c.want {
			t.Errorf("%v: got\n%s\nwant\n%s", c.v, got, c.want)
		}
	}
	e = env(t, "mailbox_command = exec ${SHELL:-{sh}} -c ${x?{a}:{b}} ${\nluser_relay = ${{a} == {b} ? {c} : {d}}\n")
	e.Version = Version{Major: 2, Minor: 11}
	if got := e.Check(); len(got) != 0 {
		t.Errorf("in text that Postfix takes as it is: %v", got)
	}
	e = env(t, "Mynetworks = 10.0.0.0/8\n"+strings.Repeat("x", 500)+" = 1\n")
	if got := e.Check(); len(got) != 2 || !strings.HasSuffix(got[0].Message, "did you mean mynetworks?") || strings.Contains(got[1].Message, "did you mean") {
		t.Errorf("got %v", got)
	}
	e = env(t, "mynetwork = 10.0.0.0/8\n")
	fixes := e.Check()[0].Fixes
	if len(fixes) == 0 || fixes[0].Message != "rename to mynetworks" {
		t.Errorf("fixes: %+v", fixes)
	}
}
