package addressmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/table"
)

func entries(list ...string) []table.Table {
	m := table.Inline()
	for i := 0; i < len(list); i += 2 {
		m.Put(list[i], list[i+1])
	}
	return []table.Table{m}
}

func TestCanonicalAndGeneric(t *testing.T) {
	ctx := context.Background()
	m := Map{Delimiters: "+", Propagate: true, Origin: "origin.example", Domain: "example.com", Tables: entries(
		"a@example.com", "b@example.com", "b@example.com", "c@example.net", "@old.example", "@new.example", "short@example.com", "user", "host@example.com", "user@mail",
		"x@example.com", "y@example.com", "y@example.com", "x@example.com", "two@example.com", "one@example.org, other@example.org", "same@example.com", "Same@Example.com",
	)}
	for addr, want := range map[string]string{
		"a@example.com": "c@example.net", "a+e@example.com": "c+e@example.net", "joe@old.example": "joe@new.example", "joe+e@old.example": "joe+e@new.example",
		"short@example.com": "user@origin.example", "host@example.com": "user@mail.example.com", "none@example.com": "none@example.com",
		"two@example.com": "one@example.org", "same@example.com": "Same@Example.com",
	} {
		if got, err := m.Canonical(ctx, addr); got != want || err != nil {
			t.Errorf("Canonical(%s) = %q, %v, want %q", addr, got, err, want)
		}
	}
	if _, err := m.Canonical(ctx, "x@example.com"); !errors.Is(err, ErrNesting) {
		t.Errorf("loop: %v", err)
	}
	if got, err := m.Generic(ctx, "a+e@example.com"); got != "b+e@example.com" || err != nil {
		t.Errorf("Generic: %q, %v", got, err)
	}
	m.Propagate = false
	if got, _ := m.Generic(ctx, "a+e@example.com"); got != "b@example.com" {
		t.Errorf("without propagation: %q", got)
	}
	m.Tables = []table.Table{table.Fail(nil)}
	if _, err := m.Canonical(ctx, "a@example.com"); !table.IsTemporary(err) {
		t.Errorf("failing table: %v", err)
	}
}

func TestVirtualLimits(t *testing.T) {
	ctx := context.Background()
	var wide []string
	for i := range 1001 {
		wide = append(wide, fmt.Sprintf("u%d@example.org", i))
	}
	m := Map{Tables: entries("wide@x.example", strings.Join(wide, ","), "long@x.example", strings.Repeat("l", 1001)+"@x.example",
		"twice@x.example", "twice@x.example, twice@x.example, more@x.example", "empty@x.example", ",")}
	for addr, want := range map[string]bool{"wide@x.example": true, "long@x.example": true, "twice@x.example": false, "empty@x.example": false} {
		if list, err := m.Virtual(ctx, addr); errors.Is(err, ErrNesting) != want {
			t.Errorf("%s: %d addresses, %v", addr, len(list), err)
		}
	}
	if got, _ := m.Virtual(ctx, "twice@x.example"); !slices.Equal(got, []string{"twice@x.example", "more@x.example"}) {
		t.Errorf("got %q", got)
	}
}

// TestVirtualCircle has two addresses that lead to each other, with many more
// on the way: they must not be collected until the circle is found.
func TestVirtualCircle(t *testing.T) {
	more := strings.Repeat(", more@x.example", 10_000)
	m := Map{Tables: entries("a@x.example", "b@x.example"+more, "b@x.example", "a@x.example"+more)}
	asked := 0
	m.Trace = func(table.Step) { asked++ }
	if _, err := m.Virtual(context.Background(), "a@x.example"); !errors.Is(err, ErrNesting) || asked > 1 {
		t.Errorf("%d lookups, %v", asked, err)
	}
}

