package mapcmd

import (
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/table"
)

// types are the table types that can be asked with -q.
func types(c *command) map[string]table.OpenFunc { return hashmap.Types() }
