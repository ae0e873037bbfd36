package main

import "testing"

func Example() {
	if err := run(exampleSource(), "spammer@example.net"); err != nil {
		panic(err)
	}
	// Output:
	// access.db: hash file, version 9, 7 records
	// spammer@example.net: REJECT no more offers, please
}

func TestMissingSource(t *testing.T) {
	if err := run("nosuch", "x"); err == nil {
		t.Error("a missing source is no error")
	}
}
