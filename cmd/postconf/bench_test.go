package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkShow is the work of "postconf -n" without the start of a process.
func BenchmarkShow(b *testing.B) {
	for _, args := range [][]string{{"-n"}, {"-x", "-n"}, {"-d"}} {
		b.Run(args[0], func(b *testing.B) {
			dir := b.TempDir()
			for name, from := range map[string]string{
				"main.cf":   "../../maincf/testdata/corpus/051-kiowa-postfix-cyrus-mysql.cf",
				"master.cf": "testdata/master.cf",
			} {
				src, err := os.ReadFile(from)
				if err != nil {
					b.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), src, 0o644); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				run(append([]string{"postconf", "-c", dir}, args...), io.Discard, io.Discard, os.Getenv)
			}
		})
	}
}
