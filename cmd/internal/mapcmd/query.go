package mapcmd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

// A lookup is an open table and the name Postfix has for it in messages:
// "hash:/etc/postfix/access.db". Of an empty key or value -q KEY and -s say
// "hash:/etc/postfix/access" instead.
type lookup struct {
	table table.Closer
	name  string
	quiet bool // lookups say nothing by themselves, so several may run at once
	text  bool // texthash:, which does not look at keys by itself
}

// utf8Mode is whether keys and values are checked and folded as UTF-8.
func (c *command) utf8Mode() bool {
	return c.cfg.utf8 && !c.noUTF8 && (!c.messageMode() || c.forceUTF8)
}

// nul is the form of keys that -n and -N ask for.
func (c *command) nul() hashmap.NUL {
	switch {
	case c.addNUL:
		return hashmap.WithNUL
	case c.noNUL:
		return hashmap.NoNUL
	}
	return hashmap.NULAuto
}

// open opens a table for reading.
func (c *command) open(operand string) (*lookup, error) {
	spec := c.spec(operand)
	if spec.Type == "" || spec.Name == "" {
		return nil, fmt.Errorf("open dictionary: expecting \"type:name\" form instead of \"%s\"", spec)
	}
	format, err := hashmap.ParseFormat(spec.Type)
	switch {
	case spec.Type == "texthash":
		return c.openText(spec)
	case err != nil:
		return c.openOther(spec)
	}
	file := hashmap.FileName(format, spec.Name)
	l := &lookup{name: spec.Type + ":" + file, quiet: true}
	if format == hashmap.LMDB {
		l.name = spec.String()
	}
	r, err := hashmap.OpenTable(spec.String(), &hashmap.OpenOptions{
		NUL: c.nul(), FoldKeys: !c.noFold, UTF8: c.utf8Mode(),
		Notice: func(d diag.Diagnostic) {
			if d.Check == hashmap.NoticeKey {
				c.warn("%s: %s", l.name, d.Message)
				return
			}
			c.warn("%s", d.Message)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open database %s: %s", file, cause(err))
	}
	l.table = r
	return l, nil
}

// openText opens a texthash: table, with the warnings of reading it.
func (c *command) openText(spec table.Spec) (*lookup, error) {
	f, err := os.Open(spec.Name)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %s", spec.Name, cause(err))
	}
	defer f.Close()
	var src io.ReadSeeker = f
	if fi, err := f.Stat(); err == nil && !fi.Mode().IsRegular() && !fi.IsDir() {
		text, err := io.ReadAll(f) // it may be read twice
		if err != nil {
			return nil, fmt.Errorf("read %s: %s", spec.Name, cause(err))
		}
		src = bytes.NewReader(text)
	}
	opts := &textmap.Options{NoFold: c.noFold, NoUTF8: !c.utf8Mode()}
	if c.valueFiles {
		opts.ReadFile = os.ReadFile
	}
	duplicates := hashmap.KeepFirst
	if c.replace {
		duplicates = hashmap.KeepLast
	}
	warnings := false
	var repeated []int32 // lines
	m, err := hashmap.ReadText(spec.Name, src, opts, duplicates, func(d diag.Diagnostic) {
		switch {
		case d.Check != textmap.CheckDuplicate:
			warnings = true
		case !c.replace && !c.ignore:
			repeated = append(repeated, int32(d.Span.Start.Line))
		}
	})
	if warnings || len(repeated) > 0 {
		c.warnOfText(spec.Name, src, opts, repeated)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %s", spec.Name, cause(err))
	}
	if c.noFold {
		return &lookup{table: m, name: spec.String(), quiet: true, text: true}, nil
	}
	return &lookup{table: nopClose{hashmap.Folded(m, c.utf8Mode())}, name: spec.String(), quiet: true, text: true}, nil
}

// warnOfText reads the source of a texthash: table once more, for what there is to
// say about it: in the order of lines, with repeated keys as they are written.
func (c *command) warnOfText(name string, src io.ReadSeeker, opts *textmap.Options, repeated []int32) {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		c.warn("read %s: %s", name, cause(err))
		return
	}
	s := textmap.NewScanner(name, src, opts)
	s.Report = func(d diag.Diagnostic) {
		switch d.Check {
		case textmap.CheckLeadingSpace:
			c.warn("%s: %s", name, d.Message)
		case textmap.CheckFormat:
			c.warn("%s, line %d: %s -- ignoring this line", name, d.Span.Start.Line, d.Message)
		default:
			c.warn("%s, line %d: %s", name, d.Span.Start.Line, d.Message)
		}
	}
	for s.Scan() {
		for len(repeated) > 0 && int(repeated[0]) <= s.Line() { // less if the file was changed
			if int(repeated[0]) == s.Line() {
				c.warn("%s, line %d: duplicate entry: \"%s\"", name, s.Line(), s.RawKey())
			}
			repeated = repeated[1:]
		}
	}
}

