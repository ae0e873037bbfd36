package bdb

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/golden"
)

type pair struct{ key, value string }

// sampleFiles lists the sound tables of testdata.
func sampleFiles(t testing.TB) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{"hash", "btree", "alias", "foreign"} {
		found, err := filepath.Glob("testdata/" + dir + "/*.db")
		if err != nil || len(found) == 0 {
			t.Fatalf("no samples in %s: %v", dir, err)
		}
		files = append(files, found...)
	}
	return files
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func all(r *Reader) (pairs []pair, err error) {
	for rec, err := range r.All() {
		if err != nil {
			return pairs, err
		}
		pairs = append(pairs, pair{string(rec.Key), string(rec.Value)})
	}
	return pairs, nil
}

func mustAll(t testing.TB, r *Reader) []pair {
	t.Helper()
	pairs, err := all(r)
	if err != nil {
		t.Fatal(err)
	}
	return pairs
}

// digest is what dumps.tsv holds of a table.
func digest(pairs []pair) string {
	h := sha256.New()
	for _, p := range pairs {
		for _, s := range []string{p.key, p.value} {
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
			h.Write([]byte(s))
		}
	}
	return fmt.Sprintf("%d\t%x", len(pairs), h.Sum(nil))
}

// readers opens the same bytes in every way there is.
func readers(t testing.TB, path string) map[string]*Reader {
	t.Helper()
	out := map[string]*Reader{}
	add := func(name string, r *Reader, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { r.Close() })
		out[name] = r
	}
	r, err := Open(path, nil)
	add("mmap", r, err)
	r, err = Open(path, &Options{NoMmap: true})
	add("NoMmap", r, err)
	data := read(t, path)
	r, err = NewReader(bytes.NewReader(data), int64(len(data)), nil)
	add("ReaderAt", r, err)
	r, err = FromBytes(data)
	add("bytes", r, err)
	return out
}

// verify asks r for every record and for keys that are not there.
func verify(t testing.TB, r *Reader, want []pair) {
	t.Helper()
	got := mustAll(t, r)
	if !slices.Equal(got, want) {
		t.Fatalf("All: got %d records, want %d; first difference at %d", len(got), len(want), firstDifference(got, want))
	}
	first := map[string]string{}
	for _, p := range slices.Backward(want) {
		first[p.key] = p.value
	}
	for key, value := range first {
		got, ok, err := r.Lookup([]byte(key))
		if err != nil || !ok || got != value {
			t.Fatalf("Lookup(%.60q): got %.60q, %v, %v, want %.60q", key, got, ok, err, value)
		}
		out, ok, err := r.AppendLookup([]byte("=>"), []byte(key))
		if err != nil || !ok || string(out) != "=>"+value {
			t.Fatalf("AppendLookup(%.60q): got %.60q, %v, %v", key, out, ok, err)
		}
		for _, miss := range []string{key + "x", "x" + key, key + "\x00", strings.TrimSuffix(key, "\x00")} {
			if _, there := first[miss]; there {
				continue
			}
			if got, ok, err := r.Lookup([]byte(miss)); err != nil || ok {
				t.Fatalf("Lookup(%.60q): got %.60q, %v, %v, want a miss", miss, got, ok, err)
			}
		}
	}
	verifyMany(t, r, first)
}

// verifyMany asks for all records at once, with misses between them.
func verifyMany(t testing.TB, r *Reader, first map[string]string) {
	t.Helper()
	var keys [][]byte
	for key := range first {
		keys = append(keys, []byte(key), []byte(key+"x"), []byte("x"+key))
	}
	got := map[string]string{}
	n, err := r.LookupMany(keys, func(i int, value []byte) bool {
		got[string(keys[i])] = string(value)
		return true
	})
	if n != len(keys) || err != nil {
		t.Fatalf("LookupMany: %d of %d keys, %v", n, len(keys), err)
	}
	if !maps.Equal(got, first) {
		t.Fatalf("LookupMany: got %d values, want %d", len(got), len(first))
	}
}

