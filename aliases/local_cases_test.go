//go:build linux

package aliases

import (
	"fmt"
	"strings"
)

// chainOf returns n aliases of which each lists the next.
func chainOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "NNa%d: NNa%d\n", i, i+1)
	}
	fmt.Fprintf(&b, "NNa%d: DIR/out/NN\n", n)
	return b.String()
}

// includesOf returns n files of which each includes the next.
func includesOf(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("lists/NN-%d", i)] = fmt.Sprintf(":include:DIR/lists/NN-%d\n", i+1)
	}
	files[fmt.Sprintf("lists/NN-%d", n)] = "far@remote.test\n"
	return files
}

func localConfigs() []localConfig {
	return []localConfig{
		{name: "defaults", cases: []localCase{
			{name: "file", aliases: "NN: DIR/out/NN\n", to: "NN"},
			{name: "command", aliases: "NN: \"|cat >/dev/null; echo \\\"x y\\\"\"\n", to: "NN"},
			{name: "bare-command", aliases: "NN: |/bin/true\n", to: "NN"},
			{name: "remote", aliases: "NN: a@remote.test, \"two words\"@remote.test\n", to: "NN"},
			{name: "remote-twice", aliases: "NN: a@remote.test, A@Remote.Test, a@remote.test\n", to: "NN"},
			{name: "file-twice", aliases: "NN: DIR/out/NN, DIR/out/NN, \"DIR/out/NN\"\n", to: "NN"},
			{name: "command-twice", aliases: "NN: \"|exit 0\", \"|exit 0\", \"|exit  0\"\n", to: "NN"},
			{name: "user", aliases: "NN: games\n", to: "NN"},
			{name: "no-alias", to: "games"},
			{name: "unknown", aliases: "NN: NNnobody-there\n", to: "NN"},
			{name: "unknown-user", to: "NNnobody-there"},
			{name: "upper-case", aliases: "NNup: DIR/out/NN\n", to: "NNUp"},
			{name: "chain", aliases: "NN: NNb, NNc\nNNb: NNc\nNNc: DIR/out/NN, r@remote.test\n", to: "NN"},
			{name: "self", aliases: "games: games, DIR/out/NN\n", to: "games"},
			{name: "self-case", aliases: "Daemon: DAEMON, DIR/out/NN\n", to: "daemon"},
			{name: "loop-of-two", aliases: "NN: NNb\nNNb: NN\n", to: "NN"},
			{name: "loop-with-exit", aliases: "NN: NNb, DIR/out/NN\nNNb: NN, r@remote.test\n", to: "NN"},
			{name: "depth-24", aliases: chainOf(24), to: "NNa0"},
			{name: "depth-25", aliases: chainOf(25), to: "NNa0"},
			{name: "depth-26", aliases: chainOf(26), to: "NNa0"},
			{name: "no-target", aliases: "NN: <>\n", to: "NN"},
			{name: "only-comma", aliases: "NN: ,\n", to: "NN"},
			{name: "group", aliases: "NN: list: a@remote.test, b@remote.test;, DIR/out/NN\n", to: "NN"},
			{name: "phrase", aliases: "NN: Some Body <a@remote.test>, (comment) b@remote.test (more)\n", to: "NN"},
			{name: "no-commas", aliases: "NN: a@remote.test b@remote.test DIR/out/NN\n", to: "NN"},
			{name: "comment-is-none", aliases: "NN: a@remote.test # b@remote.test\n", to: "NN"},
			{name: "continued", aliases: "NN: a@remote.test,\n# c\n   b@remote.test\n\n   c@remote.test\n", to: "NN"},
			{name: "quoted-name", aliases: "\"NN two words\": DIR/out/NN\n", to: "NN two words"},
			{name: "needless-quotes", aliases: "\"NN\": DIR/out/NN\n", to: "NN",
				since: "the table has the name with its quotes, and local(8) asks without (CheckNeedlessQuotes)"},
			{name: "needed-quotes", aliases: "\"NN(x)\": DIR/out/NN\n\"NN,y\": DIR/out/NNy\n", to: "NN,y"},
			{name: "escaped-name", aliases: "NN\\ x: DIR/out/NN\n", to: "NN x"},
			{name: "dotted-name", aliases: "NN.x: DIR/out/NN\n", to: "NN.x"},
			{name: "percent-name", aliases: "\"NN%x\": DIR/out/NN\n", to: "NN%x"},
			{name: "quoted-at", aliases: "\"NN@x\": DIR/out/NN\n", to: "NNnot"},
			{name: "tilde", aliases: "NN: ~/x, a@remote.test\n", to: "NN"},
			{name: "tilde-user", aliases: "NN: ~games/x\n", to: "NN"},
			{name: "include", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": "# comment\na@remote.test, b@remote.test\n\nc@remote.test (comment)\n"}},
			{name: "include-indented-comment", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": " # a@remote.test\n"}},
			{name: "include-quoted", aliases: "NN: \":include:DIR/lists/NN x\"\n", to: "NN",
				files: map[string]string{"lists/NN x": "a@remote.test\n"}},
			{name: "include-upper-case", aliases: "NN: :INCLUDE:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": "a@remote.test"}},
			{name: "include-restricted", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": "|/bin/true\nDIR/out/NN\na@remote.test\n"}},
			{name: "include-nested", aliases: "NN: :include:DIR/lists/NN, b@remote.test\n", to: "NN",
				files: map[string]string{"lists/NN": ":include:DIR/lists/NN-2, a@remote.test\n", "lists/NN-2": "c@remote.test\na@remote.test\n"}},
			{name: "include-loop", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": "a@remote.test\n:include:DIR/lists/NN-2\n", "lists/NN-2": ":include:DIR/lists/NN\nb@remote.test\n"}},
			{name: "include-missing", aliases: "NN: :include:DIR/lists/no-such, b@remote.test\n", to: "NN"},
			{name: "include-relative", aliases: "NN: :include:lists/x, b@remote.test\n", to: "NN"},
			{name: "include-folder", aliases: "NN: :include:DIR/lists, b@remote.test\n", to: "NN"},
			{name: "include-writable", aliases: "NN: :include:DIR/lists/NN-writable, b@remote.test\n", to: "NN",
				files: map[string]string{"lists/NN-writable": "a@remote.test\n"}},
			{name: "include-empty", lost: true, aliases: "NN: :include:DIR/lists/NN\n", to: "NN", files: map[string]string{"lists/NN": "# nothing\n"}},
			{name: "include-alias", aliases: "NN: :include:DIR/lists/NN\nNNb: DIR/out/NN, c@remote.test\n", to: "NN",
				files: map[string]string{"lists/NN": "NNb\n"}},
			{name: "include-own-alias", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": "NN, a@remote.test\n"}},
			{name: "include-self-referring-alias", aliases: "NN: :include:DIR/lists/NN\nbin: bin, b@remote.test\n", to: "NN",
				files: map[string]string{"lists/NN": "bin\n"}},
			{name: "include-user", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": "man, man@localhost, news\n"}},
			{name: "include-unknown", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": "NNnobody-there\n"}},
			{name: "include-long-line", aliases: "NN: :include:DIR/lists/NN\n", to: "NN",
				files: map[string]string{"lists/NN": strings.Repeat("a@remote.test, ", 200) + "\nb@remote.test\n"}},
			{name: "include-97", aliases: "NN: :include:DIR/lists/NN-0\n", to: "NN", files: includesOf(96)},
			{name: "include-98", aliases: "NN: :include:DIR/lists/NN-0\n", to: "NN", files: includesOf(97),
				before: "nested :include: files have no limit before 3.12"},
			{name: "include-semicolon", aliases: "NN: :include:DIR/out/NN;\n", to: "NN"},
			{name: "owner", aliases: "NN: a@remote.test, DIR/out/NN\nowner-NN: boss@remote.test\n", to: "NN"},
			{name: "owner-user", aliases: "NN: lp, sync\nowner-NN: sync\n", to: "NN"},
			{name: "owner-child", aliases: "NN: NNb, c@remote.test\nowner-NN: boss@remote.test\nNNb: a@remote.test\nowner-NNb: boss2@remote.test\n", to: "NN"},
			{name: "owner-inherited", aliases: "NN: NNb\nowner-NN: boss@remote.test\nNNb: a@remote.test, uucp\n", to: "NN"},
			{name: "owner-itself", aliases: "owner-NN: a@remote.test\n", to: "owner-NN"},
			{name: "domains", aliases: "NN: mail@localhost, list@LocalHost.\nlist: DIR/out/NN\n", to: "NN"},
			{name: "percent", aliases: "NN: a%remote.test, remote.test!b, c%remote.test@localhost, \"d@remote.test\"@localhost\n", to: "NN"},
			{name: "bang-path", aliases: "NN: remote.test!x!b, c%d%remote.test\n", to: "NN"},
			{name: "bad-addresses", aliases: "NN: -a@remote.test, a@-b, a@b..c, a@1.2.3.4.5, a@remote.test.\n", to: "NN"},
			{name: "no-domain", aliases: "NN: a@, !a, a%, \"b@\"@localhost, c@@localhost\n", to: "NN"},
			{name: "literals", aliases: "NN: a@[1.2.3.4], b@[01.2.3.4], c@[0.0.0.1], d@[::1], e@[ipv6:1.2.3.4], f@[IPv6:::1], g@[x], h@[], j@[IPv6:1:2:3:4:5:6:7::], k@[IPv6:1:2:3:4:5:6:7:8], l@[IPv6:::1.2.3.4], m@[IPv6:1::2::3], i@[ # y]\n", to: "NN"},
			{name: "at-alone", aliases: "NN: @\n", to: "NN"},
			{name: "route", aliases: "NN: <@r1.test,@r2.test:a@remote.test>\n", to: "NN"},
			{name: "backslash", aliases: "NN: \"\\\\proxy\"\nproxy: DIR/out/NN\n", to: "NN"},
			{name: "extension-without-delimiter", aliases: "NN: DIR/out/NN\n", to: "NN+ext"},
			{name: "forward", to: "www-data", files: map[string]string{"home/www-data.forward": "# c\na@remote.test\nDIR/out/NN, |/bin/true\n"}},
			{name: "forward-self", to: "backup", files: map[string]string{"home/backup.forward": "\\backup, a@remote.test, backup\n"}},
			{name: "forward-empty", to: "irc", files: map[string]string{"home/irc.forward": "\n# nothing\n"}},
			{name: "forward-writable", to: "sys", files: map[string]string{"home/sys.forward": "a@remote.test\n"}},
			{name: "forward-include-self", to: "_apt", files: map[string]string{"home/_apt.forward": ":include:DIR/lists/NN\n", "lists/NN": "_apt, a@remote.test\n"}},
			{name: "alias-and-forward", aliases: "list-NN: www-data, irc\n", to: "list-NN"},
			{name: "forward-loop", aliases: "", to: "nobody", files: map[string]string{"home/nobody.forward": "NNback\n"}},
		}},
		{name: "delimiters", main: "recipient_delimiter = +-\n",
			set: func(x *Expander) { x.Delimiters = "+-" }, cases: []localCase{
				{name: "user-only", aliases: "NN: a@remote.test\n", to: "NN+ext"},
				{name: "whole-first", aliases: "NN: a@remote.test\nNN+ext: b@remote.test\n", to: "NN+ext"},
				{name: "other-delimiter", aliases: "NN: a@remote.test\nNN+ext: b@remote.test\n", to: "NN-ext"},
				{name: "first-delimiter", aliases: "NN: a@remote.test\nNN+a: b@remote.test\n", to: "NN+a-b"},
				{name: "slash", aliases: "NN: a@remote.test\n", to: "NN+a/b"},
				{name: "mailbox", to: "games+ext"},
				{name: "request", aliases: "NN: a@remote.test\n", to: "NN-request"},
				{name: "owner", aliases: "owner: a@remote.test\n", to: "owner-NN"},
				{name: "alias-to-extension", aliases: "NN: NNb+x\nNNb: c@remote.test\nNNb+x: d@remote.test\n", to: "NN+y"},
				{name: "forward-extension", to: "daemon+x", files: map[string]string{"home/daemon.forward+x": "a@remote.test\n", "home/daemon.forward": "b@remote.test\n"}},
				{name: "forward-plain", to: "daemon+y"},
				{name: "self-with-extension", aliases: "lp: lp+list, a@remote.test\n", to: "lp"},
				{name: "empty-extension", aliases: "NN: a@remote.test\n", to: "NN+"},
			}},
		{name: "propagate", main: "recipient_delimiter = +\npropagate_unmatched_extensions = alias, forward, include\n",
			set: func(x *Expander) { x.Delimiters, x.PropagateUnmatched = "+", InAlias|InForward|InInclude }, cases: []localCase{
				{name: "alias", aliases: "NN: a@remote.test, DIR/out/NN, NNb\nNNb+ext: b@remote.test\n", to: "NN+ext"},
				{name: "matched", aliases: "NN+ext: a@remote.test\n", to: "NN+ext"},
				{name: "include", aliases: "NN: :include:DIR/lists/NN\n", to: "NN+ext", files: map[string]string{"lists/NN": "a@remote.test, b+c@remote.test\n"}},
				{name: "forward", to: "daemon+z", files: map[string]string{"home/daemon.forward": "b@remote.test\n"}},
				{name: "forward-matched", to: "games+x", files: map[string]string{"home/games.forward+x": "b@remote.test\n"}},
				{name: "growing", aliases: "NN: NNb+x\nNNb: NN+y\n", to: "NN+z"},
			}},
		{name: "owners", main: "expand_owner_alias = yes\nreset_owner_alias = yes\nallow_mail_to_commands = include\nallow_mail_to_files = alias, include\n",
			set: func(x *Expander) {
				x.ExpandOwner, x.ResetOwner, x.AllowCommands, x.AllowFiles = true, true, InInclude, InAlias|InInclude
			}, cases: []localCase{
				{name: "expanded", aliases: "NN: a@remote.test\nowner-NN: boss@remote.test\n", to: "NN"},
				{name: "reset", aliases: "NN: NNb, b@remote.test\nowner-NN: boss@remote.test\nNNb: a@remote.test, games\n", to: "NN"},
				{name: "command-in-alias", aliases: "NN: |/bin/true, DIR/out/NN\n", to: "NN"},
				{name: "command-in-include", aliases: "NN: :include:DIR/lists/NN\n", to: "NN", files: map[string]string{"lists/NN": "|/bin/true\nDIR/out/NN\n"}},
				{name: "in-forward", to: "daemon", files: map[string]string{"home/daemon.forward": "|/bin/true\nDIR/out/NN\n"}},
			}},
		{name: "plain-owners", main: "owner_request_special = no\nrecipient_delimiter = -\n",
			set: func(x *Expander) { x.NoOwnerSpecial, x.Delimiters = true, "-" }, cases: []localCase{
				{name: "no-sender", aliases: "NN: a@remote.test\nowner-NN: boss@remote.test\n", to: "NN"},
				{name: "split", aliases: "owner: a@remote.test\n", to: "owner-NN"},
				{name: "split-request", aliases: "NN: a@remote.test\n", to: "NN-request"},
			}},
	}
}
