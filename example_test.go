package postfixkit_test

// The tasks of the README, compiled and run.

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"

	"github.com/postfixkit/postfixkit"
	"github.com/postfixkit/postfixkit/accessmap"
	"github.com/postfixkit/postfixkit/aliases"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/headercheck"
	"github.com/postfixkit/postfixkit/maincf"
	"github.com/postfixkit/postfixkit/mastercf"
	"github.com/postfixkit/postfixkit/regexpmap"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

// etc is a scratch folder with some files of /etc/postfix.
func etc(files map[string]string) string {
	dir, err := os.MkdirTemp("", "postfixkit-example-")
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	return dir
}

// Change a parameter. Owner, mode, comments and layout of main.cf survive.
func Example_changeParameter() {
	dir := etc(map[string]string{"main.cf": `# where mail leaves
relayhost = [old.example.net]
mynetworks =
    127.0.0.0/8   # here
    192.0.2.0/24
`})
	defer os.RemoveAll(dir)

	changed, err := maincf.UpdateFile(filepath.Join(dir, "main.cf"), func(f *maincf.File) error {
		if err := f.Set("relayhost", "[mx.example.net]:587"); err != nil {
			return err
		}
		_, err := f.AddItem("mynetworks", "10.0.0.0/8") // one more line, in the list's own layout
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	now, _ := os.ReadFile(filepath.Join(dir, "main.cf"))
	fmt.Printf("%v\n%s", changed, now)
	// Output:
	// true
	// # where mail leaves
	// relayhost = [mx.example.net]:587
	// mynetworks =
	//     127.0.0.0/8   # here
	//     192.0.2.0/24
	//     10.0.0.0/8
}

// Switch on a service that is commented out, with its options, and see what it
// will really use.
func Example_switchOnService() {
	master, err := mastercf.Parse("master.cf", []byte(`smtp      inet  n       -       y       -       -       smtpd
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
#  -o smtpd_tls_security_level=encrypt
`))
	if err != nil {
		log.Fatal(err)
	}
	submission := master.DisabledService("submission", mastercf.Inet)
	if err := master.Enable(submission); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", master.Bytes())

	main, err := maincf.Parse("main.cf", []byte("smtpd_tls_security_level = may\n"))
	if err != nil {
		log.Fatal(err)
	}
	env := maincf.Env{Main: main, Overrides: submission.Overrides()}
	level, err := env.Eval("smtpd_tls_security_level")
	fmt.Println(level.Text, level.Origin, err)
	// Output:
	// smtp      inet  n       -       y       -       -       smtpd
	// submission inet n       -       y       -       -       smtpd
	//   -o syslog_name=postfix/submission
	//   -o smtpd_tls_security_level=encrypt
	// encrypt override <nil>
}

// Build a table and ask it. What postmap would warn about comes with its line.
func Example_buildTable() {
	ctx := context.Background()
	dir := etc(map[string]string{"access": "spammer@example.net REJECT\nfriend@example.net OK\nSpammer@example.net OK\n"})
	defer os.RemoveAll(dir)

	src, err := os.Open(filepath.Join(dir, "access"))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	b := hashmap.NewBuilder(hashmap.LMDB, &hashmap.BuildOptions{Duplicates: hashmap.KeepFirst})
	if err := b.AddSource("access", textmap.NewScanner("access", src, nil)); err != nil {
		log.Fatal(err)
	}
	if _, err := b.WriteFile(ctx, filepath.Join(dir, "access.lmdb")); err != nil {
		log.Fatal(err)
	}
	for _, d := range b.Findings() {
		fmt.Println(d)
	}

	t, err := postfixkit.Open(ctx, "lmdb:"+filepath.Join(dir, "access"))
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	value, found, err := t.Lookup(ctx, "Spammer@example.net")
	fmt.Println(value, found, err)
	// Output:
	// access:3:1: warning: duplicate entry: "spammer@example.net" [duplicate-key]
	// REJECT true <nil>
}

// Convert a .db that nothing on the machine can read any more, without its
// source, and have every entry looked up before it takes its place.
func Example_convertOrphan() {
	ctx := context.Background()
	dir := etc(nil)
	defer os.RemoveAll(dir)
	b := hashmap.NewBuilder(hashmap.Hash, nil) // somebody made it long ago
	if err := b.Add("info@example.org", "alice"); err != nil {
		log.Fatal(err)
	}
	if _, err := b.WriteFile(ctx, filepath.Join(dir, "virtual.db")); err != nil {
		log.Fatal(err)
	}

	old, err := hashmap.Open(filepath.Join(dir, "virtual.db"), nil)
	if err != nil {
		log.Fatal(err) // errors.Is(err, hashmap.ErrCorrupt) when it is damaged
	}
	defer old.Close()
	if _, err := hashmap.Convert(ctx, old, hashmap.LMDB, filepath.Join(dir, "virtual.lmdb"), &hashmap.BuildOptions{Verify: true}); err != nil {
		log.Fatal(err)
	}
	now, err := hashmap.Open(filepath.Join(dir, "virtual.lmdb"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer now.Close()
	value, _, _ := now.Lookup(ctx, "info@example.org")
	fmt.Println(old.Format(), "to", now.Format(), value)
	// Output: hash to lmdb alice
}

// Where does mail for a name really go?
func Example_expandAlias() {
	f, err := aliases.Parse("aliases", []byte("postmaster: root\nroot: alice, :include:/etc/admins\n"), nil)
	if err != nil {
		log.Fatal(err)
	}
	x := aliases.Expander{
		Aliases: []table.Table{f},
		FS:      fstest.MapFS{"etc/admins": {Data: []byte("bob@example.net\n\"|/usr/bin/pager -u\"\n")}},
		// Includes may not run commands unless they are told so, as in Postfix.
		AllowCommands: aliases.InAlias | aliases.InInclude,
	}
	destinations, err := x.Expand(context.Background(), "postmaster")
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range destinations {
		fmt.Println(d.Target)
	}
	// Output:
	// alice
	// bob@example.net
	// "|/usr/bin/pager -u"
}

// Run header checks on a message.
func Example_headerChecks() {
	t, err := regexpmap.Parse("header_checks", []byte("/^Subject:.*make money/ REJECT no thanks\n/^X-Spam/ IGNORE\n"), regexpmap.PCRE, nil)
	if err != nil {
		log.Fatal(err)
	}
	c := headercheck.Checker{Header: t}
	verdict, err := c.Check(context.Background(), strings.NewReader("From: x@example.com\nSubject: How to\n make money\n\nbody\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verdict.Kind, verdict.Status, verdict.Text)
	// Output: REJECT 5.7.1 no thanks
}

// Ask an access table what it says of a sender, and why.
func Example_askAccess() {
	t := table.Inline(
		table.Entry{Key: "example.com", Value: "REJECT"},
		table.Entry{Key: "friend@example.com", Value: "OK"},
	)
	m := accessmap.Map{Table: t, ParentDomains: true, Delimiters: "+", Trace: func(s table.Step) { fmt.Println("tried", s.Key) }}
	for _, sender := range []string{"friend+list@example.com", "other@mail.example.com"} {
		r, found, err := m.Email(context.Background(), sender)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(sender, found, r.Action, "by", r.Key)
	}
	// Output:
	// tried friend+list@example.com
	// tried friend@example.com
	// friend+list@example.com true OK by friend@example.com
	// tried other@mail.example.com
	// tried mail.example.com
	// tried example.com
	// other@mail.example.com true REJECT by example.com
}

// Errors say where, and what would have been accepted.
func Example_errors() {
	_, err := maincf.Parse("main.cf", []byte("relayhost mx.example.net\n"))
	fmt.Println(err)
	var o table.Opener
	o.Types = postfixkit.Types()
	_, err = o.Open(context.Background(), "hsah:/etc/postfix/access")
	var unknown *table.UnknownTypeError
	fmt.Println(errors.As(err, &unknown), unknown.Type)
	// Output:
	// main.cf:1:1: error: missing '=' after parameter name
	// true hsah
}
