package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

const masterTestMain = `compatibility_level = 3.6
myhostname = real.example.com
mydomain = example.com
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
mua_client_restrictions = permit_sasl_authenticated, reject
mua_sender_restrictions = $mua_client_restrictions
smtpd_restriction_classes = special
special = permit
`

// masterFolder makes a configuration folder with that master.cf.
func masterFolder(t testing.TB, master []byte) string {
	t.Helper()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour) // the real one reads fresh files again and again
	for name, text := range map[string][]byte{"main.cf": []byte(masterTestMain), "master.cf": master} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runMaster runs our postconf as Postfix 3.7.11 of Debian.
func runMaster(dir string, args ...string) realpostfix.Result {
	var stdout, stderr bytes.Buffer
	exit := run(append([]string{"postconf", "-c", dir, "--postfix-version", "3.7.11/debian"}, args...), &stdout, &stderr, func(string) string { return "" })
	return realpostfix.Result{Stdout: stdout.String(), Stderr: stderr.String(), Exit: exit}
}

// messageText makes messages comparable: who says it, the folder, and the order
// of unused parameters, which Postfix sorts since 3.9, do not count.
func messageText(text, dir string) string {
	var lines []string
	for l := range strings.Lines(strings.ReplaceAll(text, dir, "DIR")) {
		if _, rest, ok := strings.Cut(l, "postconf: "); ok {
			lines = append(lines, rest)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// masterFiles are the corpus, the stock files, and files with odd entries.
func masterFiles(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"empty":      nil,
		"duplicates": []byte("a unix - - n - - smtp -o x=1\na unix - - n - - smtp -o y=2\n"),
		"odd": []byte("smtp\tinet n - n - - smtpd -v -vD -o { a = b  c } -o x=$y\n# note\n  -o y={p q}r -o relayhost=$myhostname:$service_name:$process_name\r\n" +
			"b unix - n n 10? 0 /usr/lib/postfix/pipe flags=R {user = x} { argv = /bin/x $y }\nc unix-dgram n - - - 1 postlogd --\n" +
			"long-name-of-a-service.example.com:12345 inet n - n - - smtpd -o smtpd_banner=$myhostname -o special=$mua_client_restrictions -o mua_helo_restrictions=x\n"),
		"long":       []byte("a unix - n n - - pipe flags=R user=nobody argv=/usr/lib/something/long/program -f ${sender} -t ${recipient} --more --and --more --until --the --line --is --full ${extension}\n"),
		"short":      []byte("a unix - - n - smtp\n"),
		"type":       []byte("a unix - - n - - smtp\nb tcp - - n - - smtp\n\t-o x=y\n"),
		"bool":       []byte("a unix - Y n - - smtp\n"),
		"wakeup":     []byte("a unix - - n 1m - smtp\n"),
		"maxproc":    []byte("a unix - - n - -1 smtp\n"),
		"indented":   []byte("  a unix - - n - - smtp\nb unix - - n - - smtp\n"),
		"braces":     []byte("a unix - - n - - smtp -o {x = y -o z=1\n"),
		"braces-end": []byte("a unix - - n - - smtp -o {x = y}z {w}v\n"),
		"no-value":   []byte("a unix - - n - - smtp -o {x} -o y -o\n"),
		"read-only":  []byte("a unix - - n - - smtp -o process_name=x -o syslog_name=$process_name\n"),
		"noeol":      []byte("a unix - - n - - smtp\n  -o x=y"),
		"nul":        []byte("a unix - - n - - smtp\x00\n  -o x=y\nb unix - - n - - smtp -o z\x00=1\n"),
	}
	for _, pattern := range []string{"corpus", "stock"} {
		names, err := filepath.Glob("../../mastercf/testdata/" + pattern + "/*.cf")
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Base(name)] = src
		}
	}
	return all
}

