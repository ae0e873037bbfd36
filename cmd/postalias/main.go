// Command postalias builds and queries Postfix alias databases from aliases(5)
// files, with the options, messages and exit statuses of Postfix's own
// postalias(1), and needs neither Postfix nor a main.cf.
//
// It is not Postfix's program. "go install" puts it where it may come first in
// PATH on a machine that has Postfix: then scripts run this one.
//
//	postalias hash:/etc/aliases
//	postalias -q root hash:/etc/aliases
//
// "postalias --help" lists the options, "postalias --man | man -l -" shows the
// manual.
package main

import (
	"os"

	"github.com/postfixkit/postfixkit/cmd/internal/mapcmd"
)

func main() { os.Exit(mapcmd.Process(mapcmd.Postalias)) }
