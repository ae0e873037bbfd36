package maincf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/golden"
)

// Every edit in one golden case each: testdata/edits.txtar and friends hold a
// file, a script with one edit a line, and what becomes of it.
func TestEdits(t *testing.T) {
	golden.Run(t, "testdata/edits*.txtar", func(t *testing.T, a *golden.Archive) {
		src, _ := a.Get("main.cf")
		f, _ := Parse("main.cf", []byte(src))
		script, _ := a.Get("edits")
		var results strings.Builder
		for line := range strings.Lines(script) {
			line = strings.TrimSuffix(line, "\n")
			results.WriteString(line + " -> " + edit(t, f, line) + "\n")
			consistent(t, line, f)
		}
		a.Want(t, "results", results.String())
		a.Want(t, "after", string(f.Bytes()))
	})
}

func edit(t *testing.T, f *File, line string) string {
	op, rest, _ := strings.Cut(line, " ")
	name, value, _ := strings.Cut(rest, " ")
	var changed bool
	var err error
	n := -1
	switch op {
	case "set":
		err = f.Set(name, value)
	case "delete":
		n = f.Delete(name)
	case "comment-out":
		n = f.CommentOut(name)
	case "uncomment":
		changed = f.Uncomment(name)
	case "fold":
		n = f.FoldDuplicates(name)
	case "add":
		changed, err = f.AddItem(name, value)
	case "remove":
		changed, err = f.RemoveItem(name, value)
	case "before":
		var at Entry
		if a := f.Find(name); a != nil {
			at = a
		}
		err = f.InsertBefore(at, strings.ReplaceAll(value, `\n`, "\n"))
	case "doc":
		return strings.ReplaceAll(f.Doc(f.Find(name)), "\n", " / ")
	case "check":
		return strings.ReplaceAll(f.Check().Error(), "\n", " / ")
	default:
		t.Fatalf("unknown edit %q", line)
	}
	switch {
	case err != nil:
		return err.Error()
	case n >= 0:
		return string(rune('0' + n))
	case changed:
		return "changed"
	}
	return "ok"
}

func TestUpdateFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "main.cf")
	if _, err := UpdateFile(path, func(*File) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write("a = b\n")
	set := func(f *File) error { return f.Set("a", "c") }
	if changed, err := UpdateFile(path, set); !changed || err != nil || read() != "a = c\n" {
		t.Errorf("first: %v %v %q", changed, err, read())
	}
	if changed, err := UpdateFile(path, set); changed || err != nil {
		t.Errorf("second: %v %v", changed, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o777 != 0o640 && os.PathSeparator == '/' {
		t.Errorf("mode: %v %v", info.Mode(), err)
	}
	broken := errors.New("no")
	if changed, err := UpdateFile(path, func(f *File) error { f.Delete("a"); return broken }); changed || !errors.Is(err, broken) || read() != "a = c\n" {
		t.Errorf("failing edit: %v %v %q", changed, err, read())
	}
	write("a = b\noops\n")
	if _, err := UpdateFile(path, set); err == nil || !strings.HasSuffix(err.Error(), "main.cf:2:1: error: missing '=' after parameter name") || read() != "a = b\noops\n" {
		t.Errorf("broken file: %v %q", err, read())
	}
	if left, _ := filepath.Glob(path + ".tmp*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
