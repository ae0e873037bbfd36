package mapcmd

import (
	"bufio"
	"bytes"
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
	opts := &textmap.Options{NoFold: c.noFold, NoUTF8: !c.utf8Mode()}
	if c.valueFiles {
		opts.ReadFile = os.ReadFile
	}
	var said diag.List
	report := func(d diag.Diagnostic) { said = append(said, d) }
	var m *hashmap.Memory
	if c.replace {
		m, err = readLast(spec.Name, f, opts, report)
	} else {
		m, err = hashmap.ReadText(spec.Name, f, opts, report)
	}
	sortByLine(said) // duplicates are found last
	for _, d := range said {
		switch {
		case d.Check == textmap.CheckLeadingSpace:
			c.warn("%s: %s", spec.Name, d.Message)
		case d.Check == textmap.CheckFormat:
			c.warn("%s, line %d: %s -- ignoring this line", spec.Name, d.Span.Start.Line, d.Message)
		case d.Check != textmap.CheckDuplicate || !c.ignore:
			c.warn("%s, line %d: %s", spec.Name, d.Span.Start.Line, d.Message)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read database %s: %s", spec.Name, cause(err))
	}
	if c.noFold {
		return &lookup{m, spec.String(), true}, nil
	}
	return &lookup{nopClose{hashmap.Folded(m, c.utf8Mode())}, spec.String(), true}, nil
}

// readLast is hashmap.ReadText for -r: of entries with the same key the last
// counts, and nothing is said about the others.
func readLast(name string, src io.Reader, opts *textmap.Options, report func(diag.Diagnostic)) (*hashmap.Memory, error) {
	s := textmap.NewScanner(name, src, opts)
	s.Report = report
	b := hashmap.MemoryBuilder{Duplicates: hashmap.KeepLast}
	for s.Scan() {
		if err := b.Add(s.Key(), s.Value()); err != nil {
			return nil, err
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return b.Build()
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

// openOther opens a table of a type that is no indexed file.
func (c *command) openOther(spec table.Spec) (*lookup, error) {
	o := &table.Opener{
		Types: types(c), Report: c.reportRules,
		Options: table.Options{NoFold: c.noFold, UTF8: c.utf8Mode()},
		Log:     func(line string) { fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, diag.Printable(line)) },
	}
	t, err := o.Open(c.ctx, spec.String())
	if err != nil {
		var unknown *table.UnknownTypeError
		if errors.As(err, &unknown) && unknown.Type == spec.Type {
			return nil, fmt.Errorf("unsupported dictionary type: %s", spec.Type)
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("open %s: %s", spec.Name, cause(err))
		}
		var failed *table.Error
		if errors.As(err, &failed) && failed.Spec == spec.String() {
			err = failed.Err
		}
		return nil, err
	}
	return &lookup{t, spec.String(), false}, nil
}

// get looks a key up and says what Postfix says about the answer; an empty value
// is one of the table name, see lookup.name.
func (c *command) get(l *lookup, name, key string) (value string, found bool, err error) {
	value, found, err = l.table.Lookup(c.ctx, key)
	if err != nil {
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
	if found && c.valueFiles {
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

// decodeFile gives the content of the files that postmap -F stored.
func decodeFile(value string) (string, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		more := value[:min(30, len(value))]
		if len(value) > 30 {
			more += "..."
		}
		return "", fmt.Errorf("malformed BASE64 value: %s", more)
	}
	return string(b), nil
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
			return fmt.Errorf("error reading %s: %s", l.name, cause(err))
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
