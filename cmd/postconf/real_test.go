package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/golden"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// result is what one run left behind.
type result struct {
	stdout, stderr string
	exit           int
}

// ours runs our postconf in this process.
func ours(dir string, args ...string) result {
	var stdout, stderr bytes.Buffer
	env := func(name string) string {
		if name == "MAIL_CONFIG" {
			return dir
		}
		return ""
	}
	exit := run(append([]string{"postconf"}, args...), &stdout, &stderr, env)
	return result{stdout.String(), stderr.String(), exit}
}

var (
	pid      = regexp.MustCompile(`(?m)^(process_id = |debugger_command = |)(.*)$`)
	number   = regexp.MustCompile(`\b[0-9]{2,}\b`)
	progName = regexp.MustCompile(`(?m)^[^ ]*postconf: `)
)

// comparable makes two results comparable: process numbers, and the order of
// messages, which the real one takes from a hash table, do not count.
func (r result) comparable() string {
	out := pid.ReplaceAllStringFunc(r.stdout, func(line string) string {
		if strings.HasPrefix(line, "process_id = ") || strings.HasPrefix(line, "debugger_command = ") {
			return number.ReplaceAllString(line, "N")
		}
		return line
	})
	msgs := strings.Split(progName.ReplaceAllString(r.stderr, ""), "\n")
	slices.Sort(msgs)
	msgs = slices.Compact(msgs) // the real one evaluates some values twice
	return fmt.Sprintf("exit %d\n%s---%s", r.exit, out, strings.Join(msgs, "\n"))
}

// folder makes a configuration folder with a main.cf that is old enough: the
// real postconf reads a fresh one again until it is a second old.
func folder(t *testing.T, main []byte) string {
	t.Helper()
	dir := t.TempDir()
	master, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"main.cf": main, "master.cf": master} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// twin makes a copy of a configuration folder, if there is one.
func twin(t *testing.T, dir string) string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return dir
	}
	src, err := os.ReadFile(filepath.Join(dir, "main.cf"))
	if err != nil {
		t.Fatal(err)
	}
	return folder(t, src)
}

func corpus(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("../../maincf/testdata/corpus/*.cf")
	if err != nil || len(names) < 60 {
		t.Fatalf("corpus: %d files, %v", len(names), err)
	}
	return names
}

// long reports whether every combination is wanted.
func long() bool { return os.Getenv("POSTFIXKIT_LONG") == "1" }

// need skips unless the oracle is there, and in the release whose defaults are
// recorded.
func need(t *testing.T) *realpostfix.Tools {
	t.Helper()
	real := realpostfix.Need(t, "postconf")
	if real.Version != "3.7.11" {
		t.Logf("the real Postfix is %s: defaults of its build may differ from Debian's 3.7.11", real.Version)
	}
	return real
}

// compare runs both on every folder with every list of arguments.
func compare(t *testing.T, real *realpostfix.Tools, dirs []string, argLists []string) {
	t.Helper()
	var runs []pair
	for _, dir := range dirs {
		for _, args := range argLists {
			runs = append(runs, pair{dir, args})
		}
	}
	comparePairs(t, real, runs)
}

// pair is one run: a configuration folder and arguments.
type pair struct{ dir, args string }

func comparePairs(t *testing.T, real *realpostfix.Tools, runs []pair) {
	t.Helper()
	var calls []realpostfix.Call
	twins := map[string]string{} // edits must not see each other's work
	for _, r := range runs {
		if twins[r.dir] == "" {
			twins[r.dir] = twin(t, r.dir)
		}
		calls = append(calls, realpostfix.Call{Name: "postconf", Args: append([]string{"-c", r.dir}, strings.Fields(r.args)...)})
	}
	differ := 0
	for i, res := range real.RunAll(calls) {
		dir := runs[i].dir
		want := result{res.Stdout, res.Stderr, res.Exit}.comparable()
		args := append([]string{"--postfix-version", real.Version + "/debian", "-c", twins[dir]}, strings.Fields(runs[i].args)...)
		got := strings.ReplaceAll(ours(dir, args...).comparable(), twins[dir], dir)
		if got != want {
			if differ++; differ < 5 {
				t.Errorf("%q: ours (+) differs from the real one's (-):\n%s", calls[i].Args, golden.Diff(want, got))
			}
		}
	}
	t.Logf("%d of %d runs equal", len(calls)-differ, len(calls))
	if differ > 0 {
		t.Errorf("%d runs differ", differ)
	}
}

