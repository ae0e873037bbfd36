// Package golden keeps test cases in txtar archives: named texts in one file,
// each after a line "-- name --".
//
//	golden.Run(t, "testdata/*.txtar", func(t *testing.T, a *golden.Archive) {
//		a.Want(t, "out", transform(a.Need(t, "in")))
//	})
//
// `go test -update` writes what the code gives into the archives, so that a
// change of behaviour is read as a diff.
//
// A plain txtar text always ends in a newline and its lines are taken as they
// are. Words after the name hold what that cannot:
//
//	-- in noeol --    the newline before the next header is not part of the text
//	-- in crlf --     every line ends in CR LF
//	-- in escaped --  \r \t \xNN and \\ stand for bytes; a final \ joins lines
//
// Format picks the first form that fits, so any bytes can be stored.
package golden

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Archive is a txtar file: a comment, then named texts in order.
type Archive struct {
	Comment string
	Files   []File

	path    string
	changed bool
}

// File is one text. The name has no blanks and is not empty.
type File struct{ Name, Data string }

// Parse reads an archive. It reports a header with an unknown word, a name
// used twice and a broken escape.
func Parse(src []byte) (*Archive, error) {
	a := &Archive{}
	var text strings.Builder
	var words []string
	var problem error
	end := func() {
		if words == nil {
			a.Comment = text.String()
		} else {
			data, err := decode(text.String(), words[1:])
			if err != nil && problem == nil {
				problem = fmt.Errorf("%s: %w", words[0], err)
			}
			a.Files = append(a.Files, File{words[0], data})
		}
		text.Reset()
	}
	line := 0
	for l := range strings.Lines(string(src)) {
		line++
		next := header(l)
		if next == nil {
			text.WriteString(l)
			continue
		}
		end()
		words = next
		if _, twice := a.Get(words[0]); twice && problem == nil {
			problem = fmt.Errorf("line %d: second text named %q", line, words[0])
		}
	}
	end()
	return a, problem
}

// header gives the words of a header line, name first, or nil.
func header(line string) []string {
	line = strings.TrimRight(line, "\r\n")
	if len(line) < len("-- x --") || !strings.HasPrefix(line, "-- ") || !strings.HasSuffix(line, " --") {
		return nil
	}
	words := strings.Fields(line[3 : len(line)-3])
	if len(words) == 0 {
		return nil
	}
	return words
}

func decode(text string, words []string) (string, error) {
	for _, w := range words {
		switch w {
		case "noeol":
			text = strings.TrimSuffix(text, "\n")
		case "crlf":
			text = strings.ReplaceAll(text, "\n", "\r\n")
		case "escaped":
			var err error
			if text, err = unescape(text); err != nil {
				return "", err
			}
		default:
			return "", fmt.Errorf("unknown word %q; known are noeol, crlf and escaped", w)
		}
	}
	return text, nil
}

// Format writes the archive so that Parse reads the same texts back. The
// comment must not contain header lines.
func (a *Archive) Format() []byte {
	var b bytes.Buffer
	b.WriteString(a.Comment)
	if a.Comment != "" && !strings.HasSuffix(a.Comment, "\n") {
		b.WriteByte('\n')
	}
	for _, f := range a.Files {
		words, text := encode(f.Data)
		fmt.Fprintf(&b, "-- %s%s --\n%s", f.Name, words, text)
	}
	return b.Bytes()
}

func encode(data string) (words, text string) {
	switch lf := strings.ReplaceAll(data, "\r\n", "\n"); {
	case plain(data) && (data == "" || strings.HasSuffix(data, "\n")):
		return "", data
	case plain(data):
		return " noeol", data + "\n"
	case plain(lf) && strings.ReplaceAll(lf, "\n", "\r\n") == data && strings.HasSuffix(lf, "\n"):
		return " crlf", lf
	case plain(lf) && strings.ReplaceAll(lf, "\n", "\r\n") == data:
		return " noeol crlf", lf + "\n"
	}
	return " escaped", escape(data)
}

// plain reports whether the text can stand in an archive as it is.
func plain(data string) bool {
	for l := range strings.Lines(data) {
		if header(l) != nil {
			return false
		}
	}
	return !strings.ContainsFunc(data, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFD'
	})
}

func escape(data string) string {
	var b strings.Builder
	for l := range strings.Lines(data) {
		for i := range len(l) {
			switch c := l[i]; {
			case c == '\n':
				b.WriteByte(c)
			case c == '\r':
				b.WriteString(`\r`)
			case c == '\\':
				b.WriteString(`\\`)
			case c == '-' && i == 0, c < ' ' && c != '\t', c >= 0x7f:
				fmt.Fprintf(&b, `\x%02x`, c)
			default:
				b.WriteByte(c)
			}
		}
	}
	if data != "" && !strings.HasSuffix(data, "\n") {
		b.WriteString("\\\n")
	}
	return b.String()
}

func unescape(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if i == len(text) {
			return "", fmt.Errorf(`final \ without a byte`)
		}
		switch text[i] {
		case '\n': // joins lines
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '\\':
			b.WriteByte('\\')
		case 'x':
			if i+2 >= len(text) {
				return "", fmt.Errorf(`\x without two digits`)
			}
			n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				return "", fmt.Errorf(`\x%s is not a byte`, text[i+1:i+3])
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			return "", fmt.Errorf(`unknown escape \%c`, text[i])
		}
	}
	return b.String(), nil
}

// Get finds a text by name.
func (a *Archive) Get(name string) (data string, ok bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return "", false
}

// Set replaces a text or appends it.
func (a *Archive) Set(name, data string) {
	a.changed = true
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = data
			return
		}
	}
	a.Files = append(a.Files, File{name, data})
}