func TestTransport(t *testing.T) {
	ctx := context.Background()
	m := Map{Tables: entries("user@example.com", "smtp:[192.0.2.1]:2525", ".example.com", ":[relay.example]", "example.net", "lmtp", "*", "discard:gone")}
	var tried []string
	m.Trace = func(s table.Step) { tried = append(tried, s.Key) }
	for addr, want := range map[string]string{
		"user@example.com": "smtp:[192.0.2.1]:2525", "x@a.b.example.com": ":[relay.example]", "x@example.net": "lmtp: (addressmap: no colon in transport \"lmtp\", taken for \"lmtp:\")",
		"x@example.com": "discard:gone", "x@tld": "discard:gone",
	} {
		r, found, err := m.Transport(ctx, addr)
		got := r.String()
		if err != nil {
			got += " (" + err.Error() + ")"
		}
		if got != want || !found {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	tried = nil
	m.Transport(ctx, "x@a.b.example.com")
	if want := []string{"x@a.b.example.com", "a.b.example.com", ".b.example.com", ".example.com"}; !slices.Equal(tried, want) {
		t.Errorf("tried %q, want %q", tried, want)
	}
	r, _ := ParseRoute("smtp:[a.example]:25, b.example 192.0.2.1")
	if got := r.NextHops(); !slices.Equal(got, []string{"[a.example]:25", "b.example", "192.0.2.1"}) {
		t.Errorf("next hops %q", got)
	}
}

func TestRelocated(t *testing.T) {
	ctx := context.Background()
	m := Map{Tables: entries("a@x.example", "b@y.example", "c@x.example", "5.7.1 not any more", "d@x.example", "5.7.1")}
	if got, found, err := m.Relocated(ctx, "a@x.example"); got != (Moved{"5.1.6", "User has moved to b@y.example"}) || !found || err != nil {
		t.Errorf("got %v, %v, %v", got, found, err)
	}
	m.NoRelocatedPrefix = true
	if got, found, err := m.Relocated(ctx, "c@x.example"); got != (Moved{"5.7.1", "not any more"}) || !found || err != nil {
		t.Errorf("got %v, %v, %v", got, found, err)
	}
	for _, addr := range []string{"a@x.example", "d@x.example"} {
		if _, found, err := m.Relocated(ctx, addr); !found || err == nil {
			t.Errorf("%s: %v, %v", addr, found, err)
		}
	}
}

// Nothing found and a broken table are told apart from an empty answer.
func TestNotFound(t *testing.T) {
	ctx := context.Background()
	m := Map{Tables: entries("a@x.example", "b"), NoRelocatedPrefix: true}
	if r, found, err := m.Transport(ctx, "n@y.example"); found || err != nil || r != (Route{}) {
		t.Errorf("transport: %v, %v, %v", r, found, err)
	}
	if moved, found, err := m.Relocated(ctx, "n@y.example"); found || err != nil || moved != (Moved{}) {
		t.Errorf("relocated: %v, %v, %v", moved, found, err)
	}
	m.Tables = []table.Table{table.Fail(nil)}
	if _, found, err := m.Transport(ctx, "n@y.example"); found || !table.IsTemporary(err) {
		t.Errorf("transport: %v, %v", found, err)
	}
	if _, found, err := m.Relocated(ctx, "n@y.example"); found || !table.IsTemporary(err) {
		t.Errorf("relocated: %v, %v", found, err)
	}
}

func TestRelocatedStatus(t *testing.T) {
	for s, want := range map[string]bool{"4.0.0": true, "5.123.999": true, "2.1.1": false, "6.1.1": false, "5.1": false, "5.1.1.1": false, "5.a.1": false, "5.1234.1": false, "5..1": false, "5.1.": false, "": false} {
		if isStatus(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// Extensions, with a domain and without.
func TestExtensionKeys(t *testing.T) {
	texts := func(keys iter.Seq[table.Key]) (all []string) {
		for k := range keys {
			all = append(all, k.Text)
		}
		return all
	}
	m := Map{Delimiters: "+"}
	for addr, want := range map[string][]string{"user": {"user"}, "user+ext": {"user+ext", "user"}, "u+e@d.example": {"u+e@d.example", "u@d.example", "@d.example"}} {
		if got := texts(m.Keys(addr)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	if got, want := texts(m.TransportKeys("u+e@d.example")), []string{"u+e@d.example", "u@d.example", "d.example", ".example", "*"}; !slices.Equal(got, want) {
		t.Errorf("transport: %q, want %q", got, want)
	}
}

// FuzzRoute: what is parsed prints as what it was.
func FuzzRoute(f *testing.F) {
	for _, s := range []string{"smtp:[a]:25", ":", "x:", ":y", "none", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRoute(s)
		if got := r.String(); got != s && (err == nil || got != s+":") {
			t.Fatalf("%q prints as %q", s, got)
		}
		again, err := ParseRoute(r.String())
		if err != nil || again != r {
			t.Fatalf("%q: %v, then %v, %v", s, r, again, err)
		}
	})
}

func Example() {
	m := Map{
		Tables:     entries("joe@example.com", "joe@mail.example.com, jim", "jim", "jim@elsewhere.example"),
		Delimiters: "+",
		Local:      func(domain string) bool { return domain == "example.com" },
		Origin:     "example.com",
		Trace:      func(s table.Step) { fmt.Println("tried", s.Key, s.Found) },
	}
	fmt.Println(m.Virtual(context.Background(), "joe+lists@example.com"))
	// Output:
	// tried joe+lists@example.com false
	// tried joe@example.com true
	// tried joe@mail.example.com false
	// tried @mail.example.com false
	// tried jim@example.com false
	// tried jim true
	// tried jim@elsewhere.example false
	// tried @elsewhere.example false
	// [joe@mail.example.com jim@elsewhere.example] <nil>
}

// What trivial-rewrite(8) adds to an address.
func TestComplete(t *testing.T) {
	for addr, want := range map[string]string{
		"a": "a@o.example", "a@b": "a@b.d.example", "a@b.c": "a@b.c", "a@": "a@", "": "", "a@[192.0.2.1]": "a@[192.0.2.1]", "x@y@b": "x@y@b.d.example",
	} {
		m := Map{Origin: "o.example", Domain: "d.example"}
		if got := m.complete(addr); got != want {
			t.Errorf("%q: %q, want %q", addr, got, want)
		}
		if got := new(Map).complete(addr); got != addr {
			t.Errorf("%q with nothing to add: %q", addr, got)
		}
	}
}
