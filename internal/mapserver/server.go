// Package mapserver is what the servers of lookup protocols share: one
// goroutine for each connection, one request at a time on it, limits on the
// number of connections and on time, and a shutdown that answers what it has
// begun to read.
package mapserver

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// The defaults of the fields of a Server that are zero.
const (
	DefaultMaxConns = 256
	DefaultIdle     = 10 * time.Minute
	DefaultTimeout  = 100 * time.Second // what tcp_table(5) and the socketmap client of Postfix wait
	acceptPause     = 50 * time.Millisecond
	writeExtra      = 5 * time.Second
	cancelPause     = time.Second
)

// ErrClosed is returned by Serve after Shutdown or Close.
var ErrClosed = errors.New("server closed")

// A Server answers requests. Set the fields before the first Serve.
type Server struct {
	// Handle reads one request from r, of which at least a byte is there, and
	// writes one reply to w. After an error the connection is closed.
	Handle func(ctx context.Context, r *bufio.Reader, w *bufio.Writer) error
	// Greet, when not nil, writes what the server says first.
	Greet func(w *bufio.Writer) error
	// Report, when not nil, is told why a connection was closed by the server.
	Report func(error)

	MaxConns int           // connections of a listener at a time; further ones wait to be accepted
	Idle     time.Duration // how long a connection may wait with its next request
	Timeout  time.Duration // for one request, from its first byte to the end of the lookup

	mu        sync.Mutex
	listeners map[net.Listener]bool
	conns     map[net.Conn]bool // true while a request is being read or answered
	closing   bool
	running   sync.WaitGroup
	ctx       context.Context // of all requests; set with listeners
	cancel    context.CancelFunc
}

func or[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Serve accepts connections from l until Shutdown, Close or an error of l. It
// closes l.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.listeners == nil {
		s.listeners, s.conns = map[net.Listener]bool{}, map[net.Conn]bool{}
		s.ctx, s.cancel = context.WithCancel(context.Background())
	}
	s.listeners[l] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()

	slots := make(chan struct{}, or(s.MaxConns, DefaultMaxConns))
	for {
		slots <- struct{}{}
		conn, err := l.Accept()
		if err != nil {
			<-slots
			if s.isClosing() {
				return ErrClosed
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			if s.Report != nil {
				s.Report(err) // no descriptors left, and the like: those end
			}
			time.Sleep(acceptPause)
			continue
		}
		if !s.enter(conn) {
			conn.Close()
			<-slots
			return ErrClosed
		}
		go func() {
			defer func() { <-slots }()
			defer s.leave(conn)
			if err := s.serve(conn); err != nil && s.Report != nil {
				s.Report(err)
			}
		}()
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Server) enter(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.conns[conn] = false
	s.running.Add(1)
	return true
}

func (s *Server) leave(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	s.running.Done()
}

// busy marks a connection; it fails when an idle one has to end.
func (s *Server) busy(conn net.Conn, busy bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing && !busy {
		return false
	}
	s.conns[conn] = busy
	return true
}

func (s *Server) serve(conn net.Conn) error {
	r, w := bufio.NewReader(conn), bufio.NewWriter(conn)
	timeout := or(s.Timeout, DefaultTimeout)
	if s.Greet != nil {
		conn.SetDeadline(time.Now().Add(timeout))
		if err := s.Greet(w); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for {
		conn.SetDeadline(time.Now().Add(or(s.Idle, DefaultIdle)))
		if s.isClosing() { // it may have set a deadline that was just replaced
			return nil
		}
		if _, err := r.Peek(1); err != nil {
			return nil // the client is gone, or idle for too long
		}
		s.busy(conn, true)
		deadline := time.Now().Add(timeout)
		conn.SetReadDeadline(deadline)
		conn.SetWriteDeadline(deadline.Add(writeExtra)) // a lookup that takes too long gets its answer too
		ctx, cancel := context.WithDeadline(s.ctx, deadline)
		err := s.Handle(ctx, r, w)
		cancel()
		if flushErr := w.Flush(); err == nil {
			err = flushErr
		}
		if err != nil {
			return err
		}
		if !s.busy(conn, false) {
			return nil
		}
	}
}

// Shutdown stops accepting, closes idle connections, and waits until the
// requests that have begun are answered. When ctx ends first it cancels them,
// closes their connections too and returns the cause. A request that does not
// end when it is cancelled is waited for no longer than a second.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	for conn, busy := range s.conns {
		if !busy {
			conn.SetReadDeadline(time.Unix(1, 0)) // wakes it; a request that comes right now still is answered
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for conn := range s.conns {
		conn.Close()
	}
	if s.cancel != nil {
		s.cancel()
	}
	s.mu.Unlock()
	select {
	case <-done:
	case <-time.After(cancelPause):
	}
	return context.Cause(ctx)
}

// IsTimeout reports whether err is a deadline that passed.
func IsTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}
