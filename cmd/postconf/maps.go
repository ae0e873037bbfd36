package main

import "fmt"

// tableTypes are the names of postfixkit.Types, which a test compares. They
// stand here so that postconf, which opens no table, does not have to load the
// code of all of them: that would be a tenth of the time it runs.
var tableTypes = []string{
	"bolt", "btree", "cdb", "cidr", "debug", "environ", "fail", "hash", "inline", "internal", "lmdb", "pcre",
	"pipemap", "randmap", "regexp", "socketmap", "static", "tcp", "texthash", "unionmap", "unix",
}

// showMaps lists the lookup table types of this program: -m. Types that need a
// server or a database driver to be named first, such as proxy and mysql, are
// not among them.
func (c *command) showMaps() error {
	for _, name := range tableTypes {
		fmt.Fprintln(c.stdout, name)
	}
	return nil
}
