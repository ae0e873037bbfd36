package cidrmap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/inet"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// odd are rules with something special or wrong.
var odd = []string{
	"10.1.2.3/8 x", "!192.168.0.0/16 x", "if 192.168.0.0/16", "if !192.168.2.0/24", "endif extra", "192.168.0.0/16", "foo bar", "1.2.3/24 x", "1.2.3.4/33 y",
	"1.2.3.4/ z", "1.2.3.4/-1 z", "1.2.3.4/+1 z", "1.2.3.4/08 z", "1.0.0.0/08 z", "[2001:db8::]/32 v6", "[2001:db8::/32] v6", "[2001:db8::1] v6", "[2001:db8::2 v6",
	"2001:db8:0:0::/64 v6", "::ffff:1.2.3.4 mapped", "! 1.2.3.4 space", "!!1.2.3.4 two", "! ! 9.9.9.9 x", "if", "if 1.2.3.4 extra", "if ! 5.5.5.0/24\n x y",
	"01.02.03.04 oct", "1.2.3.4", "/24 nothing", "!", "if !", "if10.0.0.0/8", "IF 9.0.0.0/8", "ENDIF", "endif", "endifx", "endif.", "0.0.0.0/0 all", "::/0 all",
	"if! 10.0.0.0/8", "if!10.0.0.0/8", "if[::1]", "if/24", "x/y z", "x/33 z", "1.2.3.4/y z", "x/ z", "1.0.0.0/264 wrap", "2.0.0.0/4294967304 wrap",
	"3.0.0.0/99999999999999999999 wrap", "[1.2.3.4]x z", "[1.2.3.4]/24x z", "[1.2.3.4/24]/24 z", "[1.2.3.4/24]x z", "[] z", "[]/24 z", "[/24] z", "[1.2.3.4 z",
	"[::1]/129 z", "[::1]/12 z", "::/129 z", "::1/64 z", "1.2.3.4/0 z", "2001:db8:aa:1::5/61 z", "!/24 z", "![1.2.3.4/24] z", "!\t1.2.3.0/24\t z", "if ! !1.2.3.4",
	"if !!1.2.3.4", "1.2.3.4%eth z", "fe80::1%eth z", "1:2:3:4:5:6:7:: z", "1:2:3:4:5:6:7::8 z", "00001::/16 z", "1.2.3.4\t tab  value  ", "::ffff:1.2.3.4/24 z",
	"::ffff:0:0/96 z", "[2001:db8::]]/32 z", "[[::1]] z", "[::1]]\tz", "if [::1", "if [::1]x", "if 1.2.3.4/", "if x", "::1.2.3.4 compat", "::1.2.3.0/120 compat",
	"::1.2.3.4/96 x", "1.2.3.4 café", "b\xe9d\x01 x", "one\x00two z", "1.2.3.4\x00 5 z", "1.2.3.5 z\x00y", "1.2.3.6\vz", "1.2.3.7\fz", "1.2.3.8 z\r", "\x00", "if\x001.2.3.4",
	" leading space", " leading space and over 30 bytes, é\x01", " 30 bytes: 90123456789012345678é", "1.2.3.4/2é z", "1.2.3.4/2\xe9 z", "1.2.3.4 a\n\n# c\n b", "1.2.3.4 a\n# c\n b", "256.1.1.1 x", "1.2.3.4.5 x", "1..2.3 x", ":: x", ": x", "::: x", "1:: x", "::1/ x", "12345:: x", "g:: x", "1.2.3.4/32 x", "::/00 x",
}

// compareWithPostmap runs both over one table: the findings that Postfix logs,
// and the answers to keys.
func compareWithPostmap(t *testing.T, real *realpostfix.Tools, name, src string, keys []string) (rules, lookups int) {
	t.Helper()
	path := filepath.Join(real.ConfigDir, name)
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	asked := keys[:0:0]
	for _, key := range keys {
		if key != "" && !strings.ContainsAny(key, "\n\x00") {
			asked = append(asked, key)
		}
	}
	res := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", "cidr:" + path}, Stdin: strings.Join(asked, "\n") + "\n"})
	tab, err := Parse(path, []byte(src))
	var found diag.List
	errors.As(err, &found)
	log := ""
	for _, d := range found {
		switch {
		case d.Check != "":
		case strings.HasPrefix(d.Message, "logical line"):
			log += fmt.Sprintf("postmap: warning: %s: %s\n", path, d.Message)
		default:
			log += fmt.Sprintf("postmap: warning: cidr map %s, line %d: %s\n", path, d.Span.Start.Line, d.Message)
		}
	}
	differ(t, name, log, res.Stderr)
	want := ""
	for _, key := range asked {
		if v, ok, _ := tab.Lookup(context.Background(), key); ok {
			want += key + "\t" + v + "\n"
		}
	}
	differ(t, name, want, res.Stdout)
	return tab.Len(), len(asked)
}

// differ reports the first line in which got and want are not the same.
func differ(t *testing.T, name, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < min(len(a), len(b))-1 && a[i] == b[i] {
		i++
	}
	t.Errorf("%s\n    got %q\npostmap %q", name, a[i], b[i])
}

func TestSameAsPostmap(t *testing.T) {
	real := realpostfix.Need(t, "postmap")
	r := rand.New(rand.NewPCG(1, 1))
	oddKeys := []string{"1.2.3.4", "foo", "[1.2.3.4]", "::ffff:1.2.3.4", "2001:DB8::1", "01.2.3.4", "1.2.3", "::1.2.3.4", "::102:304", "1.2.3.4 ", " 1.2.3.4", "fe80::1%lo", "1.2.3.5", "1.2.3.6",
		"1:2:3:4:5:6:7::", "::", "0.0.0.0", "255.255.255.255", "1.2.3.4.", "0x1.2.3.4", "16909060", "IPv6:::1", "::1", "2.1.1.1", "10.1.2.3", "192.168.2.3", "9.9.9.9", "5.5.5.5"}
	rules, lookups := 0, 0
	run := func(name, src string, keys []string) {
		n, k := compareWithPostmap(t, real, name, src, keys)
		rules, lookups = rules+n, lookups+k
	}
	run("all-odd", strings.Join(odd, "\n")+"\n", oddKeys)
	run("no-newline", "1.2.3.4 x", oddKeys)
	run("empty", "", oddKeys)
	for i := range 120 {
		var src strings.Builder
		for range 1 + r.IntN(40) {
			if r.IntN(3) == 0 {
				src.WriteString(odd[r.IntN(len(odd))] + "\n")
			} else {
				src.WriteString(source(r, 1))
			}
		}
		tab, _ := Parse("", []byte(src.String()))
		keys := oddKeys
		for _, a := range addresses(tab, r) {
			keys = append(keys, inet.String(a))
		}
		run(fmt.Sprint("random-", i), src.String(), keys)
	}
	t.Logf("%d rules, %d lookups", rules, lookups)
}
