package proxymap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Every message is a list of attributes, name NUL value NUL each, and one more
// NUL at its end. A server starts a connection with
//
//	protocol=proxymap_protocol
//
// and answers one request after the other:
//
//	request=open   table=TYPE:NAME flags=N          status=N flags=N
//	request=lookup table=TYPE:NAME flags=N key=KEY  status=N value=VALUE

// Values of status.
const (
	statusOK     = 0
	statusNoKey  = 1 // not found
	statusRetry  = 2 // try again later
	statusBad    = 3 // bad request
	statusDenied = 4 // the table is not in proxy_read_maps
	statusConfig = 5 // the table has a configuration error
)

// Bits of flags, those that say something about a lookup.
const (
	flagFixed    = 1 << 4  // the table stores keys
	flagPattern  = 1 << 5  // the table matches whole keys
	flagNoSubst  = 1 << 11 // refuse $1 and the like
	flagFoldFix  = 1 << 14 // fold keys of tables that store keys
	flagFoldMul  = 1 << 15 // fold keys of tables that match
	flagUTF8     = 1 << 19 // check keys and values, fold Unicode
	protocolName = "proxymap_protocol"
)

// maxString is how long a name, key or value may be.
const maxString = 100000

// maxAttributes is how many attributes one message may have.
const maxAttributes = 16

// errSyntax is the error for a message that cannot be read.
var errSyntax = errors.New("bad message")

// readMessage reads the attributes of one message. At the end of the input it
// returns io.EOF, and io.ErrUnexpectedEOF within a message.
func readMessage(r *bufio.Reader) (map[string]string, error) {
	m := map[string]string{}
	for {
		name, err := readString(r)
		if err == io.EOF && len(m) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if name == "" {
			return m, nil
		}
		value, err := readString(r)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if _, twice := m[name]; twice || len(m) >= maxAttributes {
			return nil, fmt.Errorf("%w: attribute %.100q twice, or too many", errSyntax, name)
		}
		m[name] = value
	}
}

// readString reads up to a NUL.
func readString(r *bufio.Reader) (string, error) {
	var s []byte
	for {
		part, err := r.ReadSlice(0)
		if len(s)+len(part) > maxString+1 {
			return "", fmt.Errorf("%w: more than %d bytes", errSyntax, maxString)
		}
		s = append(s, part...)
		switch err {
		case nil:
			return string(s[:len(s)-1]), nil
		case bufio.ErrBufferFull:
		case io.EOF:
			if len(s) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		default:
			return "", err
		}
	}
}

// appendMessage appends attributes given as name, value, name, value, …
func appendMessage(dst []byte, attributes ...string) []byte {
	for _, s := range attributes {
		dst = append(append(dst, s...), 0)
	}
	return append(dst, 0)
}

// number reads a status or flags.
func number(m map[string]string, name string) (int, error) {
	s, ok := m[name]
	if !ok {
		return 0, fmt.Errorf("%w: no attribute %s", errSyntax, name)
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: attribute %s is %.100q, want a number", errSyntax, name, s)
	}
	return int(n), nil
}
