package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/postfixkit/postfixkit"
)

// showMaps lists the lookup table types of this program: -m. Types that need a
// server or a database driver to be named first, such as proxy and mysql, are
// not among them.
func (c *command) showMaps() error {
	for _, name := range slices.Sorted(maps.Keys(postfixkit.Types())) {
		fmt.Fprintln(c.stdout, name)
	}
	return nil
}
