package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestCollect(t *testing.T) {
	src := fstest.MapFS{
		"textmap/testdata/fuzz/FuzzFile/1": {Data: []byte("go test fuzz v1\n[]byte(\"a 1\\n\")\nstring(\"key\")\nint(3)\n")},
		"maincf/testdata/corpus/main.cf":   {Data: []byte("a = b\n")},
		"maincf/testdata/README.md":        {Data: []byte("no input")},
		"maincf/file.go":                   {Data: []byte("package maincf")},
	}
	out := t.TempDir()
	n, err := collect(src, out)
	if err != nil || n["textmap"] != 2 || n["maincf"] != 1 || len(n) != 2 {
		t.Fatalf("%v, %v", n, err)
	}
	files, _ := filepath.Glob(out + "/maincf/*")
	if b, _ := os.ReadFile(files[0]); string(b) != "a = b\n" {
		t.Errorf("got %q", b)
	}
}

// The real thing: this module's own inputs.
func TestOwnModule(t *testing.T) {
	n, err := collect(os.DirFS("../.."), t.TempDir())
	if err != nil || n["textmap"] < 30 || n["maincf"] < 30 {
		t.Errorf("%v, %v", n, err)
	}
}
