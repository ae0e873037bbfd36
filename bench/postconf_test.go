package bench_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// ourPostconf compiles cmd/postconf once.
var ourPostconf = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "postfixkit-bench")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "postconf")
	build := exec.Command("go", "build", "-o", path, "github.com/postfixkit/postfixkit/cmd/postconf")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as releases are built; the dynamic linker costs a millisecond
	out, err := build.CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return path, err
})

// BenchmarkPostconf runs whole processes. Both take turns, so that what else
// the machine does hits both; cpu-ms/op is the better measure on a busy one.
func BenchmarkPostconf(b *testing.B) {
	real := realpostfix.Need(b, "postconf")
	ours, err := ourPostconf()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for name, from := range map[string]string{
		"main.cf":   "../maincf/testdata/corpus/051-kiowa-postfix-cyrus-mysql.cf",
		"master.cf": "../cmd/postconf/testdata/master.cf",
	} {
		src, err := os.ReadFile(from)
		if err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, src, 0o644); err != nil {
			b.Fatal(err)
		}
		// A fresh main.cf is read again and again by the real postconf.
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			b.Fatal(err)
		}
	}
	for _, args := range [][]string{{"-n"}, {"-x", "-n"}, {"-d"}} {
		for _, c := range []struct{ name, path string }{{"postfixkit", ours}, {"postconf", real.Path("postconf")}} {
			name := args[0]
			b.Run(name+"/"+c.name, func(b *testing.B) {
				var cpu time.Duration
				n := 0
				for b.Loop() {
					cmd := exec.Command(c.path, append([]string{"-c", dir}, args...)...)
					if err := cmd.Run(); err != nil {
						b.Fatal(err)
					}
					cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
					n++
				}
				b.ReportMetric(float64(cpu.Microseconds())/1e3/float64(n), "cpu-ms/op")
			})
		}
	}
}
