// Package getopt reads command lines as the Postfix commands do, and writes
// usage line, --help, manual page and shell completion from the same
// definitions.
//
//	cmd := &getopt.Command{Name: "postmap", Operands: "[map_type:]file...", Flags: []getopt.Flag{
//		{Short: 'c', Arg: "config_dir", Help: "read main.cf from this folder"},
//		{Long: "check", Help: "write nothing"},
//	}}
//	opts, operands, err := cmd.Parse(os.Args[1:])
//
// Short options follow getopt(3) in its POSIX form: they cluster (-fo), an
// argument is attached (-cDIR) or the next word (-c DIR), "--" and the first
// word that is no option end them ("-" is no option). Long options follow
// getopt_long(3): --name=value or --name value, and any unambiguous
// abbreviation. Messages are those of the GNU C library, which Postfix prints
// on Linux.
package getopt

import (
	"fmt"
	"strings"

	"github.com/postfixkit/postfixkit/internal/near"
)

// Command describes one command.
type Command struct {
	Name     string // "postmap"
	Summary  string // one line for the manual: "Postfix lookup table management"
	Operands string // "[map_type:]file...", as it stands in the usage line
	Flags    []Flag // in the order of the usage line

	// Synopsis replaces the generated usage line, without the command name,
	// where the original's has another form. Several make several lines.
	Synopsis []string

	// Description and Sections are the text of the manual: paragraphs apart
	// by blank lines, indented lines taken as they are.
	Description string
	Sections    []Section

	// Section is the manual section; "" is "1".
	Section string
	// OperandArg tells completion what operands are.
	OperandArg Kind
}

// Section is a titled part of the manual ("EXIT STATUS").
type Section struct{ Title, Text string }

// Kind says what the argument of an option is, for completion.
type Kind uint8

const (
	Text Kind = iota // anything
	File             // a file name
	Dir              // a folder name
)

// Flag is one option. It has a Short form, a Long form or both.
type Flag struct {
	Short byte   // 'c', or 0
	Long  string // "config", without dashes, or ""
	Arg   string // what the argument is called ("config_dir"); "": takes none
	Kind  Kind
	// Values are the arguments that make sense, for completion and help.
	Values []string
	Help   string // one line, for --help and completion
	Doc    string // more for the manual, as Description; "" uses Help
	// Hidden flags are accepted and shown nowhere.
	Hidden bool
	// NoUsage keeps the flag out of the usage line, where the original's
	// usage line forgets it.
	NoUsage bool
}

// String is the flag as a user types it, "-c" or "--check".
func (f *Flag) String() string {
	if f.Short != 0 {
		return "-" + string(rune(f.Short))
	}
	return "--" + f.Long
}

// Option is one flag found on a command line.
type Option struct {
	Flag  *Flag
	Value string // the argument, "" without one
}

// Is reports whether the option is the one with this short or long name.
func (o Option) Is(name string) bool {
	return name != "" && (name == o.Flag.Long || len(name) == 1 && o.Flag.Short != 0 && name[0] == o.Flag.Short)
}

// Name is the short form when there is one, else the long: what a switch
// statement compares with.
func (o Option) Name() string {
	if o.Flag.Short != 0 {
		return string(rune(o.Flag.Short))
	}
	return o.Flag.Long
}

// Error is a command line that does not fit. Its text is the one getopt(3)
// prints after the program name and a colon.
type Error struct {
	Message string
	Suggest string // the nearest long option with its dashes, or ""
}

func (e *Error) Error() string {
	if e.Suggest != "" {
		return e.Message + "; did you mean " + e.Suggest + "?"
	}
	return e.Message
}

// Parse reads the words after the command name. It stops at the first word
// that does not fit; opts then holds the options before it, which Postfix
// has acted on by the time it complains.
func (c *Command) Parse(args []string) (opts []Option, operands []string, err error) {
	for len(args) > 0 {
		word := args[0]
		if len(word) < 2 || word[0] != '-' {
			break
		}
		args = args[1:]
		if word == "--" {
			break
		}
		if long, ok := strings.CutPrefix(word, "--"); ok && c.hasLong() {
			opt, used, err := c.long(long, args)
			if err != nil {
				return opts, args, err
			}
			opts, args = append(opts, opt), args[used:]
			continue
		}
		for cluster := word[1:]; cluster != ""; {
			flag := c.short(cluster[0])
			if flag == nil {
				return opts, args, &Error{Message: fmt.Sprintf("invalid option -- '%s'", cluster[:1])}
			}
			cluster = cluster[1:]
			if flag.Arg == "" {
				opts = append(opts, Option{Flag: flag})
				continue
			}
			if cluster == "" && len(args) == 0 {
				return opts, args, &Error{Message: fmt.Sprintf("option requires an argument -- '%c'", flag.Short)}
			}
			if cluster == "" {
				cluster, args = args[0], args[1:]
			}
			opts = append(opts, Option{flag, cluster})
			break
		}
	}
	return opts, args, nil
}

func (c *Command) hasLong() bool {
	for i := range c.Flags {
		if c.Flags[i].Long != "" {
			return true
		}
	}
	return false
}

func (c *Command) short(b byte) *Flag {
	for i := range c.Flags {
		if b != 0 && c.Flags[i].Short == b {
			return &c.Flags[i]
		}
	}
	return nil
}

// long reads "name" or "name=value"; used is how many of the further words it
// took.
func (c *Command) long(text string, args []string) (opt Option, used int, err error) {
	name, value, attached := strings.Cut(text, "=")
	flag, err := c.longNamed(name)
	if err != nil {
		return opt, 0, err
	}
	switch {
	case flag.Arg == "" && attached:
		return opt, 0, &Error{Message: fmt.Sprintf("option '--%s' doesn't allow an argument", flag.Long)}
	case flag.Arg == "" || attached:
		return Option{flag, value}, 0, nil
	case len(args) == 0:
		return opt, 0, &Error{Message: fmt.Sprintf("option '--%s' requires an argument", flag.Long)}
	}
	return Option{flag, args[0]}, 1, nil
}

func (c *Command) longNamed(name string) (*Flag, error) {
	var found []*Flag
	for i := range c.Flags {
		f := &c.Flags[i]
		if f.Long == name && name != "" {
			return f, nil
		}
		if f.Long != "" && name != "" && strings.HasPrefix(f.Long, name) && !f.Hidden {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, &Error{Message: fmt.Sprintf("unrecognized option '--%s'", name), Suggest: c.nearest(name)}
	}
	var all strings.Builder
	for _, f := range found {
		fmt.Fprintf(&all, " '--%s'", f.Long)
	}
	return nil, &Error{Message: fmt.Sprintf("option '--%s' is ambiguous; possibilities:%s", name, all.String())}
}

// nearest is the long option at most a third of the letters away.
func (c *Command) nearest(name string) string {
	best, most := "", len(name)/3+1
	for i := range c.Flags {
		if f := &c.Flags[i]; f.Long != "" && !f.Hidden {
			if d := near.Distance(name, f.Long, most); d < most || d == most && best == "" {
				best, most = "--"+f.Long, d
			}
		}
	}
	return best
}
