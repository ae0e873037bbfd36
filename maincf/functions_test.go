package maincf

import "testing"

func TestDomainFunctions(t *testing.T) {
	for _, c := range []struct{ u, a string }{
		{"example.com", "example.com"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"münchen.de", "xn--mnchen-3ya.de"},
		{"faß.de", "xn--fa-hia.de"},
		{"пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"},
		{"例え.テスト", "xn--r8jz45g.xn--zckzah"},
		{"उदाहरण.परीक्षा", "xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g"},
	} {
		if got, err := domainToASCII(c.u); err != nil || got != c.a {
			t.Errorf("to ASCII %q: %q %v, want %q", c.u, got, err, c.a)
		}
		if got, err := domainToUTF8(c.a); err != nil || got != c.u {
			t.Errorf("to UTF-8 %q: %q %v, want %q", c.a, got, err, c.u)
		}
	}
	if got, _ := domainToASCII("BÜCHER.Example"); got != "xn--bcher-kva.example" {
		t.Errorf("upper case: %q", got)
	}
	if got, _ := domainToASCII("Example.COM"); got != "Example.COM" {
		t.Errorf("ASCII has to stay: %q", got)
	}
	// Postfix takes "_" in host names.
	if got, err := domainToUTF8("_dmarc.xn--tda.de"); got != "_dmarc.ü.de" || err != nil {
		t.Errorf("underscore: %q, %v", got, err)
	}
	for _, bad := range []string{"\xff.de", "a ü", "ü..de", "-ü", "u\u0308.de", "ﬁü", "\u0301ü"} {
		if got, err := domainToASCII(bad); err == nil {
			t.Errorf("%q: %q, want an error", bad, got)
		}
	}
	for _, bad := range []string{"xn--\x7f", "xn--99999999", "xn--a", "xn--abc-", "xn--tda. ", "xn--tda..de"} {
		if got, err := domainToUTF8(bad); err == nil {
			t.Errorf("%q: %q, want an error", bad, got)
		}
	}
	e := env(t, "myorigin = ${domain_to_ascii{ bücher.$mydomain }}\nmyhostname = mx.ü.de\nbad = ${nosuch{x}}\n")
	if v, err := e.Eval("myorigin"); err != nil || v.Text != "xn--bcher-kva.xn--tda.de" {
		t.Errorf("in a value: %q %v", v.Text, err)
	}
	if _, err := e.Eval("bad"); err == nil {
		t.Error("unknown function: no error")
	}
	e.Version = Version{Major: 3, Minor: 10}
	if _, err := e.Eval("myorigin"); err == nil {
		t.Error("3.10 has no functions")
	}
}

func FuzzDomain(f *testing.F) {
	for _, s := range []string{"bücher.example", "xn--bcher-kva", "例え", "xn--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := domainToUTF8(s); err == nil && isASCII(s) && u != s {
			if a, err := domainToASCII(u); err != nil {
				t.Fatalf("%q -> %q -> %v", s, u, err)
			} else if back, err := domainToUTF8(a); err != nil || back != u {
				t.Fatalf("%q -> %q -> %q -> %q %v", s, u, a, back, err)
			}
		}
		if a, err := domainToASCII(s); err == nil && a != s {
			if u, err := domainToUTF8(a); err != nil {
				t.Fatalf("%q -> %q -> %q %v", s, a, u, err)
			}
		}
	})
}
