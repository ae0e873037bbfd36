package mastercf

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// The original reads what Enable, CommentOut, Add and the others wrote, and
// reads from it what we read.
func TestEditsReadByReal(t *testing.T) {
	real := realpostfix.Need(t, "postconf")
	for _, name := range []string{"stock/debian-3.7.11.cf", "stock/postfix-3.12.cf"} {
		src := read(t, name)
		f := mustParse(t, string(src))
		on := func(service string) {
			t.Helper()
			if err := f.Enable(f.DisabledService(service, Inet)); err != nil {
				t.Fatal(err)
			}
		}
		on("submission")
		on("submissions")
		s := f.Service("submission", Inet)
		if err := s.SetOption("smtpd_client_restrictions", "permit_sasl_authenticated, reject"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Duplicate(s, "127.0.0.1:10587", Inet); err != nil {
			t.Fatal(err)
		}
		if err := f.CommentOut(f.Service("relay", Unix)); err != nil {
			t.Fatal(err)
		}
		if err := f.Rename(f.Service("lmtp", Unix), "dovecot"); err != nil {
			t.Fatal(err)
		}
		if err := f.Delete(f.Service("virtual", Unix)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Add(Spec{Name: "script", Type: Unix, Unprivileged: "n", Command: "pipe", Args: []string{"-v", "user=nobody", "argv=/bin/x y"}}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(real.ConfigDir, "master.cf"), f.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for s := range f.Services() {
			want.WriteString(s.Spec().Format(true))
		}
		if got := real.MustRun(realpostfix.Call{Name: "postconf", Args: []string{"-Mf"}}); got.Stdout != want.String() {
			t.Errorf("%s: postconf -Mf gives\n%s\nwant\n%s", name, got.Stdout, want.String())
		}
		for _, service := range []string{"submission", "submissions"} {
			got := real.MustRun(realpostfix.Call{Name: "postconf", Args: []string{"-M", service + "/inet"}}).Stdout
			t.Logf("%s", got)
			options := 0
			for o := range f.Service(service, Inet).Options() {
				options++
				if !strings.Contains(got, " -o "+o.Name+"="+o.Value) && !strings.Contains(got, " -o {"+o.Name+"="+o.Value+"}") {
					t.Errorf("%s: postconf -M %s/inet gives\n%s\nwithout %s=%s", name, service, got, o.Name, o.Value)
				}
			}
			if options != strings.Count(got, " -o ") || options < 10 {
				t.Errorf("%s: %s: %d options, the original reads\n%s", name, service, options, got)
			}
		}
		if all := real.MustRun(realpostfix.Call{Name: "postconf", Args: []string{"-M"}}).Stdout; strings.Contains(all, "relay ") || strings.Contains(all, "virtual ") {
			t.Errorf("%s: still there:\n%s", name, all)
		}
	}
}

// Settings of the daemons that Check demands are what the stock entries have;
// this asks the daemon table the other way round.
func TestStockEntriesMeetDemands(t *testing.T) {
	f := mustParse(t, string(read(t, "stock/postfix-3.12.cf")))
	var programs []string
	for s := range f.Services() {
		programs = append(programs, s.Command())
		if _, ok := LookupDaemon(s.Command()); !ok {
			t.Errorf("%s is not known", s.Command())
		}
	}
	if !slices.Contains(programs, "postlogd") {
		t.Error("the stock file was not read to its end")
	}
}

func BenchmarkParse(b *testing.B) {
	src := read(b, "stock/debian-3.7.11.cf")
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		Parse("master.cf", src)
	}
}

func BenchmarkSetOption(b *testing.B) {
	src := read(b, "stock/debian-3.7.11.cf")
	b.ReportAllocs()
	for b.Loop() {
		f, _ := Parse("master.cf", src)
		if err := f.Service("smtp", Unix).SetOption("smtp_helo_timeout", "5"); err != nil {
			b.Fatal(err)
		}
	}
}
