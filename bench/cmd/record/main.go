// Command record runs the comparisons of this module and writes what they
// measured into a dated file.
//
//	cd bench && go run ./cmd/record                # everything, three runs
//	cd bench && go run ./cmd/record -bench Lookup  # some
//
// Peers that are not installed are left out. A table of the ratios goes to
// standard output. The machine should have nothing else to do.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/postfixkit/postfixkit/bench/book"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("record: ")
	pattern := flag.String("bench", ".", "which benchmarks, a regular expression as for go test")
	count := flag.Int("count", 3, "runs of each")
	benchtime := flag.String("benchtime", "1s", "time or number of iterations of each, as for go test")
	dir := flag.String("o", "results", "folder for the file")
	flag.Parse()

	b := &book.Book{
		Date:     time.Now().UTC().Format(time.RFC3339),
		Machine:  machine(),
		Versions: versions(),
	}
	args := []string{"test", "-run", "^$", "-bench", *pattern, "-benchmem", "-timeout", "3h",
		"-count", fmt.Sprint(*count), "-benchtime", *benchtime, "."}
	b.Commands = append(b.Commands, "cd bench && go "+strings.Join(args, " "))
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = io.MultiWriter(&out, os.Stderr)
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	if err := b.ReadBench(&out); err != nil {
		log.Fatal(err)
	}
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(*dir, b.Date[:10]+".json")
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		log.Fatal(err)
	}
	b.Table(os.Stdout)
	fmt.Fprintln(os.Stderr, "wrote", path)
}

func machine() book.Machine {
	m := book.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Kernel: first("uname", "-r")}
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			m.CPU = strings.TrimSpace(v)
			break
		}
	}
	var kb int
	if _, err := fmt.Sscanf(read("/proc/meminfo"), "MemTotal: %d", &kb); err == nil {
		m.MemoryGiB = (kb + 1<<19) >> 20
	}
	return m
}

// versions asks every peer that is there what it is.
func versions() map[string]string {
	v := map[string]string{"go": runtime.Version()}
	add := func(name, text string) {
		if text != "" {
			v[name] = text
		}
	}
	add("postfix", strings.TrimPrefix(first("postconf", "-d", "mail_version"), "mail_version = "))
	add("libdb", first("db5.3_dump", "-V"))
	add("liblmdb", first("mdb_stat", "-V"))
	add("tinycdb", first("dpkg-query", "-W", "-f", "${Version}", "tinycdb"))
	add("commit", first("git", "describe", "--always", "--dirty"))
	return v
}

// first returns the first line a program prints, or nothing.
func first(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}
