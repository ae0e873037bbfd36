package cdb

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// source writes records as input for the real postmap.
func source(t *testing.T, path string, recs []tabletest.Record) {
	t.Helper()
	var src bytes.Buffer
	for _, r := range recs {
		fmt.Fprintf(&src, "%s\t%s\n", r.Key, r.Value)
	}
	if err := os.WriteFile(path, src.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func sizes() []int {
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		return []int{0, 1, 100, 1e4, 1e6}
	}
	return []int{0, 1, 100, 1e4}
}

// TestPostmapWritesTheSame compares whole files.
func TestPostmapWritesTheSame(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:cdb")
	for _, n := range sizes() {
		recs := tabletest.Mail(n)
		for i := range min(n, 50) { // long ones, up to 5 MB
			recs[i].Value = bytes.Repeat([]byte{'a' + byte(i%26)}, 1<<(i%21))
		}
		if n > 100 {
			recs[7].Value = bytes.Repeat([]byte("v"), 5<<20)
			recs[8].Key = bytes.Repeat([]byte("k"), 20000)
			for i := 100; i < 200; i++ { // repeated keys
				recs[i].Key = recs[i-100].Key
			}
		}
		for flag, policy := range map[string]Duplicates{"": KeepFirst, "-w": KeepAll, "-r": KeepLast} {
			if n == 1e6 && flag == "-r" {
				continue // TinyCDB moves the rest of the file for each
			}
			for _, nul := range []string{"-n", "-N"} {
				path := filepath.Join(t.TempDir(), "map")
				source(t, path, recs)
				args := []string{nul, "cdb:" + path}
				if flag != "" {
					args = append([]string{flag}, args...)
				}
				real.MustRun(realpostfix.Call{Name: "postmap", Args: args})
				want, err := os.ReadFile(path + ".cdb")
				if err != nil {
					t.Fatal(err)
				}
				b := NewBuilder(&BuildOptions{Duplicates: policy})
				for _, r := range recs {
					if nul == "-N" {
						r = tabletest.Record{Key: append(bytes.Clone(r.Key), 0), Value: append(bytes.Clone(r.Value), 0)}
					}
					if err := b.Add(r.Key, r.Value); err != nil {
						t.Fatal(err)
					}
				}
				var got bytes.Buffer
				b.WriteTo(&got)
				if flag == "-r" && len(want) > got.Len() {
					// TinyCDB moves records down over one it removes and does not
					// cut the file, so that old bytes may remain behind the tables.
					want = want[:got.Len()]
				}
				if !bytes.Equal(got.Bytes(), want) {
					t.Errorf("%d records, postmap %s: files differ (%d bytes, want %d)", n, args, got.Len(), len(want))
				}
				os.Remove(path)
				os.Remove(path + ".cdb")
			}
		}
	}
}

// TestToolsReadOurs asks postmap for every key and the cdb tool for the dump.
func TestToolsReadOurs(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:cdb", "cdb")
	for _, n := range sizes() {
		recs := tabletest.Mail(n)
		for i, k := range keysWithHash(0, min(n, 3)) {
			recs[i].Key = fmt.Appendf(nil, "%x", k) // hash 0 as bytes is below
		}
		path := filepath.Join(t.TempDir(), "map")
		if err := os.WriteFile(path+".cdb", image(t, nil, recs...), 0o600); err != nil {
			t.Fatal(err)
		}
		var keys, want, dump bytes.Buffer
		for _, r := range recs {
			fmt.Fprintf(&keys, "%s\n", r.Key)
			fmt.Fprintf(&want, "%s\t%s\n", r.Key, r.Value)
			fmt.Fprintf(&dump, "+%d,%d:%s->%s\n", len(r.Key), len(r.Value), r.Key, r.Value)
		}
		dump.WriteString("\n")
		got := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", "cdb:" + path}, Stdin: keys.String()})
		if got.Stdout != want.String() || got.Stderr != "" {
			t.Errorf("%d records: postmap -q - differs: %.300s %.300s", n, got.Stdout, got.Stderr)
		}
		got = real.MustRun(realpostfix.Call{Name: "cdb", Args: []string{"-d", path + ".cdb"}})
		if got.Stdout != dump.String() {
			t.Errorf("%d records: cdb -d differs: %.300s", n, got.Stdout)
		}
	}
}

// TestToolFindsHashZero asks the cdb tool for keys that some libraries lose.
func TestToolFindsHashZero(t *testing.T) {
	real := realpostfix.Need(t, "cdb")
	var recs []tabletest.Record
	var input strings.Builder
	for i, k := range keysWithHash(0, 40) {
		if strings.ContainsAny(k, "\x00") {
			continue // cannot be an argument
		}
		v := fmt.Sprintf("value %d", i)
		recs = append(recs, rec(k, v))
		fmt.Fprintf(&input, "+%d,%d:%s->%s\n", len(k), len(v), k, v)
	}
	input.WriteString("\n")
	dir := t.TempDir()
	img := image(t, nil, recs...)
	os.WriteFile(filepath.Join(dir, "ours.cdb"), img, 0o600)
	for _, r := range recs {
		got := real.MustRun(realpostfix.Call{Name: "cdb", Args: []string{"-q", "ours.cdb", string(r.Key)}, Dir: dir})
		if got.Stdout != string(r.Value) {
			t.Errorf("cdb -q %q: got %q, want %q", r.Key, got.Stdout, r.Value)
		}
	}
	real.MustRun(realpostfix.Call{Name: "cdb", Args: []string{"-c", "theirs.cdb"}, Stdin: input.String(), Dir: dir})
	theirs, err := os.ReadFile(filepath.Join(dir, "theirs.cdb"))
	if err != nil || !bytes.Equal(theirs, img) {
		t.Errorf("cdb -c wrote another file: %v", err)
	}
}
