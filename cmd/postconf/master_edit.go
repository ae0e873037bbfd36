package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/mastercf"
)

// A masterEdit is what an edit shall do to the services a pattern matches.
type masterEdit struct {
	masterRequest
	value string
	count int // services found
}

// editMaster carries out -e, -X and -# with -M, -F or -P. By default the result
// is, byte for byte, what the command of Postfix writes: an entry of which
// something changes is laid out anew, and comments inside it go before it.
// With --keep-layout only what is asked for changes.
func (c *command) editMaster(operands []string) error {
	edits, err := c.masterEdits(operands)
	if err != nil {
		return err
	}
	edit := c.rewriteMaster
	if c.lossless {
		edit = c.changeMaster
	}
	return c.editFile(c.masterPath(), func(old []byte) ([]byte, error) { return edit(old, edits) })
}

const masterEditOptions = "-Me, -Fe, -Pe, -X, or -#"

// masterEdits reads the operands of an edit.
func (c *command) masterEdits(operands []string) (all []*masterEdit, err error) {
	for _, text := range operands {
		if strings.Contains(text, "\n") {
			return nil, fatalf("%s accept no multi-line input", masterEditOptions)
		}
		arg := string(cflines.TrimLeft([]byte(text)))
		if strings.HasPrefix(arg, "#") {
			return nil, fatalf("%s accept no comment input", masterEditOptions)
		}
		pattern, value := string(cflines.TrimRight([]byte(arg))), ""
		if c.mode&editConf != 0 {
			var why string
			if pattern, value, why = splitNameValue(arg); why != "" {
				return nil, fatalf("%s: \"%s\"", why, text)
			}
		} else if strings.Contains(arg, "=") {
			return nil, fatalf("-X or -# requires names without value")
		}
		e := &masterEdit{value: value}
		if err := c.editPattern(e, pattern); err != nil {
			return nil, err
		}
		e.text = text
		all = append(all, e)
	}
	return all, nil
}

func (c *command) editPattern(e *masterEdit, pattern string) error {
	parts, usage := 3, "-Pe or -PX requires service_name/type/parameter"
	switch {
	case c.mode&masterEntry != 0:
		parts, usage = 2, "-Me, -MX or -M# requires service_name/type"
	case c.mode&masterFields != 0:
		usage = "-Fe or -FX requires service_name/type/field_name"
	}
	var ok bool
	if e.masterRequest, ok = masterPattern(pattern, parts, parts); !ok {
		return fatalf("%s", usage)
	}
	blank := strings.ContainsAny(e.value, " \t\r\n")
	switch {
	case c.mode&masterFields != 0:
		if err := e.parseField(); err != nil {
			return err
		}
		if e.field == 0 {
			return fatalf("-Fe does not accept wild-card field name")
		}
		if e.field != mastercf.FieldCommand && blank {
			return fatalf("-Fe does not accept whitespace in non-command field")
		}
	case c.mode&masterParam != 0:
		if e.third == "*" {
			return fatalf("-Pe does not accept wild-card parameter name")
		}
		if blank && !c.lossless { // with --keep-layout it is put in { }
			return fatalf("-Pe does not accept whitespace in parameter value")
		}
	}
	return nil
}

// parseEntry reads the text of an entry, with the warnings of Postfix; short is
// the error for one with too few fields, raw the text for other messages.
func (c *command) parseEntry(text, raw string, short error) (mastercf.Spec, error) {
	spec, err := mastercf.ParseSpec(text)
	if err != nil {
		return spec, short
	}
	if err := c.checkEntry(spec, raw); err != nil {
		return spec, err
	}
	f, _ := mastercf.Parse("", []byte(text))
	for s := range f.Services() {
		c.warnBraces(s)
	}
	return spec, nil
}

// forgetMatches prepares edits for another try: the file is edited again when it
// was changed by somebody else meanwhile.
func forgetMatches(edits []*masterEdit) {
	for _, e := range edits {
		e.count = 0
	}
}

