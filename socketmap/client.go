package socketmap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/mapserver"
	"github.com/postfixkit/postfixkit/table"
)

// A Client is a table on a socketmap server. It keeps connections open, makes
// new ones as needed, and waits at most 100 seconds for a reply, or as long as
// the context of the lookup says. It is a [table.Pattern]. Safe for concurrent
// use.
//
// All errors are of type [*table.Error]. Those of the network and the replies
// TEMP and TIMEOUT are temporary; PERM and a reply that makes no sense are not.
type Client struct {
	spec, name string
	client     mapserver.Client
	fold, utf8 bool // parameters of the kind that fold keys even for patterns
}

// Open returns the table that the name describes, written as in Postfix:
// "inet:host:port:name" or "unix:pathname:name". Nothing is connected yet.
func Open(name string) (*Client, error) {
	colon := strings.LastIndexByte(name, ':')
	if colon < 0 {
		return nil, fmt.Errorf("socketmap requires server:socketmap argument, inet:host:port:name or unix:pathname:name, found %q", name)
	}
	network, address, err := mapserver.Endpoint(name[:colon], false)
	if err != nil {
		return nil, fmt.Errorf("socketmap: %w", err)
	}
	if strings.ContainsRune(name[colon+1:], ' ') {
		return nil, fmt.Errorf("socketmap: bad table name %q at the end of %q", name[colon+1:], name)
	}
	c := &Client{spec: "socketmap:" + name, name: name[colon+1:]}
	c.client.Network, c.client.Address = network, address
	return c, nil
}

// Type is the [table.OpenFunc] of the table type "socketmap".
func Type(_ context.Context, o *table.Opener, name string) (table.Closer, error) {
	c, err := Open(name)
	if err != nil {
		return nil, err
	}
	c.fold, c.utf8 = o.Options.FoldPattern, o.Options.UTF8
	return c, nil
}

// IsPattern returns true: Postfix never asks a socketmap for parts of a key.
func (c *Client) IsPattern() bool { return true }

// Lookup asks the server.
func (c *Client) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	if c.fold {
		key = casefold.String(key, c.utf8)
	}
	if len(c.name)+1+len(key) > MaxLength {
		return "", false, &table.Error{Spec: c.spec, Key: clip(key), Err: ErrTooLong}
	}
	var reply []byte
	err = c.client.Do(ctx, func(conn *mapserver.Conn) (err error) {
		conn.W.Write(AppendNetstring(conn.W.AvailableBuffer(), c.name, " ", key))
		if err := conn.W.Flush(); err != nil {
			return err
		}
		reply, err = ReadNetstring(reply[:0], conn.R, MaxLength)
		return err
	})
	if err != nil {
		bad := errors.Is(err, ErrSyntax) || errors.Is(err, ErrTooLong)
		return "", false, &table.Error{Spec: c.spec, Key: key, Temporary: !bad, Err: err}
	}
	status, text, hasText := strings.Cut(string(reply), " ")
	switch status {
	case "OK":
		return text, hasText, nil // without the space Postfix takes it for NOTFOUND
	case "NOTFOUND":
		return "", false, nil
	case "TEMP", "TIMEOUT", "PERM":
		err = fmt.Errorf("socketmap server: %s %s", status, clip(text))
	default:
		err = fmt.Errorf("socketmap: unknown reply %q", clip(string(reply)))
	}
	return "", false, &table.Error{Spec: c.spec, Key: key, Temporary: status == "TEMP" || status == "TIMEOUT", Err: err}
}

// Close closes the connections. Lookups fail afterwards.
func (c *Client) Close() error { return c.client.Close() }
