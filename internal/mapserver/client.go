package mapserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// A Conn is one connection of a Client.
type Conn struct {
	R *bufio.Reader
	W *bufio.Writer

	conn  net.Conn
	spent bool // interrupted, perhaps later than its request ended
}

// A Client keeps connections to one server open and gives each to one request
// at a time. A request that fails on a connection that was idle is sent once
// more on a new one: the server may have closed it meanwhile. Safe for
// concurrent use.
type Client struct {
	Network, Address string
	Timeout          time.Duration                                                        // for one request; 0 is DefaultTimeout
	Hello            func(*Conn) error                                                    // first words on a new connection, may be nil
	Dial             func(ctx context.Context, network, address string) (net.Conn, error) // nil is net.Dialer

	mu     sync.Mutex
	idle   []*Conn
	closed bool
}

// maxIdle is how many connections are kept.
const maxIdle = 16

// Do runs one request: ask writes it and reads the reply. The error of the
// last try is returned as it is.
func (c *Client) Do(ctx context.Context, ask func(*Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, or(c.Timeout, DefaultTimeout))
	defer cancel()
	for try := 0; ; try++ {
		conn, used, err := c.get(ctx, try > 0)
		if err != nil {
			return err
		}
		err = c.ask(ctx, conn, ask)
		if err == nil {
			c.put(conn)
			return nil
		}
		conn.conn.Close()
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if IsTimeout(err) { // the connection has the deadline of ctx, and may notice it first
			return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
		}
		if !used {
			return err
		}
	}
}

func (c *Client) ask(ctx context.Context, conn *Conn, ask func(*Conn) error) error {
	deadline, _ := ctx.Deadline()
	conn.conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { conn.conn.SetDeadline(time.Unix(1, 0)) })
	err := ask(conn)
	conn.spent = !stop()
	return err
}

// get returns an idle connection or makes one.
func (c *Client) get(ctx context.Context, fresh bool) (conn *Conn, used bool, err error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, false, net.ErrClosed
	}
	if n := len(c.idle); n > 0 && !fresh {
		conn = c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return conn, true, nil
	}
	c.mu.Unlock()
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	raw, err := dial(ctx, c.Network, c.Address)
	if err != nil {
		return nil, false, err
	}
	conn = &Conn{R: bufio.NewReader(raw), W: bufio.NewWriter(raw), conn: raw}
	if c.Hello != nil {
		if err := c.ask(ctx, conn, c.Hello); err != nil {
			raw.Close()
			return nil, false, err
		}
	}
	return conn, false, nil
}

func (c *Client) put(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= maxIdle || conn.R.Buffered() > 0 || conn.spent {
		conn.conn.Close()
		return
	}
	c.idle = append(c.idle, conn)
}

// Close closes the connections that are idle; those in use are closed when
// their request is over.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var errs []error
	for _, conn := range c.idle {
		errs = append(errs, conn.conn.Close())
	}
	c.idle = nil
	return errors.Join(errs...)
}

// Endpoint parses what Postfix calls a service: "inet:host:port",
// "unix:path", and where bare is true also "host:port".
func Endpoint(s string, bare bool) (network, address string, err error) {
	kind, rest, ok := strings.Cut(s, ":")
	switch {
	case ok && kind == "unix" || kind == "local":
		if rest == "" {
			return "", "", fmt.Errorf("no path in %q, want unix:pathname", s)
		}
		return "unix", rest, nil
	case ok && kind == "inet":
	case bare:
		rest = s
	default:
		return "", "", fmt.Errorf("need service transport:endpoint instead of \"%s\": inet:host:port or unix:pathname", s)
	}
	colon := strings.LastIndexByte(rest, ':')
	host, port := "", rest // a port alone is one of this machine
	if colon >= 0 {
		host, port = rest[:colon], rest[colon+1:]
	}
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if port == "" || strings.ContainsAny(host, "[]") {
		return "", "", fmt.Errorf("bad service %q, want host:port", s)
	}
	if port[0] >= '0' && port[0] <= '9' && strings.Trim(port, "0123456789") != "" {
		return "", "", fmt.Errorf("%s: garbage after numerical service, want host:port", port)
	}
	if host == "" {
		host = "localhost"
	}
	return "tcp", net.JoinHostPort(host, port), nil
}
