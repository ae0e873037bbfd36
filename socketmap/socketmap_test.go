package socketmap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/mapserver/servertest"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/table"
)

// tables of a test server: "echo" answers with the key, or in the way the key
// says.
func echo(ctx context.Context, key string) (string, bool, error) {
	switch {
	case key == "missing":
		return "", false, nil
	case key == "temp":
		return "", false, &table.Error{Spec: "x:y", Temporary: true, Err: errors.New("later")}
	case key == "perm":
		return "", false, errors.New("broken")
	case key == "slow":
		<-ctx.Done()
		return "", false, ctx.Err()
	case strings.HasPrefix(key, "long "):
		var n int
		fmt.Sscan(key[5:], &n)
		return strings.Repeat("x", n), true, nil
	}
	return "value of " + key, true, nil
}

func serve(t testing.TB, s *Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func echoServer() *Server {
	return &Server{Tables: map[string]table.Table{"echo": table.Func(echo)}, Timeout: 300 * time.Millisecond}
}

func TestClientAndServer(t *testing.T) {
	ctx := context.Background()
	address := serve(t, echoServer())
	c, err := Open("inet:" + address + ":echo")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !table.IsPattern(c) {
		t.Error("not a pattern table")
	}
	for key, want := range map[string]string{
		"a": "value of a", "with space": "value of with space", "": "value of ", "new\nline": "value of new\nline", "n\x00l": "value of n\x00l",
		"missing": "-", "temp": "temporary TEMP x:y: later", "perm": "permanent PERM broken", "slow": "temporary TIMEOUT context deadline exceeded",
		"long 99997": strings.Repeat("x", 99997), "long 99998": "permanent PERM the value has 99998 bytes, a reply holds 99997",
		strings.Repeat("k", MaxLength): "permanent ",
	} {
		v, found, err := c.Lookup(ctx, key)
		got := v
		switch {
		case err != nil && table.IsTemporary(err):
			got = "temporary " + err.Error()
		case err != nil:
			got = "permanent " + err.Error()
		case !found:
			got = "-"
		}
		if kind, text, _ := strings.Cut(want, " "); (kind == "temporary" || kind == "permanent") && strings.HasPrefix(got, kind) && strings.Contains(got, text) {
			continue
		}
		if got != want {
			t.Errorf("%.40q: got %.120q, want %.120q", key, got, want)
		}
	}
	other, _ := Open("inet:" + address + ":nosuch")
	defer other.Close()
	if _, _, err := other.Lookup(ctx, "a"); err == nil || table.IsTemporary(err) || !strings.Contains(err.Error(), `no table "nosuch"`) {
		t.Errorf("unknown table: %v", err)
	}
}

// On a socket in a folder of the test: no other program takes it while there
// is no server.
func TestClientReconnects(t *testing.T) {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "") // not t.TempDir: a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "s")
	start := func() *Server {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := echoServer()
		go s.Serve(l)
		return s
	}
	first := start()
	c, err := Open("unix:" + path + ":echo")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Lookup(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := first.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Lookup(ctx, "a"); !table.IsTemporary(err) {
		t.Errorf("without server: %v", err)
	}
	defer start().Shutdown(ctx)
	if v, _, err := c.Lookup(ctx, "a"); v != "value of a" || err != nil {
		t.Errorf("with a new server: %q, %v", v, err)
	}
}

func TestClientGivesUp(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	defer l.Close() // accepts and never answers
	c, _ := Open("inet:" + l.Addr().String() + ":x")
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := c.Lookup(ctx, "a"); !table.IsTemporary(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// What is not the protocol ends the connection, and nothing else.
func TestHostileClients(t *testing.T) {
	var mu sync.Mutex
	var reported []error
	s := echoServer()
	s.Report = func(err error) { mu.Lock(); reported = append(reported, err); mu.Unlock() }
	address := serve(t, s)
	for _, c := range []struct{ send, reply string }{
		{"5:echo ,", "12:OK value of ,"},
		{"5:echox,", "43:PERM no key in the request, want \"name key\","},
		{"00006:echo a,", "13:OK value of a,"},
		{"6:echo a;", "PERM bad netstring"},
		{"999999999999999999999999:", "PERM netstring too long"},
		{"100001:", "PERM netstring too long"},
		{"-1:,", "PERM bad netstring"},
		{":,", "PERM bad netstring"},
		{"GET / HTTP/1.1\r\n\r\n", "PERM bad netstring"},
		{"6:ec", ""},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, c.send)
		conn.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(conn)
		conn.Close()
		if c.reply == "" && len(got) > 0 || !strings.Contains(string(got), c.reply) {
			t.Errorf("%q: got %q, want %q", c.send, got, c.reply)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reported) != 7 {
		t.Errorf("%d reports: %v", len(reported), reported)
	}
}

// What the client makes of replies is what Postfix does.
func TestStrangeReplies(t *testing.T) {
	replies := map[string]string{
		"4:OK x,": "x", "5:OK  x,": " x", "3:OK ,": "", "2:OK,": "-", "8:NOTFOUND,": "-", "11:NOTFOUND xy,": "-", "4:OK x,junk": "x",
		"4:TEMP,": "temporary", "9:TIMEOUT x,": "temporary", "4:PERM,": "permanent", "4:ok x,": "permanent", "5:OK\tx ,": "permanent", "0:,": "permanent", "4:OK x.": "permanent", "x": "permanent",
		"5:OK": "temporary", "": "temporary",
	}
	servertest.Replies(t, replies, func(address string) (string, servertest.Client, error) {
		spec := "inet:" + address + ":x"
		c, err := Open(spec)
		return "socketmap:" + spec, c, err
	}, table.IsTemporary, func(string) bool { return true })
}

func TestLimits(t *testing.T) {
	s := echoServer()
	s.MaxConns, s.Idle = 2, 150*time.Millisecond
	address := serve(t, s)
	ask := func(conn net.Conn) string {
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write(AppendNetstring(nil, "echo a"))
		reply, err := ReadNetstring(nil, bufio.NewReader(conn), MaxLength)
		return string(reply) + fmt.Sprint(err)
	}
	var conns []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	const want = "OK value of a<nil>"
	start := time.Now()
	for i, conn := range conns { // the third has to wait until an idle one is closed
		if got := ask(conn); got != want {
			t.Errorf("%d: %q", i, got)
		}
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("three connections at a time after %v", took)
	}
}

func TestShutdownAnswersWhatHasBegun(t *testing.T) {
	begun, release := make(chan bool), make(chan bool)
	s := &Server{Tables: map[string]table.Table{"": table.Func(func(context.Context, string) (string, bool, error) {
		begun <- true
		<-release
		return "late", true, nil
	})}}
	address := serve(t, s)
	idle, _ := net.Dial("tcp", address)
	defer idle.Close()
	c, _ := Open("inet:" + address + ":any")
	defer c.Close()
	answer := make(chan string)
	go func() {
		v, _, err := c.Lookup(context.Background(), "k")
		answer <- v + fmt.Sprint(err)
	}()
	<-begun
	down := make(chan error)
	go func() { down <- s.Shutdown(context.Background()) }()
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("idle connection: %v", err)
	}
	select {
	case <-down:
		t.Error("Shutdown did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	if got := <-answer; got != "late<nil>" {
		t.Errorf("got %q", got)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

func TestShutdownGivesUp(t *testing.T) {
	s := &Server{Tables: map[string]table.Table{"": table.Func(func(ctx context.Context, _ string) (string, bool, error) {
		<-ctx.Done()
		return "", false, ctx.Err()
	})}, Timeout: 400 * time.Millisecond}
	address := serve(t, s)
	conn, _ := net.Dial("tcp", address)
	defer conn.Close()
	conn.Write(AppendNetstring(nil, "x k"))
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestType(t *testing.T) {
	address := serve(t, echoServer())
	for want, o := range map[string]table.Options{"value of A É": {}, "value of a É": {FoldPattern: true}, "value of a é": {FoldPattern: true, UTF8: true}} {
		c, err := Type(context.Background(), &table.Opener{Options: o}, "inet:"+address+":echo")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, _, err := c.Lookup(context.Background(), "A É"); got != want || err != nil {
			t.Errorf("%+v: %q, %v", o, got, err)
		}
	}
	if c, err := Type(context.Background(), &table.Opener{}, "nonsense"); err == nil || c != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"foo": "requires server:socketmap argument", "foo:bar": "need service transport:endpoint", "inet:host:1:a b": "bad table name",
		"unix::x": "no path", "inet:127.0.0.1:x": "garbage after numerical service",
	} {
		if _, err := Open(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestPostmapAsksTheServer: the client of Postfix understands every reply.
func TestPostmapAsksTheServer(t *testing.T) {
	real := realpostfix.Need(t, "postmap")
	address := serve(t, echoServer())
	spec := "socketmap:inet:" + address + ":echo"
	keys := []string{"a", "missing", "with space", "long 99996", "ümlaut"}
	got := real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", spec}, Stdin: strings.Join(keys, "\n") + "\n"}).Stdout
	if want := "a\tvalue of a\nwith space\tvalue of with space\nlong 99996\t" + strings.Repeat("x", 99996) + "\nümlaut\tvalue of ümlaut\n"; got != want {
		t.Errorf("got %.200q", got)
	}
	var calls []realpostfix.Call
	for _, key := range []string{"temp", "perm", "slow", "long 99998"} {
		calls = append(calls, realpostfix.Call{Name: "postmap", Args: []string{"-q", key, spec}})
	}
	for i, res := range real.RunAll(calls) {
		if why := []string{"TEMP x:y: later", "PERM broken", "TIMEOUT", "PERM the value has"}[i]; res.Exit == 0 || !strings.Contains(res.Stderr, strings.SplitN(why, " ", 2)[0]) && !strings.Contains(res.Stderr, "query error") {
			t.Errorf("%q: exit %d, %s", calls[i].Args, res.Exit, res.Stderr)
		}
	}
}

// FuzzNetstring: what is written is read again, and nothing else is taken for
// a netstring.
// TestHugeLengths wants lengths that no int holds to be too long, not short.
func TestHugeLengths(t *testing.T) {
	for _, src := range []string{"18446744073709551616:,", "4294967296:,"} {
		if got, err := ReadNetstring(nil, bufio.NewReader(strings.NewReader(src)), math.MaxInt); err == nil {
			t.Errorf("%s is read as %q", src, got)
		}
	}
}

func FuzzNetstring(f *testing.F) {
	for _, s := range []string{"5:hello,", "0:,", "00:,", "3:a,b,", "5:hell", "x", "12345678901234567890:", "1:a;"} {
		f.Add([]byte(s), []byte("more"))
	}
	f.Fuzz(func(t *testing.T, src, data []byte) {
		const limit = 1000
		if len(data) <= limit {
			r := bufio.NewReaderSize(bytes.NewReader(append(AppendNetstring(nil, string(data), "x"), src...)), 16)
			if got, err := ReadNetstring([]byte("dst"), r, limit+1); err != nil || string(got) != "dst"+string(data)+"x" {
				t.Fatalf("%q is read as %q, %v", data, got, err)
			}
			if rest, _ := io.ReadAll(r); !bytes.Equal(rest, src) {
				t.Fatalf("after %q: left %q, want %q", data, rest, src)
			}
		}
		got, err := ReadNetstring(nil, bufio.NewReader(bytes.NewReader(src)), limit)
		colon := bytes.IndexByte(src, ':')
		if err != nil {
			return
		}
		if want := src[colon+1 : colon+1+len(got)]; len(got) > limit || !bytes.Equal(got, want) || src[colon+1+len(got)] != ',' ||
			strings.Trim(string(src[:colon]), "0123456789") != "" {
			t.Fatalf("%q is read as %q", src, got)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	c, _ := Open("inet:" + serve(b, echoServer()) + ":echo")
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Lookup(context.Background(), "user@example.com"); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	users := table.Inline(table.Entry{Key: "joe@example.com", Value: "joe"})
	s := Server{Tables: map[string]table.Table{"users": users}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go s.Serve(l)
	defer s.Shutdown(context.Background())

	t, err := Open("inet:" + l.Addr().String() + ":users")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	fmt.Println(t.Lookup(context.Background(), "joe@example.com"))
	fmt.Println(t.Lookup(context.Background(), "jim@example.com"))
	// Output:
	// joe true <nil>
	//  false <nil>
}
