package maincf

import (
	"bytes"
	"slices"
	"testing"
)

func checkFormat(t *testing.T, src []byte) {
	t.Helper()
	f, err := Parse("", src)
	out, ferr := Format(src)
	if (err != nil) != (ferr != nil) {
		t.Fatalf("Format(%q): %v, Parse: %v", src, ferr, err)
	}
	if err != nil {
		return
	}
	g, err := Parse("", out)
	if err != nil {
		t.Fatalf("Format(%q) = %q: %v", src, out, err)
	}
	var want, got []*Assignment
	for a := range f.All() {
		want = append(want, a)
	}
	for a := range g.All() {
		got = append(got, a)
	}
	if len(got) != len(want) {
		t.Fatalf("Format(%q) = %q: %d settings, want %d", src, out, len(got), len(want))
	}
	for i := range want {
		same := got[i].Value() == want[i].Value()
		if isList(want[i].Name()) {
			same = slices.Equal(got[i].Items(), want[i].Items())
		}
		if got[i].Name() != want[i].Name() || !same {
			t.Fatalf("Format(%q) = %q: reads %s=%q, want %s=%q", src, out,
				got[i].Name(), got[i].Value(), want[i].Name(), want[i].Value())
		}
	}
	if again, err := Format(out); err != nil || !bytes.Equal(again, out) {
		t.Fatalf("Format is not stable:\n%q\n%q\n%v", out, again, err)
	}
	comments := func(b []byte) int { return bytes.Count(b, []byte("#")) }
	if comments(out) != comments(src) {
		t.Fatalf("Format(%q) = %q: lost or made a comment", src, out)
	}
}

func FuzzFormat(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s))
	}
	f.Add([]byte("mynetworks =  a,\r\n\tb ,  # c\r\n#\r\n  d  \n\nsmtpd_banner = a\n    b \n \n c\n"))
	f.Add([]byte("mynetworks =\n\t{ a\n\t\tb }\n# c\n  , d  \n\ninet_interfaces=\n a\n\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) < 1<<12 {
			checkFormat(t, src)
		}
	})
}

func TestFormatCorpus(t *testing.T) {
	for _, src := range corpus(t) {
		checkFormat(t, src)
	}
}

func TestFormat(t *testing.T) {
	src := "\n\n  # top\nmyorigin=  a  \r\n\n\n\nsmtpd_banner = a\n\t b  \nmynetworks =  a,\r\n\tb ,\n# c\n  d  \n\n"
	want := "# top\nmyorigin = a\n\nsmtpd_banner = a\n\t b\nmynetworks = a,\n    b ,\n    # c\n    d\n"
	got, err := Format([]byte(src))
	if err != nil || string(got) != want {
		t.Errorf("got\n%q\nwant\n%q (%v)", got, want, err)
	}
}