// Every file is shown as the original shows it: output, messages and status.
func TestMasterShowAgainstReal(t *testing.T) {
	real := realpostfix.Need(t, "postconf")
	ways := [][]string{{"-Mf"}, {"-F"}, {"-Px"}, {"-n"}} // parameters of main.cf depend on master.cf too
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		ways = append(ways, [][]string{{"-M"}, {"-P"}, {"-Ffx", "*/unix", "smtp"}, {"-Mx"}, {"-Mfx"}, {"-Ff"}, {"-Fh"}, {"-FH"}, {"-Fhf"}, {"-Ph"}, {"-PH"}, {"-Pf"}, {"-Phf"}, {"-Pxf"},
			{"-M", "smtp", "*/inet"}, {"-F", "*/*/command"}, {"-F", "smtp/inet/type", "nope", "*"}, {"-P", "*/*/syslog_name"},
			{"-P", "smtp", "*/inet/smtpd_tls_security_level"}, {"-Px", "-o", "myhostname=other.example.org"}}...)
	}
	files := masterFiles(t)
	var calls []realpostfix.Call
	var labels, dirs []string
	for name, src := range files {
		dir := masterFolder(t, src)
		for _, args := range ways {
			calls = append(calls, realpostfix.Call{Name: "postconf", Args: append([]string{"-c", dir}, args...)})
			labels, dirs = append(labels, name), append(dirs, dir)
		}
	}
	for i, want := range real.RunAll(calls) {
		args := calls[i].Args[2:]
		got := runMaster(dirs[i], args...)
		if got.Stdout != want.Stdout || got.Exit != want.Exit || messageText(got.Stderr, dirs[i]) != messageText(want.Stderr, dirs[i]) {
			t.Errorf("%s, postconf %q: got exit %d\n%s%s\nwant exit %d\n%s%s", labels[i], args, got.Exit, firstDifference(got.Stdout, want.Stdout), got.Stderr,
				want.Exit, firstDifference(want.Stdout, got.Stdout), want.Stderr)
		}
	}
	t.Logf("%d files, %d runs", len(files), len(calls))
}

