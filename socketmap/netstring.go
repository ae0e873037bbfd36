package socketmap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// MaxLength is how long a request or reply may be, as Postfix has it
// (socketmap_max_reply_size, socketmap_max_query_size).
const MaxLength = 100000

// ErrSyntax is the error for bytes that are no netstring.
var ErrSyntax = errors.New("socketmap: bad netstring")

// ErrTooLong is the error for a netstring above the limit. It is found before
// anything is read or allocated.
var ErrTooLong = errors.New("socketmap: netstring too long")

// ReadNetstring reads one netstring of at most limit bytes and appends its
// content to dst. Like Postfix it does not mind leading zeros in the length.
// At the end of the input it returns io.EOF, and io.ErrUnexpectedEOF within a
// netstring. After an error the input cannot be used any more.
func ReadNetstring(dst []byte, r *bufio.Reader, limit int) ([]byte, error) {
	length, digits := 0, 0
	for {
		c, err := r.ReadByte()
		if err != nil {
			return dst, within(err, digits > 0)
		}
		if c == ':' && digits > 0 {
			break
		}
		if c < '0' || c > '9' {
			return dst, fmt.Errorf("%w: %q in the length", ErrSyntax, c)
		}
		digit := int(c - '0')
		if digit > limit || length > (limit-digit)/10 {
			return dst, fmt.Errorf("%w: more than %d bytes", ErrTooLong, limit)
		}
		length = length*10 + digit
		if digits++; digits > 20 {
			return dst, fmt.Errorf("%w: length of more than 20 digits", ErrSyntax)
		}
	}
	start := len(dst)
	for len(dst)-start < length {
		more, err := r.Peek(min(length-(len(dst)-start), r.Size()))
		dst = append(dst, more...)
		r.Discard(len(more))
		if err != nil {
			return dst[:start], within(err, true)
		}
	}
	c, err := r.ReadByte()
	if err != nil {
		return dst[:start], within(err, true)
	}
	if c != ',' {
		return dst[:start], fmt.Errorf("%w: %q instead of a comma at the end", ErrSyntax, c)
	}
	return dst, nil
}

func within(err error, inside bool) error {
	if err == io.EOF && inside {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AppendNetstring appends the parts, one after the other, as one netstring.
func AppendNetstring(dst []byte, parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, ':')
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return append(dst, ',')
}
