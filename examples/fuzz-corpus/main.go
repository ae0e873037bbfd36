// Command fuzz-corpus collects the inputs postfixkit fuzzes its parsers with
// into one folder per kind of file, as raw bytes named by their hash: a start
// for the fuzzers (go test, AFL++, libFuzzer) of another project that reads the
// same files.
//
//	fuzz-corpus -source $(go list -m -f '{{.Dir}}' github.com/postfixkit/postfixkit) OUT
//
// In a Go project the files can be added one by one in a fuzz target:
//
//	func FuzzMyParser(f *testing.F) {
//		files, _ := filepath.Glob("OUT/maincf/*")
//		for _, name := range files {
//			b, _ := os.ReadFile(name)
//			f.Add(b)
//		}
//		f.Fuzz(func(t *testing.T, src []byte) { … })
//	}
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	source := flag.String("source", ".", "folder of the postfixkit module")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: fuzz-corpus [-source FOLDER] OUT")
	}
	n, err := collect(os.DirFS(*source), flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	var kinds []string
	for k := range n {
		kinds = append(kinds, k)
	}
	sort.Strings(kinds)
	for _, k := range kinds {
		fmt.Printf("%s: %d inputs\n", k, n[k])
	}
}

// collect writes every corpus file and every byte slice or string of a
// recorded fuzz input below out, and counts them by package.
func collect(src fs.FS, out string) (map[string]int, error) {
	count := map[string]int{}
	err := fs.WalkDir(src, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		pkg, rest, ok := strings.Cut(name, "/testdata/")
		if !ok {
			return nil
		}
		data, err := fs.ReadFile(src, name)
		if err != nil {
			return err
		}
		var inputs [][]byte
		switch {
		case strings.HasPrefix(rest, "fuzz/"):
			inputs = recorded(data)
		case path.Ext(rest) != ".md" && path.Ext(rest) != ".tsv" && len(data) < 1<<20:
			inputs = [][]byte{data}
		}
		dir := filepath.Join(out, strings.ReplaceAll(pkg, "/", "-"))
		for _, in := range inputs {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256(in))[:16]), in, 0o644); err != nil {
				return err
			}
			count[pkg]++
		}
		return nil
	})
	return count, err
}

// recorded reads the format of go test's corpus: a first line, then one Go
// value to a line.
func recorded(data []byte) (inputs [][]byte) {
	head, rest, _ := bytes.Cut(data, []byte("\n"))
	if !bytes.HasPrefix(head, []byte("go test fuzz v1")) {
		return nil
	}
	for line := range strings.Lines(string(rest)) {
		line = strings.TrimSpace(line)
		for _, typ := range []string{"[]byte(", "string("} {
			if lit, ok := strings.CutPrefix(line, typ); ok {
				if s, err := strconv.Unquote(strings.TrimSuffix(lit, ")")); err == nil {
					inputs = append(inputs, []byte(s))
				}
			}
		}
	}
	return inputs
}