// Everything that is shown of every main.cf of the corpus.
func TestCorpusShow(t *testing.T) {
	real := need(t)
	// Options by turns; with POSTFIXKIT_LONG=1 every file with all of them.
	options := []string{"-n -f", "-x -n", "-n", "-nh", "-H", "", "-x", "-C user -n"}
	var runs []pair
	var dirs []string
	for i, name := range corpus(t) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, folder(t, src))
		for k, args := range options {
			if long() || k == i%len(options) {
				runs = append(runs, pair{dirs[i], args})
			}
		}
	}
	comparePairs(t, real, runs)
	compare(t, real, dirs[:2], []string{"-d", "-d -x", "-d -f", "-dh myorigin mail_version", "-dH", "-C builtin -d", "-C service", "-C service -d", "-C all -n",
		"mydestination nosuch relay_recipient_limit", "-x -h mydestination", "-d myorigin -x", "-o myorigin=x.y -n", "-o myorigin=x.y -x", "-p -n"})
}

// main.cf files with everything that is odd.
var odd = []string{
	"", "\n", "# c\n", "myorigin = a", "myorigin = a\r\nmydestination =\r\n  b\r\n  c\r\n",
	"  myorigin = foo\nmydestination = a\n  # c\n\n   b\n", "myorigin = a\x00b\n c\nmydomain=x\n",
	"myorigin\n", "= foo\n", "myorigin foo\n", "myorigin\n = foo\n", "a\x00 = b\n",
	"foo = bar\nfoo2 = $foo\nmyorigin = $foo\nmyorigin=  b  c\n", "myorigin = x\nmyorigin = x\n",
	"a/b = bar\nmyorigin= ${a/b}\n", "myorigin= ${foo?{x}\n", "myorigin= ${foo?{x}}\n", "myorigin = $\n", "myorigin = ${}\n",
	"myorigin = ${ mydomain }\n", "myorigin=a$$b$(mydomain)${mydomain:x}${nosuch:y}${mydomain?{1}:{2}}\n",
	"mydestination= $nosuch $myorigin\r\nmyorigin=$$foo\n", "process_id = 3\nmyorigin=a\vb\n", "service_name = x\n",
	"smtpd_restriction_classes = one, two\none = reject\nthree = permit\n", "virtual_maps = hash:/x\n", "fallback_relay = x\n",
	"myorigin = ${{a} == {a} ? {yes} : {no}} ${{10} < {9} ? {yes} : {no}} ${{a} > {b}?{x}}${{3.6} >=level {3.10} ? {new} : {old}}\n",
	"myorigin = ${{a} = {b} ? {c}}\n", "myorigin = ${{a} == {b} c}\n", "myorigin = ${{a} ==foo {b} ? {c}}\n", "myorigin = ${mydomain?{a} b}\n",
	"myorigin = ${mydomain?{a}:{b} c}\n", "myorigin = ${{a} == b}\n", "myorigin = ${{a}=={b}}x${{a}=={a}}\n",
	"virtual_alias_maps = ldap:users, mysql:/nosuch/x.cf\nusers_server_host = a\nusers_nosuch = b\n",
	"virtual_alias_maps = proxy:debug:pgsql:{ x } unionmap:{ldap:foo, hash:/a}\nfoo_bind = no\n",
	"smtpd_banner = $myhostname   ESMTP\n   two\n", "forward_path = $home/$nosuch\n", "a = $b\nb = $c\nc = d\n", "relay_transport_rate_delay = 1s\nrelay_x=2\n",
	"disable_dns_lookups = yes\nsmtp_use_tls = yes\n", "mynetworks_style = host\n", "mynetworks_style = foo\n", "inet_protocols = x\nmynetworks = y\n", "inet_protocols = ipv4 foo\n", "mynetworks_style = class\ninet_protocols = ipv4\n", "inet_interfaces = loopback-only\n",
	"myhostname = $mydomain\n", "myhostname = mail.$mydomain\n", "myhostname = $host\nhost = ${mydomain:x.y}\n",
	"myhostname = a.b.c\nmyorigin = $mydomain\n", "mydomain = x.y\n", "myhostname = plain\n", "\xff\xfe = \x80\nmyorigin = \xc3\xa9\n", "mydestination = " + strings.Repeat("word ", 40) + strings.Repeat("x", 100) + " end\n",
	// Only values of Postfix's own parameters stop it, and those of the machine first.
	"\x00\n", "foo = $\nbar = ${a b}\n", "myorigin = $foo\nfoo = ${\"\\\n", "myorigin = ${foo?$}\n", "myorigin = ${a{}}\n", "foo = ${a?{x}b}${?{}x}\n",
	"foo = ${{${}} == {} x}\n", "mydomain = $mail_name$foo.x\nfoo = y\n", "mydomain = $\n", "myhostname = $\n", "mynetworks_style = ${\nmyorigin = $\n",
	"smtpd_restriction_classes = $mail_name $foo\nfoo = bar\nbar = permit\n", "smtpd_restriction_classes = $\n", "inet_interfaces = 192.0.2.77\nfoo = bar\n",
	"mynetworks_style = x\ninet_protocols = \"y\"\n", "mynetworks_style = x\ninet_protocols =\n", "compatibility_level = x\nmynetworks = y\n", "compatibility_level = x\n",
	"config_directory = x\nprocess_id = 1\nprocess_id = 2\n", "biff = {a\nrelay_domains = x:{a}b {c}d {{e}f}\nfoo = {\n", "relay_domains = debug:ldap:zz proxy:ldap:yy {ldap:xx}w\nzz_bind = a\nyy_bind = b\nxx_bind = c\n",
	"canonical_maps = $default_rbl_reply\n", "biff = x${{1}<{999999999999999999999}?{a}:{b}}\n", "transport_maps = $smtpd_expansion_filter\n",
}

