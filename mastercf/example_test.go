package mastercf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/postfixkit/postfixkit/maincf"
	"github.com/postfixkit/postfixkit/mastercf"
)

const master = `# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       n       -       -       smtpd
#submission inet n       -       n       -       -       smtpd
#  -o syslog_name=postfix/submission
#  -o smtpd_tls_security_level=encrypt
#     Restrictions are better named in main.cf:
#  -o smtpd_client_restrictions=$mua_client_restrictions
pickup    unix  n       -       n       60      1       pickup
`

// A service that the stock file has commented out is switched on together
// with its options; prose between them stays a comment.
func ExampleFile_Enable() {
	f, err := mastercf.Parse("master.cf", []byte(master))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.Enable(f.DisabledService("submission", mastercf.Inet)); err != nil {
		fmt.Println(err)
		return
	}
	f.WriteTo(os.Stdout)
	// Output:
	// # service type  private unpriv  chroot  wakeup  maxproc command + args
	// smtp      inet  n       -       n       -       -       smtpd
	// submission inet n       -       n       -       -       smtpd
	//   -o syslog_name=postfix/submission
	//   -o smtpd_tls_security_level=encrypt
	// #     Restrictions are better named in main.cf:
	//   -o smtpd_client_restrictions=$mua_client_restrictions
	// pickup    unix  n       -       n       60      1       pickup
}

// Give a service an option, in a file that keeps its owner, mode and layout.
func ExampleUpdateFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "master.cf")
	if err := os.WriteFile(path, []byte(master), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	limit := func(f *mastercf.File) error {
		s := f.Service("smtp", mastercf.Inet)
		if s == nil {
			return errors.New("no smtp service")
		}
		if err := s.SetField(mastercf.FieldProcessLimit, "50"); err != nil {
			return err
		}
		return s.SetOption("smtpd_client_restrictions", "permit_mynetworks, reject")
	}
	for range 2 {
		changed, err := mastercf.UpdateFile(path, limit)
		fmt.Println("changed:", changed, err)
	}
	src, _ := os.ReadFile(path)
	fmt.Println(strings.Join(strings.Split(string(src), "\n")[1:3], "\n"))
	// Output:
	// changed: true <nil>
	// changed: false <nil>
	// smtp      inet  n       -       n       -       50      smtpd
	//   -o { smtpd_client_restrictions = permit_mynetworks, reject }
}

// What a service really uses is main.cf with the options of its entry.
func ExampleService_Overrides() {
	main, err := maincf.Parse("main.cf", []byte("smtpd_tls_security_level = may\nmua_client_restrictions = permit_sasl_authenticated, reject\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	services, err := mastercf.Parse("master.cf", []byte(master))
	if err != nil {
		fmt.Println(err)
		return
	}
	submission := services.DisabledService("submission", mastercf.Inet)
	for _, s := range []*mastercf.Service{services.Service("smtp", mastercf.Inet), submission} {
		env := maincf.Env{Main: main, Overrides: s.Overrides(), Runtime: s.Runtime()}
		for _, name := range []string{"smtpd_tls_security_level", "smtpd_client_restrictions"} {
			v, err := env.Eval(name)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("%s: %s = %q\n", s.Name(), name, v.Text)
		}
	}
	// Output:
	// smtp: smtpd_tls_security_level = "may"
	// smtp: smtpd_client_restrictions = ""
	// submission: smtpd_tls_security_level = "encrypt"
	// submission: smtpd_client_restrictions = "permit_sasl_authenticated, reject"
}

func ExampleFile_Check() {
	f, _ := mastercf.Parse("master.cf", []byte("submission inet - - n - - smtpd\n"+
		"  -o smtpd_recipient_restrictions=permit_sasl_authenticated, reject\n"+
		"local unix - - n - - local\n"))
	for _, d := range f.Check(nil) {
		fmt.Println(d)
	}
	// Output:
	// master.cf:1:17: error: inet service submission must have n in the private column, not -; Postfix does not start [private-inet]
	// master.cf:2:62: error: smtpd does not start with argument "reject"; a value with white space is written -o { name = value } [unexpected-argument]
	// master.cf:3:14: error: local has to start as root: the unprivileged column must be n, not - [privileges-needed]
}
