package tcptable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/mapserver/servertest"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/table"
)

func echo(ctx context.Context, key string) (string, bool, error) {
	switch {
	case key == "missing":
		return "", false, nil
	case key == "broken":
		return "", false, errors.New("broken 100%")
	case strings.HasPrefix(key, "long "):
		var n int
		fmt.Sscan(key[5:], &n)
		return strings.Repeat("x", n), true, nil
	}
	return "<" + key + ">", true, nil
}

func serve(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Table: table.Func(echo)}
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

func TestClientAndServer(t *testing.T) {
	ctx := context.Background()
	c, err := Open(serve(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for key, want := range map[string]string{
		"a": "<a>", "with space": "<with space>", "100%": "<100%>", "%41": "<%41>", "new\nline\x00\xff": "<new\nline\x00\xff>", "": "<>", "é": "<é>",
		"missing": "-", "broken": "temporary: tcp server: broken 100%", "long 4091": strings.Repeat("x", 4091), "long 4092": "temporary: tcp server: the value needs 4097 bytes",
	} {
		v, found, err := c.Lookup(ctx, key)
		got := v
		if err != nil {
			got = "permanent: " + err.Error()
			if table.IsTemporary(err) {
				got = "temporary: " + err.Error()
			}
			kind, why, _ := strings.Cut(want, ": ")
			if strings.HasPrefix(got, kind) && strings.Contains(got, why) {
				continue
			}
		} else if !found {
			got = "-"
		}
		if got != want {
			t.Errorf("%q: got %.100q, want %.100q", key, got, want)
		}
	}
}

// Lines that are no request, and lines that are no reply.
func TestStrangers(t *testing.T) {
	address := serve(t)
	for send, want := range map[string]string{
		"put a b\n":                          "400 ",
		"get\n":                              "400 ",
		"get a\r\n":                          "200 <a>\n",
		"get a\nget b\n":                     "200 <a>\n200 <b>\n",
		"get a":                              "",
		"get " + strings.Repeat("a", 100000): "400 request",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, send)
		conn.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(conn); !strings.HasPrefix(string(got), want) || want == "" && len(got) > 0 {
			t.Errorf("%.40q: got %q, want %q", send, got, want)
		}
		conn.Close()
	}
}

// What the client makes of replies is what Postfix does, except that Postfix
// tries again later after any error. Its postmap does so for ten seconds, and is
// not asked.
func TestStrangeReplies(t *testing.T) {
	replies := map[string]string{
		"200 x y\n": "x y", "201 x\n": "x", "200\tx\n": "x", "299  x\n": " x", "200 %c3%A9\n": "é", "200 \n": "", "500 x\n": "-", "550 \n": "-",
		"400 later\n": "temporary", "450 x\n": "temporary", "200": "temporary", "": "temporary",
		"hello\n": "permanent", "2000 x\n": "permanent", "301 x\n": "permanent", "200\n": "permanent", "500\n": "permanent", "2x0 x\n": "permanent", "20\n": "permanent",
		"200 %4\n": "permanent", "200 %4g\n": "permanent", "500 %\n": "permanent", strings.Repeat("x", MaxReply) + "\n": "permanent",
	}
	servertest.Replies(t, replies, func(address string) (string, servertest.Client, error) {
		c, err := Open(address)
		return "tcp:" + address, c, err
	}, table.IsTemporary, func(want string) bool { return want != servertest.Temporary && want != servertest.Permanent })
}

// The options of an Opener and of a Server count.
func TestOptions(t *testing.T) {
	s := &Server{Timeout: 50 * time.Millisecond, Table: table.Func(func(ctx context.Context, key string) (string, bool, error) {
		if key == "slow" {
			<-ctx.Done()
			return "", false, ctx.Err()
		}
		return key, true, nil
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	}()
	for want, o := range map[string]table.Options{"A É": {}, "a É": {FoldPattern: true}, "a é": {FoldPattern: true, UTF8: true}} {
		c, err := Type(context.Background(), &table.Opener{Options: o}, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, _, err := c.Lookup(context.Background(), "A É"); got != want || err != nil {
			t.Errorf("%+v: %q, %v", o, got, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if _, _, err := c.Lookup(ctx, "slow"); !table.IsTemporary(err) || ctx.Err() != nil {
			t.Errorf("a lookup that does not end: %v", err)
		}
		cancel()
	}
	if _, err := Type(context.Background(), &table.Opener{}, "nonsense:"); err == nil {
		t.Error("a name without port is accepted")
	}
}

func TestPostmapAsksTheServer(t *testing.T) {
	real := realpostfix.Need(t, "postmap")
	spec := "tcp:" + serve(t)
	keys := []string{"a", "missing", "with space", "100%", "%41", "é", "long 4091"}
	got := real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", spec}, Stdin: strings.Join(keys, "\n") + "\n"}).Stdout
	if want := "a\t<a>\nwith space\t<with space>\n100%\t<100%>\n%41\t<%41>\né\t<é>\nlong 4091\t" + strings.Repeat("x", 4091) + "\n"; got != want {
		t.Errorf("got %.300q", got)
	}
}

// FuzzEncoding: what is encoded is decoded again and is one word of printing
// characters; decoding anything is no problem.
func FuzzEncoding(f *testing.F) {
	for _, s := range []string{"a b", "100%", "%41%zz%4", "\x00\xff\n", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := string(AppendEncode(nil, s))
		if Decode(e) != s {
			t.Fatalf("%q: %q: %q", s, e, Decode(e))
		}
		if i := strings.IndexFunc(e, func(r rune) bool { return r <= ' ' || r >= 0x7f }); i >= 0 {
			t.Fatalf("%q: %q", s, e)
		}
		if d := Decode(s); len(d) > len(s) || !strings.Contains(s, "%") && d != s {
			t.Fatalf("%q: %q", s, d)
		}
	})
}

func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := Server{Table: table.Inline(table.Entry{Key: "example.com", Value: "smtp:[192.0.2.1]"})}
	go s.Serve(l)
	defer s.Shutdown(context.Background())

	t, err := Open(l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	fmt.Println(t.Lookup(context.Background(), "example.com"))
	// Output: smtp:[192.0.2.1] true <nil>
}
