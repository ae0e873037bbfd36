package aliases

import (
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct{ src, want, fixed string }{
		{"root: alice # the boss\n", `1:13: warning: "# the boss" is no comment but 3 addresses: comments need a line of their own [trailing-comment]`, "root: alice\n"},
		{"root: alice, #bob,\n  carol # x\n", `1:14: warning: "#bob," is no comment but an address: comments need a line of their own [trailing-comment]
2:9: warning: "# x" is no comment but 2 addresses: comments need a line of their own [trailing-comment]`, "root: alice,\n  carol\n"},
		{"a: #b\n", `1:4: warning: "#b" is no comment but an address: comments need a line of their own [trailing-comment]`, "a: #b\n"},
		{"a: b c d, e\n", `1:6: warning: there is no comma before "c" [missing-comma]`, "a: b, c d, e\n"},
		{"a: b\n  c\n", `2:3: warning: there is no comma before "c" [missing-comma]`, "a: b,\n  c\n"},
		{"a: |/bin/x -a \"b c\" d, e\n", `1:4: warning: the command is "/bin/x" only; what follows is taken for addresses [unquoted-command]`,
			"a: \"|/bin/x -a \\\"b c\\\" d\", e\n"},
		{"a: |/bin/x, |/bin/y # z\n", `1:21: warning: "# z" is no comment but 2 addresses: comments need a line of their own [trailing-comment]`, "a: |/bin/x, |/bin/y\n"},
		{"a: \"b, c\"\n", `1:4: warning: the quotes make one address of "b, c" [quoted-list]`, "a: b, c\n"},
		{"a: \"b\nc: (d\n", `1:4: warning: " has no end: everything up to the end of the alias belongs to it [unterminated]
2:4: error: there is no target: mail for "c" stays in the queue [no-target]
2:4: warning: ( has no end: everything up to the end of the alias belongs to it [unterminated]`, ""},
		{"a (b): c\n", `1:3: warning: comment (b) becomes part of the name [comment-in-name]`, "a : c\n"},
		{"\"a\": c\n\"a b\": d\n\"#x\": e\n\"a%b\": f\ng\"h i\": j\n", `1:1: warning: Postfix 3.12 stores the name as "a", quotes included, and looks for a [needless-quotes]
3:1: warning: Postfix 3.12 stores the name as "#x", quotes included, and looks for #x [needless-quotes]
4:1: warning: Postfix 3.12 stores the name as "a%b", quotes included, and looks for a%b [needless-quotes]
5:1: warning: Postfix 3.12 stores the name as g "h i", quotes included, and looks for "g h i" [needless-quotes]`,
			"a: c\n\"a b\": d\n\\#x: e\n\"a%b\": f\n\"g h i\": j\n"},
		{"a: <>\nb: ,\n", `1:4: error: there is no target: mail for "a" stays in the queue [no-target]
2:4: error: there is no target: mail for "b" stays in the queue [no-target]`, ""},
		{"a: <user>@example.com\n", `1:10: warning: there is no name before the "@" of "@example.com" [bad-address]
1:10: warning: there is no comma before "@example.com" [missing-comma]`, ""},
		{"a: -b, c@d..e, f@-g, h@i., j@[1.2.3.4]\n", `1:4: warning: Postfix returns mail for "-b": the name starts with "-" [bad-address]
1:8: warning: Postfix returns mail for "c@d..e": "d..e" is no domain [bad-address]
1:16: warning: Postfix returns mail for "f@-g": "-g" is no domain [bad-address]`, ""},
		{"a: :include:x, ~/b, |\n", `1:4: warning: :include: needs an absolute file name, not "x" [bad-include]
1:16: warning: an alias has no home directory for "~/b" [bad-path]
1:21: warning: there is no command after "|" [empty-command]`, ""},
		{"# c\na: b, c (d), \"|e f\", /g, :include:/h, Some Body <i@j>, list: k, l;\n\"a b\": c\n", "", ""},
	} {
		f := parse(t, c.src)
		found := f.Check()
		var got []string
		for _, d := range found {
			got = append(got, strings.TrimPrefix(d.String(), "aliases:"))
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.src, strings.Join(got, "\n"), c.want)
		}
		if c.fixed == "" {
			continue
		}
		fixed, skipped, err := diag.ApplyFixes("aliases", []byte(c.src), found)
		if string(fixed) != c.fixed || err != nil || len(skipped) > 0 {
			t.Errorf("%q is fixed to\n     %q (%v, %v)\nwant %q", c.src, fixed, skipped, err, c.fixed)
		}
	}
	f := parse(t, "a: b c\n")
	if err := f.Set("a", addr("x"), addr("y")); err != nil || len(f.Check()) > 0 {
		t.Errorf("after an edit: %v, %v", err, f.Check())
	}
}
