package table

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// FileValue does what "postmap -F" does with a value: it lists files, by white
// space or commas, whose contents are joined with a newline between them and
// stored as one line of base64. Postfix keeps keys and certificates so
// (tls_server_sni_maps). Errors have the words of Postfix.
func FileValue(readFile func(name string) ([]byte, error), value string) (string, error) {
	names := strings.FieldsFunc(value, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == ','
	})
	if len(names) == 0 {
		return "", fmt.Errorf("empty pathname list: >>%s<<'", value)
	}
	var all []byte
	for i, name := range names {
		content, err := readFile(name)
		if err != nil {
			return "", fileError(name, err)
		}
		if i > 0 {
			all = append(all, '\n')
		}
		all = append(all, content...)
	}
	return base64.StdEncoding.EncodeToString(all), nil
}

// value is what a value that stands in a text or name is for lookups.
func (o *Options) value(text string) (string, error) {
	if o.ReadFile == nil {
		return text, nil
	}
	return FileValue(o.ReadFile, text)
}

// fileError words a failure as Postfix does: "open NAME: Cause".
func fileError(name string, err error) error {
	op := "open"
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Op == "read" {
		op = "read"
	}
	cause := err.Error()
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		cause = errno.Error()
	case errors.Is(err, fs.ErrNotExist):
		cause = "no such file or directory"
	}
	return fmt.Errorf("%s %s: %s", op, name, upperFirst(cause))
}

// upperFirst turns Go's text for an errno into that of strerror(3).
func upperFirst(s string) string {
	if s != "" && 'a' <= s[0] && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}