// nopClose is a table in memory, which has nothing to close.
type nopClose struct{ table.Lister }

func (nopClose) Close() error { return nil }

func (n nopClose) AppendLookup(dst, key []byte) ([]byte, bool, error) {
	return n.Lister.(table.Appender).AppendLookup(dst, key)
}

func (n nopClose) LookupMany(keys [][]byte, found func(i int, value []byte) bool) (int, error) {
	return n.Lister.(table.Batcher).LookupMany(keys, found)
}

// openOther opens a table of a type that is no indexed file, or made of others.
func (c *command) openOther(spec table.Spec) (*lookup, error) {
	o := &table.Opener{
		Types: types(c), Report: c.reportRules,
		Options: table.Options{NoFold: c.noFold, UTF8: c.utf8Mode()},
		Log:     func(line string) { fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, diag.Printable(line)) },
	}
	if c.valueFiles {
		o.Options.ReadFile = os.ReadFile
	}
	for typ := range hashmap.Types() {
		delete(o.Types, typ)
	}
	c.checkedTypes(o.Types)
	// Inside of others these are what they are alone, with all they have to say.
	for typ := range hashmap.Types() {
		o.Types[typ] = func(_ context.Context, _ *table.Opener, name string) (table.Closer, error) {
			l, err := c.open(typ + ":" + name)
			if err != nil {
				return nil, err
			}
			return l.table, nil
		}
	}
	t, err := o.Open(c.ctx, spec.String())
	if err == nil {
		return &lookup{table: t, name: spec.String()}, nil
	}
	// Postfix names the innermost table that cannot be opened, if any.
	name := spec.Name
	for failed := (*table.Error)(nil); errors.As(err, &failed); {
		err = failed.Err
		if _, inner, ok := strings.Cut(failed.Spec, ":"); ok {
			name = inner
		}
	}
	var unknown *table.UnknownTypeError
	switch {
	case errors.As(err, &unknown):
		err = fmt.Errorf("unsupported dictionary type: %s", unknown.Type)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("open %s: %s", name, cause(err))
	default:
		if why, ok := strings.CutPrefix(err.Error(), "table: expecting"); ok {
			err = errors.New("open dictionary: expecting" + why)
		}
	}
	return nil, err
}

// get looks a key up and says what Postfix says about the answer; an empty value
// is one of the table name, see lookup.name.
func (c *command) get(l *lookup, name, key string) (value string, found bool, err error) {
	if l.text && c.utf8Mode() && !casefold.Valid([]byte(key)) {
		c.warnKey(l.name, key)
		return "", false, nil
	}
	value, found, err = l.table.Lookup(c.ctx, key)
	if errors.Is(err, errSaid) {
		return "", false, fmt.Errorf("table %s: query error", l.name)
	}
	if err != nil {
		if bad := (*hashmap.ValueError)(nil); errors.As(err, &bad) {
			c.warnValue(l.name, bad.Key, bad.Value)
			return "", false, fmt.Errorf("table %s: query error", l.name)
		}
		if _, indexed := l.table.(*hashmap.Reader); indexed {
			c.warn("%s", strings.TrimPrefix(err.Error(), "hashmap: "))
			return "", false, fmt.Errorf("table %s: query error", l.name)
		}
		var failed *table.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return "", false, fmt.Errorf("table %s: query error: %s", l.name, cause(err))
	}
	if found && c.valueFiles && !c.messageMode() { // the original prints what is stored then
		content, err := decodeFile(value)
		if err != nil {
			c.warn("table %s: key %s: %s", l.name, key, err)
			return "", false, fmt.Errorf("table %s: query error", l.name)
		}
		value = content
	}
	if found && value == "" {
		c.warnEmpty(name, key)
	}
	return value, found, nil
}

