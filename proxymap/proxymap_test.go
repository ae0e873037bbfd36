package proxymap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/table"
)

type pattern struct{ table.Table }

func (pattern) IsPattern() bool { return true }

var served = map[string]table.Table{
	"hash:stored": table.Inline(table.Entry{Key: "key", Value: "value"}, table.Entry{Key: "äö", Value: "umlaut"}),
	"regexp:rules": pattern{table.Func(func(_ context.Context, key string) (string, bool, error) {
		return "rule for " + key, key != "none", nil
	})},
	"hash:nul":  table.Inline(table.Entry{Key: "key", Value: "value\x00status\x001"}),
	"hash:temp": table.Fail(nil),
	"hash:perm": table.Fail(errors.New("broken")),
}

func serve(t testing.TB, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Tables: served}
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

func answer(t table.Table, key string) string {
	v, found, err := t.Lookup(context.Background(), key)
	switch {
	case err != nil && table.IsTemporary(err):
		return "temporary"
	case err != nil:
		return "permanent"
	case !found:
		return "miss"
	}
	return v
}

func TestClientAndServer(t *testing.T) {
	ctx := context.Background()
	address := serve(t, "tcp", "127.0.0.1:0")
	o := &table.Opener{Types: map[string]table.OpenFunc{"proxy": Type("tcp", address)}}
	for spec, want := range map[string]string{
		"hash:stored key": "value", "hash:stored KEY": "value", "hash:stored ÄÖ": "umlaut", "hash:stored no": "miss", "hash:stored k\x00ey": "miss", "hash:nul key": "value",
		"regexp:rules KEY": "rule for KEY", "regexp:rules none": "miss", "hash:temp x": "temporary", "hash:perm x": "permanent",
	} {
		name, key, _ := strings.Cut(spec, " ")
		o.Options.UTF8 = true
		tab, err := o.Open(ctx, "proxy:"+name)
		if err != nil {
			t.Fatal(err)
		}
		if table.IsPattern(tab) != table.IsPattern(served[name]) {
			t.Errorf("%s: pattern %v", name, table.IsPattern(tab))
		}
		if got := answer(tab, key); got != want {
			t.Errorf("%q: got %s, want %s", spec, got, want)
		}
		tab.Close()
	}
	o.Options = table.Options{NoFold: true, FoldPattern: true}
	stored, _ := o.Open(ctx, "proxy:hash:stored")
	rules, _ := o.Open(ctx, "proxy:regexp:rules")
	if answer(stored, "KEY") != "miss" || answer(rules, "KEY") != "rule for key" {
		t.Error("options are not followed")
	}
	stored.Close()
	rules.Close()
	if _, err := o.Open(ctx, "proxy:hash:other"); !errors.Is(err, ErrDenied) || table.IsTemporary(err) {
		t.Errorf("a table that is not served: %v", err)
	}
	if _, err := o.Open(ctx, "proxy:nothing"); err == nil {
		t.Error("a name without type was opened")
	}
	if _, err := Open(ctx, "unix", filepath.Join(t.TempDir(), "no"), "hash:x", table.Options{}); !table.IsTemporary(err) {
		t.Errorf("no service: %v", err)
	}
}

func TestStrangers(t *testing.T) {
	address := serve(t, "tcp", "127.0.0.1:0")
	greeting := "protocol\x00proxymap_protocol\x00\x00"
	for send, want := range map[string]string{
		"request\x00lookup\x00table\x00hash:stored\x00flags\x000\x00key\x00key\x00\x00": "status\x000\x00value\x00value\x00\x00",
		"request\x00delete\x00table\x00hash:stored\x00flags\x000\x00key\x00key\x00\x00": "status\x003\x00value\x00\x00\x00",
		"request\x00lookup\x00table\x00hash:stored\x00flags\x000\x00\x00":               "status\x003\x00value\x00\x00\x00",
		"request\x00lookup\x00table\x00hash:stored\x00flags\x00x\x00key\x00key\x00\x00": "status\x003\x00value\x00\x00\x00",
		"request\x00lookup\x00table\x00hash:none\x00flags\x000\x00key\x00key\x00\x00":   "status\x004\x00value\x00\x00\x00",
		"\x00":                       "status\x003\x00value\x00\x00\x00",
		"a\x00b\x00a\x00c\x00\x00":   "",
		"request\x00open":            "",
		strings.Repeat("x", 200_000): "",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, send)
		conn.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(conn); strings.TrimPrefix(string(got), greeting) != want {
			t.Errorf("%.60q: got %q, want %q", send, got, want)
		}
		conn.Close()
	}
}

// TestPostmapAsksTheServer: programs of Postfix take our server for theirs.
func TestPostmapAsksTheServer(t *testing.T) {
	real := realpostfix.Need(t, "postmap")
	if err := os.Mkdir(filepath.Join(real.ConfigDir, "private"), 0o755); err != nil {
		t.Fatal(err)
	}
	serve(t, "unix", filepath.Join(real.ConfigDir, "private", "ours"))
	real.Configure("proxymap_service_name = ours")
	for spec, want := range map[string]string{
		"hash:stored key": "value\n", "hash:stored KEY": "value\n", "hash:stored none": "", "regexp:rules Key": "rule for Key\n", "hash:stored ÄÖ": "umlaut\n",
	} {
		name, key, _ := strings.Cut(spec, " ")
		if got := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", key, "proxy:" + name}}); got.Stdout != want {
			t.Errorf("%s: got %+v, want %q", spec, got, want)
		}
	}
	for name, want := range map[string]string{"hash:other": "not configured for", "hash:temp": "query error"} {
		if got := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", "k", "proxy:" + name}}); got.Exit == 0 || !strings.Contains(got.Stderr, want) {
			t.Errorf("%s: got %+v, want %q", name, got, want)
		}
	}
}

