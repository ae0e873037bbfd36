//go:build unix

package postfixkit_test

// Every command printed in a README works as printed: it is typed into a shell
// in a clean clone, and where the document shows what comes out, that is what
// must come out.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// instead says what is typed in the place of a printed command, and why. An
// empty command is not typed at all. What no document prints any more must go.
var instead = []struct{ printed, typed, why string }{
	{"go get github.com/postfixkit/postfixkit", "", "asks the module proxy for a release"},
	{"make test", "", "this test is a part of it"},
	{"make api", "", "make test does that before"},
	{"make dist", "", "TestDistIsReproducible does, twice"},
	{"TARGETS=freebsd/amd64 make dist", "", "the same"},
	{"go test .", "", "scripts/modules.sh, a part of make test, does that"},
	{"go test ./textmap", "go test -run Scanner ./textmap", "make test does the rest"},
	{"go test -run 'Against\\|Real' ./...", "go test -run 'Against|Real' ./diag", "make test does the rest"},
	{"POSTFIXKIT_REAL=/folder go test ./...", "POSTFIXKIT_REAL=/folder go test -run Real ./diag", "make test does the rest"},
	{"POSTFIXKIT_LONG=1 go test ./...", "", "an hour"},
	{"FUZZTIME=10m scripts/fuzz.sh ./textmap", "", "ten minutes; make test does it with seconds"},
	{"cd bench && go test -bench .", "", "make test runs each benchmark once"},
	{"go run ./cmd/record", "go run ./cmd/record -bench Aliases -benchtime 1x -count 1 -o ../scratch", "minutes; a part of it"},
	{"go run ./cmd/record -add -long -bench 'Postmap/(hash|lmdb|cdb)/n=1000000' -benchtime 1x", "go run ./cmd/record -add -bench Postconf -benchtime 1x -count 1 -o ../scratch", "minutes; a part of it"},
	{"go test ./book -update", "go test ./book", "the newest recording is not a part of one"},
	{"afl-fuzz -i scratch/corpus/maincf -o scratch/findings ./your-parser @@", "", "another project's parser"},
}

// A command of a document, with the output that is printed below it.
type command struct {
	line    int
	text    string
	output  string
	session bool // printed with "$ ": the output is all of it
}

// A block is commands that are typed into the same shell.
type block []command

func TestCommandsInDocuments(t *testing.T) {
	docs, err := filepath.Glob("examples/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	docs = append(docs, "README.md", "CONTRIBUTING.md", "SECURITY.md", "packaging/README.md", "examples/README.md", "bench/results/README.md")
	source := snapshot(t)

	clone := filepath.Join(t.TempDir(), "clone")
	if out, err := run(".", nil, "git", "clone", "-q", source, clone); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}

	// The commands by their bare names are ours, as after this installation.
	bin := t.TempDir()
	env := []string{"GOBIN=" + bin, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}
	if out, err := run(source, env, "go", "install", "./cmd/..."); err != nil {
		t.Fatalf("go install: %v\n%s", err, out)
	}
	used := map[string]bool{}
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		blocks := commandsOf(freePorts(t, string(text)))
		for _, b := range blocks {
			for i, c := range b {
				for _, x := range instead {
					if c.text == x.printed {
						b[i].text, used[x.printed] = x.typed, true
					}
				}
			}
		}
		if len(blocks) == 0 {
			continue
		}
		t.Run(doc, func(t *testing.T) {
			if out, err := run(clone, env, "git", "clean", "-fdxq"); err != nil {
				t.Fatalf("git clean: %v\n%s", err, out)
			}
			for _, b := range blocks {
				folder := clone
				if strings.HasPrefix(b[0].text, "git clone ") {
					folder = t.TempDir()
				}
				typeIn(t, doc, folder, env, source, b)
			}
		})
	}
	for _, x := range instead {
		if !used[x.printed] {
			t.Errorf("no document prints %q any more", x.printed)
		}
	}
}

// snapshot is a git repository with the files of the working tree, committed
// or not, as its only commit.
func snapshot(t *testing.T) string {
	t.Helper()
	list, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		realpostfix.Lacks(t, "a checkout of the repository, or git: git ls-files: "+err.Error())
	}
	dir := filepath.Join(t.TempDir(), "postfixkit")
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		fi, err := os.Lstat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, not committed
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, fi.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "snapshot"}} {
		if out, err := run(dir, nil, "git", args...); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	return dir
}

