// Command serve-tables lets a Postfix ask tables it cannot read itself: .db
// files where Berkeley DB is gone, bbolt files, anything postfixkit opens. It is
// a socketmap_table(5) server that follows its files when they are replaced.
//
//	serve-tables -listen unix:/var/spool/postfix/maps/socket virtual=hash:/etc/postfix/virtual
//	# main.cf: virtual_alias_maps = socketmap:unix:maps/socket:virtual
//
// It ends in good order on SIGTERM and SIGINT.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/postfixkit/postfixkit"
	"github.com/postfixkit/postfixkit/socketmap"
	"github.com/postfixkit/postfixkit/table"
)

func main() {
	log.SetFlags(0) // the journal has the time
	listen := flag.String("listen", "unix:/run/serve-tables.sock", "unix:PATH or inet:HOST:PORT")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if flag.NArg() == 0 {
		log.Fatal("usage: serve-tables [-listen unix:PATH|inet:HOST:PORT] NAME=TYPE:TABLE ...")
	}
	l, err := listenOn(*listen)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", *listen)
	if err := serve(ctx, l, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

// listenOn makes the socket. A unix socket is open to everybody: the folder
// it stands in decides who may ask.
func listenOn(where string) (net.Listener, error) {
	kind, address, _ := strings.Cut(where, ":")
	switch kind {
	case "inet":
		return net.Listen("tcp", address)
	case "unix":
		// What an earlier run that was killed has left.
		if fi, err := os.Lstat(address); err == nil && fi.Mode()&os.ModeSocket != 0 {
			os.Remove(address)
		}
		l, err := net.Listen("unix", address)
		if err == nil {
			err = os.Chmod(address, 0o666)
		}
		return l, err
	}
	return nil, fmt.Errorf("-listen %s: want unix:PATH or inet:HOST:PORT", where)
}

// serve answers until ctx ends.
func serve(ctx context.Context, l net.Listener, tables []string) error {
	s := socketmap.Server{Tables: map[string]table.Table{}}
	for _, arg := range tables {
		name, spec, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%s: want NAME=TYPE:TABLE", arg)
		}
		t, err := postfixkit.Open(ctx, spec) // follows the file when it is replaced
		if err != nil {
			return err
		}
		defer t.Close()
		s.Tables[name] = t
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ending); err != nil {
		return err
	}
	if err := <-done; !errors.Is(err, socketmap.ErrServerClosed) {
		return err
	}
	return nil
}
