//go:build unix

package mapcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// This file runs the same command lines on the same files with the real
// postmap and postalias and with ours, each in a folder of its own, and
// compares all that can be seen: output, messages, exit status, and the
// tables with their mode, owner and content. What differs on purpose is in
// differences; anything else fails the test.

// A scenario is a folder of files and the commands run in it, one after the
// other.
type scenario struct {
	name  string
	files map[string]string
	mode  fs.FileMode // of the files; 0 is 0644
	owner int         // of the folder and the files, when run by root
	steps []step
}

type step struct {
	tool  string // "postmap" or "postalias"
	args  []string
	stdin string
}

// result is what can be seen of a scenario that was run.
type result struct {
	steps  []stepResult
	files  []string            // "name mode uid:gid", without the sources
	tables map[string][]string // content of each table, sorted lines
}

type stepResult struct {
	exit           int
	stdout, stderr string
}

// bench is where scenarios run.
type bench struct {
	t    *testing.T
	real *realpostfix.Tools
	ours string // folder with our commands
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, real: realpostfix.Need(t, "postmap", "postalias", "map:hash", "map:btree", "map:lmdb", "map:cdb")}
	b.ours = buildTools(t)
	return b
}

// built is the folder with our two commands, made once for all tests.
var built struct {
	sync.Once
	dir string
	err error
}

// buildTools builds our two commands, as they are released, into a folder that
// everybody may enter.
func buildTools(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "pfk-bin-"); built.err != nil {
			return
		}
		os.Chmod(built.dir, 0o755)
		cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", built.dir+"/", "../../postmap", "../../postalias")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("building the commands: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

func TestMain(m *testing.M) {
	status := m.Run()
	os.RemoveAll(built.dir)
	os.Exit(status)
}

// run runs the scenario with the tools at path(tool).
func (b *bench) run(sc scenario, path func(tool string) string) (res result, err error) {
	dir, err := os.MkdirTemp("", "pfk-run-")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return res, err
	}
	for name, content := range sc.files {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			return res, err
		}
		mode := sc.mode
		if mode == 0 {
			mode = 0o644
		}
		os.Chmod(p, mode)
		if sc.owner != 0 {
			os.Chown(p, sc.owner, sc.owner)
		}
	}
	if sc.owner != 0 {
		os.Chown(dir, sc.owner, sc.owner)
	}
	for _, s := range sc.steps {
		tool := s.tool
		if tool == "" {
			tool = "postmap"
		}
		config := b.real.ConfigDir
		if _, own := sc.files["main.cf"]; own {
			config = dir
		}
		args := append([]string{"-c", config}, s.args...)
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		cmd := exec.CommandContext(ctx, path(tool), args...)
		cmd.Args[0] = tool
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(s.stdin)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		cancel()
		r := stepResult{stdout: stdout.String(), stderr: stderr.String()}
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			r.exit = exit.ExitCode()
		} else if err != nil {
			return res, err
		}
		res.steps = append(res.steps, r)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return res, err
	}
	res.tables = map[string][]string{}
	for _, e := range entries {
		if _, source := sc.files[e.Name()]; source {
			continue
		}
		fi, err := e.Info()
		if err != nil {
			return res, err
		}
		st := fi.Sys().(*syscall.Stat_t)
		res.files = append(res.files, fmt.Sprintf("%s %v %d:%d", e.Name(), fi.Mode(), st.Uid, st.Gid))
		res.tables[e.Name()] = b.dump(filepath.Join(dir, e.Name()))
	}
	return res, nil
}

// dump asks the real tools for the content of a table, whoever made it.
func (b *bench) dump(path string) []string {
	base := strings.TrimSuffix(path, filepath.Ext(path))
	var lines []string
	switch filepath.Ext(path) {
	case ".cdb":
		out, err := exec.Command("cdb", "-d", "-m", path).CombinedOutput()
		return []string{fmt.Sprint(string(out), err)} // in order
	case ".db":
		for _, typ := range []string{"hash", "btree"} {
			r := b.real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-s", typ + ":" + base}})
			if r.Exit == 0 {
				lines = append(strings.Split(r.Stdout, "\n"), typ)
			}
		}
	case ".lmdb":
		r := b.real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-s", "lmdb:" + base}})
		lines = append(strings.Split(r.Stdout, "\n"), fmt.Sprint(r.Exit))
	default:
		lines = []string{"not a table"}
	}
	sort.Strings(lines)
	return lines
}

// both runs the scenario with the original and with ours.
func (b *bench) both(sc scenario) (real, ours result, err error) {
	if real, err = b.run(sc, b.real.Path); err == nil {
		ours, err = b.run(sc, func(tool string) string { return filepath.Join(b.ours, tool) })
	}
	return real, ours, err
}

