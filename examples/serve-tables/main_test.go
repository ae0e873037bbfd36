package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

func build(t *testing.T, path, value string) {
	t.Helper()
	b := hashmap.NewBuilder(hashmap.Hash, nil)
	if err := b.Add("info@example.org", value); err != nil {
		t.Fatal(err)
	}
	if _, err := b.WriteFile(context.Background(), path+".db"); err != nil {
		t.Fatal(err)
	}
}

// The real postmap asks our server for a Berkeley DB table, and again after the
// table was replaced.
func TestRealPostfixAsks(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:socketmap")
	path := filepath.Join(t.TempDir(), "virtual")
	build(t, path, "alice")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, []string{"virtual=hash:" + path}) }()
	ask := func() string {
		return real.MustRun(realpostfix.Call{Name: "postmap",
			Args: []string{"-q", "info@example.org", fmt.Sprintf("socketmap:inet:%s:virtual", l.Addr())}}).Stdout
	}
	if got := ask(); got != "alice\n" {
		t.Fatalf("got %q", got)
	}
	build(t, path, "bob")
	deadline := time.Now().Add(20 * time.Second)
	for ask() != "bob\n" {
		if time.Now().After(deadline) {
			t.Fatal("the replaced table is not used")
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("end: %v", err)
	}
}

func TestListenOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 2 { // the second time over the socket that was left
		l, err := listenOn("unix:" + path)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	}
	os.Remove(path)
	if _, err := listenOn("nonsense"); err == nil {
		t.Error("nonsense was accepted")
	}
	if err := serve(context.Background(), nil, []string{"no-equals-sign"}); err == nil {
		t.Error("a table without a name was accepted")
	}
}
