package mapcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os/user"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/internal/atomicfile"
	"github.com/postfixkit/postfixkit/internal/getopt"
)

// settings are the options of a run.
type settings struct {
	body, header, mime    bool    // -b -h -m
	configDir             string  // -c
	remove, query         *string // -d -q
	dump, incremental     bool    // -s -i
	noFold, valueFiles    bool    // -f -F
	json                  bool    // -j
	addNUL, noNUL         bool    // -N -n
	keepRights, noPerm    bool    // -o -p
	replace, ignore       bool    // -r -w
	noUTF8, forceUTF8     bool    // -u -U
	verbose               int     // -v
	check, strict, diff   bool
	verify, ifStale       bool
	progress, jsonReport  bool
	toText, internalKeys  bool
	convert               string
	mode                  fs.FileMode
	owner                 *atomicfile.Owner
	help, version, manual bool
	completion            string
}

// definition is the one place where the options of a command are defined:
// usage, --help, the manual page and shell completion are made from it.
func definition(tool Tool) *getopt.Command {
	both := func(f getopt.Flag) *getopt.Flag { return &f }
	only := func(f getopt.Flag) *getopt.Flag {
		if tool.Alias {
			return nil
		}
		return &f
	}
	alias := func(f getopt.Flag) *getopt.Flag {
		if !tool.Alias {
			return nil
		}
		return &f
	}
	flags := []*getopt.Flag{
		only(getopt.Flag{Short: 'b', Help: "with -q -: look up the body lines of the message on standard input"}),
		only(getopt.Flag{Short: 'F', Help: "values are file names; their contents are stored, in base64"}),
		both(getopt.Flag{Short: 'f', Help: "do not fold keys to lower case"}),
		only(getopt.Flag{Short: 'h', Help: "with -q -: look up the headers of the message on standard input"}),
		both(getopt.Flag{Short: 'i', Help: "add entries from standard input to a table that may exist"}),
		both(getopt.Flag{Short: 'j', NoUsage: true, Help: "JSON output, with -q and -s: one object per line"}),
		only(getopt.Flag{Short: 'm', Help: "with -b or -h: look into MIME parts and attached messages"}),
		both(getopt.Flag{Short: 'N', Help: "store or look up keys and values with a final null byte"}),
		both(getopt.Flag{Short: 'n', Help: "store or look up keys and values without a final null byte"}),
		both(getopt.Flag{Short: 'o', Help: "as root: do not take on the rights of the source's owner"}),
		both(getopt.Flag{Short: 'p', Help: "a new table does not inherit the permissions of its source"}),
		both(getopt.Flag{Short: 'r', Help: "a repeated key replaces the one before it, without a warning"}),
		both(getopt.Flag{Short: 's', Help: "print all entries of the first table"}),
		both(getopt.Flag{Short: 'u', Help: "no UTF-8: keys and values may be any bytes, only ASCII is folded"}),
		only(getopt.Flag{Short: 'U', Help: "keep UTF-8 support with -b and -h"}),
		both(getopt.Flag{Short: 'v', Help: "say what is done; more often, say more"}),
		both(getopt.Flag{Short: 'w', Help: "a repeated key is ignored without a warning"}),
		both(getopt.Flag{Short: 'c', Arg: "config_dir", Kind: getopt.Dir, Help: "read main.cf from this folder"}),
		both(getopt.Flag{Short: 'd', Arg: "key", Help: "remove the entry; -d - reads keys from standard input"}),
		both(getopt.Flag{Short: 'q', Arg: "key", Help: "look the key up; -q - reads keys from standard input"}),

		both(getopt.Flag{Long: "check", Help: "read the sources and report, write nothing"}),
		both(getopt.Flag{Long: "strict", Help: "with any warning write nothing and exit 1"}),
		both(getopt.Flag{Long: "diff", Help: "print what would be added, removed and changed, write nothing"}),
		both(getopt.Flag{Long: "verify", Help: "read every entry back before the table is put in place"}),
		both(getopt.Flag{Long: "if-stale", Help: "build only tables that are missing or older than their source"}),
		both(getopt.Flag{Long: "convert", Arg: "table", Kind: getopt.File, Help: "fill the operand from this table, of any type, instead of a source"}),
		both(getopt.Flag{Long: "to-text", Help: "print the entries of a table as a source"}),
		both(getopt.Flag{Long: "mode", Arg: "octal", Help: "mode of the table, 1 to 777"}),
		both(getopt.Flag{Long: "owner", Arg: "user[:group]", Help: "owner of the table, names or numbers; a number alone leaves the group"}),
		both(getopt.Flag{Long: "progress", Help: "show progress, also when standard error is no terminal"}),
		both(getopt.Flag{Long: "json", Help: "messages about sources as JSON, one object per line"}),
		alias(getopt.Flag{Long: "internal-keys", Help: "store names without their quotes, as Postfix before 3.12"}),
		both(getopt.Flag{Long: "help", Help: "print this"}),
		both(getopt.Flag{Long: "version", Help: "print what this program is"}),
		both(getopt.Flag{Long: "man", Help: "print the manual page, for man -l -"}),
		both(getopt.Flag{Long: "completion", Arg: "shell", Values: getopt.Shells(), Help: "print a completion script"}),
	}
	cmd := &getopt.Command{
		Name: tool.Name, Operands: "[map_type:]file...",
		Summary: "Postfix lookup table management, in pure Go", OperandArg: getopt.File,
		Synopsis: []string{"[-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file..."},
	}
	if tool.Alias {
		cmd.Summary = "Postfix alias database maintenance, in pure Go"
		cmd.Synopsis = []string{"[-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file..."}
	}
	for _, f := range flags {
		if f != nil {
			cmd.Flags = append(cmd.Flags, *f)
		}
	}
	cmd.Description, cmd.Sections = manual(tool)
	return cmd
}

