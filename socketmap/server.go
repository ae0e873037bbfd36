package socketmap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/postfixkit/postfixkit/internal/mapserver"
	"github.com/postfixkit/postfixkit/table"
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("socketmap: server closed")

// A Server answers socketmap requests from tables. Set the fields before the
// first Serve; zero limits are the defaults, never "no limit". The methods are
// safe for concurrent use.
//
// Each connection is answered by a goroutine of its own, one request after the
// other. A request longer than [MaxLength], or one that is no netstring, ends
// the connection: there is no way to find the next one. Everything else gets a
// reply.
type Server struct {
	// Tables by the name in the request. The table "" answers for every name
	// that is not there.
	Tables map[string]table.Table

	MaxConns int           // connections of a listener at a time, further ones wait; 0 is 256
	Idle     time.Duration // time a connection may be without a request; 0 is 10 minutes
	Timeout  time.Duration // time from the first byte of a request to the end of its lookup; 0 is 100 seconds

	// Report, when not nil, is told about connections that were ended because
	// of an error, and about errors of Accept.
	Report func(error)

	once   sync.Once
	server mapserver.Server
}

func (s *Server) start() *mapserver.Server {
	s.once.Do(func() {
		s.server.Handle, s.server.Report = s.handle, s.Report
		s.server.MaxConns, s.server.Idle, s.server.Timeout = s.MaxConns, s.Idle, s.Timeout
	})
	return &s.server
}

// Serve accepts connections from l and answers them until [Server.Shutdown],
// when it returns [ErrServerClosed], or until l fails. It closes l. Several
// listeners can be served at the same time.
func (s *Server) Serve(l net.Listener) error {
	if err := s.start().Serve(l); err != mapserver.ErrClosed {
		return err
	}
	return ErrServerClosed
}

// Shutdown stops accepting, closes connections that wait for a request,
// answers the requests that have begun, and returns when all is done. When ctx
// ends earlier their lookups are cancelled, the remaining connections are closed
// and its error is returned; a table that goes on all the same is waited for no
// longer than a second.
func (s *Server) Shutdown(ctx context.Context) error { return s.start().Shutdown(ctx) }

func (s *Server) handle(ctx context.Context, r *bufio.Reader, w *bufio.Writer) error {
	request, err := ReadNetstring(nil, r, MaxLength)
	if err != nil {
		if errors.Is(err, ErrSyntax) || errors.Is(err, ErrTooLong) {
			w.Write(AppendNetstring(nil, "PERM ", strings.TrimPrefix(err.Error(), "socketmap: ")))
		}
		return err
	}
	status, text := s.answer(ctx, string(request))
	_, err = w.Write(AppendNetstring(w.AvailableBuffer(), status, " ", text))
	return err
}

// answer returns the two parts of a reply.
func (s *Server) answer(ctx context.Context, request string) (status, text string) {
	name, key, ok := strings.Cut(request, " ")
	if !ok {
		return "PERM", "no key in the request, want \"name key\""
	}
	t := s.Tables[name]
	if t == nil {
		t = s.Tables[""]
	}
	if t == nil {
		return "PERM", fmt.Sprintf("no table %q here", name)
	}
	value, found, err := t.Lookup(ctx, key)
	switch {
	case mapserver.IsTimeout(err):
		return "TIMEOUT", clip(err.Error())
	case table.IsTemporary(err):
		return "TEMP", clip(err.Error())
	case err != nil:
		return "PERM", clip(err.Error())
	case !found:
		return "NOTFOUND", ""
	case len("OK ")+len(value) > MaxLength:
		return "PERM", fmt.Sprintf("the value has %d bytes, a reply holds %d", len(value), MaxLength-len("OK "))
	}
	return "OK", value
}

// clip keeps an error text to what Postfix logs of it.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most]
	}
	return s
}
