package getopt

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/golden"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// sample has the short options of the real postalias 3.7, to be compared with.
func sample() *Command {
	c := &Command{Name: "postalias", Summary: "Postfix alias database maintenance", Operands: "[map_type:]file...", OperandArg: File}
	for _, b := range []byte("Nfinoprsuvw") {
		c.Flags = append(c.Flags, Flag{Short: b, Help: "what " + string(rune(b)) + " does"})
	}
	c.Flags = append(c.Flags,
		Flag{Short: 'c', Arg: "config_dir", Kind: Dir, Help: "read main.cf in that folder, instead of the one compiled in or named by MAIL_CONFIG"},
		Flag{Short: 'd', Arg: "key", Help: "delete"},
		Flag{Short: 'q', Arg: "key", Help: "query", Doc: "Look the key up.\n\nExample:\n\n    postalias -q root aliases\n\n.dot and \\ and 'quote'."},
		Flag{Short: 'j', NoUsage: true, Help: "JSON"},
		Flag{Long: "verify", Help: "read everything back"},
		Flag{Long: "verbose-build", Help: "show it's [progress]: all"},
		Flag{Long: "mode", Arg: "octal", Values: []string{"0644", "0640"}, Help: "mode of the table"},
		Flag{Long: "convert", Arg: "old", Kind: File, Help: "records of that table"},
		Flag{Long: "secret", Hidden: true, Help: "not shown"},
	)
	c.Description = "Makes alias tables.\n\n    postalias aliases\n\nMore."
	c.Sections = []Section{{"SEE ALSO", "aliases(5)"}}
	return c
}

func spell(opts []Option) string {
	var b strings.Builder
	for _, o := range opts {
		fmt.Fprintf(&b, "%s", o.Flag)
		if o.Flag.Arg != "" {
			fmt.Fprintf(&b, "(%s)", o.Value)
		}
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, opts, operands, err string }{
		{"", "", "", ""},
		{"-fo x -q", "-f-o", "x -q", ""},
		{"-foqkey x", "-f-o-q(key)", "x", ""},
		{"-foq key x", "-f-o-q(key)", "x", ""},
		{"-q -- -f", "-q(--)-f", "", ""},
		{"-f -- -o", "-f", "-o", ""},
		{"-q - -", "-q(-)", "-", ""},
		{"-fXo a", "-f", "a", "invalid option -- 'X'"},
		{"-f-o a", "-f", "a", "invalid option -- '-'"},
		{"-f:", "-f", "", "invalid option -- ':'"},
		{"-fq", "-f", "", "option requires an argument -- 'q'"},
		{"--verify --mode=0600 --mode 1 a", "--verify--mode(0600)--mode(1)", "a", ""},
		{"--mode=", "--mode()", "", ""},
		{"--veri --secret x", "--verify--secret", "x", ""},
		{"-f --ver x", "-f", "x", "option '--ver' is ambiguous; possibilities: '--verify' '--verbose-build'"},
		{"--verify=1", "", "", "option '--verify' doesn't allow an argument"},
		{"--mod", "", "", "option '--mode' requires an argument"},
		{"--vreify", "", "", "unrecognized option '--vreify'; did you mean --verify?"},
		{"--secre", "", "", "unrecognized option '--secre'"},
		{"--zzzzzz", "", "", "unrecognized option '--zzzzzz'"},
		{"--=x", "", "", "unrecognized option '--'"},
	} {
		opts, operands, err := sample().Parse(strings.Fields(c.args))
		text := ""
		if err != nil {
			text = err.Error()
		}
		if spell(opts) != c.opts || strings.Join(operands, " ") != c.operands || text != c.err {
			t.Errorf("%q: got %s | %q | %s", c.args, spell(opts), operands, text)
		}
	}
	empty := []string{"-q", "", ""}
	if opts, operands, err := sample().Parse(empty); err != nil || spell(opts) != "-q()" || len(operands) != 1 {
		t.Errorf("empty words: got %s %q %v", spell(opts), operands, err)
	}
}

