package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/internal/atomicfile"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/maincf"
)

// request is what an edit shall do to one parameter.
type request struct {
	name, value string
	found       int
}

// editMain carries out -e, -X and -#. By default the result is, byte for byte,
// what the command of Postfix writes; with --keep-layout only the value
// changes.
func (c *command) editMain(args []string) error {
	requests, err := c.requests(args)
	if err != nil {
		return err
	}
	if c.mode&editConf != 0 {
		if err := c.checkNames(requests); err != nil {
			return err
		}
	}
	edit := c.rewrite
	if c.lossless {
		edit = c.change
	}
	return c.editFile(c.mainPath(), func(old []byte) ([]byte, error) { return edit(old, requests) })
}

// editFile replaces a file by what edit makes of it, or with --dry-run shows
// the difference.
func (c *command) editFile(path string, edit func(old []byte) ([]byte, error)) error {
	if c.dryRun {
		old, err := os.ReadFile(path)
		if err != nil {
			return fatalf("open %s for reading: %s", path, reason(err))
		}
		out, err := edit(old)
		if err != nil {
			return err
		}
		c.wrote = !bytes.Equal(old, out)
		c.stdout.WriteString(unifiedDiff(path, old, out))
		return nil
	}
	opts := &atomicfile.Options{InPlace: atomicfile.InPlaceNeeded}
	res, err := atomicfile.Update(context.Background(), path, opts, func(old []byte, exists bool) ([]byte, error) {
		if !exists {
			return nil, fatalf("open %s for reading: No such file or directory", path)
		}
		return edit(old)
	})
	var f fatal
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return fatalf("open %s.tmp: %s", path, reason(err))
	case err != nil:
		return fatalf("%s", err)
	}
	c.wrote = res.Changed
	return nil
}

// requests reads the arguments of an edit. The last one for a name counts.
func (c *command) requests(args []string) ([]request, error) {
	var all []request
	at := map[string]int{} // in all; the last one for a name counts
	for _, arg := range args {
		if strings.Contains(arg, "\n") {
			return nil, fatalf("-e, -X, or -# accepts no multi-line input")
		}
		arg = string(cflines.TrimLeft([]byte(arg)))
		if strings.HasPrefix(arg, "#") {
			return nil, fatalf("-e, -X, or -# accepts no comment input")
		}
		var r request
		if c.mode&editConf != 0 {
			var why string
			if r.name, r.value, why = splitNameValue(arg); why != "" {
				return nil, fatalf("%s: \"%s\"", why, arg)
			}
		} else {
			switch {
			case arg == "":
				return nil, fatalf("-X or -# requires non-blank parameter names")
			case strings.Contains(arg, "="):
				return nil, fatalf("-X or -# requires parameter names without value")
			}
			r.name = arg // with white space behind it, which names nothing, as in Postfix
		}
		if i, ok := at[r.name]; ok {
			// Before 3.12 the warning came for an equal value too.
			if old := all[i]; c.mode&editConf != 0 && old.value != r.value {
				c.warning("ignoring earlier request: '%s = %s'", old.name, old.value)
			}
			all[i].name = ""
		}
		at[r.name] = len(all)
		all = append(all, r)
	}
	return slices.DeleteFunc(all, func(r request) bool { return r.name == "" }), nil
}

// checkNames refuses, with --unknown=error, to set a name that Postfix would
// not use afterwards.
func (c *command) checkNames(requests []request) error {
	if !c.unknownError {
		return nil
	}
	src, err := os.ReadFile(c.mainPath())
	if err != nil {
		return fatalf("open %s for reading: %s", c.mainPath(), reason(err))
	}
	f, _ := maincf.Parse(c.mainPath(), src)
	for _, r := range requests {
		if err := f.Set(r.name, r.value); err != nil {
			return fatalf("%s", err)
		}
	}
	env := &maincf.Env{Main: f, Version: c.version}
	if env.Services, err = c.services(); err != nil {
		return err
	}
	use := env.Use()
	for _, r := range requests {
		if _, bad := slices.BinarySearch(use.Unused, r.name); !bad {
			continue
		}
		if near := maincf.Suggest(r.name); len(near) > 0 {
			return fatalf("unknown parameter: %s (did you mean %s?)", r.name, strings.Join(near, " or "))
		}
		return fatalf("unknown parameter: %s", r.name)
	}
	return nil
}

// rewrite edits as Postfix does: a line that starts a named setting is replaced,
// removed or commented out with its continuation lines; comments and blank
// lines stay where they are; new settings go to the end, by name.
func (c *command) rewrite(old []byte, requests []request) ([]byte, error) {
	byName := map[string]*request{}
	for i := range requests {
		requests[i].found = 0
		byName[requests[i].name] = &requests[i]
	}
	out := make([]byte, 0, len(old)+256)
	interesting := false
	for line := range bytes.Lines(old) {
		if line[len(line)-1] != '\n' {
			line = append(slices.Clip(line), '\n')
		}
		line, _ := cflines.CutNUL(line)
		text := cflines.TrimLeft(line)
		switch {
		case len(text) == 0 || text[0] == '#':
			out = append(out, line...)
		case len(text) < len(line): // a continuation line
			if !interesting {
				out = append(out, line...)
			} else if c.mode&commentOut != 0 {
				out = append(append(out, '#'), line...)
			}
		default:
			end := bytes.IndexAny(line, " \t\r\n=")
			if end < 0 {
				end = len(line)
			}
			r := byName[string(line[:end])]
			if interesting = r != nil; !interesting {
				out = append(out, line...)
				continue
			}
			if r.found++; r.found == 2 {
				c.warning("%s: multiple entries for \"%s\"", c.mainPath(), r.name)
			}
			switch {
			case c.mode&editConf != 0:
				out = fmt.Appendf(out, "%s = %s\n", r.name, r.value)
			case c.mode&commentOut != 0:
				out = append(append(out, '#'), line...)
			}
		}
	}
	if c.mode&editConf != 0 {
		slices.SortFunc(requests, func(a, b request) int { return strings.Compare(a.name, b.name) })
		for _, r := range requests {
			if r.found == 0 {
				out = fmt.Appendf(out, "%s = %s\n", r.name, r.value)
			}
		}
	}
	return out, nil
}

// change edits through the library: nothing but the settings that count
// changes, comments between the lines of a value included.
func (c *command) change(old []byte, requests []request) ([]byte, error) {
	f, err := maincf.Parse(c.mainPath(), old)
	if err != nil {
		return nil, fatalf("%s", err)
	}
	for _, r := range requests {
		switch {
		case c.mode&editConf != 0:
			if err := f.Set(r.name, r.value); err != nil {
				return nil, fatalf("%s", err)
			}
		case c.mode&commentOut != 0:
			f.CommentOut(r.name)
		default:
			f.Delete(r.name)
		}
	}
	return f.Bytes(), nil
}