// rewriteMaster edits line by line, as Postfix does.
func (c *command) rewriteMaster(old []byte, edits []*masterEdit) ([]byte, error) {
	forgetMatches(edits)
	var out []byte
	matched := false
	lines := slices.Collect(bytes.Lines(old))
	number := 0 // as Postfix counts: without the lines that an edited entry goes on with
	for i := 0; i < len(lines); i++ {
		number++
		line := c.masterLine(lines[i])
		if isComment(line) {
			out = append(out, line...)
			continue
		}
		if cflines.IsSpace(line[0]) { // a continuation line
			if !matched {
				out = append(out, line...)
			} else if c.mode&commentOut != 0 {
				out = append(append(out, '#'), line...)
			}
			continue
		}
		name, typ, err := c.serviceOf(line, number)
		if err != nil {
			return nil, err
		}
		matched = false
		var entry *mastercf.Spec
		for _, e := range edits {
			hit := e.matches(name, typ)
			var whole mastercf.Spec
			if c.mode&masterEntry != 0 && c.mode&editConf != 0 {
				if whole, err = c.parseEntry(e.value, e.value, fatalf("bad field count: \"%s\"", e.text)); err != nil {
					return nil, err
				}
				hit = hit || whole.Name == name && string(whole.Type) == typ
			}
			if !hit {
				continue
			}
			matched = true
			e.count++
			switch {
			case c.mode&masterEntry != 0 && c.mode&editConf != 0:
				if e.count == 1 {
					entry = &whole
				}
				continue
			case c.mode&masterEntry != 0:
				continue
			}
			if entry == nil {
				raw := string(line)
				for ; i+1 < len(lines); i++ {
					next := c.masterLine(lines[i+1])
					if isComment(next) {
						out = append(out, next...)
					} else if cflines.IsSpace(next[0]) {
						raw += string(next)
					} else {
						break
					}
				}
				spec, err := c.parseEntry(strings.ReplaceAll(raw, "\n", ""), raw, fatalf("file %s: line %d: bad field count", c.masterPath(), number))
				if err != nil {
					return nil, err
				}
				entry = &spec
			}
			if err := c.editEntry(entry, e); err != nil {
				return nil, err
			}
		}
		switch {
		case entry != nil:
			out = append(out, entry.Format(true)...)
		case !matched:
			out = append(out, line...)
		case c.mode&commentOut != 0:
			out = append(append(out, '#'), line...)
		}
	}
	return c.addMissing(out, edits)
}

// masterLine is a line with its line end, up to a NUL byte as Postfix has it.
func (c *command) masterLine(line []byte) []byte {
	if line[len(line)-1] != '\n' {
		line = append(slices.Clip(line), '\n')
	}
	line, _ = cflines.CutNUL(line)
	return line
}

func isComment(line []byte) bool {
	text := cflines.TrimLeft(line)
	return len(text) == 0 || text[0] == '#'
}

// serviceOf is the name and type at the start of an entry.
func (c *command) serviceOf(line []byte, number int) (name, typ string, err error) {
	words := strings.FieldsFunc(string(line), isBlank)
	switch {
	case len(words) < 2:
		return "", "", fatalf("file %s: line %d: specify service name and type on the same line", c.masterPath(), number)
	case strings.Contains(words[0], "="):
		return "", "", fatalf("file %s: line %d: service name syntax \"%s\" is unsupported with %s", c.masterPath(), number, words[0], masterEditOptions)
	case strings.ContainsAny(words[1], "=/"):
		return "", "", fatalf("file %s: line %d: service type syntax \"%s\" is unsupported with %s", c.masterPath(), number, words[1], masterEditOptions)
	}
	return words[0], words[1], nil
}

// editEntry carries out a -F or -P edit on a parsed entry.
func (c *command) editEntry(spec *mastercf.Spec, e *masterEdit) error {
	switch {
	case c.mode&masterFields != 0 && e.field == mastercf.FieldCommand:
		whole, err := c.parseEntry("x unix - - - - - "+e.value, "", nil)
		if err != nil {
			return err
		}
		spec.Command, spec.Args = whole.Command, whole.Args
	case c.mode&masterFields != 0:
		spec.SetField(e.field, e.value)
	default:
		spec.Args = setParam(spec.Args, e.third, e.value, c.mode&editConf != 0)
		return nil
	}
	return c.checkEntry(*spec, e.value)
}

