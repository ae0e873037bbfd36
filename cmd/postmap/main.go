// Command postmap builds and queries Postfix lookup tables, with the options,
// messages and exit statuses of Postfix's own postmap(1), and needs neither
// Postfix nor a main.cf.
//
// It is not Postfix's program. "go install" puts it where it may come first in
// PATH on a machine that has Postfix: then scripts run this one.
//
//	postmap hash:/etc/postfix/access
//	postmap -q user@example.com hash:/etc/postfix/access
//
// "postmap --help" lists the options, "postmap --man | man -l -" shows the
// manual.
package main

import (
	"os"

	"github.com/postfixkit/postfixkit/cmd/internal/mapcmd"
)

func main() { os.Exit(mapcmd.Process(mapcmd.Postmap)) }
