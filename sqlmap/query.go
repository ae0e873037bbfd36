package sqlmap

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect is the kind of database. The zero Dialect is invalid.
type Dialect uint8

// The dialects, named as the table types are.
const (
	_      Dialect = iota
	MySQL          // mysql_table(5); placeholders are "?"
	PgSQL          // pgsql_table(5); placeholders are "$1"
	SQLite         // sqlite_table(5); placeholders are "?"
)

// String returns the table type: mysql, pgsql or sqlite.
func (d Dialect) String() string {
	switch d {
	case MySQL:
		return "mysql"
	case PgSQL:
		return "pgsql"
	case SQLite:
		return "sqlite"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

// query is a query with its parameters taken out.
type query struct {
	text   string   // with placeholders
	params []string // templates of the parameters, in order
	needs  parts
}

// prepare takes the strings with parts of the key out of a query. A part that
// stands outside of strings becomes a parameter of its own. warnings are about
// what works by luck.
func prepare(d Dialect, template string) (q query, warnings []string, err error) {
	upper, lower, err := needs(template)
	if err != nil {
		return query{}, nil, err
	}
	q.needs = upper.and(lower)
	var b strings.Builder
	param := func(t string) {
		q.params = append(q.params, t)
		if d == PgSQL {
			b.WriteString("$" + strconv.Itoa(len(q.params)))
		} else {
			b.WriteByte('?')
		}
	}
	for i := 0; i < len(template); {
		rest := template[i:]
		switch c := rest[0]; {
		case lineComment(d, rest):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			b.WriteString(unpercent(rest[:n]))
			i += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return query{}, nil, fmt.Errorf("the comment %q has no end", rest)
			}
			b.WriteString(unpercent(rest[:n+4]))
			i += n + 4
		case c == '\'' || c == '"' || c == '`' || c == '[' && d == SQLite:
			escapes := d == MySQL || i > 0 && template[i-1]|0x20 == 'e' && !identifier(template, i-2) // E'…'
			n := quotedEnd(d, rest, escapes)
			if n < 0 {
				return query{}, nil, fmt.Errorf("the string %q has no end", rest)
			}
			text := rest[:n]
			i += n
			isString := c == '\'' || c == '"' && d != PgSQL
			switch {
			case !hasKey(text):
				b.WriteString(unpercent(text))
			case !isString:
				return query{}, nil, fmt.Errorf("the name %s has a part of the key in it; a key can only be a value", text)
			case escapes && d != SQLite && strings.Contains(text, "\\"):
				return query{}, nil, fmt.Errorf("the string %s has a backslash beside a part of the key, which is not supported", text)
			default:
				if c == '"' && d == SQLite {
					warnings = append(warnings, fmt.Sprintf("%s is a name to SQLite and a string only by mistake, want '…'", text))
				}
				param(strings.ReplaceAll(text[1:n-1], text[:1]+text[:1], text[:1]))
			}
		case d == PgSQL && c == '$':
			tag := dollarTag(rest)
			n := -1
			if tag != "" {
				n = strings.Index(rest[len(tag):], tag)
			}
			if n < 0 {
				b.WriteByte(c)
				i++
				continue
			}
			n += 2 * len(tag)
			if text := rest[:n]; hasKey(text) {
				param(text[len(tag) : n-len(tag)])
			} else {
				b.WriteString(unpercent(text))
			}
			i += n
		case c == '?' && d != PgSQL:
			return query{}, nil, fmt.Errorf("a bare \"?\" in the query would be taken for a parameter")
		case c == '%' && rest[1] == '%':
			b.WriteByte('%')
			i += 2
		case c == '%':
			param(rest[:2])
			i += 2
		default:
			b.WriteByte(c)
			i++
		}
	}
	q.text = b.String()
	return q, warnings, nil
}

// lineComment reports whether a comment to the end of the line begins. To MySQL
// "--" is two minus signs unless there is white space behind it.
func lineComment(d Dialect, s string) bool {
	if d == MySQL {
		return s[0] == '#' || strings.HasPrefix(s, "--") && (len(s) == 2 || s[2] <= ' ')
	}
	return strings.HasPrefix(s, "--")
}

func identifier(s string, i int) bool {
	return i >= 0 && (s[i] == '_' || '0' <= s[i] && s[i] <= '9' || 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z')
}

// quotedEnd returns the length of the string or quoted name that s starts
// with. A doubled quote does not end it; escapes says that neither does one
// after a backslash, as always with MySQL.
func quotedEnd(d Dialect, s string, escapes bool) int {
	end := s[0]
	if end == '[' {
		end = ']'
	}
	backslash := d == MySQL && end != '`' || d == PgSQL && escapes && end == '\''
	for i := 1; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] != end:
		case i+1 < len(s) && s[i+1] == end && end != ']':
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// dollarTag returns the "$tag$" that s starts with.
func dollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		if s[i] == '$' {
			return s[:i+1]
		}
		if !identifier(s, i) {
			return ""
		}
	}
	return ""
}

// hasKey reports whether a part of the key is in a piece of a template.
func hasKey(s string) bool { return strings.Contains(strings.ReplaceAll(s, "%%", ""), "%") }

func unpercent(s string) string { return strings.ReplaceAll(s, "%%", "%") }

// args fills in the parameters for a key.
func (q *query) args(key string) []any {
	args := make([]any, len(q.params))
	for i, t := range q.params {
		args[i] = expand(t, key, key)
	}
	return args
}