func TestOddFiles(t *testing.T) {
	real := need(t)
	options := []string{"-x -n", "-x myorigin mydomain mynetworks myhostname", "-n", "-nf"}
	var runs []pair
	for i, src := range odd {
		dir := folder(t, []byte(src))
		for k, args := range options {
			if long() || k < 1 || k == 1+i%3 {
				runs = append(runs, pair{dir, args})
			}
		}
	}
	comparePairs(t, real, runs)
}

// The main.cf that edits leave behind.
func TestEdits(t *testing.T) {
	real := need(t)
	type input struct {
		name string
		src  []byte
	}
	var inputs []input
	for _, name := range corpus(t) {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, input{filepath.Base(name), src})
	}
	for i, src := range odd {
		inputs = append(inputs, input{fmt.Sprintf("odd %d: %.20q", i, src), []byte(src)})
	}
	edits := [][]string{
		{"-e", "mydestination=a b,  c"},
		{" mynetworks =  10.0.0.0/8  "},
		{"-X", "mydestination", "smtpd_recipient_restrictions", "nosuch", "myorigin"},
		{"-#", "mynetworks", "smtpd_recipient_restrictions", "myorigin ", " mydestination"},
	}
	type edited struct{ name, a, b string }
	var pairs []edited
	var calls []realpostfix.Call
	var all [][]string
	for i, in := range inputs {
		name, src := in.name, in.src
		for k, edit := range edits {
			if !long() && k != i%len(edits) {
				continue
			}
			// Before 3.12 new settings were glued to a last line without a
			// newline: give the real one a file that has it.
			whole := src
			if len(src) > 0 && src[len(src)-1] != '\n' {
				whole = append(slices.Clip(src), '\n')
			}
			p := edited{fmt.Sprintf("%s %q", name, edit), folder(t, whole), folder(t, src)}
			pairs = append(pairs, p)
			calls = append(calls, realpostfix.Call{Name: "postconf", Args: append([]string{"-c", p.a}, edit...)})
			all = append(all, edit)
		}
	}
	for i, res := range real.RunAll(calls) {
		p := pairs[i]
		got := ours(p.b, all[i]...)
		want := result{res.Stdout, strings.ReplaceAll(res.Stderr, p.a, p.b), res.Exit}
		if got.comparable() != want.comparable() {
			t.Errorf("%s: ours (+), the real one's (-):\n%s", p.name, golden.Diff(want.comparable(), got.comparable()))
		}
		a, err1 := os.ReadFile(filepath.Join(p.a, "main.cf"))
		b, err2 := os.ReadFile(filepath.Join(p.b, "main.cf"))
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: main.cf of ours (+), of the real one (-): %v %v\n%s", p.name, err1, err2, golden.Diff(string(a), string(b)))
		}
	}
	t.Logf("%d edits equal", len(calls))
}

// Command lines that are wrong.
func TestUsage(t *testing.T) {
	real := need(t)
	var runs []pair
	for _, args := range []string{
		"-nd", "-ne", "-Xe a=b", "-fe a=b", "-xX a", "-e", "-X", "-#", "-hH", "-M -p", "-m -n", "-l -x", "-e a", "-e =a", "-e #a=b", "-X a=b", "-X #a",
		"-C nosuch -n", "-C user,builtin -n", "-C all -x", "-o a -n", "-o =b", "-l", "-MP", "-a -d", "-b -t", "-T x -n", "-d -o a=b", "-e a=b a=c -- x", "-e a=b a=c",
		"nosuch", "-d nosuch", "a=b -n",
	} {
		runs = append(runs, pair{folder(t, []byte("myorigin = a\n")), args})
	}
	comparePairs(t, real, runs)
	compare(t, real, []string{t.TempDir() + "/nosuch"}, []string{"-n", "", "-d", "-e a=b", "-X a"})
}
