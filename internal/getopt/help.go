package getopt

import (
	"fmt"
	"strings"
)

// Usage is the usage text without the "usage: " in front, as Postfix prints it:
// flags without argument in one cluster, then those with one, then operands.
// Long options are our addition and are left to Help.
func (c *Command) Usage() string {
	lines := c.Synopsis
	if len(lines) == 0 {
		lines = []string{c.generated()}
	}
	return c.Name + " " + strings.Join(lines, "\n       "+c.Name+" ")
}

func (c *Command) generated() string {
	var cluster, rest strings.Builder
	for i := range c.Flags {
		f := &c.Flags[i]
		switch {
		case f.Hidden, f.NoUsage, f.Short == 0:
		case f.Arg == "":
			cluster.WriteByte(f.Short)
		default:
			fmt.Fprintf(&rest, "[-%c %s] ", f.Short, f.Arg)
		}
	}
	line := rest.String() + c.Operands
	if cluster.Len() > 0 {
		line = "[-" + cluster.String() + "] " + line
	}
	return strings.TrimRight(line, " ")
}

// Help is the text of --help: usage, summary and one line per option.
func (c *Command) Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s\n", c.Usage())
	if c.Summary != "" {
		fmt.Fprintf(&b, "\n%s\n", c.Summary)
	}
	for _, group := range []struct {
		title string
		long  bool
	}{{"Options:", false}, {"Long options:", true}} {
		wrote := false
		for i := range c.Flags {
			f := &c.Flags[i]
			if f.Hidden || (f.Short == 0) != group.long {
				continue
			}
			if !wrote {
				fmt.Fprintf(&b, "\n%s\n", group.title)
				wrote = true
			}
			writeOption(&b, f)
		}
	}
	return b.String()
}

const helpColumn, helpWidth = 24, 80

func writeOption(b *strings.Builder, f *Flag) {
	left := "  " + f.forms(" ", "=")
	text := f.Help
	if len(f.Values) > 0 {
		text += " (" + strings.Join(f.Values, ", ") + ")"
	}
	b.WriteString(left)
	column := len(left)
	if column > helpColumn-2 {
		b.WriteByte('\n')
		column = 0
	}
	for _, line := range wrap(text, helpWidth-helpColumn) {
		b.WriteString(strings.Repeat(" ", helpColumn-column) + line + "\n")
		column = 0
	}
	if text == "" && column > 0 {
		b.WriteByte('\n')
	}
}

// forms is "-c DIR, --config=DIR".
func (f *Flag) forms(short, long string) string {
	var all []string
	if f.Short != 0 {
		text := "-" + string(rune(f.Short))
		if f.Arg != "" && f.Long == "" {
			text += short + f.Arg
		}
		all = append(all, text)
	}
	if f.Long != "" {
		text := "--" + f.Long
		if f.Arg != "" {
			text += long + f.Arg
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Man is the manual page as input for man(1). date stands at its foot
// ("November 2026"), version beside it; both may be "".
func (c *Command) Man(version, date string) string {
	section := c.Section
	if section == "" {
		section = "1"
	}
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s %s %q %q\n", strings.ToUpper(c.Name), section, date, version)
	b.WriteString(".ad\n.SH NAME\n")
	fmt.Fprintf(&b, "%s \\- %s\n", roff(c.Name), roff(c.Summary))
	b.WriteString(".SH SYNOPSIS\n.nf\n")
	for line := range strings.SplitSeq(c.Usage(), "\n") {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		fmt.Fprintf(&b, "\\fB%s\\fR %s\n", roff(name), roff(rest))
	}
	b.WriteString(".fi\n")
	if c.Description != "" {
		b.WriteString(".SH DESCRIPTION\n")
		prose(&b, c.Description)
	}
	b.WriteString(".SH OPTIONS\n")
	for i := range c.Flags {
		f := &c.Flags[i]
		if f.Hidden {
			continue
		}
		// Arguments in italics, the option itself bold.
		head := roff(f.forms(" \x01", "=\x01"))
		if f.Arg != "" {
			head = strings.ReplaceAll(head, "\x01"+roff(f.Arg), "\\fI"+roff(f.Arg)+"\\fB")
		}
		fmt.Fprintf(&b, ".IP \"\\fB%s\\fR\"\n", strings.ReplaceAll(head, `"`, `\(dq`))
		text := f.Doc
		if text == "" {
			text = f.Help
		}
		if len(f.Values) > 0 {
			text += "\n\nPossible values: " + strings.Join(f.Values, ", ") + "."
		}
		prose(&b, text)
	}
	for _, s := range c.Sections {
		fmt.Fprintf(&b, ".SH \"%s\"\n", strings.ReplaceAll(roff(s.Title), `"`, `\(dq`))
		prose(&b, s.Text)
	}
	return b.String()
}

// prose writes paragraphs; indented lines become unfilled text.
func prose(b *strings.Builder, text string) {
	verbatim, gap, first := false, false, true
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			gap = true
			continue
		}
		code := line[0] == ' ' || line[0] == '\t'
		if verbatim && !code {
			b.WriteString(".fi\n.in -4\n")
		}
		if gap && !first {
			b.WriteString(".sp\n")
		}
		if code && !verbatim {
			b.WriteString(".nf\n.in +4\n")
		}
		verbatim, gap, first = code, false, false
		if !code {
			line = strings.TrimSpace(line)
		}
		b.WriteString(roff(line) + "\n")
	}
	if verbatim {
		b.WriteString(".fi\n.in -4\n")
	}
}

// roff protects what the formatter would take as its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if s != "" && (s[0] == '.' || s[0] == '\'') {
		s = `\&` + s
	}
	return s
}