func (c *command) warnEmpty(name, key string) {
	c.warn("table %s: key %s: empty string result is not allowed", name, key)
	c.warn("table %s should return NO RESULT in case of NOT FOUND", name)
}

// decodeFile gives the content of the files that postmap -F stored, up to the
// first null byte.
func decodeFile(value string) (string, error) {
	// Postfix does not look at what follows "=", nor at bits that are left over.
	text := value
	if i := strings.IndexByte(text, '='); i >= 0 && i%4 > 1 {
		text = text[:i]
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(value)%4 != 0 || strings.ContainsAny(text, "\r\n") { // which Go steps over
		return "", fmt.Errorf("malformed BASE64 value: %s", value[:min(30, len(value))])
	}
	return string(cString(b)), nil
}

// queryKey answers -q KEY: the first table that has the key.
func (c *command) queryKey(key string, operands []string) error {
	for _, operand := range operands {
		l, err := c.open(operand)
		if err != nil {
			return err
		}
		value, found, err := c.get(l, c.spec(operand).String(), key)
		l.table.Close()
		if err != nil {
			return err
		}
		if found {
			if c.json {
				c.printEntry(key, value)
			} else {
				c.out.WriteString(value)
				c.out.WriteByte('\n')
			}
			return nil
		}
	}
	return errExit
}

// dumpTable answers -s: all entries in the order the table stores them.
func (c *command) dumpTable(operand string) error {
	if spec := c.spec(operand); spec.Type == "proxy" {
		return errors.New("can't sequence maps via the proxy service")
	}
	l, err := c.open(operand)
	if err != nil {
		return err
	}
	defer l.table.Close()
	lister, ok := l.table.(table.Lister)
	if !ok {
		return fmt.Errorf("table %s: sequence operation is not supported", l.name)
	}
	for e, err := range lister.All(c.ctx) {
		if err != nil {
			return l.sequenceError(err)
		}
		switch {
		case e.Key == "":
			c.warn("table %s: empty lookup key value is not allowed", c.spec(operand))
		case e.Value == "":
			c.warnEmpty(c.spec(operand).String(), e.Key)
		}
		if c.valueFiles {
			content, err := decodeFile(e.Value)
			if err != nil {
				c.warn("table %s: key %s: %s", l.name, e.Key, err)
				continue
			}
			e.Value = content
		}
		c.printEntry(e.Key, e.Value)
	}
	return nil
}

// sequenceError words the end of a listing.
func (l *lookup) sequenceError(err error) error {
	if _, indexed := l.table.(*hashmap.Reader); indexed {
		return fmt.Errorf("error reading %s: %s", l.name, cause(err))
	}
	var failed *table.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("table %s: sequence error: %s", l.name, cause(err))
}

// lineReader reads lines of any length.
func lineReader(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), 1<<30)
	s.Split(cutLines)
	return s
}

// cutLines is bufio.ScanLines that keeps a CR.
func cutLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func cString(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// cause is the text strerror(3) has for the reason of an error, or the error's
// own text when it is not one of the system.
func cause(err error) string {
	var errno syscall.Errno
	text := ""
	switch {
	case errors.As(err, &errno):
		text = errno.Error()
	case errors.Is(err, fs.ErrNotExist):
		text = "no such file or directory"
	case errors.Is(err, hashmap.ErrUnknownFormat):
		// The last part says what the file is and what it should be.
		text = err.Error()
		if i := strings.LastIndex(text, "it is "); i >= 0 {
			return text[i:]
		}
		return text
	default:
		return err.Error()
	}
	if c := text[0]; 'a' <= c && c <= 'z' {
		return string(c-'a'+'A') + text[1:]
	}
	return text
}
