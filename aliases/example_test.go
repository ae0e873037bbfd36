package aliases_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing/fstest"

	"github.com/postfixkit/postfixkit/aliases"
	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

func ExampleFile_AddTarget() {
	f, _ := aliases.Parse("/etc/aliases", []byte("# who is root\nroot: alice,\n      bob  # on call\nwww: root\n"), nil)
	for _, t := range []aliases.Target{
		{Kind: aliases.Command, Value: `/usr/bin/log -t "root mail"`},
		{Kind: aliases.Address, Value: "two words@example.com"},
	} {
		if _, err := f.AddTarget("www", t); err != nil {
			fmt.Println(err)
		}
	}
	os.Stdout.Write(f.Bytes())
	// Output:
	// # who is root
	// root: alice,
	//       bob  # on call
	// www: root, "|/usr/bin/log -t \"root mail\"", "two words"@example.com
}

func ExampleFile_Check() {
	f, _ := aliases.Parse("aliases", []byte("root: alice # the boss\nlist: |/bin/filter -l list\n"), nil)
	found := f.Check()
	for _, d := range found {
		fmt.Println(d)
	}
	fixed, _, _ := diag.ApplyFixes("aliases", f.Bytes(), found)
	fmt.Printf("%s", fixed)
	// Output:
	// aliases:1:13: warning: "# the boss" is no comment but 3 addresses: comments need a line of their own [trailing-comment]
	// aliases:2:7: warning: the command is "/bin/filter" only; what follows is taken for addresses [unquoted-command]
	// root: alice
	// list: "|/bin/filter -l list"
}

func ExampleExpander() {
	f, _ := aliases.Parse("/etc/aliases", []byte("postmaster: root\nroot: alice\nstaff: :include:/etc/mail/staff\nowner-staff: root\n"), nil)
	x := &aliases.Expander{
		Aliases: []table.Table{f},
		FS: fstest.MapFS{ // os.DirFS("/") for the files of this machine
			"etc/mail/staff": {Data: []byte("# everybody\nbob@example.net\npostmaster\n|/usr/bin/archive\n")},
		},
		Origin: "example.com",
	}
	out, err := x.Expand(context.Background(), "staff")
	for _, e := range out {
		fmt.Println(e.Target.Kind, e.Target, e.Mailbox, e.Sender, e.Via())
	}
	fmt.Println(err)
	// Output:
	// address bob@example.net false owner-staff@example.com [alias staff include /etc/mail/staff]
	// address alice@example.com true owner-staff@example.com [alias staff include /etc/mail/staff alias postmaster alias root resend alice@example.com]
	// aliases: staff@example.com: mail to command is restricted: /usr/bin/archive
}

func ExampleScanner() {
	src := strings.NewReader("Root: alice,bob (both)\nno colon\n\"Two Words\": |x\n")
	s := aliases.NewScanner("aliases", src, nil)
	s.Report = func(d diag.Diagnostic) { fmt.Println(d) }
	for s.Scan() {
		fmt.Printf("line %d: %s -> %s\n", s.Line(), s.Key(), s.Value())
	}
	if err := s.Err(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// line 1: root -> alice, bob (both)
	// aliases:2:1: error: need name:value pair [need-name-value]
	// line 3: "two words" -> |x
}

func ExampleNewGraph() {
	f, _ := aliases.Parse("aliases", []byte("a: b\nb: a, c\nlist: :include:/lists/gone\n"), nil)
	g, err := aliases.NewGraph(context.Background(), f, &aliases.Expander{FS: fstest.MapFS{}})
	if err != nil {
		fmt.Println(err)
	}
	for _, d := range g.Findings() {
		fmt.Println(d)
	}
	for _, a := range g.Unreferenced() {
		fmt.Println("nothing mentions", a.Name())
	}
	// Output:
	// aliases:1:1: error: mail loop: a -> b -> a [alias-loop]
	// aliases:3:7: error: unable to use :include: file /lists/gone: open lists/gone: file does not exist [dangling-include]
	// nothing mentions list
}

func ExampleParseTargets() {
	targets, _ := aliases.ParseTargets(`alice, "|/bin/x -f \"a b\"" /var/mail/x, :include:/etc/list`)
	for _, t := range targets {
		fmt.Println(t.Kind, t.Value)
	}
	// Output:
	// address alice
	// command /bin/x -f "a b"
	// path /var/mail/x
	// include /etc/list
}

func ExampleGraph_Reaching() {
	f, _ := aliases.Parse("/etc/aliases", []byte("postmaster: root\nroot: alice\nalice: alice@example.net\n"), nil)
	g, _ := aliases.NewGraph(context.Background(), f, nil)
	for _, a := range g.Reaching(aliases.Target{Kind: aliases.Address, Value: "alice@example.net"}) {
		fmt.Println(a.Line(), a.Name())
	}
	// Output:
	// 1 postmaster
	// 2 root
	// 3 alice
}