func TestOption(t *testing.T) {
	f := &Flag{Short: 'c', Long: "config"}
	o := Option{Flag: f}
	if !o.Is("c") || !o.Is("config") || o.Is("") || o.Is("d") || o.Name() != "c" {
		t.Errorf("names of %+v", f)
	}
	if (Option{Flag: &Flag{Long: "x"}}).Is("\x00") {
		t.Error("a flag without a short form has one")
	}
}

// What the real command says about wrong command lines: getopt's line and the
// usage line.
func TestAgainstReal(t *testing.T) {
	real := realpostfix.Need(t, "postalias")
	lines := []string{"-X", "-fX", "-q", "-fc", "-:", "--", "-f --", "-fo-", "-\x01", "-\xe9", ""}
	var calls []realpostfix.Call
	for _, l := range lines {
		calls = append(calls, realpostfix.Call{Name: "postalias", Args: strings.Fields(l)})
	}
	for i, res := range real.RunAll(calls) {
		want := ""
		for line := range strings.Lines(res.Stderr) {
			// getopt prints the path it was called by, the rest the base name.
			_, text, _ := strings.Cut(line, "postalias: ")
			want += text
		}
		_, _, err := sample().Parse(strings.Fields(lines[i]))
		got := "fatal: usage: " + sample().Usage() + "\n"
		if err != nil {
			got = err.Error() + "\n" + got
		}
		if got != want {
			t.Errorf("%q: ours (+) differs from the real one's (-):\n%s", lines[i], golden.Diff(want, got))
		}
	}
}

func TestTexts(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, a *golden.Archive) {
		c := sample()
		a.Want(t, "help", c.Help())
		a.Want(t, "man", c.Man("postfixkit 1.0", "November 2026"))
		for _, shell := range Shells() {
			script, err := c.Completion(shell)
			if err != nil {
				t.Fatal(err)
			}
			a.Want(t, shell, script)
		}
	})
	if _, err := sample().Completion("csh"); err == nil {
		t.Error("csh: no error")
	}
	c := &Command{Name: "x", Synopsis: []string{"[-a] one", "-b two"}}
	if got, want := c.Usage(), "x [-a] one\n       x -b two"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// bash itself completes with the script. Without a bash there is nothing to ask.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		return
	}
	script, err := sample().Completion("bash")
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{
		"postalias --ver":      "--verify --verbose-build",
		"postalias --mode 064": "0644 0640",
		"postalias -q x":       "",
		"postalias getopt.g":   "getopt.go",
	} {
		all := strings.Fields(words)
		run := script + fmt.Sprintf("\nCOMP_WORDS=(%s); COMP_CWORD=%d; _postalias; echo \"${COMPREPLY[*]}\"\n", words, len(all)-1)
		out, err := exec.Command(bash, "-c", run).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q: got %q (%v), want %q", words, out, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"-fo x", "-q\x00-f", "--mode=1\x00x", "-\x00--", "--ver"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		opts, operands, err := sample().Parse(args)
		// Nothing is lost: the operands are the end of the line, and spelling
		// the options out gives the same options again.
		if strings.Join(args[len(args)-len(operands):], "\x00") != strings.Join(operands, "\x00") {
			t.Fatalf("%q: operands %q", args, operands)
		}
		if err != nil {
			return
		}
		var again []string
		for _, o := range opts {
			again = append(again, o.Flag.String())
			if o.Flag.Arg != "" {
				again = append(again, o.Value)
			}
		}
		opts2, rest, err := sample().Parse(append(append(again, "--"), operands...))
		if err != nil || spell(opts2) != spell(opts) || len(rest) != len(operands) {
			t.Fatalf("%q: %s, again %s (%v)", args, spell(opts), spell(opts2), err)
		}
	})
}
