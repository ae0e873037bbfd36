package main

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func Example() {
	if err := run("access", strings.NewReader(exampleSource), "spammer@example.net"); err != nil {
		panic(err)
	}
	// Output:
	// access.db: hash file, version 9, 7 records
	// spammer@example.net: REJECT no more offers, please
}

func TestSourceThatCannotBeRead(t *testing.T) {
	broken := errors.New("disk on fire")
	if err := run("x", iotest.ErrReader(broken), "x"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
