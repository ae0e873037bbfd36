package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestApply(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.cf")
	const before = "# my server\nmyhostname = mx.example.org   \n\nmynetworks = 127.0.0.0/8,\n    # the office\n    192.0.2.0/24\n"
	if err := os.WriteFile(path, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	edits := []string{"relayhost=[mx.example.net]:587", "mynetworks+=10.0.0.0/8", "mynetworks-=192.0.2.0/24"}
	if changed, err := apply(path, edits); !changed || err != nil {
		t.Fatalf("changed %v, %v", changed, err)
	}
	now, _ := os.ReadFile(path)
	for _, keep := range []string{"# my server\nmyhostname = mx.example.org   \n\n", "    # the office\n", "10.0.0.0/8", "relayhost = [mx.example.net]:587\n"} {
		if !strings.Contains(string(now), keep) {
			t.Errorf("%q is gone:\n%s", keep, now)
		}
	}
	if strings.Contains(string(now), "192.0.2.0") {
		t.Errorf("the item is still there:\n%s", now)
	}
	if changed, err := apply(path, edits); changed || err != nil {
		t.Errorf("the same again: changed %v, %v", changed, err)
	}
	if fi, _ := os.Stat(path); fi.Mode() != 0o640 {
		t.Errorf("mode %v", fi.Mode())
	}
	_, err := apply(path, []string{"relayhosst=x", "myhostname=other"})
	if err == nil || !strings.Contains(err.Error(), "did you mean relayhost?") {
		t.Errorf("misspelt: %v", err)
	}
	if again, _ := os.ReadFile(path); string(again) != string(now) {
		t.Error("a refused edit changed the file")
	}
}
