package mapcmd

import "errors"

func (c *command) messageMode() bool { return c.body || c.header }

// queryMessage answers -h and -b: the headers or body lines of the message on
// standard input are the keys.
func (c *command) queryMessage(operands []string) error { return errors.New("not yet") }
