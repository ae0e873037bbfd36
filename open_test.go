package postfixkit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/socketmap"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/tcptable"
)

// specs are tables by name, good and bad, each with the keys it is asked for.
// @DIR@ is a folder with the files below.
var specs = []string{
	"static:", "static:v", "static:{ a b }", "static:{a", "static:{a}b", "static:a b", "static: lead", "static:{ {a} }", "static:{}x}",
	"inline:{a=1,b=2}", "inline:{A=1}", "inline:{}", "inline:{ }", "inline:a=1", "inline:{a=1", "inline:{a=1}x", "inline:{{a = 1 2}, b=3}",
	"inline:{a}", "inline:{=1}", "inline:{{a=1 }x}", "inline:{a=1 a=2}", "inline:{{a b=1}}", "inline:{{a=1}", "inline:{{ }}", "inline:{a=1=2}",
	"inline:{{a}}", "inline:{a={1}}", "inline:{{a = {1} }}", "inline:{{a=1}{b=2}}", "inline:{a = 1}", "inline:{{a\t=\t1}}", "inline:{ÄÖ=1, äöß=2}",
	"unionmap:{static:1,static:2}", "unionmap:{inline:{a=1},inline:{b=2}}", "unionmap:{}", "unionmap:static:1", "unionmap:{static:1", "unionmap:{foo}",
	"unionmap:{nosuch:x}", "unionmap:{fail:x,static:1}", "unionmap:{static:1,fail:x}", "unionmap:{static:1}x", "unionmap:{ {static:{a b}} {static:2} }",
	"unionmap:{static:{a b},static:2}", "unionmap:{hash:/nonexistent, static:1}", "unionmap:{static:1,cidr:{{0.0.0.0/0 x}}}", "unionmap:{cidr:{{::/0 x}} static:1}",
	"unionmap:{inline:{a=1,c=3},inline:{a=2},pipemap:{inline:{a=b},inline:{b=c}}}", "unionmap:{,}", "unionmap:{static:1,foo}",
	"pipemap:{inline:{a=b},inline:{b=c}}", "pipemap:{}", "pipemap:{inline:{a=b}}", "pipemap:{inline:{a=b},fail:x}", "pipemap:{inline:{a=B},inline:{b=c}}",
	"pipemap:static:1", "pipemap:{unionmap:{static:a,static:b},inline:{{a,b=c}}}", "pipemap:{static:b, unionmap:{inline:{b=1},inline:{b=2}}}", "pipemap:{static:1",
	"randmap:{1}", "randmap:{}", "randmap:1", "randmap:{ {a b} }", "randmap:{1", "randmap:{1}x", "randmap:{x,x,x}",
	"fail:x", "fail:", "fail:{a}", "environ:x", "environ:", "internal:x", "internal:",
	"unix:passwd.byname", "unix:group.byname", "unix:foo", "unix:",
	"texthash:@DIR@/text", "texthash:/nonexistent", "hash:@DIR@/text", "btree:@DIR@/btree", "cdb:@DIR@/text", "lmdb:@DIR@/text", "hash:@DIR@/upper",
	"hash:/nonexistent", "btree:/nonexistent", "cdb:/nonexistent", "lmdb:/nonexistent", "cidr:/nonexistent",
	"cidr:@DIR@/cidr", "cidr:{{10.0.0.0/8 ten}, { 192.0.2.1 one }}", "cidr:{{10.0.0.0/8 ten}", "cidr:{x}", "cidr:{ }", "cidr:{{10.0.0.0/8 a}}x",
	"regexp:{{/^(a|b)$/ got $1}, {/x/i x}}", "pcre:{{/^(?=a)(.)/ got $1}}", "regexp:{{/a/", "pcre:{x}", "regexp:/nonexistent", "pcre:/nonexistent", "regexp:{{/[/ x}}", "unionmap:{static:1,regexp:{{/a/ x}}}",
	"socketmap:foo", "socketmap:foo:bar", "socketmap:inet:127.0.0.1:x", "socketmap:inet:127.0.0.1:@SOCKETMAP@:text", "socketmap:unix:@DIR@/sock:text",
	"socketmap:inet:127.0.0.1:@SOCKETMAP@:nosuch", "socketmap:unix:/nonexistent:x", "socketmap:inet:localhost:@SOCKETMAP@:text",
	"tcp:127.0.0.1:@TCP@", "tcp:localhost:@TCP@", "tcp:",
	"nosuch:x", ":x", "hash:", "ldap:x", "mysql:x", "sqlite:/x",
}

const typesText = "a\tone\nb  two words \nUPPER\tvalue\nroot@example.com\tx@example.org\n10.1.2.3 addr\näöß\tumlaut\nspace%20\tpercent%25 \"quoted\"\n"

// keysAsked are asked of every table.
var keysAsked = []string{"a", "A", "b", "c", "x", "upper", "UPPER", "root@example.com", "ROOT@Example.COM", "10.1.2.3", "192.0.2.1", "2001:db8::1", "root", "daemon", "Root",
	"nosuchkey", "path", "PATH", "ÄÖß", "ÄÖSS", "space%20", "two words", "a b", " a", "a,b", "-"}

