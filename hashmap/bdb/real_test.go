package bdb

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// dump asks db5.3_dump for the records of a file.
func dump(t testing.TB, path string) []pair {
	t.Helper()
	out := realpostfix.Need(t, "db5.3_dump").MustRun(realpostfix.Call{Name: "db5.3_dump", Args: []string{path}}).Stdout
	return parseDump(t, out)
}

func parseDump(t testing.TB, out string) (pairs []pair) {
	t.Helper()
	_, body, ok := strings.Cut(out, "HEADER=END\n")
	if !ok {
		t.Fatalf("no header in %.200q", out)
	}
	body, _, _ = strings.Cut(body, "DATA=END")
	key, haveKey := "", false
	for line := range strings.Lines(body) {
		b, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if haveKey {
			pairs = append(pairs, pair{key, string(b)})
		} else {
			key = string(b)
		}
		haveKey = !haveKey
	}
	return pairs
}

// judge writes data to a file and wants db5.3_verify silent and db5.3_dump to
// print the records of our own reader.
func judge(t testing.TB, real *realpostfix.Tools, data []byte, want []pair) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "t.db")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	judgeFile(t, real, path, want)
	return path
}

func judgeFile(t testing.TB, real *realpostfix.Tools, path string, want []pair) {
	t.Helper()
	if res := real.Run(realpostfix.Call{Name: "db5.3_verify", Args: []string{"-q", path}}); res.Exit != 0 {
		res = real.Run(realpostfix.Call{Name: "db5.3_verify", Args: []string{path}})
		t.Fatalf("db5.3_verify: exit %d, %.500s%.500s", res.Exit, res.Stdout, res.Stderr)
	}
	got := parseDump(t, real.MustRun(realpostfix.Call{Name: "db5.3_dump", Args: []string{path}}).Stdout)
	if !slices.Equal(got, want) {
		t.Fatalf("db5.3_dump: %d records, we read %d; first difference at %d", len(got), len(want), firstDifference(got, want))
	}
}

// long reports whether the slow, complete runs are wanted.
func long() bool { return os.Getenv("POSTFIXKIT_LONG") == "1" }

func TestRealBuild(t *testing.T) {
	real := realpostfix.Need(t, "db5.3_verify", "db5.3_dump")
	layouts(func(name string, kind Kind, opts BuildOptions) {
		usual := !opts.BigEndian && !opts.Checksums
		for content, pairs := range tables(opts.PageSize) {
			large := len(pairs) > 5000 || content == "huge" || content == "longkeys"
			if !long() && (large && (!usual || opts.PageSize != 4096) || opts.BigEndian != opts.Checksums) {
				continue
			}
			t.Run(name+"/"+content, func(t *testing.T) {
				t.Parallel()
				data := build(t, kind, &opts, pairs)
				r, err := FromBytes(data)
				if err != nil {
					t.Fatal(err)
				}
				judge(t, real, data, mustAll(t, r))
			})
		}
		opts.Duplicates = KeepAll
		for content, pairs := range dupTables() {
			if !long() && !usual {
				continue
			}
			t.Run(name+"/"+content, func(t *testing.T) {
				t.Parallel()
				data := build(t, kind, &opts, pairs)
				r, err := FromBytes(data)
				if err != nil {
					t.Fatal(err)
				}
				judge(t, real, data, mustAll(t, r))
			})
		}
	})
}
