package maincf

import "strings"

// Format returns src in a stable layout and never changes what Postfix reads:
//
//   - "name = value" with one space at each side of "=";
//   - no white space at the end of lines, LF at the end of every line;
//   - comments outside values start in the first column;
//   - one blank line at most in a row, none at the start and the end;
//   - the lines of a list start with four spaces, unless it has braces.
//
// White space inside a value that is not a list (smtpd_banner, say) is part
// of the value and stays as it is, across lines too. A file with lines that
// are not "name = value" is an error, the one of [Parse].
func Format(src []byte) ([]byte, error) {
	f, err := Parse("", src)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	blank := false
	for e := range f.Entries() {
		switch e := e.(type) {
		case *Blank:
			blank = b.Len() > 0
			continue
		case *Comment:
			writeBlank(&b, &blank)
			b.WriteString(trim(e.raw) + "\n")
		case *Assignment:
			writeBlank(&b, &blank)
			b.WriteString(e.formatted())
		}
	}
	return []byte(b.String()), nil
}

func writeBlank(b *strings.Builder, blank *bool) {
	if *blank {
		b.WriteByte('\n')
	}
	*blank = false
}

// formatted returns the text of an assignment in the layout of Format.
func (a *Assignment) formatted() string {
	head := a.Name() + " ="
	value, _, _ := strings.Cut(a.raw, "\n")
	if len(value) <= int(a.eq) || strings.Contains(a.raw, "\x00") {
		// "=" on a continuation line, or text after a NUL byte, which Postfix
		// does not read but somebody wrote.
		return trimRight(a.raw) + "\n"
	}
	first := strings.TrimLeft(value[a.eq+1:], " \t\r\v\f")
	if !a.multi {
		if first = trim(first); first != "" {
			head += " " + first
		}
		return head + "\n"
	}
	list := isList(a.Name()) && !strings.ContainsAny(a.raw, "{\v\f")
	_, rest, _ := strings.Cut(a.raw, "\n")
	var b strings.Builder
	b.WriteString(head)
	if list {
		first = trim(first)
	}
	if trim(first) != "" {
		b.WriteString(" " + first)
	}
	b.WriteByte('\n')
	begun := trim(first) != ""
	rest = trimRight(rest)
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		text := trim(line)
		switch {
		case text == "":
		case text[0] == '#' || list:
			b.WriteString("    " + text)
		case !begun:
			// The first text of a value: what is before it does not count.
			b.WriteString("    " + strings.TrimLeft(line, " \t\r\v\f"))
		default:
			b.WriteString(line)
		}
		begun = begun || text != "" && text[0] != '#'
		b.WriteByte('\n')
	}
	return b.String()
}