// run runs a program with no settings of the caller's git, and with builds
// that are the same in whatever folder, so that the Go command's cache serves
// all clones.
func run(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, environment(env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func environment(more []string) []string {
	return append(append(os.Environ(), "GOFLAGS=-trimpath", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.org", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.org",
		"TARGETS=linux/amd64", "CI="), more...)
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	// What makes a code span in running text a command.
	isCommand = regexp.MustCompile(`^(go (run|get|test|install|build|doc|vet) |make |cd |scripts/|(postmap|postalias|postconf) --|([A-Z_]+=\S+ )+(go|scripts|make))`)
	address   = regexp.MustCompile(`127\.0\.0\.1:[0-9]{4,5}`)
)

// commandsOf finds the commands of a document: the lines of blocks that are
// indented or fenced as sh or console, and the code spans that are commands.
// A Go block is example_test.go's business.
func commandsOf(text string) (blocks []block) {
	var b block
	end := func() {
		if len(b) > 0 {
			blocks = append(blocks, b)
		}
		b = nil
	}
	fence, open := "", false
	for i, line := range strings.Split(text, "\n") {
		if lang, ok := strings.CutPrefix(line, "```"); ok {
			end()
			open = !open
			fence = lang
			continue
		}
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case open && (fence == "sh" || fence == "console"):
			b = b.add(i+1, line)
		case open:
		case indented:
			b = b.add(i+1, code)
		default:
			end()
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				if isCommand.MatchString(m[1]) && !strings.Contains(m[1], "…") && !strings.Contains(m[1], "PACKAGE") {
					blocks = append(blocks, block{{line: i + 1, text: m[1]}})
				}
			}
		}
	}
	end()
	return blocks
}

// add takes one line of a block: a command, the rest of one, or its output.
func (b block) add(line int, text string) block {
	var last *command
	if len(b) > 0 {
		last = &b[len(b)-1]
	}
	typed, prompt := strings.CutPrefix(text, "$ ")
	switch {
	case last != nil && strings.HasSuffix(last.text, "\\"):
		last.text += "\n" + text
	case prompt:
		return append(b, command{line: line, text: typed, session: true})
	case last != nil && last.session:
		last.output += text + "\n"
	case strings.TrimSpace(text) != "" && !strings.HasPrefix(strings.TrimSpace(text), "#"):
		// A remark to the right is a comment for the shell too; it is cut off
		// to compare with what is listed above.
		text, _, _ = strings.Cut(text, "  #")
		return append(b, command{line: line, text: strings.TrimSpace(text)})
	}
	return b
}

// freePorts puts ports nobody listens on in the place of those a document uses.
func freePorts(t *testing.T, text string) string {
	t.Helper()
	free := map[string]string{}
	return address.ReplaceAllStringFunc(text, func(printed string) string {
		if free[printed] == "" {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			free[printed] = l.Addr().String()
			l.Close()
		}
		return free[printed]
	})
}

// typeIn types a block into a shell, command by command.
func typeIn(t *testing.T, doc, folder string, env []string, source string, b block) {
	t.Helper()
	sh := exec.Command("sh")
	// The clone that is printed is made from here.
	sh.Dir, sh.Env = folder, append(environment(env), "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=url."+source+".insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/postfixkit/postfixkit")
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with what it leaves in the background
	in, err := sh.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := sh.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	hanging := time.AfterFunc(4*time.Minute, func() { syscall.Kill(-sh.Process.Pid, syscall.SIGKILL) })
	defer func() {
		hanging.Stop()
		in.Close()
		syscall.Kill(-sh.Process.Pid, syscall.SIGTERM)
		sh.Wait()
	}()
	statuses := bufio.NewReader(answers)
	scratch := t.TempDir()
	for i, c := range b {
		if c.text == "" {
			continue
		}
		typed, out := filepath.Join(scratch, fmt.Sprintf("%d.sh", i)), filepath.Join(scratch, fmt.Sprintf("%d.out", i))
		if err := os.WriteFile(typed, []byte(c.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := fmt.Fprintf(in, ". %s </dev/null >%s 2>&1\necho $?\n", typed, out); err != nil {
			t.Fatalf("%s:%d: %s: the shell is gone: %v", doc, c.line, c.text, err)
		}
		status, err := statuses.ReadString('\n')
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if strings.HasSuffix(c.text, "&") {
			waitForServer(t, c.text, out, c.output)
			continue
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s:%d: %s: %.1fs", doc, c.line, c.text, time.Since(start).Seconds())
		if strings.TrimSpace(status) != "0" && c.output == "" {
			t.Errorf("%s:%d: %s: exit status %s\n%s", doc, c.line, c.text, strings.TrimSpace(status), got)
		} else if c.session && strings.TrimSpace(string(got)) != strings.TrimSpace(c.output) {
			t.Errorf("%s:%d: %s\ngives\n%s\nprinted is\n%s", doc, c.line, c.text, got, c.output)
		}
	}
}

// waitForServer waits until a command in the background listens where it was
// told to, and has said what is printed.
func waitForServer(t *testing.T, text, out, printed string) {
	t.Helper()
	where := address.FindString(text)
	if where == "" {
		t.Fatalf("%s: listens nowhere", text)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", where); err == nil {
			c.Close()
			if said, _ := os.ReadFile(out); printed == "" || strings.TrimSpace(string(said)) == strings.TrimSpace(printed) {
				return
			}
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(out)
			t.Fatalf("%s: does not listen, or says otherwise than\n%s\n%s", text, printed, said)
		}
	}
}
