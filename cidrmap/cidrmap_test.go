package cidrmap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/inet"
	"github.com/postfixkit/postfixkit/table"
)

// addresses that matter to a table: the ends of its networks, what is next to
// them, and some others.
func addresses(t *Table, r *rand.Rand) []netip.Addr {
	var all []netip.Addr
	for i := range t.rules {
		s := t.rules[i].keys()
		for _, k := range []key{s.from, s.to, s.from.before(), s.to.next()} {
			all = append(all, k.addr(t.rules[i].is4))
		}
	}
	for range 8 {
		all = append(all, key{r.Uint64(), r.Uint64()}.addr(true), key{r.Uint64(), r.Uint64()}.addr(false))
	}
	return all
}

// check compares the trees with trying one rule after the other.
func check(t testing.TB, tab *Table, r *rand.Rand) {
	t.Helper()
	reached := map[int32]bool{}
	for _, addr := range addresses(tab, r) {
		got, want := tab.find(addr), tab.findPlain(addr)
		if got != want {
			t.Fatalf("%v: rule %d, want %d", addr, got, want)
		}
		reached[got] = true
		if value, found := tab.LookupAddr(addr); value != tab.result(want) || found != (want >= 0) {
			t.Fatalf("%v: got %q, %v, want %q", addr, value, found, tab.result(want))
		}
	}
	if tab.plain {
		return
	}
	for i := range tab.rules {
		if reached[int32(i)] != tab.used[i] {
			t.Fatalf("rule %d: can match %v, want %v", i, tab.used[i], reached[int32(i)])
		}
	}
}

// checkParse compares the fast way of parsing lines with the general one.
func checkParse(t testing.TB, src []byte) {
	t.Helper()
	fast, err := parse("table", src, true, nil)
	simple, want := parse("table", src, false, nil)
	if fmt.Sprint(err) != fmt.Sprint(want) {
		t.Fatalf("findings\n%v\nwant\n%v", err, want)
	}
	if got, want := slices.Collect(fast.Rules()), slices.Collect(simple.Rules()); !reflect.DeepEqual(got, want) {
		t.Fatalf("rules\n%+v\nwant\n%+v", got, want)
	}
}

// source makes a table of n random rules that overlap, in blocks.
func source(r *rand.Rand, n int) string {
	var b strings.Builder
	depth := 0
	network := func() string {
		not := ""
		if r.IntN(4) == 0 {
			not = "!"
		}
		var a [16]byte
		for i := range a {
			if r.IntN(3) == 0 {
				a[i] = byte(r.IntN(256))
			}
		}
		if r.IntN(2) == 0 {
			a[0] = 10
			return not + netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), r.IntN(33)).Masked().String()
		}
		a[0], a[1] = 0x20, 1
		return not + netip.PrefixFrom(netip.AddrFrom16(a), r.IntN(129)).Masked().String()
	}
	for i := range n {
		switch r.IntN(12) {
		case 0:
			fmt.Fprintf(&b, "if %s\n", network())
			depth++
		case 1:
			if depth > 0 {
				b.WriteString("endif\n")
				depth--
			}
		default:
			text := ""
			if r.IntN(20) == 0 {
				text = strings.Repeat("long ", r.IntN(60))
			}
			fmt.Fprintf(&b, "%s rule %d %s\n", network(), i, text)
		}
	}
	return b.String()
}

func TestTreeIsSearchInOrder(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		src := source(r, 1+r.IntN(200))
		tab, _ := Parse("random", []byte(src))
		if tab.plain {
			t.Errorf("seed %d has no trees", seed)
		}
		check(t, tab, r)
		checkParse(t, []byte(src))
	}
}

