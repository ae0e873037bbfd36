package mapcmd

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/postfixkit/postfixkit/internal/getopt"
)

// imitates is the Postfix release whose behaviour the commands have.
const imitates = "3.12"

// printInfo answers --help, --version, --man and --completion.
func (c *command) printInfo(def *getopt.Command) (done bool, err error) {
	switch {
	case c.help:
		fmt.Fprint(c.out, def.Help())
	case c.version:
		fmt.Fprintf(c.out, "%s of postfixkit %s, behaves like Postfix %s; this is not Postfix's own %s\n%s %s/%s\n",
			c.Name, release(), imitates, c.Name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case c.manual:
		fmt.Fprint(c.out, def.Man(release(), ""))
	case c.completion != "":
		script, err := def.Completion(c.completion)
		if err != nil {
			return true, fmt.Errorf("--completion: %w", err)
		}
		fmt.Fprint(c.out, script)
	default:
		return false, nil
	}
	return true, nil
}

// release is the version of the module, as the Go command recorded it.
func release() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// manual is the text of the manual page that the options do not say.
func manual(tool Tool) (description string, sections []getopt.Section) {
	source, example := "key whitespace value", "postmap hash:access"
	if tool.Alias {
		source, example = "name: target, target", "postalias hash:aliases"
	}
	description = strings.NewReplacer("NAME", tool.Name, "SOURCE", source).Replace(
		`NAME builds and queries Postfix lookup tables without Postfix, libdb or
liblmdb. It is written to be exchanged for the program of the same name in
Postfix ` + imitates + ` and is not that program: where both are installed, the
one that stands first in PATH runs.

Without -d, -i, -q or -s each operand names a source, a text file of
"SOURCE" lines, from which a table of that name with ".db", ".lmdb", ".cdb" or
".bolt" appended is made. Unlike the original, NAME always writes the new table
beside the old one and renames it into place when it is complete: until then,
and when anything fails, readers have the old table.

Types are hash, btree, lmdb, cdb and bolt for building; those and every other
type of postfixkit (texthash, regexp, pcre, cidr, static, inline, unionmap,
socketmap, ...) for -q. Without a type, default_database_type of main.cf
counts, and hash when there is no main.cf. A missing main.cf is no error.

With -i and -d any number of NAMEs may change one table at once and nothing is
lost: each waits for the lock on TABLE.tmp and for Postfix's lock on the table.
The original does not look whether a table was replaced while it waited: do not
run it with -i or -d beside this one, or entries may be lost, mostly those that
it adds. What it wrote while NAME was at work is kept when it is seen before the
table is replaced.`)
	return description, []getopt.Section{
		{Title: "EXIT STATUS", Text: "0 when everything was done or something was found, 1 otherwise. Warnings about\nsources do not change it, except with --strict."},
		{Title: "EXAMPLES", Text: "    " + example + "\n    " + tool.Name + " -q alice@example.org " + strings.Fields(example)[1] +
			"\n    " + tool.Name + " --convert hash:old lmdb:new\n    " + tool.Name + " --diff " + strings.Fields(example)[1]},
		{Title: "ENVIRONMENT", Text: "MAIL_CONFIG: folder with main.cf, as -c.\n\nMAIL_VERBOSE: as one -v."},
	}
}
