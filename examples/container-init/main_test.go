package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap"
)

var ctx = context.Background()

func mainCf(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "main.cf")
	if err := os.WriteFile(path, []byte("# of the image\nrelayhost =\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

func TestInitialise(t *testing.T) {
	dir, path := mainCf(t)
	env := []string{"PATH=/bin", "POSTFIX_relayhost=[mx.example.net]:587", "POSTFIX_smtp_sasl_auth_enable=yes",
		"POSTMAP_sasl_passwd=[mx.example.net]:587 user:secret"}
	for range 2 { // a restart changes nothing
		if err := initialise(ctx, env, dir, dir); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(path)
		if want := "# of the image\nrelayhost = [mx.example.net]:587\nsmtp_sasl_auth_enable = yes\n"; string(got) != want {
			t.Fatalf("main.cf:\n%s\nwant\n%s", got, want)
		}
	}
	for _, f := range []string{"sasl_passwd", "sasl_passwd.lmdb"} {
		if fi, err := os.Stat(filepath.Join(dir, f)); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", f, fi, err)
		}
	}
	r, err := hashmap.Open(filepath.Join(dir, "sasl_passwd.lmdb"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if v, _, _ := r.Lookup(ctx, "[mx.example.net]:587"); v != "user:secret" {
		t.Errorf("got %q", v)
	}
}

func TestMistakesStopEverything(t *testing.T) {
	dir, path := mainCf(t)
	before, _ := os.ReadFile(path)
	for env, want := range map[string]string{
		"POSTFIX_relayhosst=x": "did you mean POSTFIX_relayhost?",
		"POSTMAP_x=keyonly":    "expected format: key whitespace value",
		"POSTMAP_../x=a b":     "not a name for a table",
		"POSTMAP_TYPE=dbm":     "dbm",
	} {
		err := initialise(ctx, []string{"POSTFIX_relayhost=good", env}, dir, dir)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", env, err)
		}
	}
	after, _ := os.ReadFile(path)
	entries, _ := os.ReadDir(dir)
	if string(after) != string(before) || len(entries) != 1 {
		t.Errorf("something was written: %q, %v", after, entries)
	}
}

// main.cf mounted into the container as a single file, which cannot be renamed
// over.
func TestBindMountedFile(t *testing.T) {
	dir, path := mainCf(t)
	host := filepath.Join(t.TempDir(), "host.cf")
	if err := os.WriteFile(host, []byte("relayhost =\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "--bind", host, path).CombinedOutput(); err != nil {
		t.Logf("no bind mount on this machine (%v, %s): nothing to see", err, out)
		return
	}
	defer exec.Command("umount", path).Run()
	if err := initialise(ctx, []string{"POSTFIX_relayhost=mx"}, dir, dir); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(host); string(got) != "relayhost = mx\n" {
		t.Errorf("the host's file: %q", got)
	}
}