// What main.cf and master.cf make of each other: restriction classes of a
// service and of all, and files of database clients, in every mode.
func TestMasterMeetsMain(t *testing.T) {
	real := realpostfix.Need(t, "postconf")
	client := filepath.Join(t.TempDir(), "client.cf")
	if err := os.WriteFile(client, []byte("server_host = x\nnosuch = y\nsearch_base = z\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const smtpd = "smtp inet n - n - - smtpd\n"
	var calls []realpostfix.Call
	var dirs []string
	for _, c := range []struct{ main, options string }{
		{"", "  -o smtpd_restriction_classes=foo,bar -o foo=permit\n"},
		{"", "  -o smtpd_restriction_classes=foo,bar -o foo=permit -o bar=reject -o baz=x\n"},
		{"", "  -o smtpd_restriction_classes=$mine -o mine=foo,bar -o foo=permit\n"},
		{"mine = foo\nfoo = permit\nbar = reject\n", "  -o smtpd_restriction_classes=$mine\n"},
		{"mine = foo\nfoo = permit\nbar = reject\n", "  -o smtpd_restriction_classes=$mine -o mine=bar\n"},
		{"smtpd_restriction_classes = foo, baz\nbar = reject\n", "  -o foo=permit -o bar=x\n"},
		{"smtpd_restriction_classes = foo\nfoo = permit\n", "  -o smtpd_restriction_classes=\n"},
		{"foo = permit\n", "  -o smtpd_restriction_classes=foo\nb inet n - n - - smtpd\n  -o foo=reject\n"},
		{"", "  -o smtpd_restriction_classes=reject,smtpd_sender_restrictions,$nosuch\n"},
		{"", "  -o smtpd_restriction_classes=${nosuch?x}y -o y=permit\n"},
		{"smtpd_restriction_classes = $mine\nmine = $other\nother = foo\nfoo = bar\nbar = permit\n", ""},
		{"myorigin = foo\nfoo = permit\n", "  -o smtpd_restriction_classes=$myorigin\n"},
		{"foo = permit\nbar = x\n", "  -o smtpd_restriction_classes=$mine -o mine=$other -o other=foo,bar\n"},
		{"foo = permit\n", "  -o smtpd_restriction_classes=$mine\n"},
		{"foo = permit\n", "  -o smtpd_restriction_classes=$service_name -o smtp=foo\n"},
		{"foo = permit\nbar = reject\nmine = bar\n", "  -o smtpd_restriction_classes=$mine,$foo -o foo=permit -o permit=x\n"},
		{"virtual_alias_maps = ldap:/nosuch/file.cf\n", ""},
		{"virtual_alias_maps = ldap:/nosuch/file.cf, pgsql:/nosuch/file.cf, ldap:/nosuch/file.cf\n", "  -o local_recipient_maps=proxy:mysql:/nosuch/other.cf\n"},
		{"virtual_alias_maps = ldap:" + client + "\n", ""},
		{"", "  -o virtual_alias_maps=ldap:" + client + "\n  -o foo=ldap:/nosuch/x.cf\n"},
		{"virtual_alias_maps = mysql:/\n", ""},
		{"virtual_alias_maps = ldap:users\nusers_server_host = a\nusers_nosuch = b\n", "  -o users_bind=no\n"},
		{"users_bind = no\n", "  -o virtual_alias_maps=ldap:$x -o x=users\n"},
		{"", "  -o foo=${ -o process_name=$ -o biff={a -o relay_domains=x:{b}c\n"},
		{"foo = ${\n", "  -o biff=$foo\n"}, {"biff = $foo\n", "  -o foo=$\n"}, {"mydomain = $\n", "  -o smtpd_restriction_classes=$\n"},
	} {
		dir := masterFolder(t, []byte(smtpd+c.options))
		path := filepath.Join(dir, "main.cf")
		if err := os.WriteFile(path, []byte(masterTestMain+c.main), 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"-n"}, {"-M"}, {"-F"}, {"-P"}, {"-C", "user"}, {"-Px", "-o", "mine=foo"}, {"-n", "-o", "mine=foo"}} {
			calls = append(calls, realpostfix.Call{Name: "postconf", Args: append([]string{"-c", dir}, args...)})
			dirs = append(dirs, dir)
		}
	}
	for i, want := range real.RunAll(calls) {
		got := runMaster(dirs[i], calls[i].Args[2:]...)
		gotText, wantText := messageText(got.Stderr, dirs[i]), messageText(want.Stderr, dirs[i])
		if got.Stdout != want.Stdout || got.Exit != want.Exit || gotText != wantText {
			master, _ := os.ReadFile(filepath.Join(dirs[i], "master.cf"))
			main, _ := os.ReadFile(filepath.Join(dirs[i], "main.cf"))
			t.Errorf("%s---\n%spostconf %q: got exit %d\n%s%s\nwant exit %d\n%s%s", main[len(masterTestMain):], master, calls[i].Args[2:],
				got.Exit, firstDifference(got.Stdout, want.Stdout), gotText, want.Exit, firstDifference(want.Stdout, got.Stdout), wantText)
		}
	}
	t.Logf("%d runs", len(calls))
}

// firstDifference is the text of a from where it differs from b.
func firstDifference(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	n = strings.LastIndexByte(a[:n], '\n') + 1
	return a[n:min(len(a), n+400)]
}

// Edits leave the file the original leaves, byte for byte.
func TestMasterEditAgainstReal(t *testing.T) {
	real := realpostfix.Need(t, "postconf")
	edits := [][]string{
		{"-Me", "smtp/inet=smtp inet n - n - 50 smtpd -o a=b -v"},
		{"-M", "new/unix = new unix - n n - - pipe flags=R {user = x} argv=/bin/x -o {y z}"},
		{"-M", "relay/unix=transfer unix - - n - - smtp -o {x = y z}"},
		{"-MX", "smtp/inet", "relay/unix", "nope/unix"},
		{"-M#", "smtp/*", "*/inet"},
		{"-Fe", "smtp/unix/process_limit=7", "*/unix/chroot=n"},
		{"-F", "smtp/inet/command=smtpd -v -o x=y w {a b}", "smtp/inet/service=25"},
		{"-F", "nope/inet/command=smtpd"},
		{"-Pe", "*/inet/smtpd_tls_security_level=may", "smtp/unix/smtp_helo_timeout=5"},
		{"-P", "relay/unix/syslog_name=x", "relay/unix/syslog_name=", "pickup/*/content_filter=a:b"},
		{"-PX", "*/*/syslog_name", "*/*/smtpd_tls_wrappermode", "nope/*/x"},
	}
	errors := [][]string{
		{"-Me", "smtp=x"}, {"-Me", "smtp/inet=x y z"}, {"-Me", "smtp/inet=smtp tcp n - n - - smtpd"}, {"-Me"}, {"-MX"}, {"-M#", ""},
		{"-Fe", "smtp/inet/*=x"}, {"-Fe", "smtp/inet/nope=x"}, {"-Fe", "smtp/inet/private=a b"}, {"-Fe", "smtp/inet/private=x"}, {"-Fe", "*/*/wakeup=x"},
		{"-Pe", "smtp/inet/*=x"}, {"-Pe", "smtp/inet/x=a b"}, {"-Pe", "smtp/inet"}, {"-PX", "smtp/inet/x=y"}, {"-FX", "smtp/inet/private"}, {"-F#", "smtp/inet"},
		{"-MX", "/smtp/inet"}, {"-MX", "sm*/inet"}, {"-M", "# x/y=z"}, {"-P#", "smtp/inet/x"}, {"-M", "a\nb=c"}, {"-Mh"}, {"-MF"}, {"-Md"}, {"-Mfe", "x/y=z"},
		{"-F", "smtp/inet/x"}, {"-M", "a/b/c"}, {"-P", "a/b/c/d"}, {"-F", "*x"},
	}
	files := masterFiles(t)
	delete(files, "braces") // the original keeps line ends inside { } when it edits
	var calls []realpostfix.Call
	var labels, dirs, twins []string
	add := func(name string, args []string) {
		dir := masterFolder(t, files[name])
		calls = append(calls, realpostfix.Call{Name: "postconf", Args: append([]string{"-c", dir}, args...)})
		labels, dirs, twins = append(labels, name), append(dirs, dir), append(twins, masterFolder(t, files[name]))
	}
	n := 0
	for name, src := range files {
		if len(src) > 0 && src[len(src)-1] != '\n' { // 3.7 would add to the last line
			files[name] = append(src, '\n')
		}
		for i, args := range edits {
			// Every edit of every file only in long runs.
			if os.Getenv("POSTFIXKIT_LONG") != "" || i == n%len(edits) || strings.HasPrefix(name, "odd") || strings.HasSuffix(name, "3.12.cf") {
				add(name, args)
			}
		}
		n++
	}
	for _, args := range errors {
		add("odd", args)
	}
	files["lines"] = []byte("a inet n - n\n  - - smtpd\n  -v\nb\n")
	add("lines", []string{"-Pe", "a/inet/x=y"})
	add("lines", []string{"-M#", "a/inet"})
	for i, want := range real.RunAll(calls) {
		args := calls[i].Args[2:]
		got := runMaster(twins[i], args...)
		a, _ := os.ReadFile(filepath.Join(twins[i], "master.cf"))
		b, _ := os.ReadFile(filepath.Join(dirs[i], "master.cf"))
		gotText, wantText := messageText(got.Stderr, twins[i]), messageText(want.Stderr, dirs[i])
		if strings.Contains(wantText, "usage:") {
			gotText, wantText = "", "" // -j and -q are new
		}
		if !bytes.Equal(a, b) || got.Exit != want.Exit || gotText != wantText || got.Stdout != want.Stdout {
			t.Errorf("%s, postconf %q: got exit %d\n%s%s\nwant exit %d\n%s%s", labels[i], args, got.Exit, firstDifference(string(a), string(b)), got.Stderr,
				want.Exit, firstDifference(string(b), string(a)), want.Stderr)
		}
	}
	t.Logf("%d runs", len(calls))
}

// What differs on purpose; the original is asked too, so that this list is true.
func TestMasterDifferences(t *testing.T) {
	real := realpostfix.Need(t, "postconf")
	for _, c := range []struct{ why, master, args, ours, theirs string }{
		{"the original takes -oname=value apart at every o", "a unix - - n - - smtp -osyslog_name=x\n", "-M",
			"smtp -o syslog_name=x\n", "smtp -o sysl -o g_name=x\n"},
		{"the original loses the braces of the first argument behind the options", "a unix - n n - - pipe {user = x} {argv = y}\n", "-M",
			"pipe {user = x} {argv = y}\n", "pipe user = x {argv = y}\n"},
		{"the original loses empty arguments", "a unix - n n - - pipe x {} y\n", "-M", "pipe x {} y\n", "pipe x  y\n"},
	} {
		dir := masterFolder(t, []byte(c.master))
		theirs := real.MustRun(realpostfix.Call{Name: "postconf", Args: []string{"-c", dir, c.args}}).Stdout
		ours := runMaster(dir, c.args).Stdout
		if !strings.HasSuffix(theirs, c.theirs) || !strings.HasSuffix(ours, c.ours) {
			t.Errorf("%s: the original gives %q, we %q", c.why, theirs, ours)
		}
	}
}

// What the original got after 3.7: -j, -PP.
func TestMasterNewer(t *testing.T) {
	dir := masterFolder(t, []byte("a unix - - n - - smtp -v -o x={p\tq} -o smtp_bind_address=$y \"w\" {v v}\n"))
	for args, want := range map[string]string{
		"-Mj": `{"a/unix": "a unix - - n - - smtp -v -o {x={p\tq}} -o smtp_bind_address=$y \"w\" {v v}"}` + "\n",
		"-Pj": `{"a/unix/smtp_bind_address": "$y"}` + "\n" + `{"a/unix/x": "{p\tq}"}` + "\n",
	} {
		if got := runMaster(dir, args); got.Stdout != want || got.Exit != 0 {
			t.Errorf("%s: got\n%s%s\nwant\n%s", args, got.Stdout, got.Stderr, want)
		}
	}
	got := runMaster(dir, "-Fj", "a/unix/command").Stdout
	if want := `{"a/unix/command": "smtp -v -o {x={p\tq}} -o smtp_bind_address=$y \"w\" {v v}"}` + "\n"; got != want {
		t.Errorf("-Fj: got %s", got)
	}
	all := runMaster(dir, "-PP").Stdout
	for _, want := range []string{"\na/unix/smtp_bind_address = $y\n", "\na/unix/service_name = a\n", "\na/unix/mydomain = example.com\n", "\na/unix/a_destination_rate_delay = $default_destination_rate_delay\n", "\na/unix/special = permit\n"} {
		if !strings.Contains(all, want) {
			t.Errorf("-PP has no %q", want)
		}
	}
	if one := runMaster(dir, "-PPx", "a/unix/smtp_bind_address", "a/*/mynetworks").Stdout; one != "a/unix/smtp_bind_address =\na/unix/mynetworks = 127.0.0.0/8\n" {
		t.Errorf("-PPx: %q", one)
	}
	if got := runMaster(dir, "-PPe", "a/b/c=d"); got.Exit != 1 || !strings.Contains(got.Stderr, "specify one of -e -PP") {
		t.Errorf("-PPe: %+v", got)
	}
}

// --keep-layout changes only what it is asked for, and --dry-run nothing.
func TestMasterKeepLayout(t *testing.T) {
	const src = "a    unix -  -  n  - - smtp\n  -o x=1\n# why\n  -o y=2\nb unix - - n - - smtp\n"
	for _, c := range []struct{ args, want string }{
		{"-Pe a/unix/x=3", strings.Replace(src, "x=1", "x=3", 1)},
		{"-PX a/unix/y", strings.Replace(src, "  -o y=2\n", "", 1)},
		{"-Fe a/unix/wakeup=60?", strings.Replace(src, "n  - - smtp\n  -o x", "n  60? - smtp\n  -o x", 1)},
		{"-M# a/unix", "#a    unix -  -  n  - - smtp\n#  -o x=1\n# why\n#  -o y=2\nb unix - - n - - smtp\n"},
		{"-MX b/unix", strings.Replace(src, "b unix - - n - - smtp\n", "", 1)},
		{"-Me b/unix=b\tunix\t-\t-\tn\t-\t-\terror", strings.Replace(src, "b unix - - n - - smtp", "b unix - - n - - error", 1)},
	} {
		dir := masterFolder(t, []byte(src))
		args := strings.Split(c.args, " ")
		if got := runMaster(dir, append([]string{"--keep-layout", "--dry-run"}, args...)...); got.Exit != 0 || !strings.HasPrefix(got.Stdout, "--- ") {
			t.Errorf("%s: %+v", c.args, got)
		}
		if now, _ := os.ReadFile(filepath.Join(dir, "master.cf")); string(now) != src {
			t.Errorf("%s: --dry-run wrote", c.args)
		}
		if got := runMaster(dir, append([]string{"--keep-layout", "--changed"}, args...)...); got.Exit != 3 {
			t.Errorf("%s: %+v", c.args, got)
		}
		if now, _ := os.ReadFile(filepath.Join(dir, "master.cf")); string(now) != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.args, now, c.want)
		}
	}
}

