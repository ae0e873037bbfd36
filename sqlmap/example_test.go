package sqlmap_test

import (
	"fmt"

	"github.com/postfixkit/postfixkit/sqlmap"
)

func ExampleParseConfig() {
	c, err := sqlmap.ParseConfig("virtual.mysql", []byte(`
hosts  = unix:/run/mysqld/mysqld.sock, db.example.com
user   = postfix
dbname = mail
query  = SELECT goto FROM alias WHERE address = '%s'
resultformat = %s
expansion_limit = few
`), sqlmap.MySQL)
	fmt.Println(c.Hosts[1], c.DBName)
	fmt.Println(err)
	// Output:
	// db.example.com mail
	// virtual.mysql:6:1: warning: unknown parameter "resultformat" [unknown-parameter]
	// virtual.mysql:7:1: error: expansion_limit is "few", want a number of 0 or more
}
