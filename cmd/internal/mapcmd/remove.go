package mapcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/casefold"
)

// removeKey answers -d KEY: the key is removed from every table that has it.
func (c *command) removeKey(key string, operands []string) error {
	removed, malformed := false, false
	for _, operand := range operands {
		j, err := c.openForRemoval(operand)
		if err != nil {
			return err
		}
		if c.malformed(j, key) {
			malformed = true
			continue
		}
		n, err := c.removeFrom(j, []string{key})
		if err != nil {
			return err
		}
		removed = removed || n > 0
	}
	if !removed && !malformed { // the original takes a malformed key for removed
		return errExit
	}
	return nil
}

// removeStdin answers -d -: keys from standard input, one to a line.
func (c *command) removeStdin(operands []string) error {
	var jobs []*job
	for _, operand := range operands {
		j, err := c.openForRemoval(operand)
		if err != nil {
			return err
		}
		jobs = append(jobs, j)
	}
	var keys []string
	lines := lineReader(c.Stdin)
	for lines.Scan() {
		keys = append(keys, string(cString(lines.Bytes())))
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read error: %s", cause(err))
	}
	removed := 0
	good := make([][]string, len(jobs))
	for _, key := range keys {
		for i, j := range jobs {
			if c.malformed(j, key) {
				removed++
			} else {
				good[i] = append(good[i], key)
			}
		}
	}
	for i, j := range jobs {
		n, err := c.removeFrom(j, good[i])
		if err != nil {
			return err
		}
		removed += n
	}
	if removed == 0 {
		return errExit
	}
	return nil
}

// malformed warns about a key that is not UTF-8.
func (c *command) malformed(j *job, key string) bool {
	if !c.utf8Mode() || casefold.Valid([]byte(key)) {
		return false
	}
	c.warnKey(j.name, key)
	return true
}

// openForRemoval finds the table, which must exist.
func (c *command) openForRemoval(operand string) (*job, error) {
	j := &job{spec: c.spec(operand)}
	if j.spec.Type == "" || j.spec.Name == "" {
		return nil, fmt.Errorf("open dictionary: expecting \"type:name\" form instead of \"%s\"", j.spec)
	}
	var err error
	if j.format, err = hashmap.ParseFormat(j.spec.Type); err != nil {
		if _, known := types(c)[j.spec.Type]; !known {
			return nil, fmt.Errorf("unsupported dictionary type: %s", j.spec.Type)
		}
		switch j.spec.Type {
		case "regexp", "pcre", "cidr", "texthash", "socketmap", "tcp", "inline", "unionmap", "pipemap", "randmap", "unix":
			return nil, fmt.Errorf("%s map requires O_RDONLY access mode", j.spec)
		case "fail":
			return nil, fmt.Errorf("table %s: delete error: this table always fails", j.spec)
		}
		return nil, fmt.Errorf("table %s: delete operation is not supported", j.spec)
	}
	if j.format == hashmap.CDB {
		return nil, errors.New("unsupported non-bulk change request")
	}
	j.file = hashmap.FileName(j.format, j.spec.Name)
	j.name = j.spec.Type + ":" + j.file
	if j.format == hashmap.LMDB {
		j.name = j.spec.String()
	}
	r, err := hashmap.OpenTable(j.spec.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %s", j.file, cause(err))
	}
	return j, r.Close()
}

// removeFrom removes the keys a table has, all at once.
func (c *command) removeFrom(j *job, keys []string) (removed int, err error) {
	o := c.updateOptions(j)
	o.FoldKeys, o.UTF8 = !c.noFold, c.utf8Mode()
	res, err := hashmap.Update(c.ctx, j.file, o, func(e *hashmap.Edit) error {
		for _, key := range keys {
			existed, err := e.Delete(key)
			if err != nil {
				return err
			}
			if existed {
				removed++
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrPermission):
		return 0, fmt.Errorf("open database %s: %s", j.file, cause(err))
	case err != nil:
		return 0, fmt.Errorf("error deleting from %s: %s", j.file, strings.TrimPrefix(err.Error(), "hashmap: "))
	case res.InPlace:
		c.warn("%s cannot be replaced, it was overwritten in place", j.file)
	}
	return removed, nil
}
