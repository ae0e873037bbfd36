//go:build unix

package mapcmd

import (
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const longKey = "on purpose: a key that lmdb cannot hold is named, and a failed build leaves no empty table"

// differences lists all that our commands do otherwise than Postfix 3.7.11,
// with the reason. Besides, a table that exists loses rights that its source does
// not give (TestModeOwnerAndTightening), and each operand is built with the rights
// of the owner of its own source, where the original keeps those of the one before.
var differences = []difference{
	{"3.11: one message for all conflicts of -d, -i, -q and -s",
		rewording(`specify only one of -s (or )?-q or -d`, "specify only one of -d -i -q or -s")},
	{"3.11: -i is in conflict with -d, -q and -s, it was ignored before", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		if !has(s.args, "-i") || !strings.HasSuffix(ours.stderr, ": fatal: specify only one of -d -i -q or -s\n") {
			return real, false
		}
		return ours, true
	}},
	{"3.8: types that cannot be built have another message, and ours names those that can",
		rewording(`unsupported dictionary type: (\S*)( does not support bulk-mode creation\.|\. Is the postfix-\S* package installed\?)`, "TYPE")},
	{"3.11: cdb tables cannot be changed, the message is another one",
		rewording(`dict_cdb_open: inappropriate open flags for cdb database - specify O_RDONLY or O_WRONLY\|O_CREAT\|O_TRUNC`, "unsupported non-bulk change request")},
	{"3.10: cdb tables can be printed with -s", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		if !strings.Contains(real.stderr, "cdb: sequence operation is not supported") && !strings.Contains(real.stderr, ".cdb: sequence operation is not supported") {
			return real, false
		}
		return ours, ours.exit == 0
	}},
	{"3.12: root is warned of making a table in a folder of somebody else", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		i := strings.Index(ours.stderr, "warning: Creating root-owned database file(s)")
		if i < 0 {
			return real, false
		}
		start := strings.LastIndexByte(ours.stderr[:i], '\n') + 1
		end := i + strings.IndexByte(ours.stderr[i:], '\n') + 1
		real.stderr = ours.stderr[start:end] + real.stderr
		return real, true
	}},
	{"3.10: postalias words a name with a domain otherwise",
		rewording(`name must be local\n`, "name must be local and have no domain\n")},
	{"no libdb: a table of the other type is named without libdb's own line",
		rewording(`BDB0641 [^\n]*\n(post\w+): fatal: open database m\.db: Invalid argument`, "$1: fatal: OTHER TYPE")},
	// Handled by compare: it is about what is left in the folder too.
	{longKey, func(_ scenario, _ step, real, _ stepResult) (stepResult, bool) { return real, false }},
	{"on purpose: an empty key is not found in lmdb either, instead of a fatal error", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		return ours, strings.Contains(real.stderr, "fatal: error reading lmdb:") && ours.exit == 1
	}},
	{"on purpose: postalias -q says nothing of the last error of the system where it has nothing to do with it", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		real.stderr = strings.ReplaceAll(real.stderr, "query error: Application error\n", "query error\n")
		return real, s.tool == "postalias" && real.stderr == ours.stderr
	}},
	{"on purpose: what was found before a fatal error is printed", func(_ scenario, _ step, real, ours stepResult) (stepResult, bool) {
		excused := ours.exit == 1 && real.stdout == "" && ours.stdout != "" && strings.Contains(ours.stderr, ": fatal: ")
		if excused {
			real.stdout = ours.stdout
		}
		return real, excused
	}},
	{"on purpose: the source is read before the table is opened, so that warnings about it come first", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		return ours, ours.exit == 1 && strings.HasSuffix(real.stderr, ": Permission denied\n") && strings.Count(real.stderr, "\n") == 1 && strings.HasSuffix(ours.stderr, real.stderr)
	}},
	{"on purpose: what a failing table says", rewording(`(query|sequence|delete) error: Application error`, "$1 error: this table always fails")},
	{"on purpose: -v says what was done, not what the program looked at", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		if !has(s.args, "-v") {
			return real, false
		}
		var said []string
		for l := range strings.Lines(real.stderr) {
			if strings.Contains(l, ": warning: ") || strings.Contains(l, ": fatal: ") || !strings.HasPrefix(l, s.tool+": ") {
				said = append(said, l)
			}
		}
		for l := range strings.Lines(ours.stderr) {
			if !slices.Contains(said, l) && !strings.Contains(l, ": warning: ") && !strings.Contains(l, ": fatal: ") {
				said = append(said, l)
			}
		}
		slices.Sort(said)
		real.stderr = strings.Join(said, "")
		return real, true
	}},
	{"on purpose: -d does not make a table that is missing", func(_ scenario, s step, real, ours stepResult) (stepResult, bool) {
		return ours, has(s.args, "-d") && strings.Contains(ours.stderr, ".lmdb: No such file or directory") && ours.exit == real.exit
	}},
}

// rewording excuses other words: what the pattern matches in the original's
// messages becomes text, and so does our wording of it where text stands for
// one of ours.
func rewording(pattern, text string) func(sc scenario, s step, real, ours stepResult) (stepResult, bool) {
	re := regexp.MustCompile(pattern)
	return func(_ scenario, _ step, real, ours stepResult) (stepResult, bool) {
		if !re.MatchString(real.stderr) {
			return real, false
		}
		real.stderr = re.ReplaceAllString(real.stderr, text)
		for mark, own := range ownWords {
			if strings.Contains(real.stderr, mark) && own.MatchString(ours.stderr) {
				real.stderr = strings.Replace(real.stderr, mark, own.FindString(ours.stderr), 1)
			}
		}
		return real, true
	}
}

var ownWords = map[string]*regexp.Regexp{
	"TYPE":       regexp.MustCompile(`unsupported map type: \S* \(supported for building: [^)]*\)|no 'map create' support for this type: \S+`),
	"OTHER TYPE": regexp.MustCompile(`open database m\.db: it is a (hash|btree) file, not (hash|btree)`),
}

func TestBuildAgainstPostmap(t *testing.T) {
	b := newBench(t)
	all := buildScenarios(t)
	if os.Getenv("POSTFIXKIT_LONG") == "" {
		var some []scenario
		for i, sc := range all {
			if i%67 == 0 {
				some = append(some, sc)
			}
		}
		all = some
	}
	b.runAll(all, 4*runtime.NumCPU()) // many sleep
}

// A source with keys that lmdb cannot hold, in all its cases.
func TestLongKeysAgainstPostmap(t *testing.T) {
	b := newBench(t)
	var all []scenario
	for _, sc := range buildScenarios(t) {
		if strings.HasPrefix(sc.name, "lmdb/") && strings.HasSuffix(sc.name, "/corner18") {
			all = append(all, sc)
		}
	}
	if len(all) != 14 {
		t.Fatalf("%d cases, want 14", len(all))
	}
	b.runAll(all, 14)
}

func TestCommandLinesAgainstPostfix(t *testing.T) {
	b := newBench(t)
	all := commandLines("postmap")
	all = append(all, commandLines("postalias")...)
	all = append(all, withConfig()...)
	all = append(all, masterNames()...)
	all = append(all, emptyEntries(t)...)
	all = append(all, otherTypes()...)
	all = append(all, verbose()...)
	b.runAll(all, 96) // nearly all of them sleep
}
