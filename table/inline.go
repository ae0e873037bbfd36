package table

import (
	"fmt"
	"strings"
)

// InlineRules turns the name of a pattern table whose rules stand in main.cf,
// "{ {rule}, {rule} }" (Postfix 3.7), into the text of the file that Postfix
// would read instead: one line for each rule. inline is false for a name that
// does not start with a brace, which is the name of a file.
func InlineRules(name string) (text string, inline bool, err error) {
	if !strings.HasPrefix(name, "{") {
		return "", false, nil
	}
	list, err := inBraces(name)
	if err != nil {
		return "", true, err
	}
	var b strings.Builder
	for _, item := range Elements(list) {
		rule, err := unbrace(item)
		if err != nil {
			return "", true, err
		}
		b.WriteString(rule + "\n")
	}
	return b.String(), true, nil
}

// unbrace returns what is between the braces that s consists of, without
// white space at its ends.
func unbrace(s string) (string, error) {
	inside, err := inBraces(s)
	return strings.Trim(inside, " \t\n\v\f\r"), err
}

// inBraces returns what is between the braces that s consists of.
func inBraces(s string) (string, error) {
	if !strings.HasPrefix(s, "{") {
		return "", fmt.Errorf("no '{' at start of text in \"%s\"", s)
	}
	switch end := closeBrace(s); {
	case end < 0:
		return "", fmt.Errorf("missing '}' in \"%s\"", s)
	case end+1 < len(s):
		return "", fmt.Errorf("syntax error after '}' in \"%s\"", s)
	default:
		return s[1:end], nil
	}
}

// closeBrace returns the place of the brace that closes the one s starts with,
// and -1 when there is none.
func closeBrace(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