func firstDifference(a, b []pair) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestSamples(t *testing.T) {
	want := map[string]string{}
	if !golden.Updating() {
		for line := range strings.Lines(string(read(t, "testdata/dumps.tsv"))) {
			file, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
			want[file] = rest
		}
	}
	update := map[string]string{}
	for _, file := range sampleFiles(t) {
		t.Run(file, func(t *testing.T) {
			var records []pair
			if golden.Updating() && !strings.Contains(file, "-v10-") {
				records = dump(t, file)
			} else {
				r, err := Open(file, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				records = mustAll(t, r)
			}
			update[file] = digest(records)
			if got := digest(records); !golden.Updating() && got != want[file] {
				t.Fatalf("got %s, db5.3_dump gave %s", got, want[file])
			}
			for name, r := range readers(t, file) {
				t.Run(name, func(t *testing.T) { verify(t, r, records) })
			}
		})
	}
	if golden.Updating() {
		var b strings.Builder
		for _, file := range slices.Sorted(maps.Keys(update)) {
			fmt.Fprintf(&b, "%s\t%s\n", file, update[file])
		}
		if err := os.WriteFile("testdata/dumps.tsv", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(want) != len(update) && flag.Lookup("test.run").Value.String() == "" {
		t.Errorf("dumps.tsv has %d tables, testdata has %d", len(want), len(update))
	}
}

// TestForeign compares with the records the files were made of.
func TestForeign(t *testing.T) {
	records := map[string][]pair{}
	for _, name := range []string{"plain", "dups", "binary"} {
		s := bufio.NewScanner(bytes.NewReader(read(t, "testdata/foreign/records-"+name+".tsv")))
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			k, v, _ := strings.Cut(s.Text(), "\t")
			key, err1 := hex.DecodeString(k)
			value, err2 := hex.DecodeString(v)
			if err1 != nil || err2 != nil {
				t.Fatal(name, err1, err2)
			}
			records[name] = append(records[name], pair{string(key), string(value)})
		}
	}
	files, _ := filepath.Glob("testdata/foreign/*.db")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := records["plain"]
			switch {
			case strings.Contains(file, "dups"):
				want = records["dups"]
			case strings.Contains(file, "binary"):
				want = records["binary"]
			case strings.Contains(file, "chksum"):
				want = want[:40]
			case strings.Contains(file, "v10"):
				want = want[:30]
			}
			r, err := Open(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got := mustAll(t, r)
			byKey := func(a, b pair) int { return strings.Compare(a.key, b.key) }
			want = slices.Clone(want)
			slices.SortStableFunc(want, byKey)
			slices.SortStableFunc(got, byKey)
			if !slices.Equal(got, want) {
				t.Fatalf("got %d records, want %d; first difference at %d", len(got), len(want), firstDifference(got, want))
			}
		})
	}
}

// hostileFiles builds the damaged files of testdata/hostile in memory.
func hostileFiles(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for line := range strings.Lines(string(read(t, "testdata/hostile/patches.tsv"))) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		data := slices.Clone(read(t, "testdata/hostile/"+f[1]))
		if f[2] != "-" {
			for patch := range strings.SplitSeq(f[2], ",") {
				at, hexed, _ := strings.Cut(patch, ":")
				off, err1 := strconv.Atoi(at)
				b, err2 := hex.DecodeString(hexed)
				if err1 != nil || err2 != nil {
					t.Fatalf("%s: %v %v", f[0], err1, err2)
				}
				copy(data[off:], b)
			}
		}
		if n, err := strconv.Atoi(f[3]); err != nil {
			t.Fatal(err)
		} else if n >= 0 {
			data = data[:n]
		}
		out[f[0]] = data
	}
	return out
}

// TestHostile wants an error, soon, from reading all of each damaged file.
func TestHostile(t *testing.T) {
	for name, data := range hostileFiles(t) {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []string{"bytes", "ReaderAt"} {
				var r *Reader
				var err error
				if mode == "bytes" {
					r, err = FromBytes(data)
				} else {
					r, err = NewReader(bytes.NewReader(data), int64(len(data)), nil)
				}
				if err == nil {
					_, err = all(r)
				}
				if name == "btree-leaf-chain-self.db" {
					if err != nil {
						t.Fatalf("readable without the leaf chain, got %v", err)
					}
					continue
				}
				if err == nil {
					t.Fatal("read without an error")
				}
				t.Log(err)
			}
		})
	}
}
