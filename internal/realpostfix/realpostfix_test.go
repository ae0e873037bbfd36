package realpostfix

import (
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestTools(t *testing.T) {
	real := Need(t, "postmap", "postalias", "postconf", "map:hash")
	if !strings.HasPrefix(real.Version, "3.") {
		t.Errorf("version: got %q", real.Version)
	}
	path := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(path, []byte("a b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	real.MustRun(Call{Name: "postmap", Args: []string{"hash:" + path}})
	if got := real.MustRun(Call{Name: "postmap", Args: []string{"-q", "-", "hash:" + path}, Stdin: "a\nx\n"}); got.Stdout != "a\tb\n" {
		t.Errorf("got %+v", got)
	}
	if got := real.MustRun(Call{Name: "postconf", Args: []string{"-h", "queue_directory"}}).Stdout; got != real.ConfigDir+"\n" {
		t.Errorf("queue_directory %q is not the private one %q", got, real.ConfigDir)
	}
}

func TestRunAllSleepsOnce(t *testing.T) {
	real := Need(t, "postmap")
	calls := make([]Call, 24)
	for i := range calls {
		calls[i] = Call{Name: "postmap", Args: []string{"-q", "k", "hash:/nonexistent/" + string(rune('a'+i))}}
	}
	start := time.Now()
	for i, res := range real.RunAll(calls) {
		if res.Exit != 1 || !strings.Contains(res.Stderr, "/nonexistent/"+string(rune('a'+i))+".db") {
			t.Errorf("%d: got %+v", i, res)
		}
	}
	if took := time.Since(start); took > 12*time.Second {
		t.Errorf("24 fatal errors took %v: not side by side", took)
	}
}

// Our own binary in front of everything must not be taken for the original.
func TestOwnBinaryIsNotReal(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "main.go")
	if err := os.WriteFile(src, []byte("package main\nfunc main() { println(\"mail_version = 9.9\") }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	name := "postmap"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	ours := filepath.Join(dir, name)
	if out, err := exec.Command("go", "build", "-o", ours, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := foreign(ours); err == nil {
		t.Error("a Go program was taken for the original")
	}
	script := filepath.Join(dir, "postalias")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := foreign(script); err == nil {
		t.Error("a script was taken for the original")
	}
	t.Setenv("POSTFIXKIT_REAL", dir)
	t.Setenv("PATH", dir)
	for _, tool := range []string{"postmap", "postalias"} {
		if path, _ := locate(tool); strings.HasPrefix(path, dir) {
			t.Errorf("locate(%s) = %s", tool, path)
		}
	}
}

// outcome is a testing.TB that records how Need ends a test.
type outcome struct {
	testing.TB
	how, text string
}

func (o *outcome) Helper() {}
func (o *outcome) Skip(args ...any) {
	o.how, o.text = "skip", args[0].(string)
	runtime.Goexit()
}
func (o *outcome) Fatal(args ...any) {
	o.how, o.text = "fatal", args[0].(string)
	runtime.Goexit()
}

func TestMissing(t *testing.T) {
	for ci, want := range map[string]string{"": "skip", "true": "fatal"} {
		t.Setenv("CI", ci)
		o := &outcome{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Need(o, "postmap-of-tomorrow", "mdb_stat-of-tomorrow")
		}()
		<-done
		if o.how != want || !strings.Contains(o.text, "postmap-of-tomorrow") || !strings.Contains(o.text, "mdb_stat-of-tomorrow") {
			t.Errorf("CI=%q: got %s %q, want %s naming both", ci, o.how, o.text, want)
		}
	}
}

func TestLastWins(t *testing.T) {
	got := lastWins("a = 1\n  2\nb = 3\n# c = 1\na = 4\n  5\n")
	if want := "b = 3\n# c = 1\na = 4\n  5\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInstance(t *testing.T) {
	inst := Start(t, Config{
		Main: "smtpd_recipient_restrictions = check_recipient_access inline:{{no@example.com=REJECT told so}}, permit_mynetworks, reject\n",
	})
	send := func(to string) error {
		return smtp.SendMail(inst.Addr, nil, "from@example.com", []string{to}, []byte("Subject: x\r\n\r\nbody\r\n"))
	}
	if err := send("no@example.com"); err == nil || !strings.Contains(err.Error(), "told so") {
		t.Errorf("got %v, want the rejection of the access table", err)
	}
	if err := send("root@example.com"); err != nil {
		t.Error(err)
	}
	inst.WaitLog("status=")
}
