package diag

// Printable returns text as Postfix prints it in a message: every byte that is
// not printable ASCII becomes '?', except what has the shape of a UTF-8
// sequence. A message that quotes a hostile file then cannot move the cursor
// or change the colours of the terminal it ends up on.
func Printable(text string) string {
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' || text[i] > '~' {
			return string(replaceUnprintable([]byte(text), i))
		}
	}
	return text
}

func replaceUnprintable(b []byte, i int) []byte {
	continuation := func(i int) bool { return i < len(b) && b[i]&0xC0 == 0x80 }
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case ' ' <= c && c <= '~':
		case 194 <= c && c <= 254 && continuation(i+1):
			for continuation(i + 1) {
				i++
			}
		default:
			b[i] = '?'
		}
	}
	return b
}
