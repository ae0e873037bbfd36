package mapcmd

import (
	"fmt"

	"github.com/postfixkit/postfixkit/aliases"
	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/table"
)

// This file holds what postalias does differently from postmap.

// aliasSource scans an aliases(5) file. Postfix 3.12 stores names with their
// quotes, releases before without them (--internal-keys).
func (c *command) aliasSource(j *job, report func(diag.Diagnostic)) hashmap.Source {
	s := aliases.NewScanner(j.name, c.untilSignal(j), &aliases.Options{NoFold: c.noFold, NoUTF8: !c.utf8Mode()})
	s.Report = report
	if c.internalKeys {
		return unquotedKeys{s}
	}
	return s
}

type unquotedKeys struct{ *aliases.Scanner }

func (u unquotedKeys) Key() []byte { return u.UnquotedKey() }

// aliasLine writes one entry of an alias table as a line of aliases(5). The
// records that postalias adds by itself have none.
func aliasLine(e table.Entry) (line string, ok bool, err error) {
	switch e.Key {
	case "@", "YP_LAST_MODIFIED", "YP_MASTER_NAME":
		return "", false, nil
	}
	line = e.Key + ": " + e.Value + "\n"
	f, perr := aliases.Parse("", []byte(line), &aliases.Options{NoFold: true})
	n := 0
	for a := range f.All() {
		if n++; a.Key() != e.Key || a.Value() != e.Value {
			n = -1
			break
		}
	}
	if n == 1 {
		return line, true, nil
	}
	// A name stored without its quotes, as before 3.12.
	quoted := new(aliases.File)
	targets, terr := aliases.ParseTargets(e.Value)
	if terr == nil {
		terr = quoted.Set(e.Key, targets...)
	}
	if terr != nil {
		return "", false, fmt.Errorf("cannot write alias %q as text: %w", e.Key, firstOf(perr, terr))
	}
	return string(quoted.Bytes()), true, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
