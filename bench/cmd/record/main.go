// Command record runs the comparisons of this module and writes what they
// measured into a dated file.
//
//	cd bench && go run ./cmd/record                        # everything, three runs
//	cd bench && go run ./cmd/record -bench 'Lookup|CIDR'   # some
//	cd bench && go run ./cmd/record -add -long -bench PostmapBuild/hash -benchtime 1x
//
// Every benchmark function runs in a process of its own. Peers that are not
// installed are left out. A table of the ratios goes to standard output. The
// machine should have nothing else to do; -exec runs the processes by a program
// that sees to that, such as "nice -n -10".
package main

import (
	"bytes"
	"flag"
	"fmt"
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
	pattern := flag.String("bench", ".", "which benchmarks, as for go test: regular expressions for the parts of the name")
	count := flag.Int("count", 3, "runs of each")
	benchtime := flag.String("benchtime", "1s", "time or number of iterations of each, as for go test")
	long := flag.Bool("long", false, "large tables too (POSTFIXKIT_LONG=1); takes an hour for everything")
	add := flag.Bool("add", false, "add to the file of today, if there is one")
	through := flag.String("exec", "", "program, with arguments, that runs the processes")
	dir := flag.String("o", "results", "folder for the file")
	flag.Parse()

	b := &book.Book{
		Date:     time.Now().UTC().Format(time.RFC3339),
		Machine:  machine(),
		Versions: versions(),
	}
	scratch, err := os.MkdirTemp("", "record")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(scratch)
	binary := filepath.Join(scratch, "bench.test")
	output(nil, "go", "test", "-c", "-o", binary, ".")
	var env []string
	repeat := "cd bench && "
	if *long {
		env = append(env, "POSTFIXKIT_LONG=1")
		repeat += "POSTFIXKIT_LONG=1 "
	}
	b.Commands = []string{fmt.Sprintf("%sgo test -run '^$' -bench '%s' -benchmem -count %d -benchtime %s -timeout 3h .", repeat, *pattern, *count, *benchtime)}
	var all bytes.Buffer
	function, parts, _ := strings.Cut(*pattern, "/")
	for name := range strings.Lines(string(output(nil, binary, "-test.list", function))) {
		if name = strings.TrimSpace(name); !strings.HasPrefix(name, "Benchmark") {
			continue
		}
		args := append(strings.Fields(*through), binary, "-test.run", "^$", "-test.bench", "^"+name+"$/"+parts, "-test.benchmem",
			"-test.count", fmt.Sprint(*count), "-test.benchtime", *benchtime, "-test.timeout", "3h")
		out := output(env, args[0], args[1:]...)
		os.Stderr.Write(out)
		all.Write(out)
	}
	if err := b.ReadBench(&all); err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(*dir, b.Date[:10]+".json")
	if old, err := book.Read(path); *add && err == nil {
		old.Add(b)
		b = old
	}
	if err := b.Write(path); err != nil {
		log.Fatal(err)
	}
	b.Table(os.Stdout)
	fmt.Fprintln(os.Stderr, "wrote", path)
}

// output runs a program and returns what it prints; a failure ends everything.
func output(env []string, name string, args ...string) []byte {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		log.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return out
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
