// Package realpostfix lets tests ask the real Postfix, libdb, liblmdb and cdb
// tools of the machine, as the judge of what ours should answer.
//
//	real := realpostfix.Need(t, "postmap", "map:lmdb", "mdb_dump")
//	got := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"lmdb:" + path}})
//
// When something is missing the test skips and says what; with CI=true in the
// environment it fails instead, so that skipping cannot become permanent.
//
// The tools run with a configuration folder of their own. /etc/postfix is
// neither read nor written, apart from the list of table plug-ins some
// distributions keep there. Our own commands are never taken for the original,
// even when they stand first in PATH: no program built by Go is. To ask another
// installation, name its folder in POSTFIXKIT_REAL.
//
// [Start] runs a whole private Postfix instance on the loopback interface.
package realpostfix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tools is the set of real programs one test may run. Safe for concurrent use.
type Tools struct {
	// Version is the mail_version of the Postfix that is asked ("3.7.11"), or
	// "" when no Postfix command was needed.
	Version string
	// ConfigDir is the private configuration folder; tests may write to the
	// main.cf in it.
	ConfigDir string

	t     testing.TB
	paths map[string]string
}

// Need finds programs by name ("postmap", "db5.3_dump", "mdb_stat", "cdb") and
// table types of the real Postfix ("map:lmdb"); "root" asks for being root. The
// Berkeley DB tools are found under any release's name.
func Need(t testing.TB, names ...string) *Tools {
	t.Helper()
	tools := &Tools{t: t, paths: map[string]string{}}
	var missing []string
	for _, name := range names {
		if why := tools.find(name); why != nil {
			missing = append(missing, why.Error())
		}
	}
	if len(missing) > 0 {
		Lacks(t, strings.Join(missing, "; "))
	}
	if tools.Version != "" {
		t.Logf("realpostfix: compared with Postfix %s", tools.Version)
	}
	tools.ConfigDir = folder(t, "conf")
	tools.writeMain()
	return tools
}

// Lacks skips a test for want of something to compare with that has to be
// installed. With CI=true that is a failure.
func Lacks(t testing.TB, what string) {
	t.Helper()
	text := "realpostfix: this machine lacks " + what
	if os.Getenv("CI") == "true" {
		t.Fatal(text + " (CI=true: the comparison must not be skipped)")
	}
	t.Skip(text)
}

func (r *Tools) find(name string) error {
	if name == "root" {
		if os.Geteuid() != 0 {
			return errors.New("root rights")
		}
		return nil
	}
	mapType, isType := strings.CutPrefix(name, "map:")
	if isType || postfixCommands[name] {
		if err := machine.ask(); err != nil {
			return fmt.Errorf("%s (%w)", name, err)
		}
		r.Version = machine.version
	}
	if isType {
		if !machine.types[mapType] {
			return fmt.Errorf("%s (Postfix %s has no such table type)", name, machine.version)
		}
		return nil
	}
	path, why := machine.path(name)
	if path == "" && why != nil {
		return fmt.Errorf("%s (%w)", name, why)
	}
	if path == "" {
		return errors.New(name)
	}
	r.paths[name] = path
	return nil
}

// folder makes a folder that other users may enter (t.TempDir is closed to
// them) and whose name is short enough for sockets below it.
func folder(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pf-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // /tmp is a link on macOS
		t.Fatal(err)
	}
	return dir
}

// writeMain makes the main.cf of the tools: today's defaults, nothing of the
// machine's own settings.
func (r *Tools) writeMain() {
	lines := []string{
		"compatibility_level = 3.6",
		"queue_directory = " + r.ConfigDir,
		"data_directory = " + r.ConfigDir,
		"myhostname = real.example.com",
		"inet_interfaces = loopback-only",
		"",
	}
	if err := writeOld(filepath.Join(r.ConfigDir, "main.cf"), []byte(strings.Join(lines, "\n"))); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.ConfigDir, "master.cf"), nil, 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// writeOld writes a file that was last changed an hour ago. Postfix programs
// read a main.cf that is not yet two seconds old again and again until it is.
func writeOld(name string, text []byte) error {
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return err
	}
	old := time.Now().Add(-time.Hour)
	return os.Chtimes(name, old, old)
}

// Configure adds lines to the private main.cf.
func (r *Tools) Configure(lines ...string) {
	r.t.Helper()
	name := filepath.Join(r.ConfigDir, "main.cf")
	old, err := os.ReadFile(name)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := writeOld(name, append(old, strings.Join(append(lines, ""), "\n")...)); err != nil {
		r.t.Fatal(err)
	}
}

func environment(configDir string) []string {
	return []string{"MAIL_CONFIG=" + configDir, "MAIL_LOGTAG=real", "LC_ALL=C", "TZ=UTC", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
}

// Path is the file name of a program that was asked for in Need.
func (r *Tools) Path(name string) string {
	p, ok := r.paths[name]
	if !ok {
		r.t.Helper()
		r.t.Fatalf("realpostfix: %s was not named in Need", name)
	}
	return p
}

// Command prepares a program with the private configuration. It is killed at
// the end of ctx.
func (r *Tools) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.Path(name), args...)
	cmd.Env = environment(r.ConfigDir)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Call is one run of a tool.
type Call struct {
	Name  string
	Args  []string
	Stdin string
	Dir   string   // working folder; "" is the test's
	Env   []string // added to the environment
}

// Result is what a run left behind. Exit is -1 after a signal or a timeout.
type Result struct {
	Stdout, Stderr string
	Exit           int
}

// limit is how long one run may take.
const limit = 2 * time.Minute

// Run runs one tool to its end. A tool that cannot be started or does not end
// within two minutes fails the test; an exit status does not.
func (r *Tools) Run(call Call) Result {
	r.t.Helper()
	res, err := r.run(call)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// MustRun is Run for a call that has to succeed.
func (r *Tools) MustRun(call Call) Result {
	r.t.Helper()
	res := r.Run(call)
	if res.Exit != 0 {
		r.t.Fatalf("%s %q: exit %d\nstderr: %s", call.Name, call.Args, res.Exit, res.Stderr)
	}
	return res
}

// RunAll runs many tools side by side and gives their results in the order of
// the calls. Real Postfix tools sleep a second before every fatal exit, so that
// a table of some hundred error cases is only bearable this way.
func (r *Tools) RunAll(calls []Call) []Result {
	r.t.Helper()
	results := make([]Result, len(calls))
	errs := make([]error, len(calls))
	slots := make(chan struct{}, 16*runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i := range calls {
		slots <- struct{}{}
		all.Add(1)
		go func() {
			defer all.Done()
			results[i], errs[i] = r.run(calls[i])
			<-slots
		}()
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		r.t.Fatal(err)
	}
	return results
}

func (r *Tools) run(call Call) (Result, error) {
	path, ok := r.paths[call.Name]
	if !ok {
		return Result{}, fmt.Errorf("realpostfix: %s was not named in Need", call.Name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, call.Args...)
	cmd.Env = append(environment(r.ConfigDir), call.Env...)
	cmd.Dir = call.Dir
	cmd.WaitDelay = limit // a busy machine may take its time to hand over the output
	cmd.Stdin = strings.NewReader(call.Stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%s %q: no end after %v\nstderr: %s", call.Name, call.Args, limit, stderr.String())
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return Result{}, fmt.Errorf("%s %q: output incomplete: %w", call.Name, call.Args, err)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		// A tool may well exit before it has read all of its input.
		if cmd.ProcessState == nil {
			return Result{}, fmt.Errorf("%s %q: %w", call.Name, call.Args, err)
		}
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}, nil
}