// TestTypesAnswerAsPostmap compares the table types with postmap -q: what they
// answer, what they refuse, and why.
func TestTypesAnswerAsPostmap(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:hash", "map:cdb", "map:lmdb", "map:pcre")
	dir := real.ConfigDir
	for name, text := range map[string]string{"text": typesText, "btree": typesText, "upper": typesText, "cidr": "10.0.0.0/8 ten\n!192.0.2.0/24 other\nbad\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"hash:" + dir + "/text"}, {"btree:" + dir + "/btree"}, {"cdb:" + dir + "/text"}, {"lmdb:" + dir + "/text"}, {"-f", "hash:" + dir + "/upper"}} {
		real.MustRun(realpostfix.Call{Name: "postmap", Args: args})
	}

	ctx := context.Background()
	o := &table.Opener{Types: Types(), Options: table.Options{UTF8: true}}
	text, err := o.Open(ctx, "texthash:"+dir+"/text")
	if err != nil {
		t.Fatal(err)
	}
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	sockets := socketmap.Server{Tables: map[string]table.Table{"text": text}}
	tcps := tcptable.Server{Table: text}
	onSocket, onUnix, onTCP := listen("tcp", "127.0.0.1:0"), listen("unix", dir+"/sock"), listen("tcp", "127.0.0.1:0")
	go sockets.Serve(onSocket)
	go sockets.Serve(onUnix)
	go tcps.Serve(onTCP)
	defer sockets.Shutdown(ctx)
	defer tcps.Shutdown(ctx)
	port := func(l net.Listener) string { return fmt.Sprint(l.Addr().(*net.TCPAddr).Port) }

	// Each spec is asked for all keys at once, and once for each key that ends
	// badly there: postmap ends at the first error.
	var calls []realpostfix.Call
	names := slices.Clone(specs)
	for i, spec := range names {
		names[i] = strings.NewReplacer("@DIR@", dir, "@SOCKETMAP@", port(onSocket), "@TCP@", port(onTCP)).Replace(spec)
		calls = append(calls, realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", names[i]}, Stdin: strings.Join(keysAsked, "\n") + "\n"})
	}
	// PATH is in the environment of the tools; a variable in lower case is not.
	os.Setenv("path", "lower")
	defer os.Unsetenv("path")
	for i := range calls {
		calls[i].Env = []string{"path=lower"}
	}
	answers, refused := 0, 0
	for i, res := range real.RunAll(calls) {
		spec := names[i]
		got, failed := "", error(nil)
		tab, err := o.Open(ctx, spec)
		if err != nil {
			failed = err
		} else {
			for _, key := range keysAsked {
				v, found, err := tab.Lookup(ctx, key)
				if err != nil {
					failed = err
					break
				}
				if found {
					got += key + "\t" + v + "\n"
					answers++
				}
			}
			tab.Close()
		}
		if got != res.Stdout || (failed != nil) != strings.Contains(res.Stderr, "fatal:") {
			t.Errorf("%s\n    got %q, error %v\npostmap %q, %s", spec, got, failed, res.Stdout, res.Stderr)
			continue
		}
		if failed == nil {
			continue
		}
		refused++
		_, why, _ := strings.Cut(strings.TrimSpace(res.Stderr), "fatal: ")
		if why := sameWords(why); !strings.Contains(strings.ReplaceAll(failed.Error(), `\"`, `"`), why) {
			t.Errorf("%s\n    error %v\npostmap %s", spec, failed, why)
		}
	}
	t.Logf("%d tables, %d answers, %d refused", len(specs), answers, refused)
}

// sameWords are the words of a fatal error of postmap that ours has too. A
// failed lookup is "query error" with no more than the C library's text, and
// the C library and Go say different things about files.
func sameWords(why string) string {
	for _, part := range []string{": query error", "No such file or directory"} {
		if strings.Contains(why, part) {
			return ""
		}
	}
	return strings.TrimPrefix(why, "open dictionary: ") // ours begins with the name of the package
}

// TestTypesAreThoseOfPostfix: what "postconf -m" of 3.12 lists, apart from the
// types that need a library or a service of their own.
func TestTypesAreThoseOfPostfix(t *testing.T) {
	got := slices.Sorted(maps.Keys(Types()))
	want := []string{"bolt", "btree", "cdb", "cidr", "debug", "environ", "fail", "hash", "inline", "internal", "lmdb", "pcre", "pipemap", "randmap", "regexp", "socketmap",
		"static", "tcp", "texthash", "unionmap", "unix"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOpen(t *testing.T) {
	ctx := context.Background()
	tab, err := Open(ctx, "unionmap:{inline:{Key=1}, cidr:{{10.0.0.0/8 ten}}}")
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	if v, found, err := tab.Lookup(ctx, "KEY"); v != "1" || !found || err != nil {
		t.Errorf("got %q, %v, %v", v, found, err)
	}
	var unknown *table.UnknownTypeError
	if _, err := Open(ctx, "nosuch:x"); !errors.As(err, &unknown) {
		t.Errorf("got %v", err)
	}
}
