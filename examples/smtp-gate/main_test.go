package main

import (
	"context"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap"
)

// A real SMTP client, that of the standard library, meets the tables.
func TestGate(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := hashmap.NewBuilder(hashmap.Hash, nil)
	for k, v := range map[string]string{
		"spam.example":        "REJECT no spam, please",
		"friend@spam.example": "OK",
		"late@example.net":    "450 4.2.0 come back later",
	} {
		if err := b.Add(k, v); err != nil {
			t.Fatal(err)
		}
	}
	senders := filepath.Join(dir, "senders")
	if _, err := b.WriteFile(ctx, senders+".db"); err != nil {
		t.Fatal(err)
	}
	clients := filepath.Join(dir, "clients")
	if err := os.WriteFile(clients, []byte("127.0.0.1 DUNNO\n0.0.0.0/0 REJECT\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g, err := newGate(ctx, "cidr:"+clients, "hash:"+senders, "inline:{{nobody@example.org = 550 5.1.1 no such user}}")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := g.server()
	go s.Serve(l)
	defer s.Close()

	for _, c := range []struct {
		from, to string
		code     int // 0: accepted
	}{
		{"someone@example.com", "user@example.org", 0},
		{"x@spam.example", "user@example.org", 554},
		{"x@sub.spam.example", "user@example.org", 554},
		{"friend+list@spam.example", "user@example.org", 0},
		{"late@example.net", "user@example.org", 450},
		{"someone@example.com", "nobody+x@example.org", 550},
		{"", "user@example.org", 0},
	} {
		err := smtp.SendMail(l.Addr().String(), nil, c.from, []string{c.to}, []byte("Subject: x\r\n\r\nhello\r\n"))
		var reply *textproto.Error
		code := 0
		if errors.As(err, &reply) {
			code = reply.Code
		} else if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		if code != c.code {
			t.Errorf("%s to %s: got %d (%v), want %d", c.from, c.to, code, err, c.code)
		}
	}
}
