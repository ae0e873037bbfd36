package main

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
)

func TestReport(t *testing.T) {
	src := "root: alice, bob@example.net\npostmaster: root\nlist: :include:/etc/list\nloop1: loop2\nloop2: loop1\ngone: :include:/etc/gone\n"
	files := fstest.MapFS{"etc/list": {Data: []byte("carol\nroot\n")}}
	var out strings.Builder
	err := report(context.Background(), &out, "aliases", []byte(src), files, "")
	for _, want := range []string{"root: alice bob@example.net\n", "postmaster: alice bob@example.net\n", "list: bob@example.net carol alice\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if err == nil || !strings.Contains(err.Error(), "loop") || !strings.Contains(err.Error(), "/etc/gone") {
		t.Errorf("findings: %v", err)
	}
	if err := report(context.Background(), new(strings.Builder), "aliases", []byte("root: alice\n"), files, ""); err != nil {
		t.Errorf("a sound file: %v", err)
	}
}
