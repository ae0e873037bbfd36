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

// printEntry prints one key with its value.
func (c *command) printEntry(key, value string) {
	c.out.Write(c.appendEntry(c.out.AvailableBuffer(), []byte(key), []byte(value)))
}

// appendEntry appends a line with a key and its value: "KEY<TAB>VALUE" for
// postmap, "KEY:<TAB>VALUE" for postalias, {"KEY": "VALUE"} with -j.
func (c *command) appendEntry(dst, key, value []byte) []byte {
	if c.json {
		dst = append(dst, '{')
		dst = appendJSON(dst, string(key))
		dst = append(dst, ": "...)
		dst = appendJSON(dst, string(value))
		return append(dst, "}\n"...)
	}
	dst = append(dst, key...)
	if c.Alias {
		dst = append(dst, ':')
	}
	dst = append(dst, '\t')
	dst = append(dst, value...)
	return append(dst, '\n')
}
