package getopt

import (
	"fmt"
	"strings"
)

// Shells are the names that Completion knows.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Completion is a script which teaches the shell the command's options.
func (c *Command) Completion(shell string) (string, error) {
	switch shell {
	case "bash":
		return c.bash(), nil
	case "zsh":
		return c.zsh(), nil
	case "fish":
		return c.fish(), nil
	}
	return "", fmt.Errorf("no completion for shell %q: known are %s", shell, strings.Join(Shells(), ", "))
}

func (c *Command) shown() (flags []*Flag) {
	for i := range c.Flags {
		if f := &c.Flags[i]; !f.Hidden {
			flags = append(flags, f)
		}
	}
	return flags
}

// words are all forms of the flag.
func (f *Flag) words() (all []string) {
	if f.Short != 0 {
		all = append(all, "-"+string(rune(f.Short)))
	}
	if f.Long != "" {
		all = append(all, "--"+f.Long)
	}
	return all
}

func (c *Command) bash() string {
	var b strings.Builder
	name := "_" + identifier(c.Name)
	fmt.Fprintf(&b, "# bash completion for %s\n%s() {\n", c.Name, name)
	b.WriteString("    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n    COMPREPLY=()\n    case $prev in\n")
	var options []string
	for _, f := range c.shown() {
		options = append(options, f.words()...)
		if f.Arg != "" {
			fmt.Fprintf(&b, "    %s)\n        %s\n        return ;;\n", strings.Join(f.words(), "|"), bashArg(f.Kind, f.Values))
		}
	}
	b.WriteString("    esac\n    case $cur in\n    -*)\n")
	fmt.Fprintf(&b, "        mapfile -t COMPREPLY < <(compgen -W %s -- \"$cur\")\n        return ;;\n    esac\n", quote(strings.Join(options, " ")))
	fmt.Fprintf(&b, "    %s\n}\ncomplete -o filenames -F %s %s\n", bashArg(c.OperandArg, nil), name, c.Name)
	return b.String()
}

func bashArg(kind Kind, values []string) string {
	switch {
	case len(values) > 0:
		return `mapfile -t COMPREPLY < <(compgen -W ` + quote(strings.Join(values, " ")) + ` -- "$cur")`
	case kind == Dir:
		return `mapfile -t COMPREPLY < <(compgen -d -- "$cur")`
	case kind == File:
		// After "type:" bash has begun a new word, so plain names do.
		return `mapfile -t COMPREPLY < <(compgen -f -- "${cur#:}")`
	}
	return ":"
}

func (c *Command) zsh() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n_arguments -s -S -A '-*' \\\n", c.Name)
	for _, f := range c.shown() {
		for _, w := range f.words() {
			spec := "*" + w
			if f.Arg != "" && f.Long != "" && strings.HasPrefix(w, "--") {
				spec += "="
			} else if f.Arg != "" {
				spec += "+"
			}
			spec += "[" + strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(f.Help) + "]"
			if f.Arg != "" {
				spec += ":" + strings.ReplaceAll(f.Arg, ":", `\:`) + ":" + zshArg(f.Kind, f.Values)
			}
			fmt.Fprintf(&b, "    %s \\\n", quote(spec))
		}
	}
	fmt.Fprintf(&b, "    %s\n", quote("*:operand:"+zshArg(c.OperandArg, nil)))
	return b.String()
}

func zshArg(kind Kind, values []string) string {
	switch {
	case len(values) > 0:
		return "(" + strings.Join(values, " ") + ")"
	case kind == Dir:
		return "_files -/"
	case kind == File:
		return "_files"
	}
	return " "
}

func (c *Command) fish() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# fish completion for %s\n", c.Name)
	if c.OperandArg != File {
		fmt.Fprintf(&b, "complete -c %s -f\n", c.Name)
	}
	for _, f := range c.shown() {
		fmt.Fprintf(&b, "complete -c %s", c.Name)
		if f.Short != 0 {
			fmt.Fprintf(&b, " -s %s", quote(string(rune(f.Short))))
		}
		if f.Long != "" {
			fmt.Fprintf(&b, " -l %s", quote(f.Long))
		}
		switch {
		case len(f.Values) > 0:
			fmt.Fprintf(&b, " -x -a %s", quote(strings.Join(f.Values, " ")))
		case f.Kind == Dir && f.Arg != "":
			b.WriteString(" -x -a '(__fish_complete_directories)'")
		case f.Kind == File && f.Arg != "":
			b.WriteString(" -r")
		case f.Arg != "":
			b.WriteString(" -x")
		}
		fmt.Fprintf(&b, " -d %s\n", quote(f.Help))
	}
	return b.String()
}

// quote is a word in single quotes, for all three shells.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func identifier(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, s)
}
