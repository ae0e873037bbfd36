// Package servertest has what the tests of clients share.
package servertest

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// Answers to a lookup other than a value.
const (
	NotFound  = "-"
	Temporary = "temporary"
	Permanent = "permanent"
)

// A Client looks keys up on a server.
type Client interface {
	Lookup(ctx context.Context, key string) (value string, found bool, err error)
	Close() error
}

// Replies wants a client to make of each reply what it is mapped to, and the
// real "postmap -q" as well; ask says for which. To postmap all errors are the
// same; isTemporary is table.IsTemporary.
func Replies(t *testing.T, replies map[string]string, open func(address string) (spec string, c Client, err error), isTemporary func(error) bool, ask func(want string) bool) {
	var calls []realpostfix.Call
	var wants []string
	for reply, want := range replies {
		spec, c, err := open(server(t, reply))
		if err != nil {
			t.Fatal(err)
		}
		got, found, err := c.Lookup(context.Background(), "k")
		switch {
		case isTemporary(err):
			got = Temporary
		case err != nil:
			got = Permanent
		case !found:
			got = NotFound
		}
		if got != want {
			t.Errorf("%.20q: got %q, want %q", reply, got, want)
		}
		c.Close()
		if ask(want) {
			calls, wants = append(calls, realpostfix.Call{Name: "postmap", Args: []string{"-q", "k", spec}}), append(wants, want)
		}
	}
	t.Run("postmap", func(t *testing.T) {
		for i, res := range realpostfix.Need(t, "postmap").RunAll(calls) {
			var ok bool
			switch want := wants[i]; want {
			case NotFound:
				ok = res.Exit == 1 && res.Stdout == "" && res.Stderr == ""
			case Temporary, Permanent:
				ok = res.Exit == 1 && res.Stdout == "" && res.Stderr != ""
			default:
				ok = res.Exit == 0 && res.Stdout == want+"\n"
			}
			if !ok {
				t.Errorf("%s: want %q, postmap: %+v", calls[i].Args[2], wants[i], res)
			}
		}
	})
}

// server gives the same reply to everybody, until the test ends.
func server(t *testing.T, reply string) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 100))
			io.WriteString(conn, reply)
			conn.Close()
		}
	}()
	return l.Addr().String()
}