// A file that somebody else changed meanwhile is edited again: the second try
// does what the first did.
func TestMasterEditTwice(t *testing.T) {
	master := []byte("smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp\nsmtp inet n - n - - smtpd\n")
	for _, keep := range []bool{false, true} {
		for _, c := range []struct {
			mode    mode
			operand string
		}{
			{masterEntry | editConf, "smtp/inet = smtp inet n - n - 5 smtpd -v"},
			{masterEntry | editConf, "new/inet = new inet n - n - 5 smtpd -v"},
			{masterFields | editConf, "smtp/*/chroot = n"},
			{masterParam | editConf, "smtp/inet/x = y"},
		} {
			var stdout, stderr bytes.Buffer
			cmd := &command{prog: "postconf", stdout: bufio.NewWriter(&stdout), stderr: &stderr, mode: c.mode, lossless: keep}
			edits, err := cmd.masterEdits([]string{c.operand})
			if err != nil {
				t.Fatal(err)
			}
			edit := cmd.rewriteMaster
			if keep {
				edit = cmd.changeMaster
			}
			first, err := edit(master, edits)
			if err != nil || bytes.Equal(first, master) {
				t.Fatalf("%s: %v, %q", c.operand, err, first)
			}
			second, err := edit(master, edits)
			if err != nil || !bytes.Equal(second, first) {
				t.Errorf("%s, keep layout %v: %v\nfirst  %q\nsecond %q", c.operand, keep, err, first, second)
			}
		}
	}
}
