// Command edit-maincf sets main.cf parameters safely, and says whether
// anything changed by its exit status: what a panel or a provisioning tool
// does, as a program of one page.
//
//	edit-maincf FILE name=value ... name+=item ... name-=item ...
//
// Exit status 0: changed. 3: it was so already. 1: nothing was changed because
// of an error.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/postfixkit/postfixkit/maincf"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: edit-maincf FILE name=value ... name+=item ... name-=item ...")
		os.Exit(1)
	}
	changed, err := apply(os.Args[1], os.Args[2:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case !changed:
		os.Exit(3)
	}
}

// apply makes all edits or none.
func apply(path string, edits []string) (changed bool, err error) {
	return maincf.UpdateFile(path, func(f *maincf.File) error {
		var errs []error
		for _, e := range edits {
			errs = append(errs, one(f, e))
		}
		return errors.Join(errs...)
	})
}

func one(f *maincf.File, edit string) error {
	name, value, ok := strings.Cut(edit, "=")
	if !ok {
		return fmt.Errorf("%q: want name=value", edit)
	}
	op := name[max(0, len(name)-1):]
	if op == "+" || op == "-" {
		name = name[:len(name)-1]
	}
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	// Postfix takes any name without a word; a misspelt one does nothing.
	if _, known := maincf.LookupParam(name); !known {
		if near := maincf.Suggest(name); len(near) > 0 {
			return fmt.Errorf("unknown parameter %q, did you mean %s?", name, near[0])
		}
		return fmt.Errorf("unknown parameter %q", name)
	}
	var err error
	switch op {
	case "+":
		_, err = f.AddItem(name, value)
	case "-":
		_, err = f.RemoveItem(name, value)
	default:
		err = f.Set(name, value)
	}
	return err
}
