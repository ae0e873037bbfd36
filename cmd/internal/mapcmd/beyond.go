package mapcmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

// This file holds what the original does not have: everything behind a long
// option.

// tell prints what was done, with -v.
func (c *command) tell(format string, args ...any) {
	if c.verbose > 0 {
		fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, diag.Printable(fmt.Sprintf(format, args...)))
	}
}

// printDiff compares what was built with the table in place: "+" for entries
// that come, "-" for those that go; a changed value is both. The exit status is
// that of diff(1).
func (c *command) printDiff(j *job, b *hashmap.Builder) error {
	var image bytes.Buffer
	if _, err := b.WriteTo(&image); err != nil {
		return err
	}
	now, err := hashmap.NewReader(bytes.NewReader(image.Bytes()), int64(image.Len()), &hashmap.OpenOptions{Format: hashmap.Btree})
	if err != nil {
		return err
	}
	different := false
	print := func(sign, key, value string) {
		different = true
		c.out.WriteString(sign)
		c.printEntry(key, value)
	}
	old, err := hashmap.Open(j.file, &hashmap.OpenOptions{})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("open database %s: %s", j.file, cause(err))
	}
	seen := map[string]bool{}
	if err == nil {
		defer old.Close()
		for e, err := range old.All(c.ctx) {
			if err != nil {
				return fmt.Errorf("error reading %s: %s", j.file, cause(err))
			}
			if seen[e.Key] || c.Alias && (e.Key == "YP_LAST_MODIFIED" || e.Key == "YP_MASTER_NAME") {
				continue
			}
			seen[e.Key] = true
			value, ok, err := now.Lookup(c.ctx, e.Key)
			if err != nil {
				return err
			}
			if !ok || value != e.Value {
				print("-", e.Key, e.Value)
			}
			if ok && value != e.Value {
				print("+", e.Key, value)
			}
		}
	}
	for e, err := range now.All(c.ctx) {
		if err != nil {
			return err
		}
		if !seen[e.Key] && !(c.Alias && (e.Key == "YP_LAST_MODIFIED" || e.Key == "YP_MASTER_NAME")) {
			print("+", e.Key, e.Value)
		}
	}
	if different {
		return errExit
	}
	return nil
}

// convertTable fills the operands from another table.
func (c *command) convertTable(operands []string) error {
	if len(operands) == 0 {
		return errors.New("--convert: name the table to make, such as lmdb:access")
	}
	for _, operand := range operands {
		j := &job{spec: c.spec(operand)}
		var err error
		if j.format, err = hashmap.ParseFormat(j.spec.Type); err != nil {
			return fmt.Errorf("unsupported map type: %s (supported for building: %s)", j.spec.Type, formatNames())
		}
		j.file = hashmap.FileName(j.format, j.spec.Name)
		if err := c.convertOne(j); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) convertOne(j *job) error {
	o := c.buildOptions(j)
	if !c.replace && !c.ignore {
		o.Duplicates = hashmap.RejectDuplicates
	}
	old, err := c.openAny(c.convert)
	if err != nil {
		return err
	}
	defer old.table.Close()
	if r, ok := old.table.(*hashmap.Reader); ok {
		if fi, err := os.Stat(r.Path()); err == nil && !c.noPerm {
			o.File.Source = fi
		}
		if _, err := hashmap.Convert(c.ctx, r, j.format, j.file, o); err != nil {
			return c.buildError(j, err)
		}
		return nil
	}
	lister, ok := old.table.(table.Lister)
	if !ok {
		return fmt.Errorf("table %s: sequence operation is not supported", old.name)
	}
	b := hashmap.NewBuilder(j.format, o)
	if err := b.AddAll(lister.All(c.ctx)); err != nil {
		return c.buildError(j, err)
	}
	if _, err := b.WriteFile(c.ctx, j.file); err != nil {
		return c.buildError(j, err)
	}
	return nil
}

// openAny opens "type:name", or a table file by its path, whatever it is.
func (c *command) openAny(name string) (*lookup, error) {
	if r, err := hashmap.Open(name, nil); err == nil {
		return &lookup{table: r, name: name, quiet: true}, nil
	} else if _, serr := os.Stat(name); serr == nil {
		return nil, fmt.Errorf("open database %s: %s", name, cause(err))
	}
	return c.open(name)
}

// writeText prints a table as a source that gives the same table again.
// Entries that the language of sources cannot express are left out, said, and
// make the exit status 1.
func (c *command) writeText(operand string) error {
	l, err := c.openAny(operand)
	if err != nil {
		return err
	}
	defer l.table.Close()
	lister, ok := l.table.(table.Lister)
	if !ok {
		return fmt.Errorf("table %s: sequence operation is not supported", l.name)
	}
	lost := 0
	opts := &textmap.Options{NoUTF8: !c.utf8Mode()}
	for e, err := range lister.All(c.ctx) {
		if err != nil {
			return l.sequenceError(err)
		}
		if c.Alias {
			line, ok, err := aliasLine(e)
			if err != nil {
				c.warn("%s", err)
				lost++
			} else if ok {
				c.out.WriteString(line)
			}
			continue
		}
		if err := textmap.Check(e.Key, e.Value, opts); err != nil {
			c.warn("%s", err)
			lost++
			continue
		}
		c.out.WriteString(e.Key + "\t" + e.Value + "\n")
	}
	if lost > 0 {
		return fmt.Errorf("%s: %d entries cannot be written as text", l.name, lost)
	}
	return nil
}

// progressReport returns the callback that shows how far a build is: on a
// terminal when it takes longer than a second, elsewhere only when asked for.
func (c *command) progressReport(file string) func(hashmap.Progress) {
	if !c.progress && !c.Terminal {
		return nil
	}
	start := time.Now()
	last := start
	return func(p hashmap.Progress) {
		now := time.Now()
		if now.Sub(last) < time.Second/2 || !c.progress && now.Sub(start) < time.Second {
			return
		}
		last = now
		unit := "entries"
		if p.Stage == hashmap.Writing {
			unit = "bytes"
		}
		end := "\n"
		if c.Terminal {
			end = "\r"
		}
		fmt.Fprintf(c.Stderr, "%s: %s: %s, %d %s%s", c.Name, file, p.Stage, p.Done, unit, end)
	}
}
