package lmdb

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

func sizes() []int {
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		return []int{0, 1, 100, 1e4, 1e6}
	}
	return []int{0, 1, 100, 1e4}
}

// difficult returns n mail records, among them keys up to the limit of 510
// bytes and a NUL, and values up to 5 MB.
func difficult(n int) []tabletest.Record {
	recs := tabletest.Mail(n)
	for i := range min(n, 60) {
		recs[i].Value = bytes.Repeat([]byte{'a' + byte(i%26)}, []int{1, 2000, 2023, 2024, 4078, 4079, 4080, 9000, 70000}[i%9])
	}
	for i := 60; i < min(n, 90); i++ {
		recs[i].Key = fmt.Appendf(nil, "%0*d", 482+i-60, i)
	}
	for i := 89; i < min(n, 95); i++ {
		recs[i].Key = fmt.Appendf(nil, "%0510d", i)
	}
	if n > 99 {
		recs[98].Value = bytes.Repeat([]byte("v"), 5<<20)
	}
	return recs
}

func withNUL(recs []tabletest.Record) []tabletest.Record {
	out := make([]tabletest.Record, len(recs))
	for i, r := range recs {
		out[i] = tabletest.Record{Key: append(bytes.Clone(r.Key), 0), Value: append(bytes.Clone(r.Value), 0)}
	}
	return out
}

// postmapText is what postmap -s prints, and what it reads.
func postmapText(recs []tabletest.Record) string {
	var b strings.Builder
	for _, r := range recs {
		fmt.Fprintf(&b, "%s\t%s\n", bytes.TrimSuffix(r.Key, []byte{0}), bytes.TrimSuffix(r.Value, []byte{0}))
	}
	return b.String()
}

// dumped parses what mdb_dump prints.
func dumped(t *testing.T, text string) (recs []tabletest.Record) {
	t.Helper()
	_, text, _ = strings.Cut(text, "HEADER=END\n")
	var key []byte
	for i, line := range strings.Split(strings.TrimSuffix(text, "DATA=END\n"), "\n") {
		b, err := hex.DecodeString(strings.TrimPrefix(line, " "))
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			key = b
		} else {
			recs = append(recs, tabletest.Record{Key: key, Value: b})
		}
	}
	return recs
}

func sameRecords(t *testing.T, what string, got, want []tabletest.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i].Key, want[i].Key) || !bytes.Equal(got[i].Value, want[i].Value) {
			t.Fatalf("%s: record %d is %.60q %.60q, want %.60q %.60q", what, i, got[i].Key, got[i].Value, want[i].Key, want[i].Value)
		}
	}
}

// TestReadsPostmaps lets the real postmap build, and reads.
func TestReadsPostmaps(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:lmdb")
	for _, n := range sizes() {
		recs := difficult(n)
		path := filepath.Join(t.TempDir(), "map")
		os.WriteFile(path, []byte(postmapText(recs)), 0o600)
		real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"lmdb:" + path}})
		want := withNUL(recs)
		tabletest.ByKey(want)
		for _, opts := range []*Options{nil, {NoMmap: true}} {
			r, err := Open(path+".lmdb", opts)
			if err != nil {
				t.Fatal(err)
			}
			sameRecords(t, "postmap's table", records(t, r), want)
			if err := audit(r); err != nil {
				t.Error(err)
			}
			for _, rec := range want {
				if v, found, err := r.Lookup(rec.Key); v != string(rec.Value) || !found || err != nil {
					t.Fatalf("%.60q: got %.60q %v %v", rec.Key, v, found, err)
				}
			}
			r.Close()
		}
	}
}

