package bench_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// sizes are the numbers of entries. The goals are about a million; that takes
// minutes, so it is only run when POSTFIXKIT_LONG is set.
func sizes() []int {
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		return []int{1e4, 1e6}
	}
	return []int{1e4}
}

// source makes a map source of n lines in random order, and its keys in
// another.
func source(n int) (text, keys []byte) {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var t, k bytes.Buffer
	for _, i := range rng.Perm(n) {
		fmt.Fprintf(&t, "user%08d@example.org\tmailbox%d@backend%d.example.net\n", i, i%1000, i%7)
	}
	for _, i := range rng.Perm(n) {
		fmt.Fprintf(&k, "user%08d@example.org\n", i)
	}
	return t.Bytes(), k.Bytes()
}

// shared is where tables are made: in memory when there is such a file system,
// so that programs are compared and not their syncs with the disk.
func shared(tb testing.TB) string {
	tb.Helper()
	if st, err := os.Stat("/dev/shm"); err != nil || !st.IsDir() {
		return tb.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "postfixkit-bench")
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// compiled is where ourPostmap put it, "" when nobody asked.
var compiled string

// ourPostmap compiles cmd/postmap once.
var ourPostmap = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "postfixkit-bench")
	if err != nil {
		return "", err
	}
	compiled = dir
	path := filepath.Join(dir, "postmap")
	out, err := exec.Command("go", "build", "-C", "..", "-o", path, "./cmd/postmap").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if compiled != "" {
		os.RemoveAll(compiled)
	}
	os.Exit(code)
}

// reportCPU gives the processor time of the programs too: it says more than the
// clock when the machine is busy.
func reportCPU(b *testing.B, used time.Duration) {
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// contestants are the two postmaps as whole processes, with one main.cf. Standard
// input is a file, or nothing, and what they print goes to /dev/null: somebody
// here at the other ends of pipes would take a processor from one that uses all.
func contestants(b *testing.B) (real *realpostfix.Tools, run map[string]func(stdin string, args ...string) time.Duration) {
	b.Helper()
	real = realpostfix.Need(b, "postmap", "map:hash", "map:btree", "map:lmdb", "map:cdb")
	ours, err := ourPostmap()
	if err != nil {
		b.Fatal(err)
	}
	run = map[string]func(stdin string, args ...string) time.Duration{}
	for name, path := range map[string]string{"postfixkit": ours, "postmap": real.Path("postmap")} {
		run[name] = func(stdin string, args ...string) time.Duration {
			cmd := exec.Command(path, args...)
			cmd.Env = append(os.Environ(), "MAIL_CONFIG="+real.ConfigDir)
			if stdin != "" {
				f, err := os.Open(stdin)
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				cmd.Stdin = f
			}
			out := new(bytes.Buffer)
			cmd.Stderr = out
			if err := cmd.Run(); err != nil {
				b.Fatalf("%s %q: %v\n%s", path, args, err, out)
			}
			return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
	}
	return real, run
}

// BenchmarkPostmapBuild is `postmap TYPE:FILE`, whole process; for cdb beside the
// tools of two other libraries, which are given records and parse no source.
func BenchmarkPostmapBuild(b *testing.B) {
	_, run := contestants(b)
	for _, n := range sizes() {
		text, _ := source(n)
		for _, f := range []hashmap.Format{hashmap.Hash, hashmap.Btree, hashmap.LMDB, hashmap.CDB} {
			b.Run(fmt.Sprintf("%v/n=%d", f, n), func(b *testing.B) {
				path := filepath.Join(shared(b), "m")
				if err := os.WriteFile(path, text, 0o644); err != nil {
					b.Fatal(err)
				}
				for _, who := range []string{"postfixkit", "postmap"} {
					b.Run(who, func(b *testing.B) {
						b.SetBytes(int64(len(text)))
						var used time.Duration
						for b.Loop() {
							os.Remove(hashmap.FileName(f, path))
							used += run[who]("", f.String()+":"+path)
						}
						reportCPU(b, used)
					})
				}
				if f != hashmap.CDB {
					return
				}
				records := cdbRecords(text)
				for _, peer := range []struct {
					name, tool string
					args       []string
				}{
					{"tinycdb", "cdb", []string{"-c", path + ".tiny"}},
					{"freecdb", "cdbmake", []string{path + ".free", path + ".tmp"}},
				} {
					b.Run(peer.name, func(b *testing.B) {
						tool := realpostfix.Need(b, peer.tool).Path(peer.tool)
						var used time.Duration
						for b.Loop() {
							cmd := exec.Command(tool, peer.args...)
							cmd.Stdin = bytes.NewReader(records)
							if out, err := cmd.CombinedOutput(); err != nil {
								b.Fatalf("%v: %s", err, out)
							}
							used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
						}
						reportCPU(b, used)
					})
				}
			})
		}
	}
}

// cdbRecords is the source in the form both tools read.
func cdbRecords(text []byte) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "\t")
		fmt.Fprintf(&b, "+%d,%d:%s->%s\n", len(k), len(v), k, v)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// BenchmarkPostmapQuery is `postmap -q - TYPE:FILE` with every key of the
// table on standard input, whole process.
func BenchmarkPostmapQuery(b *testing.B) {
	_, run := contestants(b)
	for _, n := range sizes() {
		text, keys := source(n)
		for _, mapType := range []string{"hash", "btree", "lmdb", "cdb", "texthash"} {
			b.Run(fmt.Sprintf("%s/n=%d", mapType, n), func(b *testing.B) {
				path := filepath.Join(shared(b), "m")
				if err := errors.Join(os.WriteFile(path, text, 0o644), os.WriteFile(path+".keys", keys, 0o644)); err != nil {
					b.Fatal(err)
				}
				if mapType != "texthash" {
					run["postmap"]("", mapType+":"+path)
				}
				for _, who := range []string{"postfixkit", "postmap"} {
					b.Run(who, func(b *testing.B) {
						var used time.Duration
						for b.Loop() {
							used += run[who](path+".keys", "-q", "-", mapType+":"+path)
						}
						reportCPU(b, used)
					})
				}
			})
		}
	}
}

// BenchmarkLookup is one lookup in the process, through the façade with what
// Postfix does to a key (NUL, folding), in random order.
func BenchmarkLookup(b *testing.B) {
	ctx := context.Background()
	for _, n := range sizes() {
		text, keys := source(n)
		list := bytes.Fields(keys)
		for _, f := range hashmap.Formats() {
			b.Run(fmt.Sprintf("%v/n=%d/postfixkit", f, n), func(b *testing.B) {
				path := hashmap.FileName(f, filepath.Join(shared(b), "m"))
				builder := hashmap.NewBuilder(f, nil)
				for line := range strings.Lines(string(text)) {
					k, v, _ := strings.Cut(strings.TrimSpace(line), "\t")
					if err := builder.Add(k, v); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := builder.WriteFile(ctx, path); err != nil {
					b.Fatal(err)
				}
				r, err := hashmap.Open(path, &hashmap.OpenOptions{FoldKeys: true, UTF8: true})
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				dst := make([]byte, 0, 256)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, found, err := r.AppendLookup(dst, list[i%n]); !found || err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
