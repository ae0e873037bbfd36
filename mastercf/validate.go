package mastercf

import (
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
)

// wrongField says what is wrong with the value of a column; "" when nothing is.
// What is refused here makes postconf(1) and master(8) refuse the whole file.
func wrongField(c Field, v string) string {
	switch c {
	case FieldType:
		if !Type(v).Valid() {
			return fmt.Sprintf("invalid service type %q (want inet, unix, unix-dgram, fifo or pass)", v)
		}
	case FieldPrivate, FieldUnprivileged, FieldChroot:
		if v != "y" && v != "n" && v != "-" {
			return fmt.Sprintf("invalid %s field %q (want y, n or -)", c, v)
		}
	case FieldWakeup:
		if v != "-" && (!digits(strings.TrimSuffix(v, "?")) || v == "?") {
			return fmt.Sprintf("invalid wakeup field %q (want seconds, seconds? or -)", v)
		}
	case FieldProcessLimit:
		if v != "-" && !digits(v) {
			return fmt.Sprintf("invalid process_limit field %q (want a number or -)", v)
		}
	}
	return ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (f *File) reportColumns(s *Service) {
	if i := strings.IndexByte(s.text.s, 0); i >= 0 {
		f.report(diag.Error, "", s.text.span(i, i+1), "NUL byte: Postfix does not read the rest of this entry")
	}
	for c := FieldService; c <= FieldCommand; c++ {
		v := s.Field(c)
		if m := wrongField(c, v); m != "" {
			if near := misplaced(s, c); near != "" {
				m += near
			}
			f.report(diag.Error, "", s.FieldSpan(c), m)
		}
	}
	for _, a := range s.args {
		if a.kind == argValue && a.inner.start == 0 {
			continue // File.Check has more to say about it
		}
		if a.wrong != "" && a.kind != argO {
			f.report(diag.Error, "", s.text.span(a.start, a.end), fmt.Sprintf("%s in %q", a.wrong, s.text.s[a.start:a.end]))
		} else if a.wrong != "" {
			f.report(diag.Error, "", s.text.span(a.start, a.end), a.wrong)
		}
	}
}

// misplaced guesses the reason when columns are in the wrong place.
func misplaced(s *Service, c Field) string {
	if c == FieldType && Type(s.Field(FieldPrivate)).Valid() {
		return "; the name before it contains white space"
	}
	if c > FieldType && c < FieldCommand && len(s.args) == 0 {
		if _, known := LookupDaemon(s.Field(c)); known {
			return "; a column before it is missing"
		}
	}
	return ""
}

func (f *File) reportShort(s *Service) {
	toks := tokens(s.text.s)
	end := len(s.text.s)
	start := 0
	if len(toks) > 0 {
		start, end = toks[0].start, toks[len(toks)-1].end
	}
	f.report(diag.Error, "", s.text.span(start, end), fmt.Sprintf("%d fields where a service has at least 8: service type private unprivileged chroot wakeup process_limit command", len(toks)))
}
