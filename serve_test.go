package postfixkit

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/socketmap"
	"github.com/postfixkit/postfixkit/table"
)

// buildGeneration writes a table in which every value says when it was made.
func buildGeneration(f hashmap.Format, path string, keys, generation int) error {
	b := hashmap.NewBuilder(f, nil)
	for k := range keys {
		if err := b.Add(fmt.Sprintf("user%d@example.com", k), fmt.Sprintf("450 4.7.1 generation %d of user%d", generation, k)); err != nil {
			return err
		}
	}
	_, err := b.WriteFile(context.Background(), hashmap.FileName(f, path))
	return err
}

// TestServeWhileReplaced: the real postmap and smtpd ask our server for a .db,
// an LMDB and a bolt table, which are replaced under it all the time. Every
// query gets an answer, and the right one.
func TestServeWhileReplaced(t *testing.T) {
	queries, rcpts := 100_000, 1_200
	if testing.Short() {
		queries, rcpts = 3_000, 120
	}
	const keys = 3_000
	formats := map[string]hashmap.Format{"hash": hashmap.Hash, "lmdb": hashmap.LMDB, "bolt": hashmap.Bolt}
	real := realpostfix.Need(t, "postmap")
	ctx := context.Background()
	o := &table.Opener{Types: Types()}
	s := socketmap.Server{Tables: map[string]table.Table{}}
	for name, f := range formats {
		path := filepath.Join(real.ConfigDir, name)
		if err := buildGeneration(f, path, keys, 0); err != nil {
			t.Fatal(err)
		}
		tab, err := o.Open(ctx, name+":"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer tab.Close()
		s.Tables[name] = tab
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Shutdown(ctx)
	spec := func(name string) string { return fmt.Sprintf("socketmap:inet:%s:%s", l.Addr(), name) }
	services := []string{"hash", "lmdb", "bolt"} // each asked by an smtpd of its own
	restrictions := func(name string) string {
		return "smtpd_recipient_restrictions = check_recipient_access " + spec(name) + ", reject"
	}
	inst := realpostfix.Start(t, realpostfix.Config{
		Main: restrictions("hash") + "\nsmtpd_relay_restrictions =\nsmtpd_hard_error_limit = 100000\nsmtpd_soft_error_limit = 100000\n" +
			"smtpd_error_sleep_time = 0\nsmtpd_reject_unlisted_recipient = no\n",
		Master: "127.0.0.1:@PORT1@ inet n - n - - smtpd -o { " + restrictions("lmdb") + " }\n" +
			"127.0.0.1:@PORT2@ inet n - n - - smtpd -o { " + restrictions("bolt") + " }\n",
	})

	stop := make(chan bool)
	var replacing, asking sync.WaitGroup
	var replaced, answered atomic.Int64
	for name, f := range formats {
		replacing.Add(1)
		go func() {
			defer replacing.Done()
			for generation := 1; ; generation++ {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
				if err := buildGeneration(f, filepath.Join(real.ConfigDir, name), keys, generation); err != nil {
					t.Error(err)
					return
				}
				replaced.Add(1)
			}
		}()
	}
	const clients = 2 // for each table
	for name := range formats {
		for c := range clients {
			asking.Add(1)
			go func() {
				defer asking.Done()
				n := queries / len(formats) / clients
				var in strings.Builder
				for i := range n {
					fmt.Fprintf(&in, "user%d@example.com\n", (i*7+c)%keys)
				}
				res := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", spec(name)}, Stdin: in.String()})
				lines := strings.Split(strings.TrimSuffix(res.Stdout, "\n"), "\n")
				if len(lines) != n || res.Exit != 0 {
					t.Errorf("%s: %d of %d answers, exit %d, %s", name, len(lines), n, res.Exit, res.Stderr)
					return
				}
				last := -1
				for i, line := range lines {
					k := (i*7 + c) % keys
					var generation, user int
					key, value, _ := strings.Cut(line, "\t")
					if _, err := fmt.Sscanf(value, "450 4.7.1 generation %d of user%d", &generation, &user); err != nil || key != fmt.Sprintf("user%d@example.com", k) || user != k {
						t.Errorf("%s: query %d: got %q", name, i, line)
						return
					}
					if generation < last {
						t.Errorf("%s: query %d: generation %d after %d", name, i, generation, last)
					}
					last = generation
				}
				answered.Add(int64(n))
			}()
		}
	}
	for session := range services {
		asking.Add(1)
		go func() {
			defer asking.Done()
			address := fmt.Sprintf("127.0.0.1:%d", inst.Ports[session])
			conn, err := textproto.Dial("tcp", address)
			for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); { // master opens its ports one by one
				time.Sleep(20 * time.Millisecond)
				conn, err = textproto.Dial("tcp", address)
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.ReadResponse(220)
			conn.PrintfLine("HELO client.example")
			conn.ReadResponse(250)
			conn.PrintfLine("MAIL FROM:<>")
			conn.ReadResponse(250)
			for i := range rcpts / 3 {
				k := (i*13 + session) % keys
				conn.PrintfLine("RCPT TO:<user%d@example.com>", k)
				if code, text, _ := conn.ReadResponse(450); code != 450 || !strings.HasSuffix(text, fmt.Sprintf(" of user%d", k)) {
					t.Errorf("RCPT %d: got %d %s", k, code, text)
					return
				}
				answered.Add(1)
			}
		}()
	}
	asking.Wait()
	close(stop)
	replacing.Wait()
	t.Logf("%d queries answered, tables replaced %d times", answered.Load(), replaced.Load())
	if replaced.Load() < 6 {
		t.Errorf("tables were replaced only %d times", replaced.Load())
	}
	if log := inst.Log(); strings.Contains(log, "socketmap") {
		t.Errorf("smtpd complains:\n%s", log)
	}
}
