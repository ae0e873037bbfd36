// Package mapcmd is what postmap(1) and postalias(1) have in common, which is
// nearly everything: options, table handling, messages and exit statuses. The
// two commands are thin mains around [Main].
//
// The behaviour is that of Postfix 3.12, checked against the real 3.7 by the
// tests of the two commands; what differs is listed there with its reason.
package mapcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

// Tool says which of the two commands runs.
type Tool struct {
	Name  string // "postmap" or "postalias"
	Alias bool   // sources are aliases(5) files, and output has a colon
}

// The two commands.
var (
	Postmap   = Tool{Name: "postmap"}
	Postalias = Tool{Name: "postalias", Alias: true}
)

// Env is what a command gets from its surroundings, so that tests can run one
// inside their process.
type Env struct {
	Stdin          io.Reader
	StdinInfo      fs.FileInfo // of Stdin, nil when it is no file
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// Terminal reports that Stderr is a terminal: long builds then show their
	// progress.
	Terminal bool
	// KeepRights prevents the change to the rights of a source's owner, which
	// is one of the whole process.
	KeepRights bool
	// Reading is called, unless it is nil, when it is known that the run
	// writes nothing but its output.
	Reading func()
}

// command is one run.
type command struct {
	Tool
	Env
	settings
	ctx context.Context
	out *bufio.Writer
	cfg config
	// problems is how many findings there were so far, for --strict.
	problems int
}

// errExit ends a run with status 1 and no message: something was not found.
var errExit = errors.New("exit status 1")

// Main runs the command with args, the words after its name, and returns its
// exit status.
func Main(ctx context.Context, tool Tool, args []string, env Env) int {
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	c := &command{Tool: tool, Env: env, ctx: ctx, out: bufio.NewWriterSize(env.Stdout, 64<<10)}
	err := c.run(args)
	// Unlike the original we print what was found before a fatal error.
	if ferr := c.out.Flush(); ferr != nil && err == nil {
		err = fmt.Errorf("write error: %s", cause(ferr))
	}
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, errExit):
		c.say("fatal", err.Error())
	}
	return 1
}

func (c *command) run(args []string) error {
	def := definition(c.Tool)
	if c.Getenv("MAIL_VERBOSE") != "" {
		c.verbose++
	}
	opts, operands, err := def.Parse(args)
	if err := c.settings.apply(c.Tool, opts); err != nil {
		return err
	}
	if err != nil {
		fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, err)
		return errors.New("usage: " + def.Usage())
	}
	if done, err := c.printInfo(def); done {
		return err
	}
	if c.cfg, err = readConfig(c); err != nil {
		return err
	}
	if err := c.conflicts(c); err != nil {
		return err
	}
	if c.dump && len(operands) == 0 {
		return errExit
	}
	if len(operands) == 0 && c.convert == "" {
		return errors.New("usage: " + def.Usage())
	}
	if c.Reading != nil && (c.query != nil || c.remove == nil && (c.dump || c.toText)) {
		c.Reading()
	}
	switch {
	case c.query != nil && c.messageMode():
		return c.queryMessage(operands)
	case c.query != nil && *c.query == "-":
		return c.queryStdin(operands)
	case c.query != nil:
		return c.queryKey(*c.query, operands)
	case c.remove != nil && *c.remove == "-":
		return c.removeStdin(operands)
	case c.remove != nil:
		return c.removeKey(*c.remove, operands)
	case c.dump:
		return c.dumpTable(operands[0])
	case c.toText:
		return c.writeText(operands[0])
	case c.convert != "":
		return c.convertTable(operands)
	case c.incremental:
		return c.buildAll(operands, true)
	}
	return c.buildAll(operands, false)
}

// spec splits an operand. Without a colon the type is the configured default.
func (c *command) spec(operand string) table.Spec {
	typ, name, ok := strings.Cut(operand, ":")
	if !ok {
		return table.Spec{Type: c.cfg.defaultType, Name: operand}
	}
	return table.Spec{Type: typ, Name: name}
}

// say prints one message as Postfix does: unprintable bytes become '?', and
// without smtputf8_enable all that are not ASCII.
func (c *command) say(severity, text string) {
	text = diag.Printable(text)
	if !c.cfg.utf8 {
		b := []byte(text)
		for i := range b {
			if b[i] >= 0x80 {
				b[i] = '?'
			}
		}
		text = string(b)
	}
	fmt.Fprintf(c.Stderr, "%s: %s: %s\n", c.Name, severity, text)
}

func (c *command) warn(format string, args ...any) { c.say("warning", fmt.Sprintf(format, args...)) }
