package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/postfixkit/postfixkit/internal/getopt"
	"github.com/postfixkit/postfixkit/maincf"
)

// definition is every option: usage, --help, --man and --completion are made
// from it.
func definition() *getopt.Command {
	return &getopt.Command{
		Name:     "postconf",
		Summary:  "Postfix configuration utility, of postfixkit: it needs no Postfix, and may stand before the original in PATH",
		Operands: "[name...]",
		Synopsis: []string{synopsis},
		Description: `Shows and edits main.cf and master.cf, as the command of Postfix does. Without an
option it prints the values of the named parameters, or of all.

What it prints depends on the release of Postfix: the newest one, unless
--postfix-version names another.`,
		Flags: []getopt.Flag{
			{Short: 'a', Help: "SASL server types: not available here"},
			{Short: 'A', Help: "SASL client types: not available here"},
			{Short: 'b', Help: "bounce templates, expanded: not available here"},
			{Short: 'c', Arg: "config_dir", Kind: getopt.Dir, Help: "the folder of main.cf and master.cf"},
			{Short: 'C', Arg: "class", Values: []string{"builtin", "service", "user", "all"}, Help: "show parameters of this class only"},
			{Short: 'd', Help: "show defaults instead of what is set"},
			{Short: 'e', Help: "edit: name=value arguments"},
			{Short: 'f', Help: "fold long lines"},
			{Short: 'F', Help: "master.cf fields"},
			{Short: 'h', Help: "show values without their names"},
			{Short: 'H', Help: "show names without their values"},
			{Short: 'j', Help: "print one JSON object a line"},
			{Short: 'l', Help: "list mailbox locking methods"},
			{Short: 'm', Help: "list lookup table types of this program"},
			{Short: 'M', Help: "master.cf entries"},
			{Short: 'n', Help: "show what main.cf sets"},
			{Short: 'o', Arg: "name=value", Help: "use this value instead of the one in main.cf"},
			{Short: 'p', Help: "main.cf parameters (the default)"},
			{Short: 'P', Help: "master.cf parameters; twice: all that a service uses"},
			{Short: 'q', Help: "do not warn about unused and deprecated parameters"},
			{Short: 't', Help: "bounce templates: not available here"},
			{Short: 'T', Arg: "mode", Help: "TLS properties: not available here"},
			{Short: 'v', Help: "accepted for compatibility"},
			{Short: 'x', Help: "replace $name by its value"},
			{Short: 'X', Help: "edit: remove the named parameters"},
			{Short: '#', Help: "edit: comment the named parameters out"},
			{Long: "explain", Arg: "name", Help: "tell value, place, expansion, type, limits and history of a parameter"},
			{Long: "postfix-version", Arg: "release", Help: "answer as this release would: 3.12, 3.7.11, 3.7/debian"},
			{Long: "unknown", Arg: "error|warn", Values: []string{"error", "warn"}, Help: "whether an edit may set a name Postfix does not know"},
			{Long: "changed", Help: "exit with status 3 when an edit changed, or would change, a file"},
			{Long: "dry-run", Help: "print what an edit would change as a unified diff"},
			{Long: "keep-layout", Help: "edit only the value: keep comments inside it, and all but the setting that counts"},
			{Long: "help", Help: "print this text"},
			{Long: "man", Help: "print the manual page"},
			{Long: "completion", Arg: "shell", Values: getopt.Shells(), Help: "print a completion script"},
			{Long: "version", Help: "print the version of this program"},
		},
		Sections: []getopt.Section{{Title: "EXIT STATUS", Text: "0 on success, 1 on any error. With --changed, 3 when a file was changed or, with --dry-run, would be."}},
	}
}

// synopsis is the usage line of the original.
const synopsis = "[-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] [-c param_class]" +
	" [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf fields)] [-h (no names)]" +
	" [-H (no values)] [-j (streaming JSON) ] [-l (lock types)] [-m (map types)] [-M (master.cf)]" +
	" [-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)]" +
	" [-P (master.cf parameters)] [-t (bounce templates)] [-T compile-version|run-version|public-key-algorithms]" +
	" [-v (verbose)] [-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]"

var modeOf = map[string]mode{
	"a": saslServers, "A": saslClients, "b": expandBounce, "d": showDefaults, "e": editConf, "f": foldLines,
	"F": masterFields, "#": commentOut, "h": hideName, "H": hideValue, "j": showJSON, "l": showLocks, "m": showMaps,
	"M": masterEntry, "n": showNonDefault, "p": mainParams, "t": dumpBounce, "T": showTLS, "x": expand, "X": exclude,
}

// options reads the command line into c and returns the operands.
func (c *command) options(args []string) (operands []string, err error) {
	def := definition()
	opts, operands, err := def.Parse(args)
	if err != nil {
		fmt.Fprintf(c.stderr, "%s: %s\n", c.prog, err)
		return nil, fatalf("usage: %s %s", c.prog, synopsis)
	}
	for _, o := range opts {
		if err := c.option(def, o); err != nil {
			return nil, err
		}
	}
	if c.mode&majorModes == 0 {
		c.mode |= mainParams
	}
	if c.mode&(mainParams|masterModes) != 0 && len(operands) > 0 && strings.Contains(operands[0], "=") {
		c.mode |= editConf
	}
	if err := c.mode.check(); err != nil {
		return nil, err
	}
	if c.mode&editConf != 0 && len(operands) == 0 {
		return nil, fatalf("-e requires name=value argument")
	}
	if c.mode&editModes == 0 && (c.dryRun || c.changed || c.unknownError || c.lossless) {
		return nil, fatalf("--dry-run, --changed, --unknown and --keep-layout need an edit: -e, -X or -#")
	}
	return operands, nil
}

func (c *command) option(def *getopt.Command, o getopt.Option) (err error) {
	name := o.Name()
	if (name == "b" || name == "t") && c.mode&(expandBounce|dumpBounce) != 0 {
		return fatalf("specify one of -b and -t")
	}
	c.mode |= modeOf[name]
	switch name {
	case "c":
		c.configDir = o.Value
	case "C":
		c.classes, err = parseClasses(o.Value)
	case "o":
		c.mode |= override
		c.overrides = append(c.overrides, o.Value)
	case "P":
		if c.mode&masterParam != 0 {
			c.mode |= masterPP
		}
		c.mode |= masterParam
	case "q":
		c.warn = false
	case "explain":
		c.explain = append(c.explain, o.Value)
	case "postfix-version":
		if c.version, err = maincf.ParseVersion(o.Value); err != nil {
			err = fatalf("%s", err)
		}
	case "unknown":
		if o.Value != "error" && o.Value != "warn" {
			return fatalf("--unknown wants error or warn, not %q", o.Value)
		}
		c.unknownError = o.Value == "error"
	case "changed":
		c.changed = true
	case "dry-run":
		c.dryRun = true
	case "keep-layout":
		c.lossless = true
	case "help":
		fmt.Fprint(c.stdout, def.Help())
		return errDone
	case "man":
		fmt.Fprint(c.stdout, def.Man("postfixkit", ""))
		return errDone
	case "version":
		fmt.Fprintf(c.stdout, "postconf of postfixkit %s (not the Postfix command; it answers as Postfix %s)\n", buildVersion(), maincf.Newest)
		return errDone
	case "completion":
		script, err := def.Completion(o.Value)
		if err != nil {
			return fatalf("%s", err)
		}
		fmt.Fprint(c.stdout, script)
		return errDone
	}
	return err
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