// TestToolsReadOurs asks the tools for all they can say about our files.
func TestToolsReadOurs(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:lmdb", "mdb_stat", "mdb_dump")
	for _, n := range sizes() {
		for _, page := range []int{512, 4096, 32768} {
			if page != 4096 && n > 1e4 {
				continue
			}
			recs := difficult(n)
			if page == 512 {
				recs = tabletest.Mail(n) // its keys are shorter
			}
			path := filepath.Join(t.TempDir(), "map")
			stored := withNUL(recs)
			img := image(t, &BuildOptions{PageSize: page}, stored...)
			if err := os.WriteFile(path+".lmdb", img, 0o600); err != nil {
				t.Fatal(err)
			}
			tabletest.ByKey(stored)
			dump := real.MustRun(realpostfix.Call{Name: "mdb_dump", Args: []string{"-n", path + ".lmdb"}})
			sameRecords(t, fmt.Sprintf("mdb_dump, %d records", n), dumped(t, dump.Stdout), stored)

			in, _ := opened(t, img).Info()
			stat := real.MustRun(realpostfix.Call{Name: "mdb_stat", Args: []string{"-nef", path + ".lmdb"}}).Stdout
			for _, line := range []string{
				fmt.Sprintf("  Map size: %d\n", in.MapSize),
				fmt.Sprintf("  Page size: %d\n", page),
				fmt.Sprintf("  Number of pages used: %d\n", in.LastPage+1),
				"  Last transaction ID: 1\n",
				"  Free pages: 0\n",
				fmt.Sprintf("  Tree depth: %d\n", in.Depth),
				fmt.Sprintf("  Branch pages: %d\n", in.BranchPages),
				fmt.Sprintf("  Leaf pages: %d\n", in.LeafPages),
				fmt.Sprintf("  Overflow pages: %d\n", in.OverflowPages),
				fmt.Sprintf("  Entries: %d\n", n),
			} {
				if !strings.Contains(stat, line) {
					t.Errorf("%d records, %d byte pages: mdb_stat -ef lacks %q:\n%s", n, page, line, stat)
				}
			}

			got := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-s", "lmdb:" + path}})
			if got.Stdout != postmapText(stored) {
				t.Errorf("%d records: postmap -s differs: %.300s %.300s", n, got.Stdout, got.Stderr)
			}
			var keys strings.Builder
			for _, r := range recs {
				fmt.Fprintf(&keys, "%s\n", r.Key)
			}
			got = real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", "lmdb:" + path}, Stdin: keys.String()})
			if got.Stdout != postmapText(recs) {
				t.Errorf("%d records: postmap -q - differs: %.300s %.300s", n, got.Stdout, got.Stderr)
			}
		}
	}
}

// TestPostmapChangesOurs builds a table, lets the real postmap add, replace,
// delete and rebuild, and after each step reads with a Reader that was open all
// the time and with a fresh one.
func TestPostmapChangesOurs(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:lmdb")
	for _, n := range sizes() {
		for _, page := range []int{512, 4096} {
			if page == 512 && n > 1e4 {
				continue
			}
			t.Run(fmt.Sprintf("%d records, %d byte pages", n, page), func(t *testing.T) { changesOurs(t, real, n, page) })
		}
	}
}

func changesOurs(t *testing.T, real *realpostfix.Tools, n, page int) {
	recs := difficult(n)
	if page == 512 {
		recs = tabletest.Mail(n)
	}
	path := filepath.Join(t.TempDir(), "map")
	table := "lmdb:" + path
	if err := os.WriteFile(path+".lmdb", image(t, &BuildOptions{PageSize: page}, withNUL(recs)...), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := Open(path+".lmdb", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	oldAt, err := Open(path+".lmdb", &Options{NoMmap: true})
	if err != nil {
		t.Fatal(err)
	}
	defer oldAt.Close()

	content := map[string][]byte{}
	for _, r := range recs {
		content[string(r.Key)] = r.Value
	}
	verify := func(step string) {
		t.Helper()
		var want []tabletest.Record
		for k, v := range content {
			want = append(want, tabletest.Record{Key: []byte(k), Value: v})
		}
		want = withNUL(want)
		tabletest.ByKey(want)
		fresh, err := Open(path+".lmdb", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer fresh.Close()
		for name, r := range map[string]*Reader{"fresh": fresh, "open": old, "open, ReaderAt": oldAt} {
			if err := audit(r); err != nil {
				t.Fatalf("after %s, %s: %v", step, name, err)
			}
			sameRecords(t, "after "+step+", "+name, records(t, r), want)
			for _, rec := range want {
				if v, found, err := r.Lookup(rec.Key); v != string(rec.Value) || !found || err != nil {
					t.Fatalf("after %s, %s: %.60q: got %.60q %v %v", step, name, rec.Key, v, found, err)
				}
			}
		}
	}
	verify("building")

	rnd := rand.New(rand.NewPCG(9, uint64(n)))
	changes := min(n/2+5, 150)
	var input []tabletest.Record
	add := func(key, value string) {
		input = append(input, rec(key, value))
		content[key] = []byte(value)
	}
	for i := range changes {
		add(fmt.Sprintf("new%d@%d.example", i, rnd.IntN(1e6)), strings.Repeat("n", rnd.IntN(3000)+1))
	}
	real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-i", table}, Stdin: postmapText(input)})
	verify("postmap -i")

	input = nil
	for _, r := range recs[:min(n, changes)] {
		add(string(r.Key), strings.Repeat("r", rnd.IntN(5000)+1))
	}
	real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-r", "-i", table}, Stdin: postmapText(input)})
	verify("postmap -r -i")

	var gone strings.Builder
	for _, r := range recs[n/2 : min(n, n/2+changes)] {
		fmt.Fprintf(&gone, "%s\n", r.Key)
		delete(content, string(r.Key))
	}
	real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-d", "-", table}, Stdin: gone.String()})
	verify("postmap -d")

	os.WriteFile(path, []byte(postmapText(recs)), 0o600)
	clear(content)
	for _, r := range recs {
		content[string(r.Key)] = r.Value
	}
	real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{table}})
	verify("a rebuild by postmap")
}
