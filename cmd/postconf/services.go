package main

import (
	"bytes"
	"os"
	"strings"

	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/maincf"
	"github.com/postfixkit/postfixkit/table"
)

// services reads what main.cf parameters depend on from master.cf: service
// names, their programs, and -o options. A missing file is a warning.
func (c *command) services() ([]maincf.MasterService, error) {
	src, err := os.ReadFile(c.masterPath())
	if err != nil {
		c.warning("open %s: %s", c.masterPath(), reason(err))
		return nil, nil
	}
	var all []maincf.MasterService
	for it := range cflines.Split(src) {
		if it.Kind != cflines.Logical {
			continue
		}
		text, _ := cflines.CutNUL(it.Text(src).Bytes)
		if len(text) > 0 && cflines.IsSpace(text[0]) {
			c.warning("%s: logical line must not start with whitespace: \"%.30s%s\"", c.masterPath(), text, dots(string(text), 30))
			continue
		}
		fields := masterWords(string(bytes.TrimSpace(text)))
		if len(fields) < 8 {
			return nil, fatalf("file %s: line %d: bad field count", c.masterPath(), it.Line)
		}
		all = append(all, maincf.MasterService{
			Name: fields[0], Type: fields[1], Command: fields[7], Overrides: masterOptions(fields[8:]),
		})
	}
	return all, nil
}

// masterWords splits a master.cf entry at white space outside braces.
func masterWords(text string) (words []string) {
	for _, w := range table.Elements(strings.ReplaceAll(text, ",", "\x00")) {
		words = append(words, strings.ReplaceAll(w, "\x00", ","))
	}
	return words
}

// masterOptions returns the -o options of a command: "-o name=value",
// "-oname=value" or "-o { name = value }"; other options may be joined in front.
func masterOptions(args []string) map[string]string {
	set := map[string]string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			break
		}
		k := 1
		for k < len(arg) && arg[k] != 'o' { // the only one with a value
			k++
		}
		if k == len(arg) {
			continue
		}
		value := arg[k+1:]
		if value == "" {
			if i++; i == len(args) {
				break
			}
			value = args[i]
		}
		if inside, ok := strings.CutPrefix(value, "{"); ok {
			value = strings.TrimSpace(strings.TrimSuffix(inside, "}"))
		}
		if name, v, why := splitNameValue(value); why == "" {
			set[name] = v
		}
	}
	return set
}
