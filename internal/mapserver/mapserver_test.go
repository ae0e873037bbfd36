package mapserver

import (
	"bufio"
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// serve starts a server on a port of its own.
func serve(t *testing.T, s *Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-ended; err != ErrClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// echo answers a line with the line.
func echo(_ context.Context, r *bufio.Reader, w *bufio.Writer) error {
	line, err := r.ReadString('\n')
	w.WriteString(line)
	return err
}

func exchange(conn *Conn) error {
	conn.W.WriteString("hello\n")
	if err := conn.W.Flush(); err != nil {
		return err
	}
	_, err := conn.R.ReadString('\n')
	return err
}

// slowDeadline is a connection on which a deadline that is over, which is how a
// request is interrupted, takes until release is closed.
type slowDeadline struct {
	net.Conn
	called, release chan struct{}
	set             chan struct{}
}

func (c *slowDeadline) SetDeadline(at time.Time) error {
	if at.After(time.Unix(1, 0)) {
		return c.Conn.SetDeadline(at)
	}
	close(c.called)
	<-c.release
	defer close(c.set)
	return c.Conn.SetDeadline(at)
}

// TestCancelledAtTheEnd cancels a request at the moment it is answered. What
// interrupts it may come late, and must not interrupt the next request.
func TestCancelledAtTheEnd(t *testing.T) {
	address := serve(t, &Server{Handle: echo})
	slow := &slowDeadline{called: make(chan struct{}), release: make(chan struct{}), set: make(chan struct{})}
	dials := 0
	c := Client{Network: "tcp", Address: address, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if dials++; dials > 1 || err != nil {
			return conn, err
		}
		slow.Conn = conn
		return slow, nil
	}}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	err := c.Do(ctx, func(conn *Conn) error {
		err := exchange(conn)
		cancel()
		<-slow.called
		return err
	})
	if err != nil {
		t.Fatal(err) // it was answered
	}
	err = c.Do(context.Background(), func(conn *Conn) error {
		if conn.conn == slow {
			close(slow.release)
			<-slow.set
		}
		return exchange(conn)
	})
	if err != nil {
		t.Errorf("the next request: %v", err)
	}
	if dials > 1 {
		close(slow.release)
	}
}

// TestShutdownCancels ends a lookup that waits for its context when the context
// of Shutdown ends, and does not wait for one that does not even do that.
func TestShutdownCancels(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		begun, release, cause := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		s := &Server{Handle: func(ctx context.Context, r *bufio.Reader, w *bufio.Writer) error {
			close(begun)
			if deaf {
				<-release
				return nil
			}
			<-ctx.Done()
			cause <- ctx.Err()
			return ctx.Err()
		}}
		conn, err := net.Dial("tcp", serve(t, s))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("x"))
		<-begun
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(ctx) }()
		select {
		case err := <-ended:
			if err != context.Canceled {
				t.Errorf("deaf %v: Shutdown: %v", deaf, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("deaf %v: Shutdown does not end with its context", deaf)
		}
		close(release)
		if !deaf {
			if err := <-cause; !errors.Is(err, context.Canceled) {
				t.Errorf("the lookup: %v", err)
			}
		}
	}
}
