package mapcmd

import "fmt"

// appendJSON appends s as a JSON string, with the escapes of Postfix 3.11:
// short forms where JSON has them, \u00XX for other control bytes and DEL,
// everything else as it is.
func appendJSON(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			if c < ' ' || c == 0x7f {
				dst = fmt.Appendf(dst, `\u%04X`, c)
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}

// printEntry prints one key with its value: "KEY<TAB>VALUE" for postmap,
// "KEY:<TAB>VALUE" for postalias, {"KEY": "VALUE"} with -j.
func (c *command) printEntry(key, value string) {
	switch {
	case c.json:
		b := append(c.out.AvailableBuffer(), '{')
		b = appendJSON(b, key)
		b = append(b, ": "...)
		b = appendJSON(b, value)
		c.out.Write(append(b, "}\n"...))
	default:
		c.out.WriteString(key)
		if c.Alias {
			c.out.WriteByte(':')
		}
		c.out.WriteByte('\t')
		c.out.WriteString(value)
		c.out.WriteByte('\n')
	}
}
