package main

import (
	"context"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// A real Postfix asks the milter about real mail.
func TestRealPostfix(t *testing.T) {
	dir := t.TempDir()
	header, body := filepath.Join(dir, "header"), filepath.Join(dir, "body")
	if err := os.WriteFile(header, []byte("/^Subject:.*make\\s+money/ REJECT no thanks\n/^Subject: later/ REJECT 4.7.1 come back\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(body, []byte("/^click here/ REJECT no clicks\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(context.Background(), "pcre:"+header, "regexp:"+body)
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()
	inst := realpostfix.Start(t, realpostfix.Config{
		Main: "smtpd_milters = inet:" + l.Addr().String() + "\nmilter_default_action = tempfail\n" +
			"mydestination = example.com\nlocal_recipient_maps =\nlocal_transport = discard:\n",
	})
	for _, c := range []struct {
		message string
		code    int
		text    string
	}{
		{"Subject: hello\r\n\r\nnothing special\r\n", 0, ""},
		{"Subject: How to\r\n\tmake  money\r\n\r\nx\r\n", 550, "no thanks"},
		{"Subject: later\r\n\r\nx\r\n", 450, "come back"},
		{"Subject: hello\r\n\r\nline\r\nclick here\r\n", 550, "no clicks"},
	} {
		err := smtp.SendMail(inst.Addr, nil, "a@example.com", []string{"b@example.com"}, []byte(c.message))
		var reply *textproto.Error
		code, text := 0, ""
		if errors.As(err, &reply) {
			code, text = reply.Code, reply.Msg
		} else if err != nil {
			t.Fatalf("%q: %v", c.message, err)
		}
		if code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%q: got %d %s, want %d %s", c.message, code, text, c.code, c.text)
		}
	}
}
