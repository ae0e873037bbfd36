// Postconf shows and edits Postfix configuration: a drop-in for the command of
// that name, in pure Go, that needs no Postfix on the machine.
//
// Its options, output, messages and exit statuses are those of Postfix 3.12's
// postconf(1), with --postfix-version those of another release. What it adds
// are long options; postconf --help lists all.
//
// Installed as postconf it may stand before the original in PATH. Differences:
//
//   - -a, -A, -b, -t and -T ask about the build of Postfix; they fail and say
//     which command to run instead.
//   - -m lists the table types of this program.
//   - A value that refers to itself is reported with the names of the loop.
//   - Edits keep owner, mode, extended attributes and symbolic links, and change
//     nothing when nothing is to change.
//   - -M, -F and -P: "-oname=value" is one option (the original takes it apart at
//     every "o"), and the first argument behind the options keeps its { }, as does
//     an empty one; -F and -P join text in { } over several lines without the
//     line ends when they edit. With --keep-layout an entry keeps its layout and
//     comments, and -P puts a value with white space in { }.
//   - A fatal error does not sleep a second before the exit.
//
// Exit status: 0 on success, 1 on any error; with --changed, 3 when a file was
// changed.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/postfixkit/postfixkit/maincf"
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr, os.Getenv))
}

// command is one run of postconf.
type command struct {
	prog    string // in messages, as in argv[0]
	stdout  *bufio.Writer
	stderr  io.Writer
	mode    mode
	classes uint8 // which classes -C asks for, as bits 1<<maincf.Class
	warn    bool  // about unused and deprecated parameters

	configDir string
	overrides []string // of -o
	version   maincf.Version

	explain      []string
	unknownError bool
	changed      bool // exit status tells
	dryRun       bool
	lossless     bool

	deprecated bool // a deprecation warning was given
	wrote      bool // a file was, or would be, changed
}

// fatal is an error that ends the run with a message and status 1.
type fatal struct{ text string }

func (f fatal) Error() string { return f.text }

func fatalf(format string, args ...any) error { return fatal{fmt.Sprintf(format, args...)} }

// errDone ends the run without a message.
var errDone = errors.New("done")

func run(args []string, stdout, stderr io.Writer, getenv func(string) string) int {
	c := &command{
		prog: args[0], stdout: bufio.NewWriterSize(stdout, 64<<10), stderr: stderr,
		warn: true, classes: allClasses, configDir: getenv("MAIL_CONFIG"),
	}
	if c.configDir == "" {
		c.configDir = "/etc/postfix"
	}
	err := c.run(args[1:])
	if ferr := c.stdout.Flush(); ferr != nil && err == nil {
		err = ferr
	}
	if err != nil && !errors.Is(err, errDone) {
		c.message("fatal", "%s", err)
		return 1
	}
	if c.deprecated && c.warn {
		c.warning("See https://www.postfix.org/DEPRECATION_README.html for details")
	}
	if c.changed && c.wrote {
		return 3
	}
	return 0
}

func (c *command) run(args []string) error {
	operands, err := c.options(args)
	if err != nil {
		return err
	}
	switch {
	case len(c.explain) > 0:
		return c.showExplanations()
	case c.mode&showMaps != 0:
		return c.showMaps()
	case c.mode&showLocks != 0:
		fmt.Fprint(c.stdout, "flock\nfcntl\ndotlock\n")
		return nil
	case c.mode&notOurs != 0:
		return c.refuse()
	case c.mode&masterModes != 0:
		return c.master(operands)
	case c.mode&editModes != 0:
		if len(operands) == 0 {
			return fatalf("missing service argument")
		}
		return c.editMain(operands)
	}
	return c.showMain(operands)
}

// refuse says which options ask about a build of Postfix that is not here.
func (c *command) refuse() error {
	name := (c.mode & notOurs).names()
	return fatalf("option %s asks about the build of Postfix on this machine, which this program does not need and does not know; run the postconf command of Postfix", name)
}

// warning prints a message as Postfix commands do. What was printed before
// comes first.
func (c *command) warning(format string, args ...any) { c.message("warning", format, args...) }

func (c *command) message(severity, format string, args ...any) {
	c.stdout.Flush()
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(c.stderr, "%s: %s: %s\n", c.prog, severity, printable(text))
}

// printable replaces everything but printable ASCII by "?", as Postfix does in
// messages.
func printable(s string) string {
	b := []byte(s)
	for i, ch := range b {
		if ch < ' ' || ch >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}

func (c *command) mainPath() string   { return c.configDir + "/main.cf" }
func (c *command) masterPath() string { return c.configDir + "/master.cf" }
