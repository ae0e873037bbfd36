package maincf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/maincf"
)

func ExampleUpdateFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "main.cf")
	src := "# our own\nrelayhost =\nmynetworks = 127.0.0.0/8,\n    # the office\n    192.0.2.0/24\n"
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		panic(err)
	}

	changed, err := maincf.UpdateFile(path, func(f *maincf.File) error {
		if err := f.Set("relayhost", "[mx.example.net]:587"); err != nil {
			return err
		}
		_, err := f.AddItem("mynetworks", "10.0.0.0/8")
		return err
	})
	fmt.Println(changed, err)
	now, _ := os.ReadFile(path)
	fmt.Print(string(now))
	// Output:
	// true <nil>
	// # our own
	// relayhost = [mx.example.net]:587
	// mynetworks = 127.0.0.0/8,
	//     # the office
	//     192.0.2.0/24,
	//     10.0.0.0/8
}

func ExampleParse() {
	f, err := maincf.Parse("main.cf", []byte("myhostname mx.example.net\nmyorigin = $mydomain\n= x\n"))
	var found diag.List
	if errors.As(err, &found) {
		for _, d := range found {
			fmt.Println(d)
		}
	}
	fmt.Println(f.Get("myorigin"))
	// Output:
	// main.cf:1:1: error: missing '=' after parameter name
	// main.cf:3:1: error: missing parameter name before '='
	// $mydomain true
}

func ExampleEnv_Eval() {
	f, _ := maincf.Parse("main.cf", []byte("myhostname = mx.example.net\nmyorigin = $mydomain\n"))
	env := maincf.Env{Main: f}
	for _, name := range []string{"myorigin", "maximal_queue_lifetime", "mynetwork"} {
		v, err := env.Eval(name)
		fmt.Println(v.Text, v.Origin, err)
	}
	// Output:
	// example.net main.cf <nil>
	// 5d default <nil>
	//  Origin(0) mynetwork: unknown parameter "mynetwork"; did you mean mynetworks?
}

func ExampleEnv_Check() {
	f, _ := maincf.Parse("main.cf", []byte("mydestinations = example.net\nsmtpd_use_tls = ja\nmessage_size_limit = 10M\n"))
	env := maincf.Env{Main: f}
	for _, d := range env.Check() {
		fmt.Println(d)
	}
	// Output:
	// main.cf:1:1: warning: unknown parameter mydestinations; did you mean mydestination? [unknown-parameter]
	// main.cf:2:1: warning: support for smtpd_use_tls will be removed; instead, specify "smtpd_tls_security_level" [deprecated-parameter]
	// main.cf:2:17: error: smtpd_use_tls: "ja" is neither yes nor no [bad-value]
	// main.cf:3:22: error: message_size_limit: "10M" is not a whole number [bad-value]
}

func ExampleEnv_Tables() {
	f, _ := maincf.Parse("main.cf", []byte(`virtual_alias_maps = proxy:hash:/etc/postfix/virtual
alias_maps =
smtpd_recipient_restrictions = check_client_access cidr:/etc/postfix/clients, strangers
smtpd_restriction_classes = strangers
strangers = check_sender_access pipemap:{lmdb:/etc/postfix/a, static:OK}, reject
`))
	env := maincf.Env{Main: f}
	for spec, at := range env.Tables() {
		if at != nil {
			fmt.Println(at.Span().Start.Line, spec)
		}
	}
	// Output:
	// 3 cidr:/etc/postfix/clients
	// 1 proxy:hash:/etc/postfix/virtual
	// 1 hash:/etc/postfix/virtual
	// 5 pipemap:{lmdb:/etc/postfix/a, static:OK}
	// 5 lmdb:/etc/postfix/a
	// 5 static:OK
}

func ExampleFormat() {
	out, err := maincf.Format([]byte("\nmyorigin=  $mydomain   \n\n\nmynetworks =\n\t10.0.0.0/8,\n  # home\n 192.0.2.0/24\n"))
	fmt.Print(string(out), err)
	// Output:
	// myorigin = $mydomain
	//
	// mynetworks =
	//     10.0.0.0/8,
	//     # home
	//     192.0.2.0/24
	// <nil>
}

func ExampleLookupParam() {
	p, ok := maincf.LookupParam("maximal_queue_lifetime")
	fmt.Println(ok, p.Type, p.Default, *p.Max)
	fmt.Println(maincf.Suggest("smtpd_recipient_restriction")[0])
	// Output:
	// true time 5d 8640000
	// smtpd_recipient_restrictions
}
