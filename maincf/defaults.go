package maincf

import (
	"fmt"

	"github.com/postfixkit/postfixkit/internal/paramdb"
)

// listDefault returns the default a list starts from when its first element is
// added.
func listDefault(name string) (string, error) {
	p := paramdb.Find(name)
	if p == nil || p.Status == paramdb.Removed {
		return "", nil
	}
	if p.Flags&paramdb.RuntimeOnly != 0 {
		return "", fmt.Errorf("maincf: %s is not set, and its default is known only to the running machine; set it first", name)
	}
	return p.Default, nil
}

// isList reports whether the value of a parameter is a list.
func isList(name string) bool {
	p := paramdb.Find(name)
	return p != nil && p.Flags&paramdb.List != 0
}