// commandOf takes a command with arguments apart as those of an entry.
func commandOf(text string) (command string, args []string) {
	spec, err := mastercf.ParseSpec("x unix - - - - - " + text)
	if err != nil {
		return "", nil
	}
	return spec.Command, spec.Args
}

// setParam sets, or removes, every "-o name=…"; one that is new comes behind
// the last option.
func setParam(args []string, name, value string, set bool) []string {
	args = slices.Clone(args)
	found := false
	i := 0
	for i < len(args) && strings.HasPrefix(args[i], "-") && args[i] != "--" {
		if args[i] != "-o" || i+1 == len(args) {
			i++
			continue
		}
		if strings.HasPrefix(args[i+1], name+"=") {
			if !set {
				args = slices.Delete(args, i, i+2)
				continue
			}
			found = true
			args[i+1] = name + "=" + value
		}
		i += 2
	}
	if set && !found {
		args = slices.Insert(args, i, "-o", name+"="+value)
	}
	return args
}

// addMissing adds entries that replace none, and warns about other edits that
// found nothing.
func (c *command) addMissing(out []byte, edits []*masterEdit) ([]byte, error) {
	for _, e := range edits {
		switch {
		case e.count > 0:
		case c.mode&masterEntry != 0 && c.mode&editConf != 0:
			spec, err := c.parseEntry(e.value, e.value, fatalf("bad field count: \"%s\"", e.text))
			if err != nil {
				return nil, err
			}
			out = append(out, spec.Format(true)...)
		case c.mode&masterEntry == 0:
			c.warning("unmatched service_name/type: \"%s\"", e.text)
		}
	}
	return out, nil
}

// changeMaster edits through the library: --keep-layout.
func (c *command) changeMaster(old []byte, edits []*masterEdit) ([]byte, error) {
	forgetMatches(edits)
	f, _ := mastercf.Parse(c.masterPath(), old)
	for _, e := range edits {
		if err := c.changeServices(f, e); err != nil {
			var already fatal
			if errors.As(err, &already) {
				return nil, already
			}
			return nil, fatalf("%s", strings.TrimPrefix(err.Error(), "mastercf: "))
		}
	}
	return f.Bytes(), nil
}

func (c *command) changeServices(f *mastercf.File, e *masterEdit) error {
	var whole mastercf.Spec
	if c.mode&masterEntry != 0 && c.mode&editConf != 0 {
		var err error
		if whole, err = c.parseEntry(e.value, e.value, fatalf("bad field count: \"%s\"", e.text)); err != nil {
			return err
		}
	}
	var gone []*mastercf.Service
	for s := range f.Services() {
		if !e.matches(s.Name(), string(s.Type())) && !(whole.Name == s.Name() && whole.Type == s.Type()) {
			continue
		}
		e.count++
		var err error
		switch {
		case c.mode&masterEntry != 0 && c.mode&editConf != 0:
			if e.count == 1 {
				err = replaceEntry(s, whole)
			} else {
				gone = append(gone, s)
			}
		case c.mode&masterEntry != 0 && c.mode&commentOut != 0:
			err = f.CommentOut(s)
		case c.mode&masterEntry != 0:
			gone = append(gone, s)
		case c.mode&masterFields != 0 && e.field == mastercf.FieldCommand:
			command, args := commandOf(e.value)
			if err = s.SetField(e.field, command); err == nil {
				err = s.SetArgs(args)
			}
		case c.mode&masterFields != 0:
			err = s.SetField(e.field, e.value)
		case c.mode&editConf != 0:
			err = s.SetOption(e.third, e.value)
		default:
			s.DeleteOption(e.third)
		}
		if err != nil {
			return err
		}
	}
	if err := f.Delete(gone...); err != nil {
		return err
	}
	if e.count == 0 && whole.Name != "" {
		_, err := f.Add(whole)
		return err
	}
	if e.count == 0 && c.mode&masterEntry == 0 {
		c.warning("unmatched service_name/type: \"%s\"", e.text)
	}
	return nil
}

// replaceEntry makes a service what spec says, where it stands.
func replaceEntry(s *mastercf.Service, spec mastercf.Spec) error {
	for col := mastercf.FieldService; col <= mastercf.FieldCommand; col++ {
		if err := s.SetField(col, spec.Field(col)); err != nil {
			return err
		}
	}
	return s.SetArgs(spec.Args)
}
