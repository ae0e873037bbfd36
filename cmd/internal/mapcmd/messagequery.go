package mapcmd

import (
	"fmt"

	"github.com/postfixkit/postfixkit/headercheck"
)

func (c *command) messageMode() bool { return c.body || c.header }

// queryMessage answers -h and -b with -q -: the headers or body lines of the
// message on standard input are the keys.
func (c *command) queryMessage(operands []string) error {
	s := &searcher{c: c, operands: operands}
	defer s.close()
	found := false
	var value []byte
	for key, err := range headercheck.Keys(c.Stdin, headercheck.KeyOptions{Headers: c.header, Body: c.body, MIME: c.mime, Limits: c.cfg.limits}) {
		if err != nil {
			return fmt.Errorf("read error: %s", cause(err))
		}
		key = cString(key)
		var hit bool
		if value, hit, err = s.find(value[:0], key); err != nil {
			return err
		}
		if hit {
			found = true
			c.out.Write(c.appendEntry(c.out.AvailableBuffer(), key, value))
		}
	}
	if !found {
		return errExit
	}
	return nil
}