// Tables of the kinds that the index has something special for.
func TestLargeTables(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	network4 := func(first, bits int) string {
		u := r.Uint32()>>8 | uint32(first)<<24
		return netip.PrefixFrom(key{hi: uint64(u) << 32}.addr(true), bits).Masked().String()
	}
	network6 := func(hi uint64, bits int) string {
		return netip.PrefixFrom(key{hi, r.Uint64()}.addr(false), bits).Masked().String()
	}
	const rules = 1200
	for name, line := range map[string]func(i int) string{
		"even":          func(i int) string { return network4(r.IntN(256), 16+r.IntN(17)) + fmt.Sprint(" rule ", i) },
		"dense":         func(i int) string { return fmt.Sprintf("10.1.%d.%d rule %d", i*3>>8&255, i*3&255, i) },
		"dense at ends": func(i int) string { return network4(r.IntN(2)*255, 32-r.IntN(3)*i%3) + fmt.Sprint(" rule ", i) },
		"few results":   func(i int) string { return network4(10, 8+r.IntN(25)) + fmt.Sprint(" rule ", i%100) },
		"long results": func(i int) string {
			return network4(10, 8+r.IntN(25)) + strings.Repeat(" long", r.IntN(40)) + fmt.Sprint(" rule ", i)
		},
		"one long": func(i int) string {
			if i == rules-1 {
				return "0.0.0.0/0 " + strings.Repeat("x", 120)
			}
			return network4(10, 32) + fmt.Sprint(" ", i)
		},
		"IPv6": func(i int) string {
			return network6(0x2001<<48|r.Uint64()>>16, 16+r.IntN(49)) + fmt.Sprint(" rule ", i)
		},
		"IPv6 clusters": func(i int) string {
			return network6(0x20010db8<<32|uint64(r.IntN(3))<<30|r.Uint64()>>(40+r.IntN(20)), 40+r.IntN(25)) + fmt.Sprint(" rule ", i)
		},
		"IPv6 addresses": func(i int) string {
			return network6(0x20010db8<<32|uint64(r.IntN(900)), 128-r.IntN(2)*r.IntN(100)) + fmt.Sprint(" rule ", i)
		},
		"IPv6 chain": func(i int) string { return network6(1<<(i%64), 128-i%129) + fmt.Sprint(" rule ", i) },
	} {
		var b strings.Builder
		for i := range rules {
			b.WriteString(line(i) + "\n")
		}
		tab, err := Parse(name, []byte(b.String()))
		if err != nil || tab.plain {
			t.Fatal(err, tab.plain)
		}
		check(t, tab, r)
		checkParse(t, []byte(b.String()))
	}
}

// Blocks of "if !" in each other are the odd shape that trees are not made for.
func TestOddShape(t *testing.T) {
	var b strings.Builder
	const n = 3000
	for i := range n {
		fmt.Fprintf(&b, "if !10.%d.%d.0/24\n0.0.0.0/0 rule %d\n", i>>7, i&127*2, i)
	}
	tab, err := Parse("odd", []byte(b.String()))
	if !tab.plain || err == nil {
		t.Errorf("plain %v, error %v", tab.plain, err != nil)
	}
	if r, ok := tab.Match(netip.MustParseAddr("10.0.5.0")); !ok || r.Result != "rule 0" {
		t.Errorf("got %+v", r)
	}
	if n := len(slices.Collect(tab.Unreachable())); n != 0 {
		t.Errorf("%d rules are called unreachable, which was not looked at", n)
	}
}

const example = `# comment
192.168.1.1     OK
192.168.0.0/16
  REJECT private

if 2001:db8::/32
!2001:db8:1::/48 REJECT not from here
if !2001:db8:1:2::/64
[2001:db8:1::]/48 HOLD
endif
endif
192.168.7.0/24  never
10.0.0.1/8      wrong
1.0.0.0/264     strange
`

func TestTable(t *testing.T) {
	tab, err := Parse("client.cidr", []byte(example))
	var found diag.List
	errors.As(err, &found)
	if want := "client.cidr:13:1: error: non-null host address bits in \"10.0.0.1/8\", perhaps you should use \"10.0.0.0/8\" instead: skipping this rule\n" +
		"client.cidr:14:1: warning: mask length 264 is taken for 8 by Postfix, want 0 to 32 [cidr-mask-overflow]"; found.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", found, want)
	}
	ctx := context.Background()
	for key, want := range map[string]string{
		"192.168.1.1": "OK", "192.168.1.2": "REJECT private", "192.168.7.1": "REJECT private", "2001:db8::1": "REJECT not from here",
		"2001:db8:1::1": "HOLD", "2001:db8:1:2::1": "", "10.0.0.1": "", "1.2.3.4": "strange", "x": "", "": "", "::ffff:192.168.1.1": "", "192.168.1": "",
	} {
		if v, ok, err := tab.Lookup(ctx, key); v != want || ok != (want != "") || err != nil {
			t.Errorf("%s: got %q, %v, %v; want %q", key, v, ok, err, want)
		}
	}
	r, ok := tab.Match(netip.MustParseAddr("2001:db8:1::1"))
	if !ok || r.Line != 9 || r.Prefix.String() != "2001:db8:1::/48" || len(r.If) != 2 || !r.If[1].Negated || r.If[0].Line != 6 {
		t.Errorf("got %+v", r)
	}
	if file, line, ok := tab.Locate(ctx, "192.168.9.9"); file != "client.cidr" || line != 3 || !ok {
		t.Errorf("got %s:%d, %v", file, line, ok)
	}
	dead := slices.Collect(tab.Unreachable())
	if len(dead) != 1 || dead[0].Line != 12 {
		t.Errorf("unreachable: %+v", dead)
	}
	if tab.Len() != 6 || len(slices.Collect(tab.Rules())) != 6 {
		t.Errorf("%d rules", tab.Len())
	}
}

