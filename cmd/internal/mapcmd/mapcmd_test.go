package mapcmd

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// runTool runs a command inside the test's process.
func runTool(tool Tool, stdin string, args ...string) (exit int, stdout, stderr string) {
	var out, msg bytes.Buffer
	exit = Main(context.Background(), tool, args, Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &msg, KeepRights: true,
		Getenv: func(name string) string {
			if name == "MAIL_CONFIG" {
				return os.TempDir() // no main.cf there
			}
			return ""
		},
	})
	return exit, out.String(), msg.String()
}

// Millions of repeated keys are printed from one list of them.
func TestManyFindings(t *testing.T) {
	const n = 50_000
	source := filepath.Join(t.TempDir(), "many")
	if err := os.WriteFile(source, []byte(strings.Repeat("same v\n", n+1)), 0o644); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	exit := Main(context.Background(), Postmap, []string{"btree:" + source}, Env{
		Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, KeepRights: true,
		Getenv: func(string) string { return "" },
	})
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / n; exit != 0 || each > 1300 {
		t.Errorf("exit status %d, %d bytes of memory for each finding", exit, each)
	}
}
