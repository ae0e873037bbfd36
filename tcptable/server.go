package tcptable

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/postfixkit/postfixkit/internal/mapserver"
	"github.com/postfixkit/postfixkit/table"
)

// Limits of one line, the newline included. tcp_table(5) gives that of a
// reply; that of a request is ours.
const (
	MaxReply   = 4096
	MaxRequest = 100000
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("tcptable: server closed")

// ErrTooLong is the error for a line above the limit.
var ErrTooLong = errors.New("tcptable: line too long")

// ErrSyntax is the error for a line that is no request or no reply.
var ErrSyntax = errors.New("tcptable: bad line")

// A Server answers tcp_table(5) requests from a table. Set the fields before
// the first Serve; zero limits are the defaults, never "no limit". The methods
// are safe for concurrent use.
type Server struct {
	Table table.Table

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

func (s *Server) handle(ctx context.Context, r *bufio.Reader, w *bufio.Writer) error {
	line, err := readLine(r, MaxRequest)
	if err != nil {
		if errors.Is(err, ErrTooLong) {
			w.WriteString("400 request%20too%20long\n")
		}
		return err
	}
	verb, key, ok := strings.Cut(line, " ")
	if !ok || verb != "get" {
		w.WriteString("400 want%20\"get%20KEY\"\n")
		return nil
	}
	status, text := s.answer(ctx, Decode(key))
	reply := append(w.AvailableBuffer(), status...)
	reply = append(AppendEncode(reply, text), '\n')
	if len(reply) > MaxReply {
		reply = fmt.Appendf(reply[:0], "400 the%%20value%%20needs%%20%d%%20bytes,%%20a%%20reply%%20holds%%20%d\n", len(reply), MaxReply)
	}
	_, err = w.Write(reply)
	return err
}

func (s *Server) answer(ctx context.Context, key string) (status, text string) {
	value, found, err := s.Table.Lookup(ctx, key)
	switch {
	case err != nil:
		if text = err.Error(); len(text) > 200 {
			text = text[:200]
		}
		return "400 ", text
	case !found:
		return "500 ", "not found"
	}
	return "200 ", value
}

// readLine reads a line of at most limit bytes and returns it without its end.
func readLine(r *bufio.Reader, limit int) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return "", fmt.Errorf("%w: more than %d bytes", ErrTooLong, limit)
		}
		line = append(line, part...)
		switch err {
		case nil:
			return string(bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))), nil
		case bufio.ErrBufferFull:
		case io.EOF:
			if len(line) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		default:
			return "", err
		}
	}
}

// AppendEncode appends s with "%", white space and what does not print as %XX.
func AppendEncode(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '%' || c >= 0x7f {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// Decode undoes [AppendEncode]. Hexadecimal digits may be of either case; a
// "%" without two of them stays as it is.
func Decode(s string) string {
	text, _ := decode(s)
	return text
}

// decode is Decode; ok: every "%" has its digits.
func decode(s string) (text string, ok bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	ok = true
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16 {
				b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
				i += 2
				continue
			}
			ok = false
		}
		b = append(b, s[i])
	}
	return string(b), ok
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