func TestType(t *testing.T) {
	ctx := context.Background()
	var told error
	o := &table.Opener{
		Types:  map[string]table.OpenFunc{"cidr": Type},
		FS:     fstest.MapFS{"t": &fstest.MapFile{Data: []byte("10.0.0.0/8 ten\nbad\n")}},
		Report: func(spec string, err error) { told = fmt.Errorf("%s: %w", spec, err) },
	}
	for spec, want := range map[string]string{"cidr:t": "ten", "cidr:{{1.1.1.1 x},{10.0.0.0/8 y}}": "y"} {
		tab, err := o.Open(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		if v, _, _ := tab.Lookup(ctx, "10.1.1.1"); v != want || !table.IsPattern(tab) {
			t.Errorf("%s: got %q", spec, v)
		}
		tab.Close()
	}
	if told == nil || !strings.Contains(told.Error(), "cidr:t: t:2:1: error: bad address pattern: \"bad\": skipping this rule") {
		t.Errorf("reported: %v", told)
	}
	for spec, want := range map[string]string{
		"cidr:nothing": "file does not exist", "cidr:{{1.1.1.1 x}": "missing '}'", "cidr:{x}": "no '{' at start", "cidr:{{a b}}x": "syntax error after '}'",
	} {
		if _, err := o.Open(ctx, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", spec, err, want)
		}
	}
	if _, err := ParseFile(nil, t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

// FuzzCIDR: the trees give what trying one rule after the other gives.
func FuzzCIDR(f *testing.F) {
	f.Add([]byte(example), uint64(1))
	for seed := range uint64(4) {
		f.Add([]byte(source(rand.New(rand.NewPCG(seed, 2)), 20)), seed)
	}
	for _, line := range odd {
		f.Add([]byte(line+"\n"), uint64(0))
	}
	f.Fuzz(func(t *testing.T, src []byte, seed uint64) {
		if len(src) > 4096 {
			return
		}
		tab, _ := Parse("fuzz", src)
		check(t, tab, rand.New(rand.NewPCG(seed, 3)))
		checkParse(t, src)
		for r := range tab.Rules() {
			if again, ok := inet.Parse(inet.String(r.Prefix.Addr())); !ok || again != r.Prefix.Addr() {
				t.Fatalf("%v prints as %s", r.Prefix, inet.String(r.Prefix.Addr()))
			}
		}
	})
}

// FuzzAddress: an address is what inet.Parse takes for one.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"1.2.3.4", "255.255.255.255", "256.1.1.1", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1..2.3", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8",
		"1:2:3:4:5:6:7::8", "1:2:3:4:5:6:7:8:", ":1", "1:", ":::", "1::2::3", "00001::", "::1.2.3.4", "fe80::1%lo", "2001:DB8::aBcD", "1:2:3:4:5:6:7", "g::", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseAddr(s)
		if want, valid := inet.Parse(s); got != want || ok != valid {
			t.Fatalf("%q: got %v, %v, want %v, %v", s, got, ok, want, valid)
		}
	})
}

// TestReadFile: results that are lists of files, as with postmap -F. There are
// no blocks then, and a result may be empty.
func TestReadFile(t *testing.T) {
	o := &table.Opener{Types: map[string]table.OpenFunc{"cidr": Type}, Options: table.Options{ReadFile: func(name string) ([]byte, error) {
		return fs.ReadFile(fstest.MapFS{"f": {Data: []byte("x")}, "empty": {}}, name)
	}}}
	var warned []string
	o.Report = func(_ string, err error) { warned = append(warned, err.Error()) }
	tab, err := o.Open(t.Context(), "cidr:{ {1.0.0.0/8 f, f}, {if 2.0.0.0/8}, {2.2.2.2 empty}, {endif}, {3.3.3.3 none}, {!::/0 f} }")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"1.2.3.4": "eAp4 true", "2.2.2.2": " true", "3.3.3.3": " false", "::1": " false"} {
		v, found, err := tab.Lookup(t.Context(), key)
		if got := fmt.Sprintf("%s %v", v, found); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %s", key, got, err, want)
		}
	}
	all := strings.Join(warned, "\n")
	for _, part := range []string{"empty pathname list: >><<': skipping this rule", "ENDIF without IF: skipping this rule", "open none: No such file or directory: skipping this rule"} {
		if !strings.Contains(all, part) {
			t.Errorf("%q is not said:\n%s", part, all)
		}
	}
}
