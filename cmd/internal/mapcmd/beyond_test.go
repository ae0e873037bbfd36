//go:build unix

package mapcmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/hashmap"
)

// place writes files into a fresh folder and returns its name.
func place(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// want fails unless a run ended as expected; texts starting with "~" need only
// be contained.
func want(t *testing.T, what string, exit int, stdout, stderr string, wantExit int, wantOut, wantErr string) {
	t.Helper()
	match := func(got, want string) bool {
		if part, ok := strings.CutPrefix(want, "~"); ok {
			return strings.Contains(got, part)
		}
		return got == want
	}
	if exit != wantExit || !match(stdout, wantOut) || !match(stderr, wantErr) {
		t.Errorf("%s: exit %d, stdout %q, stderr %q\nwant exit %d, stdout %q, stderr %q", what, exit, stdout, stderr, wantExit, wantOut, wantErr)
	}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

func TestCheckAndStrict(t *testing.T) {
	dir := place(t, map[string]string{"good": "a 1\n", "bad": "a 1\nb\nA 2\n"})
	good, bad := "hash:"+dir+"/good", "hash:"+dir+"/bad"
	exit, out, msg := runTool(Postmap, "", "--check", good)
	want(t, "--check good", exit, out, msg, 0, "", "")
	exit, out, msg = runTool(Postmap, "", "--check", bad)
	want(t, "--check bad", exit, out, msg, 0, "", "postmap: warning: "+dir+"/bad, line 2: expected format: key whitespace value\n"+
		"postmap: warning: "+dir+"/bad.db: duplicate entry: \"a\"\n")
	exit, out, msg = runTool(Postmap, "", "--check", "--strict", bad)
	want(t, "--check --strict bad", exit, out, msg, 1, "", "~2 problems found, nothing was written")
	exit, out, msg = runTool(Postmap, "", "--strict", bad)
	want(t, "--strict bad", exit, out, msg, 1, "", "~2 problems found, nothing was written")
	if exists(dir+"/bad.db") || exists(dir+"/good.db") {
		t.Error("a table was written")
	}
	exit, out, msg = runTool(Postmap, "", "--strict", good)
	want(t, "--strict good", exit, out, msg, 0, "", "")
	if !exists(dir + "/good.db") {
		t.Error("no table was written")
	}
	exit, out, msg = runTool(Postmap, "a 2\nnonsense\n", "--strict", "-i", good)
	want(t, "--strict -i", exit, out, msg, 1, "", "~2 problems found")
	exit, out, msg = runTool(Postmap, "", "-q", "a", good)
	want(t, "table after --strict -i", exit, out, msg, 0, "1\n", "")
}

func TestJSONReport(t *testing.T) {
	dir := place(t, map[string]string{"m": "a 1\n\nkeyonly\nA 2\n"})
	exit, out, msg := runTool(Postmap, "", "--json", "hash:"+dir+"/m")
	if exit != 0 || out != "" {
		t.Errorf("exit %d, %q", exit, out)
	}
	var checks []string
	for line := range strings.Lines(msg) {
		var d struct {
			File, Check string
			Line        int
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil || d.File != dir+"/m" {
			t.Fatalf("%q: %v", line, err)
		}
		checks = append(checks, d.Check)
	}
	if strings.Join(checks, " ") != "expected-key-value duplicate-key" {
		t.Errorf("got %v", checks)
	}
}

func TestDiff(t *testing.T) {
	for _, typ := range []string{"hash", "btree", "lmdb", "cdb", "bolt"} {
		dir := place(t, map[string]string{"m": "a 1\nb 2\nc 3\n"})
		spec := typ + ":" + dir + "/m"
		exit, out, msg := runTool(Postmap, "", "--diff", spec)
		want(t, typ+" no table yet", exit, out, msg, 1, "~+b\t2\n", "")
		runTool(Postmap, "", spec)
		exit, out, msg = runTool(Postmap, "", "--diff", spec)
		want(t, typ+" same", exit, out, msg, 0, "", "")
		os.WriteFile(dir+"/m", []byte("a 1\nb other\nd 4\n"), 0o644)
		exit, out, msg = runTool(Postmap, "", "--diff", spec)
		if exit != 1 || msg != "" || sortLines(out) != sortLines("-b\t2\n+b\tother\n-c\t3\n+d\t4\n") {
			t.Errorf("%s changed: exit %d, %q, %q", typ, exit, out, msg)
		}
		exit, out, msg = runTool(Postmap, "", "-q", "b", spec)
		want(t, typ+" unchanged by --diff", exit, out, msg, 0, "2\n", "")
	}
}

func TestConvertAndText(t *testing.T) {
	types := []string{"hash", "btree", "lmdb", "cdb", "bolt"}
	for _, from := range types {
		dir := place(t, map[string]string{"m": "a 1\nB two words\n\"q r\"@x 3\n"})
		runTool(Postmap, "", from+":"+dir+"/m")
		os.Remove(dir + "/m")
		for _, to := range types {
			exit, out, msg := runTool(Postmap, "", "--verify", "--convert", from+":"+dir+"/m", to+":"+dir+"/n")
			want(t, from+" to "+to, exit, out, msg, 0, "", "")
			exit, out, msg = runTool(Postmap, "a\nB\n\"q r\"@x\nnone\n", "-q", "-", to+":"+dir+"/n")
			want(t, from+" to "+to+" -q", exit, out, msg, 0, "a\t1\nB\ttwo words\n\"q r\"@x\t3\n", "")
		}
		exit, out, msg := runTool(Postmap, "", "--to-text", from+":"+dir+"/m")
		if exit != 0 || msg != "" || sortLines(out) != sortLines("\"q r\"@x\t3\na\t1\nb\ttwo words\n") {
			t.Errorf("%s --to-text: exit %d, %q, %q", from, exit, out, msg)
		}
		// By the path of the file, whatever it is.
		f, _ := hashmap.ParseFormat(from)
		exit, byPath, _ := runTool(Postmap, "", "--to-text", hashmap.FileName(f, dir+"/m"))
		if exit != 0 || byPath != out {
			t.Errorf("%s --to-text by path: exit %d, %q", from, exit, byPath)
		}
	}
	// What the language of sources cannot express is said, and the status 1.
	dir := place(t, map[string]string{"al": "\"two words\": x\nplain: \"a b\", |\"/bin/cmd arg\"\n"})
	runTool(Postalias, "", "--internal-keys", "hash:"+dir+"/al")
	exit, out, msg := runTool(Postmap, "", "--to-text", "hash:"+dir+"/al")
	want(t, "aliases as postmap text", exit, out, msg, 1, "~plain\t", "~white space outside double quotes")
	exit, out, msg = runTool(Postalias, "", "--to-text", "hash:"+dir+"/al")
	if exit != 0 || msg != "" || sortLines(out) != sortLines("two words: x\nplain: \"a b\", |\"/bin/cmd arg\"\n") {
		t.Errorf("aliases as text: exit %d, %q, %q", exit, out, msg)
	}
	os.WriteFile(dir+"/again", []byte(out), 0o644)
	runTool(Postalias, "", "--internal-keys", "hash:"+dir+"/again")
	exit, out, msg = runTool(Postalias, "", "-q", "two words", "hash:"+dir+"/again")
	want(t, "text read back", exit, out, msg, 0, "x\n", "")
	// Any type that can list its entries.
	exit, out, msg = runTool(Postmap, "", "--convert", "inline:{k=v}", "hash:"+dir+"/inline")
	want(t, "from inline", exit, out, msg, 0, "", "")
	exit, out, msg = runTool(Postmap, "", "-q", "k", "hash:"+dir+"/inline")
	want(t, "made from inline", exit, out, msg, 0, "v\n", "")
	exit, out, msg = runTool(Postmap, "", "--convert", dir+"/al", "lmdb:"+dir+"/x")
	want(t, "from no table", exit, out, msg, 1, "", "~al")
}

// TestInternalKeys: without their quotes names can be those that postalias adds
// itself. Postfix before 3.12 says so, behind everything else.
func TestInternalKeys(t *testing.T) {
	dir := place(t, map[string]string{"al": "\"@\": x\n\"a b\": c\nlone\n\"A B\": d\n"})
	exit, out, msg := runTool(Postalias, "", "--internal-keys", "hash:"+dir+"/al")
	want(t, "--internal-keys", exit, out, msg, 0, "", "postalias: warning: "+dir+"/al, line 3: need name:value pair\n"+
		"postalias: warning: "+dir+"/al.db: duplicate entry: \"a b\"\n"+
		"postalias: warning: "+dir+"/al.db: duplicate entry: \"@\"\n")
	exit, out, msg = runTool(Postalias, "", "-q", "@", "hash:"+dir+"/al")
	want(t, "the first counts", exit, out, msg, 0, "x\n", "")
	exit, out, msg = runTool(Postalias, "", "--internal-keys", "-w", "hash:"+dir+"/al")
	want(t, "-w", exit, out, msg, 0, "", "postalias: warning: "+dir+"/al, line 3: need name:value pair\n")
}

func TestModeOwnerAndTightening(t *testing.T) {
	dir := place(t, map[string]string{"m": "a 1\n"})
	spec := "hash:" + dir + "/m"
	mode := func() os.FileMode {
		fi, err := os.Stat(dir + "/m.db")
		if err != nil {
			t.Fatal(err)
		}
		return fi.Mode()
	}
	runTool(Postmap, "", spec)
	if mode() != 0o644 {
		t.Errorf("new table: mode %v", mode())
	}
	// The source became secret: so does the table.
	os.Chmod(dir+"/m", 0o600)
	runTool(Postmap, "", spec)
	if mode() != 0o600 {
		t.Errorf("source tightened: mode %v", mode())
	}
	runTool(Postmap, "", "--mode", "640", spec)
	if mode() != 0o640 {
		t.Errorf("--mode 640: mode %v", mode())
	}
	for _, bad := range []string{"9", "0", "00", "1000", "4755", "-1", "", "u+r", "777777777777777777777777"} {
		exit, out, msg := runTool(Postmap, "", "--mode", bad, spec)
		want(t, "--mode "+bad, exit, out, msg, 1, "", "~want an octal mode")
	}
	if mode() != 0o640 {
		t.Errorf("after a bad --mode: mode %v", mode())
	}
	for _, bad := range []string{"no-such-user", "-1", "4294967295", "4294967296", "no-such-user:0"} {
		exit, out, msg := runTool(Postmap, "", "--owner", bad, spec)
		want(t, "--owner "+bad, exit, out, msg, 1, "", "~unknown user")
	}
	for _, bad := range []string{"0:no-such-group", "0:-1", ":4294967295"} {
		exit, out, msg := runTool(Postmap, "", "--owner", bad, spec)
		want(t, "--owner "+bad, exit, out, msg, 1, "", "~unknown group")
	}
	for _, bad := range []string{"", ":", "0:"} {
		exit, out, msg := runTool(Postmap, "", "--owner", bad, spec)
		want(t, "--owner "+bad, exit, out, msg, 1, "", "~want user, user:group or :group")
	}
	if os.Geteuid() != 0 {
		return // only root gives files away
	}
	for _, c := range []struct {
		owner    string
		uid, gid uint32
	}{{"1:2", 1, 2}, {"3", 3, 2}, {":5", 3, 5}, {"root", 0, 0}, {"7", 7, 0}} {
		exit, out, msg := runTool(Postmap, "", "--owner", c.owner, spec)
		want(t, "--owner "+c.owner, exit, out, msg, 0, "", "")
		if fi, _ := os.Stat(dir + "/m.db"); !ownedBy(fi, c.uid, c.gid) {
			t.Errorf("--owner %s: another owner", c.owner)
		}
	}
}

func TestIfStale(t *testing.T) {
	dir := place(t, map[string]string{"m": "a 1\n"})
	spec, file := "hash:"+dir+"/m", dir+"/m.db"
	runTool(Postmap, "", "--if-stale", spec)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	runTool(Postmap, "", "--if-stale", spec)
	if after, _ := os.Stat(file); !os.SameFile(before, after) {
		t.Error("built again though nothing changed")
	}
	later := time.Now().Add(time.Second)
	os.Chtimes(dir+"/m", later, later)
	runTool(Postmap, "", "--if-stale", spec)
	if after, _ := os.Stat(file); os.SameFile(before, after) {
		t.Error("not built though the source is newer")
	}
}

func TestOneSuffixTwoTypes(t *testing.T) {
	dir := place(t, map[string]string{"m": "a 1\n"})
	for _, typ := range []string{"hash", "btree", "hash"} {
		exit, out, msg := runTool(Postmap, "", typ+":"+dir+"/m")
		want(t, "building "+typ, exit, out, msg, 0, "", "")
		exit, out, msg = runTool(Postmap, "", "-q", "a", typ+":"+dir+"/m")
		want(t, "asking "+typ, exit, out, msg, 0, "1\n", "")
	}
}

func TestJSONOutput(t *testing.T) {
	dir := place(t, map[string]string{"m": "a x\ty\"z\\ \x7f\x01/é\nb 2\n"})
	spec := "btree:" + dir + "/m"
	runTool(Postmap, "", spec)
	exit, out, msg := runTool(Postmap, "", "-js", spec)
	want(t, "-js", exit, out, msg, 0, `{"a": "x\ty\"z\\ \u007F\u0001/é"}`+"\n"+`{"b": "2"}`+"\n", "")
	exit, out, msg = runTool(Postmap, "", "-jq", "b", spec)
	want(t, "-jq b", exit, out, msg, 0, `{"b": "2"}`+"\n", "")
	exit, out, msg = runTool(Postmap, "b\nc\n", "-j", "-q", "-", spec)
	want(t, "-jq -", exit, out, msg, 0, `{"b": "2"}`+"\n", "")
	exit, out, msg = runTool(Postmap, "", "-j", spec)
	want(t, "-j alone", exit, out, msg, 1, "", "postmap: fatal: option -j requires -q or -s\n")
}

func TestInfo(t *testing.T) {
	for _, tool := range []Tool{Postmap, Postalias} {
		exit, out, msg := runTool(tool, "", "--version")
		want(t, "--version", exit, out, msg, 0, "~this is not Postfix's own "+tool.Name, "")
		exit, out, msg = runTool(tool, "", "--help")
		want(t, "--help", exit, out, msg, 0, "~--if-stale", "")
		exit, out, msg = runTool(tool, "", "--man")
		want(t, "--man", exit, out, msg, 0, "~.TH ", "")
		exit, out, msg = runTool(tool, "", "--completion", "bash")
		want(t, "--completion bash", exit, out, msg, 0, "~"+tool.Name, "")
		exit, out, msg = runTool(tool, "", "--stict", "m")
		want(t, "--stict", exit, out, msg, 1, "", "~did you mean --strict?")
		if n := strings.Count(msg, "did you mean"); n != 1 {
			t.Errorf("the suggestion is made %d times: %s", n, msg)
		}
		// Every option of the definition is in the help.
		for _, f := range definition(tool).Flags {
			if _, help, _ := runTool(tool, "", "--help"); f.Long != "" && !strings.Contains(help, "--"+f.Long) {
				t.Errorf("%s --help lacks --%s", tool.Name, f.Long)
			}
		}
	}
}

// A main.cf is read when there is one, and a mistake in it is an error only
// for those who need to know.
func TestMainCf(t *testing.T) {
	dir := place(t, map[string]string{"m": "a 1\n",
		"main.cf": "default_database_type = lmdb\nmessage_size_limit = 10MB\nthis line is broken\n"})
	exit, out, msg := runTool(Postmap, "", "-c", dir, dir+"/m")
	want(t, "default type", exit, out, msg, 0, "", "")
	if !exists(dir + "/m.lmdb") {
		t.Error("default_database_type was not used")
	}
	os.WriteFile(dir+"/main.cf", []byte("smtputf8_enable = maybe\n"), 0o644)
	os.Mkdir(dir+"/empty", 0o755)
	os.WriteFile(dir+"/aliases", []byte("a: b\n"), 0o644)
	if exit, out, msg := runTool(Postalias, "", "-c", dir+"/empty", dir+"/aliases"); exit != 0 {
		t.Errorf("no main.cf: exit %d %s %s", exit, out, msg)
	}
	if exit, out, msg := runTool(Postalias, "", "-fnq", "YP_MASTER_NAME", "-c", dir+"/empty", dir+"/aliases"); exit != 0 || !strings.Contains(out, ".") || msg != "" {
		t.Errorf("no main.cf: the machine's name is %q %s", out, msg)
	}
	exit, out, msg = runTool(Postmap, "", "-c", dir, dir+"/m")
	want(t, "bad boolean", exit, out, msg, 1, "", "~smtputf8_enable")
	exit, out, msg = runTool(Postmap, "", "-c", dir+"/none", dir+"/m")
	want(t, "no such folder", exit, out, msg, 1, "", "~No such file or directory")
}
