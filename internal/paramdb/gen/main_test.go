package main

import (
	"bytes"
	"os"
	"testing"
)

// table.go is what the generator makes of the data.
func TestTableIsCurrent(t *testing.T) {
	t.Chdir("..")
	have, err := os.ReadFile("table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, generate()) {
		t.Error("table.go is out of date: run go generate ./internal/paramdb")
	}
}
