package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Spec
		ok   bool
	}{
		{"hash:/etc/postfix/access", Spec{"hash", "/etc/postfix/access"}, true},
		{"proxy:unix:passwd.byname", Spec{"proxy", "unix:passwd.byname"}, true},
		{"tcp:[::1]:4000", Spec{"tcp", "[::1]:4000"}, true},
		{"hash:", Spec{}, false},
		{":x", Spec{}, false},
		{"access", Spec{}, false},
		{"", Spec{}, false},
	} {
		got, err := ParseSpec(c.in)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("ParseSpec(%q) = %v, %v; want %v, ok %v", c.in, got, err, c.want, c.ok)
		}
		if c.ok && got.String() != c.in {
			t.Errorf("%q prints as %q", c.in, got)
		}
		if !c.ok && !strings.Contains(err.Error(), quote(c.in)) {
			t.Errorf("ParseSpec(%q): error %q does not name it", c.in, err)
		}
	}
}

func TestElements(t *testing.T) {
	for in, want := range map[string][]string{
		"":                                 nil,
		" ,\t ":                            nil,
		"hash:/a, cidr:/b\n\tregexp:/c":    {"0 hash:/a", "9 cidr:/b", "18 regexp:/c"},
		"inline:{ {a b = c}, d=e } x":      {"0 inline:{ {a b = c}, d=e }", "26 x"},
		"pcre:{{/a b/ OK}},unionmap:{a,b}": {"0 pcre:{{/a b/ OK}}", "18 unionmap:{a,b}"},
		"a}b c{d e":                        {"0 a}b", "4 c{d e"},
	} {
		var got []string
		for at, e := range Elements(in) {
			got = append(got, fmt.Sprint(at, " ", e))
			if in[at:at+len(e)] != e {
				t.Errorf("Elements(%q): offset %d is not that of %q", in, at, e)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("Elements(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestParseSpecsReportsAll(t *testing.T) {
	specs, err := ParseSpecs("hash:/a, nonsense, cidr:/b, hash:")
	if len(specs) != 2 || specs[1].Type != "cidr" {
		t.Errorf("got %v", specs)
	}
	if err == nil || !strings.Contains(err.Error(), "nonsense") || !strings.Contains(err.Error(), `"hash:"`) {
		t.Errorf("error does not name both: %v", err)
	}
}

type closeCounter struct {
	Func
	closed *int
}

func (c closeCounter) Close() error { *c.closed++; return nil }

func TestOpener(t *testing.T) {
	ctx := context.Background()
	closed := 0
	broken := errors.New("broken")
	o := &Opener{Types: map[string]OpenFunc{
		"one": func(_ context.Context, _ *Opener, name string) (Closer, error) {
			return closeCounter{func(_ context.Context, key string) (string, bool, error) {
				return name, key == name, nil
			}, &closed}, nil
		},
		"bad": func(context.Context, *Opener, string) (Closer, error) { return nil, broken },
		"err": func(context.Context, *Opener, string) (Closer, error) {
			return NopCloser(Func(func(context.Context, string) (string, bool, error) { return "", false, broken })), nil
		},
	}}
	tab, err := o.OpenList(ctx, "one:a, one:b err:x one:c")
	if err != nil {
		t.Fatal(err)
	}
	if v, found, err := tab.Lookup(ctx, "b"); v != "b" || !found || err != nil {
		t.Errorf("b: got %q, %v, %v", v, found, err)
	}
	if _, found, err := tab.Lookup(ctx, "c"); found || !errors.Is(err, broken) {
		t.Errorf("c is behind an error: got %v, %v", found, err)
	}
	if tab.Close(); closed != 3 {
		t.Errorf("closed %d tables, want 3", closed)
	}
	closed = 0
	if _, err := o.OpenList(ctx, "one:a bad:x one:b"); !errors.Is(err, broken) || closed != 1 {
		t.Errorf("got %v, closed %d; want the error and 1", err, closed)
	}
	var unknown *UnknownTypeError
	if _, err := o.Open(ctx, "two:a"); !errors.As(err, &unknown) || unknown.Type != "two" || !slices.Equal(unknown.Known, []string{"bad", "err", "one"}) {
		t.Errorf("got %v", err)
	}
	if _, err := new(Opener).Open(ctx, "hash:/a"); !errors.As(err, &unknown) {
		t.Errorf("zero Opener: got %v", err)
	}
}

func FuzzElements(f *testing.F) {
	for _, s := range []string{"hash:/a, b:c", "inline:{ {a=b} }", "a}b{c d", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at := 0
		for start, e := range Elements(s) {
			if strings.Trim(s[at:start], ", \t\r\n") != "" || s[start:start+len(e)] != e || e == "" {
				t.Fatalf("%q: element %q at %d loses text", s, e, start)
			}
			if n := 0; true {
				for _, again := range Elements(e) {
					if n++; again != e {
						t.Fatalf("%q: element %q is not one element", s, e)
					}
				}
			}
			at = start + len(e)
		}
		if strings.Trim(s[at:], ", \t\r\n") != "" {
			t.Fatalf("%q: the end is lost", s)
		}
	})
}
