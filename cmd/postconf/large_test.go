package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Very large files: work that grows with the square of their size would take
// minutes here.
func TestLarge(t *testing.T) {
	const n = 20_000
	var main, master, options, requests strings.Builder
	for i := range n {
		if i%50 == 0 {
			fmt.Fprintf(&main, "c%d = x\n", i)
		} else {
			fmt.Fprintf(&main, "c%d = $c%d\n", i, i-1)
		}
		fmt.Fprintf(&master, "a%d unix - - n - - smtp\n  -o x=y\n", i)
		fmt.Fprintf(&options, "  -o own%d=$myhostname\n", i)
		fmt.Fprintf(&requests, "c%d=y ", i)
	}
	dir := t.TempDir()
	for _, c := range []struct {
		main, master, args string
		lines              int
	}{
		{main.String(), "", "-nx", n - n/50 + 1},
		{main.String(), "", "-n", n - n/50 + 1},
		{main.String(), "", "--keep-layout -e " + requests.String(), 0},
		{main.String(), "", "-e " + requests.String(), 0},
		{"myhostname = a.b\n", "smtp inet n - n - - smtpd\n" + options.String(), "-Px", n},
		{"", master.String(), "-M", n},
		{"", master.String(), "--keep-layout -MX */unix", 0},
		{"virtual_alias_maps = " + strings.ReplaceAll(requests.String(), "c", "ldap:/nosuch/"), "", "-n", 2},
	} {
		for name, text := range map[string]string{"main.cf": c.main, "master.cf": c.master} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got := runMaster(dir, strings.Fields(c.args)...)
		if lines := strings.Count(got.Stdout, "\n"); got.Exit != 0 || lines < c.lines || lines > c.lines+60 {
			t.Errorf("%.40s: exit %d, %d lines, want %d: %.300s", c.args, got.Exit, lines, c.lines, got.Stderr)
		}
	}
}
