// Command milter-checks runs header_checks(5) and body_checks(5) tables as a
// milter: the same tables for several mail servers, or for one that is not
// Postfix.
//
//	milter-checks -listen 127.0.0.1:8891 -header pcre:/etc/postfix/header_checks -body regexp:/etc/postfix/body_checks
//	# main.cf: smtpd_milters = inet:127.0.0.1:8891
//
// It is built on github.com/emersion/go-milter and a module of its own.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/textproto"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/emersion/go-milter"

	"github.com/postfixkit/postfixkit"
	"github.com/postfixkit/postfixkit/headercheck"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8891", "address to listen on")
	header := flag.String("header", "", "table for headers, such as pcre:/etc/postfix/header_checks")
	body := flag.String("body", "", "table for body lines")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := newServer(ctx, *header, *body)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", l.Addr())
	go func() {
		<-ctx.Done()
		s.Close()
	}()
	if err := s.Serve(l); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func newServer(ctx context.Context, header, body string) (*milter.Server, error) {
	c := new(headercheck.Checker)
	if header != "" {
		t, err := postfixkit.Open(ctx, header)
		if err != nil {
			return nil, err
		}
		c.Header = t
	}
	if body != "" {
		t, err := postfixkit.Open(ctx, body)
		if err != nil {
			return nil, err
		}
		c.Body = t
	}
	return &milter.Server{
		NewMilter: func() milter.Milter { return &checks{checker: c} },
		Actions:   milter.OptQuarantine | milter.OptAddRcpt,
		Protocol:  milter.OptNoConnect | milter.OptNoHelo | milter.OptNoMailFrom | milter.OptNoRcptTo,
	}, nil
}

// maxMessage is how much of a message is kept for the checks; the default
// body_checks_size_limit makes Postfix look at less.
const maxMessage = 1 << 20

// checks is one connection.
type checks struct {
	milter.NoOpMilter
	checker *headercheck.Checker
	message bytes.Buffer
}

func (c *checks) Header(name, value string, _ *milter.Modifier) (milter.Response, error) {
	c.keep(name + ": " + strings.TrimPrefix(value, " ") + "\n")
	return milter.RespContinue, nil
}

func (c *checks) BodyChunk(chunk []byte, _ *milter.Modifier) (milter.Response, error) {
	c.keep(strings.ReplaceAll(string(chunk), "\r\n", "\n"))
	return milter.RespContinue, nil
}

func (c *checks) keep(text string) {
	if room := maxMessage - c.message.Len(); len(text) > room {
		text = text[:max(0, room)]
	}
	c.message.WriteString(text)
}

// Body comes at the end of a message: now it is decided.
func (c *checks) Body(m *milter.Modifier) (milter.Response, error) {
	defer c.message.Reset()
	v, err := c.checker.Check(context.Background(), &c.message)
	if err != nil {
		return milter.RespTempFail, nil
	}
	for _, rcpt := range v.BCC {
		if err := m.AddRecipient("<" + rcpt + ">"); err != nil {
			return nil, err
		}
	}
	switch v.Kind {
	case headercheck.Reject:
		code := 550
		if strings.HasPrefix(v.Status, "4") {
			code = 450
		}
		return milter.NewResponseStr('y', fmt.Sprintf("%d %s %s", code, v.Status, v.Text)), nil
	case headercheck.Discard:
		return milter.RespDiscard, nil
	case headercheck.Hold:
		return milter.RespAccept, m.Quarantine("header checks")
	}
	return milter.RespAccept, nil
}

func (c *checks) Headers(_ textproto.MIMEHeader, _ *milter.Modifier) (milter.Response, error) {
	c.keep("\n")
	return milter.RespContinue, nil
}

func (c *checks) Abort(*milter.Modifier) error {
	c.message.Reset()
	return nil
}
