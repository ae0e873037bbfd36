package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit"
	"github.com/postfixkit/postfixkit/internal/golden"
)

// The recorded listings of two builds of Postfix, service parameters included;
// the master.cf they were made with follows from the names in them.
func TestDefaultListings(t *testing.T) {
	for file, version := range map[string]string{"defaults-3.12.txt": "3.12", "defaults-3.7.11-debian.txt": "3.7/debian"} {
		src, err := os.ReadFile("../../maincf/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		want := string(src)
		dir := t.TempDir()
		var master strings.Builder
		transports := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^(\S+)_transport_rate_delay = \$default_transport_rate_delay`).FindAllStringSubmatch(want, -1) {
			transports[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`(?m)^(\S+)_time_limit = \$command_time_limit`).FindAllStringSubmatch(want, -1) {
			if program := "pipe"; transports[m[1]] {
				fmt.Fprintf(&master, "%s unix - n n - - %s\n", m[1], program)
				delete(transports, m[1])
			} else {
				fmt.Fprintf(&master, "%s unix - n n - 0 spawn\n", m[1])
			}
		}
		for name := range transports {
			fmt.Fprintf(&master, "%s unix - - y - - smtp\n", name)
		}
		if err := os.WriteFile(filepath.Join(dir, "master.cf"), []byte(master.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		// What the running machine decides.
		runtime := regexp.MustCompile(`(?m)^(myhostname|mydomain|mynetworks|process_id) = .*\n`)
		got := ours(dir, "--postfix-version", version, "-d")
		if got.exit != 0 || got.stderr != "" {
			t.Errorf("%s: exit %d %s", version, got.exit, got.stderr)
		}
		if a, b := runtime.ReplaceAllString(want, ""), runtime.ReplaceAllString(got.stdout, ""); a != b {
			t.Errorf("%s: ours (+), recorded (-):\n%s", version, golden.Diff(a, b))
		}
		if n := len(runtime.FindAllString(got.stdout, -1)); n != 4 {
			t.Errorf("%s: %d run-time names", version, n)
		}
	}
}

func TestGolden(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, a *golden.Archive) {
		dir := t.TempDir()
		for _, name := range []string{"main.cf", "master.cf"} {
			text, ok := a.Get(name)
			if !ok && name == "main.cf" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		script, _ := a.Get("run")
		var out strings.Builder
		for line := range strings.Lines(script) {
			args := strings.Split(strings.TrimSuffix(line, "\n"), "|")
			res := ours(dir, append([]string{"-c", dir}, args...)...)
			fmt.Fprintf(&out, "$ postconf %s", strings.Join(args, " "))
			if res.exit != 0 {
				fmt.Fprintf(&out, " => exit %d", res.exit)
			}
			out.WriteString("\n" + res.stdout + res.stderr)
		}
		a.Want(t, "output", strings.ReplaceAll(out.String(), dir, "DIR"))
		if _, ok := a.Get("after"); ok {
			after, err := os.ReadFile(filepath.Join(dir, "main.cf"))
			if err != nil {
				t.Fatal(err)
			}
			a.Want(t, "after", string(after))
			if info, err := os.Stat(filepath.Join(dir, "main.cf")); err != nil || info.Mode().Perm() != 0o640 && os.PathSeparator == '/' {
				t.Errorf("mode %v %v", info.Mode(), err)
			}
		}
	})
}

// Edits keep a symbolic link, and change nothing when nothing is to change.
func TestEditInPlaceOfLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "real.cf")
	if err := os.WriteFile(target, []byte("a = b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.cf", filepath.Join(dir, "main.cf")); err != nil {
		return // no symbolic links on this system
	}
	before, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	if res := ours(dir, "--changed", "-e", "a=b"); res.exit != 0 {
		t.Errorf("no change: %+v", res)
	}
	if after, _ := os.Stat(target); !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Error("no change, but the file was written")
	}
	if res := ours(dir, "--changed", "-e", "a=c"); res.exit != 3 {
		t.Errorf("change: %+v", res)
	}
	if got, _ := os.ReadFile(target); string(got) != "a = c\n" {
		t.Errorf("target has %q", got)
	}
	if info, err := os.Lstat(filepath.Join(dir, "main.cf")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
}

func TestHelpTexts(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--man"}, {"--version"}, {"--completion", "bash"}, {"--completion", "zsh"}, {"--completion=fish"}} {
		if res := ours(t.TempDir(), args...); res.exit != 0 || res.stdout == "" || res.stderr != "" {
			t.Errorf("%q: exit %d, %d bytes, %s", args, res.exit, len(res.stdout), res.stderr)
		}
	}
	if res := ours(t.TempDir(), "--help"); !strings.Contains(res.stdout, "--explain") {
		t.Errorf("--help does not name --explain:\n%s", res.stdout)
	}
}

func TestMaps(t *testing.T) {
	want := strings.Join(slices.Sorted(maps.Keys(postfixkit.Types())), "\n") + "\n"
	if res := ours(t.TempDir(), "-m"); res.stdout != want || res.exit != 0 {
		t.Errorf("-m and postfixkit.Types differ:\n%s", golden.Diff(want, res.stdout))
	}
}

func TestUnifiedDiff(t *testing.T) {
	a := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n"
	b := "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\nx\n15\n16"
	want := `--- f
+++ f
@@ -1,3 +1,4 @@
+0
 1
 2
 3
@@ -11,6 +12,6 @@
 11
 12
 13
-14
+x
 15
-16
+16
\ No newline at end of file
`
	if got := unifiedDiff("f", []byte(a), []byte(b)); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := unifiedDiff("f", []byte(a), []byte(a)); got != "" {
		t.Errorf("equal: %q", got)
	}
	if got := unifiedDiff("f", nil, []byte("x\n")); got != "--- f\n+++ f\n@@ -0,0 +1 @@\n+x\n" {
		t.Errorf("from nothing: %q", got)
	}
}
