// Command smtp-gate is a small SMTP server that accepts or refuses mail by
// Postfix access tables, and throws away what it accepts: what a Go mail server
// does to obey the tables its administrator has already.
//
//	smtp-gate -listen 127.0.0.1:2525 -client cidr:clients -sender hash:senders -recipient hash:recipients
//
// It is built on github.com/emersion/go-smtp and a module of its own, so that
// postfixkit does not need that.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/postfixkit/postfixkit"
	"github.com/postfixkit/postfixkit/accessmap"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:2525", "address to listen on")
	client := flag.String("client", "static:DUNNO", "table of client addresses")
	sender := flag.String("sender", "static:DUNNO", "table of senders")
	recipient := flag.String("recipient", "static:DUNNO", "table of recipients")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	g, err := newGate(ctx, *client, *sender, *recipient)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", l.Addr())
	s := g.server()
	go func() {
		<-ctx.Done()
		s.Close()
	}()
	if err := s.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		log.Fatal(err)
	}
}

// A gate holds the three tables.
type gate struct{ client, sender, recipient *accessmap.Map }

func newGate(ctx context.Context, client, sender, recipient string) (*gate, error) {
	g := new(gate)
	for spec, m := range map[*string]**accessmap.Map{&client: &g.client, &sender: &g.sender, &recipient: &g.recipient} {
		t, err := postfixkit.Open(ctx, *spec)
		if err != nil {
			return nil, err
		}
		*m = &accessmap.Map{Table: t, ParentDomains: true, Delimiters: "+"}
	}
	return g, nil
}

func (g *gate) server() *smtp.Server {
	s := smtp.NewServer(g)
	s.Domain = "gate.example.org"
	s.MaxMessageBytes, s.MaxRecipients = 10<<20, 100
	s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
	return s
}

// NewSession decides on the client, as smtpd_client_restrictions do.
func (g *gate) NewSession(c *smtp.Conn) (smtp.Session, error) {
	addr, err := netip.ParseAddrPort(c.Conn().RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	r, found, err := g.client.Addr(context.Background(), addr.Addr().Unmap())
	if err := decide(accessmap.Client, addr.Addr().String(), r, found, err); err != nil {
		return nil, err
	}
	return &session{g}, nil
}

// decide turns what a table says into an SMTP reply, nil to go on.
func decide(class accessmap.Class, what string, r accessmap.Result, found bool, err error) error {
	if err != nil {
		// The answer is not known: the client shall come again.
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Temporary lookup failure"}
	}
	if !found {
		return nil
	}
	switch r.Action.Kind {
	case accessmap.Reject, accessmap.Defer, accessmap.DeferIfPermit, accessmap.DeferIfReject:
		code, status, text := r.Action.Reply(class, what)
		return &smtp.SMTPError{Code: code, EnhancedCode: enhanced(status), Message: text}
	}
	return nil
}

func enhanced(status string) (e smtp.EnhancedCode) {
	part := 0
	for _, c := range status {
		if c == '.' {
			part++
		} else if part < len(e) && '0' <= c && c <= '9' {
			e[part] = 10*e[part] + int(c-'0')
		}
	}
	return e
}

type session struct{ g *gate }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	r, found, err := s.g.sender.Email(context.Background(), from)
	return decide(accessmap.Sender, "<"+from+">", r, found, err)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	r, found, err := s.g.recipient.Email(context.Background(), to)
	return decide(accessmap.Recipient, "<"+to+">", r, found, err)
}

func (s *session) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
