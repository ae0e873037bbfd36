package proxymap

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/mapserver"
	"github.com/postfixkit/postfixkit/table"
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("proxymap: server closed")

// A Server answers the lookups of Postfix programs from tables. Set the fields
// before the first Serve; zero limits are the defaults, never "no limit". The
// methods are safe for concurrent use.
type Server struct {
	// Tables by the name after "proxy:", such as "hash:/etc/postfix/access". The
	// table "" answers for every name that is not there; without it Postfix is
	// told that the table is not allowed.
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
		s.server.Handle, s.server.Greet, s.server.Report = s.handle, greet, s.Report
		s.server.MaxConns, s.server.Idle, s.server.Timeout = s.MaxConns, s.Idle, s.Timeout
	})
	return &s.server
}

// Serve accepts connections from l and answers them until [Server.Shutdown],
// when it returns [ErrServerClosed], or until l fails. It closes l.
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

func greet(w *bufio.Writer) error {
	_, err := w.Write(appendMessage(nil, "protocol", protocolName))
	return err
}

func (s *Server) handle(ctx context.Context, r *bufio.Reader, w *bufio.Writer) error {
	request, err := readMessage(r)
	if err != nil {
		return err
	}
	status, name, value := s.answer(ctx, request)
	_, err = w.Write(appendMessage(w.AvailableBuffer(), "status", strconv.Itoa(status), name, value))
	return err
}

// answer returns the status of a request, and name and value of the attribute
// that goes with it.
func (s *Server) answer(ctx context.Context, request map[string]string) (status int, name, value string) {
	flags, err := number(request, "flags")
	key, hasKey := request["key"]
	lookup := request["request"] == "lookup" && hasKey
	if !lookup && request["request"] != "open" || err != nil {
		return statusBad, "value", ""
	}
	t := s.Tables[request["table"]]
	if t == nil {
		t = s.Tables[""]
	}
	pattern := t != nil && table.IsPattern(t)
	switch {
	case !lookup && t == nil:
		return statusDenied, "flags", "0"
	case !lookup && pattern:
		return statusOK, "flags", strconv.Itoa(flagPattern)
	case !lookup:
		return statusOK, "flags", strconv.Itoa(flagFixed)
	case t == nil:
		return statusDenied, "value", ""
	}
	if fold := flagFoldFix; !pattern && flags&fold != 0 || pattern && flags&flagFoldMul != 0 {
		key = casefold.String(key, flags&flagUTF8 != 0)
	}
	value, found, err := t.Lookup(ctx, key)
	switch {
	case err != nil && (table.IsTemporary(err) || mapserver.IsTimeout(err)):
		return statusRetry, "value", ""
	case err != nil || found && len(value) > maxString:
		return statusConfig, "value", ""
	case !found:
		return statusNoKey, "value", ""
	}
	value, _, _ = strings.Cut(value, "\x00") // ends a string here, as it does in Postfix
	return statusOK, "value", value
}