// runAll runs scenarios side by side (the original sleeps a second before each
// fatal error) and reports what no difference explains.
func (b *bench) runAll(all []scenario, workers int) {
	b.t.Helper()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		queue   = make(chan scenario)
		excused = map[string]int{}
		failed  int
	)
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for sc := range queue {
				real, ours, err := b.both(sc)
				mu.Lock()
				switch {
				case err != nil:
					b.t.Errorf("%s: %v", sc.name, err)
				default:
					problems, reasons := compare(sc, real, ours)
					for _, r := range reasons {
						excused[r]++
					}
					if len(problems) > 0 {
						failed++
						text := fmt.Sprintf("%s:\n%s\n", sc.name, strings.Join(problems, "\n"))
						if failed <= 12 {
							b.t.Error(text)
						}
						if name := os.Getenv("POSTFIXKIT_REPORT"); name != "" {
							report(name, text)
						}
					}
				}
				mu.Unlock()
			}
		}()
	}
	for _, sc := range all {
		queue <- sc
	}
	close(queue)
	wg.Wait()
	b.t.Logf("%d cases, %d differ without a listed reason", len(all), failed)
	for _, d := range differences {
		b.t.Logf("%5d cases: %s", excused[d.reason], d.reason)
	}
}

// report appends a failed case to a file, for looking at all of them.
func report(name, text string) {
	if f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		f.WriteString(text)
		f.Close()
	}
}

// A difference is one on purpose: what of a step it changes, and why.
type difference struct {
	reason string
	// excuse gives the original's result as it would be without the
	// difference; false when it is not about this step.
	excuse func(sc scenario, s step, real, ours stepResult) (stepResult, bool)
}

// compare returns what differs without a reason, and the reasons used.
func compare(sc scenario, real, ours result) (problems, reasons []string) {
	if r, o := real.steps[0], ours.steps[0]; strings.Contains(r.stderr, "MDB_BAD_VALSIZE") {
		// On purpose: nothing is written. The original leaves an empty table,
		// which later steps find.
		if o.exit != 1 || !strings.Contains(o.stderr, "key \"") || len(sc.steps) == 1 && len(ours.files) > 0 {
			problems = append(problems, fmt.Sprintf("  %q: exit %d, %q, files %q", sc.steps[0].args, o.exit, o.stderr, ours.files))
		}
		return problems, []string{longKey}
	}
	for i, s := range sc.steps {
		r, o := real.steps[i], ours.steps[i]
		// The time is another one.
		r.stdout, o.stdout = lastModified.ReplaceAllString(r.stdout, "now"), lastModified.ReplaceAllString(o.stdout, "now")
		if slices.ContainsFunc(s.args, func(a string) bool { return strings.Contains(a, "texthash:") }) {
			// The original reads a file that is younger than a second again
			// and again, with all warnings.
			r.stderr = uniqLines(r.stderr)
		}
		if has(s.args, "-s") && !slices.ContainsFunc(s.args, func(a string) bool { return strings.HasPrefix(a, "btree:") }) {
			// Hash tables of ours are laid out for the number of entries, so
			// that their order is another one.
			r.stdout, o.stdout = sortLines(r.stdout), sortLines(o.stdout)
		}
		if has(s.args, "-r") || has(s.args, "-v") || strings.Contains(r.stderr, "duplicate entry") {
			// Ours finds duplicates when the table is laid out and reports
			// them in the order of the source; both orders are the same unless
			// other warnings stand between.
			r.stderr, o.stderr = sortLines(r.stderr), sortLines(o.stderr)
		}
		for _, d := range differences {
			if r == o {
				break
			}
			if changed, ok := d.excuse(sc, s, r, o); ok {
				r = changed
				reasons = append(reasons, d.reason)
			}
		}
		if r != o {
			problems = append(problems, fmt.Sprintf("  %s %q <%.40q\n    real exit %d stdout %.300q stderr %.300q\n    ours exit %d stdout %.300q stderr %.300q",
				s.tool, s.args, s.stdin, r.exit, r.stdout, r.stderr, o.exit, o.stdout, o.stderr))
		}
	}
	if !slices.Equal(real.files, ours.files) {
		problems = append(problems, fmt.Sprintf("  files\n    real %q\n    ours %q", real.files, ours.files))
	}
	for name, lines := range real.tables {
		for _, all := range [][]string{lines, ours.tables[name]} {
			for i, l := range all {
				all[i] = lastModified.ReplaceAllString(l, "now")
			}
		}
		if !slices.Equal(lines, ours.tables[name]) {
			problems = append(problems, fmt.Sprintf("  content of %s\n    real %.400q\n    ours %.400q", name, lines, ours.tables[name]))
		}
	}
	return problems, reasons
}

func has(args []string, flag string) bool {
	for _, a := range args {
		if len(a) > 1 && a[0] == '-' && a != "-" && strings.Contains(a, flag[1:]) {
			return true
		}
	}
	return false
}

var lastModified = regexp.MustCompile(`\b1[0-9]{9}\b`)

func uniqLines(s string) string {
	var out []string
	for l := range strings.Lines(s) {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

func sortLines(s string) string {
	lines := strings.SplitAfter(s, "\n")
	sort.Strings(lines)
	return strings.Join(lines, "")
}