// TestClientAsksPostfix: our client gets the tables of the real proxymap(8).
func TestClientAsksPostfix(t *testing.T) {
	inst := realpostfix.Start(t, realpostfix.Config{
		Main:  "proxy_read_maps = proxy:inline:{{Key=value}}, proxy:regexp:@DIR@/conf/rules, proxy:fail:x\n",
		Files: map[string]string{"rules": "/^(.*)@x/ for-$1\n"},
	})
	rules := "regexp:" + filepath.Join(inst.ConfigDir, "rules")
	ctx := context.Background()
	socket := filepath.Join(inst.QueueDir, "private", "proxymap")
	for range 500 { // master opens its sockets one by one
		if _, err := os.Stat(socket); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for spec, want := range map[string]string{
		"inline:{{Key=value}} key": "value", "inline:{{Key=value}} KEY": "value", "inline:{{Key=value}} none": "miss",
		rules + " joe@x": "for-joe", rules + " joe": "miss", "fail:x k": "temporary",
	} {
		at := strings.LastIndexByte(spec, ' ')
		c, err := Open(ctx, "unix", socket, spec[:at], table.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := answer(c, spec[at+1:]); got != want || c.IsPattern() != !strings.HasPrefix(spec, "inline") {
			t.Errorf("%s: got %s, want %s; pattern %v", spec, got, want, c.IsPattern())
		}
		c.Close()
	}
	if _, err := Open(ctx, "unix", socket, "inline:{{other=value}}", table.Options{}); !errors.Is(err, ErrDenied) {
		t.Errorf("a table that is not in proxy_read_maps: %v", err)
	}
}

// FuzzMessage: what is written is read again; anything else is read or
// refused.
// What a client says about its options, in the numbers of Postfix.
func TestFlags(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write(appendMessage(nil, "protocol", protocolName))
			m, _ := readMessage(bufio.NewReader(conn))
			asked <- m["flags"]
			conn.Write(appendMessage(nil, "status", "0", "flags", "16"))
			conn.Close()
		}
	}()
	for want, o := range map[string]table.Options{"16384": {}, "0": {NoFold: true}, "49152": {FoldPattern: true}, "18432": {NoSubst: true}, "540672": {UTF8: true}} {
		c, err := Open(context.Background(), "tcp", l.Addr().String(), "hash:x", o)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := <-asked; got != want {
			t.Errorf("%+v: flags %s, want %s", o, got, want)
		}
	}
}

// A lookup that does not end is ended by the server.
func TestServerTimeout(t *testing.T) {
	s := &Server{Timeout: 50 * time.Millisecond, Tables: map[string]table.Table{"": table.Func(func(ctx context.Context, _ string) (string, bool, error) {
		<-ctx.Done()
		return "", false, ctx.Err()
	})}}
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
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := Open(ctx, "tcp", l.Addr().String(), "hash:x", table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Lookup(ctx, "k"); !table.IsTemporary(err) || ctx.Err() != nil {
		t.Errorf("%v", err)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("table", "hash:x", []byte("request\x00open\x00\x00"))
	f.Add("a", "", []byte("\x00"))
	f.Fuzz(func(t *testing.T, name, value string, src []byte) {
		if name != "" && !strings.Contains(name+value, "\x00") && len(name)+len(value) < maxString {
			want := map[string]string{name: value, name + "2": "x"}
			m, err := readMessage(bufio.NewReaderSize(bytes.NewReader(appendMessage(nil, name, value, name+"2", "x")), 16))
			if err != nil || !maps.Equal(m, want) {
				t.Fatalf("got %q, %v, want %q", m, err, want)
			}
		}
		m, err := readMessage(bufio.NewReader(bytes.NewReader(src)))
		if err != nil {
			return
		}
		n := 1
		for k, v := range m {
			if n += len(k) + len(v) + 2; !bytes.Contains(src, []byte(k+"\x00"+v+"\x00")) {
				t.Fatalf("%q has %q %q", src, k, v)
			}
		}
		if n > len(src) || src[n-1] != 0 {
			t.Fatalf("%q is read as %q", src, m)
		}
	})
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "proxymap")
	l, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := Server{Tables: map[string]table.Table{"hash:/etc/aliases": table.Inline(table.Entry{Key: "postmaster", Value: "root"})}}
	go s.Serve(l)
	defer s.Shutdown(context.Background())

	o := table.Opener{Types: map[string]table.OpenFunc{"proxy": Type("unix", socket)}}
	t, err := o.Open(context.Background(), "proxy:hash:/etc/aliases")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	fmt.Println(t.Lookup(context.Background(), "Postmaster"))
	// Output: root true <nil>
}
