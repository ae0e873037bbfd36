package mapcmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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

// TestManyFindings: millions of them are said one by one.
func TestManyFindings(t *testing.T) {
	const n = 50_000
	for _, c := range []struct {
		line, spec string
		most       uint64 // bytes allocated for each, with the race detector
	}{
		{"same v\n", "btree:", 850}, {"alone\n", "btree:", 1050}, {"alone\n", "texthash:", 850}, {"same v\n", "texthash:", 750},
	} {
		source := filepath.Join(t.TempDir(), "many")
		if err := os.WriteFile(source, []byte(strings.Repeat(c.line, n+1)), 0o644); err != nil {
			t.Fatal(err)
		}
		args := []string{c.spec + source}
		if c.spec == "texthash:" {
			args = []string{"-q", "same", args[0]}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		lines := counter{what: '\n'}
		Main(context.Background(), Postmap, args, Env{
			Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &lines, KeepRights: true,
			Getenv: func(string) string { return "" },
		})
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / n; each > c.most || lines.n < n {
			t.Errorf("%s %q: %d lines said, %d bytes of memory for each", c.spec, c.line, lines.n, each)
		}
	}
}

// counter counts a byte of what is written.
type counter struct {
	what byte
	n    int
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += bytes.Count(p, []byte{c.what})
	return len(p), nil
}

// TestOrderOfFindings: messages come in the order of lines, repeated keys among
// the others, and where so many are held that some are printed early all come.
func TestOrderOfFindings(t *testing.T) {
	var src, want strings.Builder
	for line := 1; line <= 300; line++ {
		switch line % 3 {
		case 0:
			src.WriteString("Same v\n")
			if line > 3 {
				fmt.Fprintf(&want, "m.db: duplicate entry: \"same\"\n")
			}
		case 1:
			src.WriteString("alone\n")
			fmt.Fprintf(&want, "m, line %d: expected format: key whitespace value\n", line)
		case 2:
			fmt.Fprintf(&src, "colon%d: v\n", line)
			fmt.Fprintf(&want, "m, line %d: record is in \"key: value\" format; is this an alias file?\n", line)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "m"), []byte(src.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func() string {
		_, _, msg := runTool(Postmap, "", "hash:"+filepath.Join(dir, "m"))
		return strings.ReplaceAll(msg, "postmap: warning: "+dir+string(filepath.Separator), "")
	}
	if got := run(); got != want.String() {
		t.Errorf("got %.500s", got)
	}
	defer func(n int) { mostHeld = n }(mostHeld)
	mostHeld = 7
	if got := run(); !slices.Equal(slices.Sorted(strings.Lines(got)), slices.Sorted(strings.Lines(want.String()))) {
		t.Errorf("in parts: got %.500s", got)
	}
}