// errOneOf is what Postfix 3.11 and later says when more than one of these
// options is given.
var errOneOf = errors.New("specify only one of -d -i -q or -s")

// apply takes the options in their order; some conflicts depend on it.
func (s *settings) apply(tool Tool, opts []getopt.Option) error {
	action := func(conflict bool) error {
		if conflict {
			return errOneOf
		}
		return nil
	}
	for _, o := range opts {
		var err error
		value := o.Value
		switch o.Name() {
		case "b":
			s.body = true
		case "h":
			s.header = true
		case "m":
			s.mime = true
		case "F":
			s.valueFiles = true
		case "f":
			s.noFold = true
		case "i":
			err = action(s.dump || s.query != nil || s.remove != nil)
			s.incremental = true
		case "j":
			s.json = true
		case "N":
			s.addNUL, s.noNUL = true, false
		case "n":
			s.noNUL, s.addNUL = true, false
		case "o":
			s.keepRights = true
		case "p":
			s.noPerm = true
		case "r":
			s.replace, s.ignore = true, false
		case "w":
			s.ignore, s.replace = true, false
		case "s":
			err = action(s.query != nil || s.remove != nil || s.incremental)
			s.dump = true
		case "u":
			s.noUTF8 = true
		case "U":
			s.forceUTF8 = true
		case "v":
			s.verbose++
		case "c":
			s.configDir = value
		case "d":
			err = action(s.query != nil || s.remove != nil || s.dump || s.incremental)
			s.remove = &value
		case "q":
			err = action(s.query != nil || s.remove != nil || s.dump || s.incremental)
			s.query = &value
		case "check":
			s.check = true
		case "strict":
			s.strict = true
		case "diff":
			s.diff = true
		case "verify":
			s.verify = true
		case "if-stale":
			s.ifStale = true
		case "convert":
			s.convert = value
		case "to-text":
			s.toText = true
		case "mode":
			m, perr := strconv.ParseUint(value, 8, 16)
			if perr != nil || m == 0 || m > 0o777 {
				err = fmt.Errorf("--mode: want an octal mode from 1 to 777, such as 640, not %q", value)
			}
			s.mode = fs.FileMode(m)
		case "owner":
			s.owner, err = parseOwner(value)
		case "progress":
			s.progress = true
		case "json":
			s.jsonReport = true
		case "internal-keys":
			s.internalKeys = true
		case "help":
			s.help = true
		case "version":
			s.version = true
		case "man":
			s.manual = true
		case "completion":
			s.completion = value
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// conflicts finds what does not depend on the order of the options.
func (s *settings) conflicts(c *command) error {
	if (s.body || s.header || s.mime) && (s.query == nil || *s.query != "-") {
		return errors.New("specify -b -h or -m only with \"-q -\"")
	}
	if s.mime && !s.body && !s.header {
		c.warn("ignoring -m option without -b or -h")
	}
	if s.json && s.query == nil && !s.dump {
		return errors.New("option -j requires -q or -s")
	}
	return nil
}

// parseOwner reads "user", "user:group" or ":group". A user given by name
// brings the user's group along; otherwise what is not said stays.
func parseOwner(s string) (*atomicfile.Owner, error) {
	name, group, hasGroup := strings.Cut(s, ":")
	o := atomicfile.Owner{UID: -1, GID: -1}
	if name == "" && !hasGroup || hasGroup && group == "" {
		return nil, fmt.Errorf("--owner: want user, user:group or :group, not %q", s)
	}
	if name != "" {
		id, isID := parseID(name)
		if !isID {
			u, err := user.Lookup(name)
			if err == nil {
				id, isID = parseID(u.Uid)
				o.GID, _ = parseID(u.Gid)
			}
			if !isID {
				return nil, fmt.Errorf("--owner: unknown user %q", name)
			}
		}
		o.UID = id
	}
	if hasGroup {
		id, isID := parseID(group)
		if !isID {
			g, err := user.LookupGroup(group)
			if err == nil {
				id, isID = parseID(g.Gid)
			}
			if !isID {
				return nil, fmt.Errorf("--owner: unknown group %q", group)
			}
		}
		o.GID = id
	}
	return &o, nil
}

// parseID reads the number of a user or group. The largest one means "stays" to
// the kernel, so it is nobody's.
func parseID(s string) (id int, ok bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == math.MaxUint32 || n > math.MaxInt {
		return -1, false
	}
	return int(n), true
}
