//go:build unix

package mapcmd

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/textmap"
)

// sources are map sources by name: the corpus of the textmap package, corners
// made by hand, and generated ones.
func sources(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob("../../../textmap/testdata/corpus/*")
	if err != nil || len(files) < 30 {
		t.Fatalf("corpus: %d files, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)[:8]] = string(b)
	}
	for i, s := range []string{
		"",
		"# nothing but a comment\n",
		"a 1\nb 2\nc 3",
		"A@Example.ORG  one\na@example.org two\nb three\n",
		"# c\n\na\t1\n  more\n\n# inside\n  end\nb 2",
		"\"two words\"@x  v\n\"a\\\"b\" c\nback\\ slash d\n",
		"\"open quote v\nx y\n",
		"  leading white space that is longer than thirty bytes\n and goes on\nx y\n",
		" short\nx y\n",
		"keyonly\nempty-value   \nx y\n",
		"alias: x\nother : y\n",
		"a 1\r\nb 2\r\n\r\n  c\r\n",
		"bad\xff 1\nStra\xc3\x9fe@x 2\nSTRASSE@X 3\nA\xcc\x8a x\n",
		"esc\x1b[31m v\n\x1b\x07\nx y\n",
		"d 1 # no comment\n",
		"k\n  v on the next line\n",
		"a 1\na 2\na 3\nb 1\nA 4\n",
		"@example.com catch\nexample.com OK\n.example.com OK\n192.168 REJECT\n[::1] x\n",
		strings.Repeat("x", 3000) + " long key\nshort " + strings.Repeat("v", 6000) + "\n",
		"k 1\n" + strings.Repeat("# c\n", 50) + " 2\n",
	} {
		all[fmt.Sprintf("corner%02d", i)] = s
	}
	for i := range 30 {
		all[fmt.Sprintf("random%02d", i)] = randomSource(rand.New(rand.NewPCG(uint64(i), 7)), 1+i*i)
	}
	return all
}

// randomSource writes lines that are mostly right.
func randomSource(r *rand.Rand, lines int) string {
	var b strings.Builder
	word := func() string {
		const letters = "abcdefgABCxyzäÖß0123"
		runes := []rune(letters)
		n := 1 + r.IntN(12)
		out := make([]rune, n)
		for i := range out {
			out[i] = runes[r.IntN(len(runes))]
		}
		return string(out)
	}
	for range lines {
		switch r.IntN(20) {
		case 0:
			b.WriteString("# " + word() + "\n")
		case 1:
			b.WriteString("\n")
		case 2:
			b.WriteString("  " + word() + "\n")
		case 3:
			b.WriteString(word() + "\n")
		case 4:
			b.WriteString("\"" + word() + " " + word() + "\"@" + word() + "\t" + word() + "\n")
		case 5:
			b.WriteString("\"" + word() + "\n")
		case 6:
			b.WriteString(word() + ": " + word() + ", " + word() + "\n")
		case 7:
			b.WriteString(word() + "\xfe " + word() + "\n")
		default:
			b.WriteString(word() + "@" + word() + ".example" + strings.Repeat(" ", 1+r.IntN(3)) + word() + " " + word() + "\n")
		}
	}
	return b.String()
}

// keysOf returns keys to ask a table made from src for: some of its own, in
// other cases, and some that are not there.
func keysOf(src string, r *rand.Rand) string {
	var keys []string
	f, _ := textmap.Parse("", []byte(src), &textmap.Options{NoFold: true, NoUTF8: true})
	for e := range f.All() {
		if len(e.RawKey) < 200 && r.IntN(3) == 0 && len(keys) < 40 {
			keys = append(keys, e.RawKey, strings.ToUpper(e.RawKey))
		}
	}
	keys = append(keys, "nosuch", "bad\xffkey", "STRASSE@x", "x y", "a")
	return strings.Join(keys, "\n") + "\n"
}

// buildScenarios crosses types, options and sources.
func buildScenarios(t testing.TB) (all []scenario) {
	flags := [][]string{nil, {"-f"}, {"-u"}, {"-n"}, {"-N"}, {"-r"}, {"-w"}, {"-p"}, {"-o"}, {"-nf"}, {"-rN"}, {"-w", "-f"}, {"-fu"}, {"-n", "-N", "-w", "-r"}}
	i := 0
	texts := sources(t)
	for _, name := range slices.Sorted(maps.Keys(texts)) { // the same cases in every run
		src := texts[name]
		for _, typ := range []string{"hash", "btree", "lmdb", "cdb"} {
			for _, fl := range flags {
				i++
				r := rand.New(rand.NewPCG(uint64(i), 1))
				var nul []string
				for _, f := range fl {
					for _, c := range f[1:] {
						if strings.ContainsRune("fnNu", c) {
							nul = append(nul, "-"+string(c))
						}
					}
				}
				sc := scenario{
					name:  fmt.Sprintf("%s/%s/%s", typ, strings.Join(fl, ""), name),
					files: map[string]string{"m": src},
					steps: []step{{args: append(fl[:len(fl):len(fl)], typ+":m")}},
				}
				query := step{args: append(nul[:len(nul):len(nul)], "-q", "-", typ+":m"), stdin: keysOf(src, r)}
				dump := step{args: append(nul[:len(nul):len(nul)], "-s", typ+":m")}
				switch i % 4 {
				case 0:
					sc.steps = append(sc.steps, query)
				case 1:
					if typ != "cdb" {
						sc.steps = append(sc.steps, dump)
					}
				case 2: // built twice: the second build meets a table
					sc.steps = append(sc.steps, sc.steps[0], query)
				case 3:
					if typ == "cdb" {
						break
					}
					more := append(fl[:len(fl):len(fl)], "-i", typ+":m")
					sc.steps = append(sc.steps, step{args: more, stdin: "added 1\na@example.org again\nBad\nadded 2\n"},
						step{args: append(nul[:len(nul):len(nul)], "-d", "-", typ+":m"), stdin: "added\nnosuch\n" + keysOf(src, r)}, query)
				}
				sc.mode = []os.FileMode{0o644, 0o600, 0o640, 0o664, 0o444, 0o604}[i%6]
				if os.Geteuid() == 0 && i%5 == 0 {
					sc.owner = 1 // daemon
				}
				all = append(all, sc)
			}
		}
	}
	return all
}

// commandLines are single command lines: conflicts, wrong words, unknown types,
// missing files, several operands.
func commandLines(tool string) (all []scenario) {
	lines := []string{
		"", "-X", "-q", "-c", "-s", "-q a -q b", "-s -q a m", "-q a -s m", "-d a -q b m", "-d a -d b m", "-s -d a m", "-s -s hash:m", "-q a -d b m",
		"-z m", "-i -q a hash:m", "-q a -i hash:m", "-i -s hash:m", "-q a hash:", "-q a foo:m", "-d a foo:m", "-s foo:m", "foo:m", "texthash:m", "regexp:m", "pcre:m", "cidr:m", "static:m", "inline:m",
		"hash:nosuch", "btree:nosuch", "lmdb:nosuch", "cdb:nosuch", "-q a hash:nosuch", "-q a btree:nosuch", "-q a cdb:nosuch", "-q a lmdb:nosuch",
		"-d a hash:nosuch", "-d a btree:nosuch", "-s hash:nosuch", "-s btree:nosuch", "-s lmdb:nosuch", "-q - hash:nosuch", "-d - hash:nosuch",
		"proxy:hash:m", "-s proxy:hash:m", ":m", "-q a :m", "hash:", "hash:m -q b", "-q a m", "m", "-- m", "-fo m", "-fcX", "m hash:other btree:third",
		"-q a hash:m", "-fq A hash:m", "-q A hash:m", "-q nosuch hash:m", "-q a hash:m hash:nosuch", "-q x hash:nosuch hash:m", "-d a hash:m", "-d nosuch hash:m",
		"-i hash:new", "-i btree:new", "-i lmdb:new", "-i cdb:new", "-i hash:m", "-s hash:m hash:m", "-s btree:m", "-q a btree:m", "-i btree:m",
		"-q  hash:m", "-q \xff hash:m", "-d \xff hash:m", "-n -q a hash:m", "-N -q a hash:m", "-q - hash:m", "-d - hash:m", "dir", "hash:dir", "-o hash:m", "-p hash:m",
		"-q k static:value", "-q k static:{a b}", "-q k inline:{k=v}", "-q k unionmap:{static:a,static:b}", "-q k pipemap:{static:a,inline:{a=b}}", "-q k fail:x",
		"-q a texthash:m", "-q nosuch texthash:m", "-q x texthash:nosuch", "-s texthash:m", "-d a texthash:m", "-d a static:m", "-d a regexp:re", "-s regexp:re", "-q foobar regexp:re",
		"-q foobar pcre:re", "-q 10.1.2.3 cidr:ci", "-q 10.1.2.3 cidr:nosuch", "-q x regexp:nosuch", "-q - regexp:re", "-q - cidr:ci", "-q root unix:passwd.byname",
		"-F hash:vf", "-Fq a hash:vf", "-F -s hash:m", "-F -q a hash:m", "-m", "-m m", "-b m", "-h -q a m", "-b -q a m", "-m -q - regexp:re", "-h -q - regexp:re", "-b -q - regexp:re",
		"-hm -q - regexp:re", "-bm -q - regexp:re", "-hb -q - regexp:re", "-hbm -q - regexp:re", "-hU -q - regexp:re",
	}
	stdins := []string{"", "a 1\nnew 2\n", "a\nb\nA\nnosuch\n", "foobar\n10.9.9.9\n",
		"Subject: foobar\n  folded\nTo: x\n\nbody foobar\nmore\n"}
	for i, l := range lines {
		for j, in := range stdins {
			if j > 0 && !strings.Contains(l, "- ") && !strings.HasSuffix(l, "-") && !strings.Contains(l, "-i") {
				continue
			}
			args := strings.Split(l, " ")
			if l == "" {
				args = nil
			}
			sc := scenario{
				name: fmt.Sprintf("%s %s <%d", tool, l, j),
				files: map[string]string{
					"m": "a 1\nB 2\nc 3\na 4\n", "other": "x y\n", "third": "x z\n", "re": "/foo/ found $(1)\n/^(subject): (.*)/ hit $2\n/body (.*)/ body $1\nif /x/\n/y/ z\nendif\n",
					"ci": "10.0.0.0/8 OK ten\n192.168.0.1 one\n", "vf": "a m\nb nosuch\nc m,other\n",
				},
			}
			if tool == "postalias" {
				sc.files["m"] = "a: 1\nB: 2, \"x y\"\nc: 3\na: 4\n"
				sc.files["other"], sc.files["third"] = "x: y\n", "x: z\n"
			}
			if i%2 == 0 && !strings.Contains(l, "new") {
				sc.steps = append(sc.steps, step{tool: tool, args: []string{"hash:m"}})
			}
			sc.steps = append(sc.steps, step{tool: tool, args: args, stdin: in})
			all = append(all, sc)
		}
	}
	return all
}

// withConfig are runs with a main.cf of their own.
func withConfig() (all []scenario) {
	const message = "Subject: one two three four five six\n\tseven eight nine ten eleven twelve\n thirteen\n" +
		"Content-Type: multipart/mixed; boundary=\"abcdefgh\"\n\nbody\n--abcdefgh\nX-One: 1\n" +
		"Content-Type: message/rfc822\n\nX-Inner: 1\n\ninner text\n--abcdxxxx\nX-Two: 2\n\ntext\n--abcdefgh--\nend\n"
	for i, config := range []string{
		"", "compatibility_level = 3.7\n", "default_database_type = btree\n", "default_database_type = $mail_name\n", "smtputf8_enable = no\n",
		"smtputf8_enable = yes\n", "header_size_limit = 40\n", "header_size_limit = 1\n", "header_size_limit = 0\n", "header_size_limit = -5\n", "header_size_limit = ten\n",
		"header_size_limit = 99999999999\n", "mime_boundary_length_limit = 4\n", "mime_nesting_limit = 1\n", "mime_nesting_limit = 2\nmime_boundary_length_limit = $mime_nesting_limit\n",
		"body_checks_size_limit = 3\n", "disable_mime_input_processing = yes\n",
	} {
		files := map[string]string{"main.cf": config, "m": "a 1\nStra\xdfe 2\nStra\xc3\x9fe 3\n", "any": "/./ hit\n"}
		for _, args := range []string{"m", "-q STRASSE m", "-q stra\xdfe m", "-h -q - regexp:any", "-hm -q - regexp:any", "-b -q - regexp:any", "-bm -q - regexp:any", "-hbm -q - regexp:any"} {
			if about := strings.Contains(config, "_limit") || strings.Contains(config, "mime"); about != strings.Contains(args, "regexp") {
				continue
			}
			sc := scenario{name: fmt.Sprintf("config %d %s", i, args), files: files, steps: []step{{tool: "postmap", args: strings.Split(args, " "), stdin: message}}}
			if strings.HasPrefix(args, "-q") {
				sc.steps = append([]step{{tool: "postmap", args: []string{"m"}}}, sc.steps...)
			}
			all = append(all, sc)
		}
	}
	return all
}

// masterNames are tables of postalias for different names of the machine.
func masterNames() (all []scenario) {
	for _, config := range []string{"", "mydomain = example.org\n", "mydomain = example.org\nmyhostname = mail.$mydomain\n", "myhostname = one\n"} {
		all = append(all, scenario{name: "master name " + config, files: map[string]string{"main.cf": config, "m": "a: b\n"}, steps: []step{{tool: "postalias", args: []string{"m"}}}})
	}
	return all
}

// emptyEntries are tables with what no source gives: an empty key and empty
// values. (The original dies of an empty value in cdb.)
func emptyEntries(t testing.TB) (all []scenario) {
	for _, typ := range []hashmap.Format{hashmap.Hash, hashmap.Btree, hashmap.LMDB} {
		b := hashmap.NewBuilder(typ, nil)
		for _, e := range [][2]string{{"", "of the empty key"}, {"e", ""}, {"k", "v"}} {
			if e[0] == "" && typ == hashmap.LMDB {
				continue
			}
			if err := b.Add(e[0], e[1]); err != nil {
				t.Fatal(err)
			}
		}
		var table bytes.Buffer
		if _, err := b.WriteTo(&table); err != nil {
			t.Fatal(err)
		}
		spec := typ.String() + ":m"
		for _, args := range [][]string{{"-s", spec}, {"-q", "e", spec}, {"-q", "", spec}, {"-q", "-", spec}, {"-s", "-N", spec}} {
			if typ == hashmap.LMDB && args[1] == "" {
				continue
			}
			for _, tool := range []string{"postmap", "postalias"} {
				all = append(all, scenario{name: fmt.Sprint("empty ", tool, args), files: map[string]string{hashmap.FileName(typ, "m"): table.String()},
					steps: []step{{tool: tool, args: args, stdin: "e\nk\n"}}})
			}
		}
	}
	for _, args := range []string{"-q k", "-s", "-d k"} {
		all = append(all, scenario{name: "no operand " + args, steps: []step{{args: append(strings.Fields(args), "")}}})
	}
	// Duplicates stand between other warnings.
	for _, args := range []string{"-q a", "-r -q a", "-w -q a", "-r -s", "-w -s", "-f -q a", "-F -q a", "-F -r -q a"} {
		all = append(all, scenario{name: "texthash " + args, files: map[string]string{"m": " x y\na nosuch\na m\nb: m\nlone\na f\n\"q x\n", "f": "content"},
			steps: []step{{args: append(strings.Fields(args), "texthash:m")}}})
	}
	// Rules over several lines, and warnings without a place.
	const rules = "  indented, and more than thirty bytes\n/a/\n\n# c\n  ${x}\n/b/ ${}\n/c/ $(\nendif x\nif /d/ x\nendif x\n/e/\n q\n/f/é z\n/g/\n $1\n10.0.0.0/8\n\n10.0.0.1/9\n z\nif 10.0.0.0/8\n"
	for _, typ := range []string{"regexp", "pcre", "cidr"} {
		all = append(all, scenario{name: "rules " + typ, files: map[string]string{"r": rules}, steps: []step{{args: []string{"-q", "10.0.0.1", typ + ":r"}}}})
	}
	return all
}

// otherTypes are tables that are no indexed files: listed, and with values that
// are files.
func otherTypes() (all []scenario) {
	files := map[string]string{
		"m": "a f\nA empty\nlone\nb: nosuch\n\"q Q\" f\n\"Q q\" f,nul\n", "f": "content", "empty": "", "nul": "x\x00y",
		"bad": "/a/ x\xff\n/b/ y\na x\xff\nb y\n", "re": "/a/ f\n/b/ nosuch\n/c/ f, empty\nif /x/\n/y/ f\nendif\n/e/ empty\n/n/\n",
		"ci": "10.0.0.0/8 f\nif 1.0.0.0/8\n1.1.1.1 f\nendif\n2.2.2.2 nosuch\n3.3.3.3 empty\n",
		"v":  "good YQ==\nshort abc\nbits Zm9=\nmore YQ==YQ==\nnul eAB5\nlong " + strings.Repeat("abcd", 9) + "?abc\nspace YQ= \n",
	}
	add := func(line, stdin string, before ...step) {
		all = append(all, scenario{name: line, files: files, steps: append(before, step{args: strings.Split(line, " "), stdin: stdin})})
	}
	for _, t := range []string{"inline:{a=f,B=nul,{c=f,f}}", "texthash:m"} {
		add("-s "+t, "")
		add("-F -s "+t, "")
	}
	for _, t := range []string{"internal:x", "static:f", "fail:x"} {
		add("-s "+t, "")
	}
	for _, t := range []string{"inline:{a=b}", "unionmap:{static:a}", "unix:passwd.byname", "fail:x"} {
		add("-d a "+t, "")
	}
	for _, t := range []string{"regexp:bad", "static:v\xff", "texthash:bad", "inline:{a=b}", "unionmap:{regexp:bad}", "unionmap:{static:a,texthash:m}", "hash:bad"} {
		add("-q - "+t, "b\n\xff\na\nc\n", step{args: []string{"hash:bad"}})
	}
	for _, t := range []string{"inline:{a=f,B=nul,{c=f,f}}", "inline:{a=nosuch}", "inline:{a=}", "texthash:m", "static:f", "static:nosuch", "randmap:{f,f}", "randmap:{f,nosuch}",
		"unionmap:{static:f,texthash:m}", "pipemap:{inline:{a=f}}", "regexp:re", "pcre:re", "cidr:ci"} {
		add("-F -q - "+t, "a\nb\nc\nxy\ne\n10.1.1.1\n1.1.1.1\n3.3.3.3\nq Q\n\"q Q\"\n")
	}
	for _, t := range []string{"{texthash:nosuch}", "{hash:nosuch}", "{static:a,cdb:nosuch}", "{foo:x}", "{regexp:nosuch}", "{unionmap:{btree:nosuch}}", "{hash:v,texthash:m}", "{static:a,lmdb:}"} {
		add("-q good unionmap:"+t, "", step{args: []string{"hash:v"}})
	}
	all = append(all,
		scenario{name: "value in postalias", files: files, steps: []step{{args: []string{"-u", "hash:bad"}}, {tool: "postalias", args: []string{"-q", "a", "hash:bad"}}}},
		// A table of root that the owner of the source may not change.
		scenario{name: "denied", owner: 1, files: files, steps: []step{{args: []string{"-o", "hash:m"}}, {args: []string{"hash:m"}}}},
		// What a table has without null bytes stays when it gets them.
		scenario{name: "null bytes", files: map[string]string{"m": "a: b\n"}, steps: []step{{tool: "postalias", args: []string{"-n", "hash:m"}},
			{tool: "postalias", args: []string{"-i", "hash:m"}, stdin: "c: d\na: e\n"}}},
		// Tables are told of each key in turn.
		scenario{name: "malformed keys", files: map[string]string{"m": "a b\n"}, steps: []step{{args: []string{"hash:m", "btree:m"}}, {args: []string{"lmdb:m"}},
			{args: []string{"-d", "-", "btree:m", "lmdb:m"}, stdin: "\xff\na\nb\xff\n"}}},
		// Without smtputf8_enable messages are ASCII.
		scenario{name: "no UTF-8", files: map[string]string{"main.cf": "smtputf8_enable = no\n", "m": "\xc3\xa9 1\n\xc3\xa9 2\n"}, steps: []step{{args: []string{"hash:m"}}}})
	add("-F -h -q - regexp:re", "Subject: a\n\n")
	build := step{args: []string{"hash:v"}}
	for _, key := range []string{"good", "short", "bits", "more", "nul", "long", "space"} {
		add("-F -q "+key+" hash:v", "", build)
	}
	add("-F -s hash:v", "", build)
	return all
}

// verbose are runs with -v: warnings and answers stay what they are.
func verbose() (all []scenario) {
	for _, line := range []string{"-v hash:m", "-vv btree:m", "-v -q a hash:m", "-v -s hash:m", "-vq nosuch hash:m", "-v -d a hash:m", "-v -d nosuch hash:m", "-v -q - regexp:re", "-v -X"} {
		sc := scenario{name: "verbose " + line, files: map[string]string{"m": "a 1\na 2\nB 3\nalone\n", "re": "/a/ x\n/(/ y\n"}}
		if !strings.HasSuffix(line, " hash:m") || strings.Contains(line, " -") || strings.Contains(line, "-vq") {
			sc.steps = append(sc.steps, step{tool: "postmap", args: []string{"hash:m"}})
		}
		sc.steps = append(sc.steps, step{tool: "postmap", args: strings.Split(line, " "), stdin: "a\nb\n"})
		all = append(all, sc)
	}
	return all
}
