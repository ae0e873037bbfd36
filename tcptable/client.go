package tcptable

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/mapserver"
	"github.com/postfixkit/postfixkit/table"
)

// A Client is a table on a tcp_table(5) server. It keeps connections open,
// makes new ones as needed, and waits at most 100 seconds for a reply, or as
// long as the context of the lookup says. It is a [table.Pattern]. Safe for
// concurrent use.
//
// All errors are of type [*table.Error], temporary unless the reply makes no
// sense.
type Client struct {
	spec   string
	client mapserver.Client

	fold, utf8 bool // for parameters that fold keys even for patterns
}

// Open returns the table on the server "host:port". Nothing is connected yet.
func Open(name string) (*Client, error) {
	network, address, err := mapserver.Endpoint(name, true)
	if err != nil {
		return nil, fmt.Errorf("tcptable: %w", err)
	}
	c := &Client{spec: "tcp:" + name}
	c.client.Network, c.client.Address = network, address
	return c, nil
}

// Type is the [table.OpenFunc] of the table type "tcp".
func Type(_ context.Context, o *table.Opener, name string) (table.Closer, error) {
	c, err := Open(name)
	if err != nil {
		return nil, err
	}
	c.fold, c.utf8 = o.Options.FoldPattern, o.Options.UTF8
	return c, nil
}

// IsPattern returns true: Postfix never asks a tcp table for parts of a key.
func (c *Client) IsPattern() bool { return true }

// Lookup asks the server.
func (c *Client) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	if c.fold {
		key = casefold.String(key, c.utf8)
	}
	var line string
	err = c.client.Do(ctx, func(conn *mapserver.Conn) (err error) {
		request := append(AppendEncode(append(conn.W.AvailableBuffer(), "get "...), key), '\n')
		conn.W.Write(request)
		if err := conn.W.Flush(); err != nil {
			return err
		}
		line, err = readLine(conn.R, MaxReply)
		return err
	})
	if err != nil {
		return "", false, &table.Error{Spec: c.spec, Key: key, Temporary: !errors.Is(err, ErrTooLong), Err: err}
	}
	// Postfix goes by the first of the three digits.
	if len(line) > 3 && isDigit(line[0]) && isDigit(line[1]) && isDigit(line[2]) && strings.IndexByte(" \t\v\f\r", line[3]) >= 0 {
		text, ok := decode(line[4:])
		switch {
		case !ok:
		case line[0] == '2':
			return text, true, nil
		case line[0] == '5':
			return "", false, nil
		case line[0] == '4':
			return "", false, &table.Error{Spec: c.spec, Key: key, Temporary: true, Err: errors.New("tcp server: " + text)}
		}
	}
	return "", false, &table.Error{Spec: c.spec, Key: key, Err: fmt.Errorf("%w: reply %.100q, want 200, 400 or 500, and encoded text", ErrSyntax, line)}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Close closes the connections. Lookups fail afterwards.
func (c *Client) Close() error { return c.client.Close() }
