package proxymap

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/postfixkit/postfixkit/internal/mapserver"
	"github.com/postfixkit/postfixkit/table"
)

// ErrDenied is the error for a table that the service does not share: it is
// not in proxy_read_maps of its main.cf.
var ErrDenied = errors.New("proxymap: the service is not configured for this table")

// A Client is a table of a proxymap(8) service. Like the table it stands for
// it is a [table.Pattern] or not. Safe for concurrent use.
//
// All errors are of type [*table.Error]; those of the network and those the
// service calls so are temporary.
type Client struct {
	name    string // type:name of the table
	flags   string
	pattern bool
	client  mapserver.Client
}

// Type returns the [table.OpenFunc] of the table type "proxy", for the service
// that listens at a network address as [net.Dial] wants it: usually "unix" and
// "/var/spool/postfix/private/proxymap", which only root and postfix may use.
func Type(network, address string) table.OpenFunc {
	return func(ctx context.Context, o *table.Opener, name string) (table.Closer, error) {
		return Open(ctx, network, address, name, o.Options)
	}
}

// Open opens the table "type:name" in a service and learns what kind of table
// it is.
func Open(ctx context.Context, network, address, name string, options table.Options) (*Client, error) {
	if _, err := table.ParseSpec(name); err != nil {
		return nil, fmt.Errorf("proxymap: %w", err)
	}
	flags := 0
	if !options.NoFold {
		flags |= flagFoldFix
	}
	if options.FoldPattern {
		flags |= flagFoldMul
	}
	if options.NoSubst {
		flags |= flagNoSubst
	}
	if options.UTF8 {
		flags |= flagUTF8
	}
	c := &Client{name: name, flags: strconv.Itoa(flags)}
	c.client.Network, c.client.Address, c.client.Hello = network, address, hello
	status, reply, err := c.ask(ctx, "request", "open", "table", c.name, "flags", c.flags)
	var got int
	if err == nil && status == statusOK {
		got, err = number(reply, "flags")
	}
	if err == nil {
		err = c.failure(status)
	}
	if err != nil {
		c.client.Close()
		return nil, c.error("", status, err)
	}
	c.pattern = got&flagPattern != 0
	return c, nil
}

func hello(conn *mapserver.Conn) error {
	m, err := readMessage(conn.R)
	if err == nil && m["protocol"] != protocolName {
		err = fmt.Errorf("%w: this is no proxymap service of Postfix 3.6 or later", errSyntax)
	}
	return err
}

func (c *Client) ask(ctx context.Context, attributes ...string) (status int, reply map[string]string, err error) {
	err = c.client.Do(ctx, func(conn *mapserver.Conn) (err error) {
		conn.W.Write(appendMessage(conn.W.AvailableBuffer(), attributes...))
		if err := conn.W.Flush(); err != nil {
			return err
		}
		reply, err = readMessage(conn.R)
		return err
	})
	if err == nil {
		status, err = number(reply, "status")
	}
	return status, reply, err
}

// failure is the error that a status means.
func (c *Client) failure(status int) error {
	switch status {
	case statusOK, statusNoKey:
		return nil
	case statusRetry:
		return errors.New("proxymap: temporary failure of the table")
	case statusDenied:
		return ErrDenied
	case statusConfig:
		return errors.New("proxymap: the table has a configuration error")
	case statusBad:
		return errors.New("proxymap: the service does not understand the request")
	}
	return fmt.Errorf("proxymap: unknown status %d", status)
}

func (c *Client) error(key string, status int, err error) error {
	temporary := status == statusRetry || status == statusOK && !errors.Is(err, errSyntax)
	return &table.Error{Spec: "proxy:" + c.name, Key: key, Temporary: temporary, Err: err}
}

// IsPattern reports what the service said about the table.
func (c *Client) IsPattern() bool { return c.pattern }

// Lookup asks the service.
func (c *Client) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	for i := range len(key) {
		if key[i] == 0 {
			return "", false, nil // cannot be sent, and no table of Postfix has it
		}
	}
	status, reply, err := c.ask(ctx, "request", "lookup", "table", c.name, "flags", c.flags, "key", key)
	if err == nil {
		err = c.failure(status)
	}
	if err != nil {
		return "", false, c.error(key, status, err)
	}
	return reply["value"], status == statusOK, nil
}

// Close closes the connections. Lookups fail afterwards.
func (c *Client) Close() error { return c.client.Close() }
