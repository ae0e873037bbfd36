//go:build unix

package hashmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/filelock"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/textmap"
)

// sources are map sources with what postmap warns about in them.
var sources = map[string]string{
	"empty":      "",
	"one":        "alice@example.org alice\n",
	"corners":    "# comment\n  lead in\na 1\nA 2\n\"two words\" v w\nb:\nc: 3\n\"open x\nbig " + strings.Repeat("v", 9000) + "\na 4\nlong" + strings.Repeat("k", 300) + " v\n",
	"utf8":       "straße 1\nSTRASSE 2\nÉa 3\nbad\xff 4\nok v\xff\n",
	"duplicates": strings.Repeat("x 1\ny 2\nX 3\n", 50),
	"hundred":    hundred(),
}

func hundred() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "user%d@example.org\tmailbox%d,\n  copy%d\n", i, i, i)
	}
	return b.String()
}

func realFormats(t testing.TB) *realpostfix.Tools {
	real := realpostfix.Need(t, "postmap", "postalias", "map:hash", "map:btree", "map:lmdb", "map:cdb")
	real.Configure("smtputf8_enable = yes")
	return real
}

var postfixFormats = []Format{Hash, Btree, LMDB, CDB}

// The same source and flags give the same records in the same order, the same
// warnings in the same order, and the same mode.
func TestBuildAsPostmap(t *testing.T) {
	real := realFormats(t)
	for _, f := range postfixFormats {
		for name, src := range sources {
			for _, flags := range []string{"", "-n", "-N", "-r", "-w", "-f", "-u", "-nfr"} {
				t.Run(fmt.Sprintf("%v/%s/%s", f, name, flags), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					path := filepath.Join(dir, "real")
					if err := os.WriteFile(path, []byte(src), 0o640); err != nil {
						t.Fatal(err)
					}
					args := []string{f.String() + ":" + path}
					if flags != "" {
						args = append([]string{flags}, args...)
					}
					res := real.MustRun(realpostfix.Call{Name: "postmap", Args: args})

					opts := &BuildOptions{Duplicates: KeepFirst}
					text := &textmap.Options{NoFold: strings.Contains(flags, "f"), NoUTF8: strings.Contains(flags, "u")}
					switch {
					case strings.Contains(flags, "n"):
						opts.NUL = NoNUL
					case strings.Contains(flags, "N"):
						opts.NUL = WithNUL
					}
					switch {
					case strings.Contains(flags, "r"):
						opts.Duplicates = KeepLast
					case strings.Contains(flags, "w"):
						opts.Duplicates = KeepAll
					}
					file, err := os.Open(path)
					if err != nil {
						t.Fatal(err)
					}
					defer file.Close()
					if opts.File.Source, err = file.Stat(); err != nil {
						t.Fatal(err)
					}
					b := NewBuilder(f, opts)
					if err := b.AddSource(path, textmap.NewScanner(path, file, text)); err != nil {
						t.Fatal(err)
					}
					ours := FileName(f, filepath.Join(dir, "ours"))
					if _, err := b.WriteFile(ctx, ours); err != nil {
						t.Fatal(err)
					}
					theirs := FileName(f, path)
					if got, want := stored(t, ours), stored(t, theirs); !slices.Equal(got, want) {
						t.Errorf("records\n got %.300q\nwant %.300q", got, want)
					}
					if got, want := stat(t, ours).Mode(), stat(t, theirs).Mode(); got != want {
						t.Errorf("mode %v, want %v", got, want)
					}
					if got, want := warnings(b, f, path, opts.Duplicates), strings.ReplaceAll(res.Stderr, "postmap: warning: ", ""); got != want {
						t.Errorf("warnings\n got %s\nwant %s", got, want)
					}
					// And the real one lists ours as it lists its own.
					if f == CDB {
						return
					}
					calls := []realpostfix.Call{{Name: "postmap", Args: []string{"-s", f.String() + ":" + path}},
						{Name: "postmap", Args: []string{"-s", f.String() + ":" + strings.TrimSuffix(ours, f.Ext())}}}
					if res := real.RunAll(calls); res[0] != res[1] {
						t.Errorf("postmap -s\n got %.300q\nwant %.300q", res[1], res[0])
					}
				})
			}
		}
	}
}

// stored is what a table stores, in its order.
func stored(t *testing.T, path string) (all []string) {
	t.Helper()
	for rec, err := range open(t, path, nil).Records() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(rec.Key)+" -> "+string(rec.Value))
	}
	return all
}

// warnings are the findings as postmap words them.
func warnings(b *Builder, f Format, path string, policy Duplicates) string {
	var out strings.Builder
	for _, d := range b.Findings() {
		switch {
		case d.Check == textmap.CheckDuplicate && policy != KeepFirst:
		case d.Check == textmap.CheckDuplicate && f == LMDB:
			fmt.Fprintf(&out, "lmdb:%s: %s\n", path, d.Message)
		case d.Check == textmap.CheckDuplicate && f == CDB:
			fmt.Fprintf(&out, "%s: %s\n", path, d.Message)
		case d.Check == textmap.CheckDuplicate:
			fmt.Fprintf(&out, "%s.db: %s\n", path, d.Message)
		case d.Check == textmap.CheckLeadingSpace:
			fmt.Fprintf(&out, "%s: %s\n", path, d.Message)
		default:
			fmt.Fprintf(&out, "%s, line %d: %s\n", path, d.Span.Start.Line, d.Message)
		}
	}
	return out.String()
}

// The real postmap changes our files, we change its files, and both agree.
func TestUpdateAsPostmap(t *testing.T) {
	real := realFormats(t)
	const src, more, gone = "a 1\nb 2\nc 3\nd 4\n", "b new\nn 5\nm 6\n", "a\nzz\nn\n"
	for _, f := range []Format{Hash, Btree, LMDB} {
		for _, first := range []string{"real", "ours"} {
			t.Run(f.String()+"/"+first, func(t *testing.T) {
				t.Parallel()
				name := filepath.Join(t.TempDir(), "m")
				path := FileName(f, name)
				spec := f.String() + ":" + name
				if err := os.WriteFile(name, []byte(src), 0o644); err != nil {
					t.Fatal(err)
				}
				if first == "real" {
					real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{spec}})
				} else if _, err := builderOf(t, f, nil, nil).addLines(t, src).WriteFile(ctx, path); err != nil {
					t.Fatal(err)
				}
				// Turns: one puts, the other deletes, then the first replaces.
				ours := func(opts UpdateOptions, edit func(*Edit) error) {
					t.Helper()
					if _, err := Update(ctx, path, &opts, edit); err != nil {
						t.Fatal(err)
					}
				}
				put := func(text string) func(e *Edit) error {
					return func(e *Edit) error {
						for line := range strings.Lines(text) {
							k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
							if _, err := e.Put(k, v); err != nil {
								return err
							}
						}
						return nil
					}
				}
				del := func(e *Edit) error {
					for _, k := range strings.Fields(gone) {
						if _, err := e.Delete(k); err != nil {
							return err
						}
					}
					return nil
				}
				if first == "real" {
					ours(UpdateOptions{Duplicates: KeepFirst}, put(more))
					real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-d", "-", spec}, Stdin: gone})
					ours(UpdateOptions{Duplicates: KeepLast}, put("b again\n"))
				} else {
					real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-i", "-w", spec}, Stdin: more})
					ours(UpdateOptions{}, del)
					real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-i", "-r", spec}, Stdin: "b again\n"})
				}
				want := []string{`"b\x00" "again\x00"`, `"c\x00" "3\x00"`, `"d\x00" "4\x00"`, `"m\x00" "6\x00"`}
				if got := contentOf(t, path); !slices.Equal(got, want) {
					t.Errorf("got %s, want %s", got, want)
				}
				sound(t, path)
				dump := real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-s", spec}}).Stdout
				lines := strings.Split(strings.TrimSpace(dump), "\n")
				slices.Sort(lines)
				if got := strings.Join(lines, ","); got != "b\tagain,c\t3,d\t4,m\t6" {
					t.Errorf("postmap -s: %q", got)
				}
			})
		}
	}
}

func (b *Builder) addLines(t *testing.T, src string) *Builder {
	t.Helper()
	if err := b.AddSource("src", textmap.NewScanner("src", strings.NewReader(src), nil)); err != nil {
		t.Fatal(err)
	}
	return b
}

// A table of the real postalias, whose records have two forms, converts to
// every format and is then read by the real postmap.
func TestConvertPostalias(t *testing.T) {
	real := realFormats(t)
	src := filepath.Join(t.TempDir(), "aliases")
	if err := os.WriteFile(src, []byte("root: admin, \"|/bin/cat\"\nadmin: a@example.org\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	real.MustRun(realpostfix.Call{Name: "postalias", Args: []string{"hash:" + src}})
	for _, f := range postfixFormats {
		dst := filepath.Join(t.TempDir(), "c")
		if _, err := Convert(ctx, open(t, src+".db", nil), f, FileName(f, dst), &BuildOptions{Verify: true}); err != nil {
			t.Fatal(err)
		}
		res := real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-f", "-q", "-", f.String() + ":" + dst}, Stdin: "root\nadmin\n@\n"})
		if res.Stdout != "root\tadmin, \"|/bin/cat\"\nadmin\ta@example.org\n@\t@\n" {
			t.Errorf("%v: got %q", f, res.Stdout)
		}
		if res := real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-fnq", "YP_LAST_MODIFIED", f.String() + ":" + dst}}); len(res.Stdout) != 11 {
			t.Errorf("%v: YP_LAST_MODIFIED: %q", f, res.Stdout)
		}
	}
}

// A real postmap -i keeps its lock while it reads; we wait, but not for ever.
func TestWaitForPostmap(t *testing.T) {
	real := realFormats(t)
	path := built(t, Hash, nil, "k v")
	c, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := real.Command(c, "postmap", "-i", "hash:"+strings.TrimSuffix(path, ".db"))
	feed, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	put := func(e *Edit) error { _, err := e.Put("ours", "v"); return err }
	for locked := false; !locked; time.Sleep(time.Millisecond) {
		f, err := os.Open(path)
		if err != nil || c.Err() != nil {
			t.Fatal(err, c.Err())
		}
		free, err := filelock.TryLock(f, filelock.Flock, filelock.Shared)
		if err != nil {
			t.Fatal(err)
		}
		locked = !free
		f.Close()
	}
	if _, err := Update(ctx, path, &UpdateOptions{File: FileOptions{LockWait: time.Millisecond}}, put); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	time.AfterFunc(100*time.Millisecond, func() {
		io.WriteString(feed, "theirs v\n")
		feed.Close()
	})
	if _, err := Update(ctx, path, &UpdateOptions{Duplicates: KeepLast}, put); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	r := open(t, path, nil)
	want(t, r, "ours", "v", true)
	want(t, r, "theirs", "v", true)
	want(t, r, "k", "v", true)
}

// A reader with LockLookups sees what the real postmap writes into the file.
func TestLockLookups(t *testing.T) {
	real := realFormats(t)
	for _, f := range []Format{Hash, Btree, LMDB} {
		path := built(t, f, nil, "k v0")
		spec := f.String() + ":" + strings.TrimSuffix(path, f.Ext())
		r := open(t, path, &OpenOptions{LockLookups: true})
		for i := range 5 {
			value := fmt.Sprint("v", i)
			want(t, r, "k", value, true)
			real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-ir", spec}, Stdin: fmt.Sprintf("k v%d\n", i+1)})
		}
		want(t, r, "k", "v5", true)
	}
}

// A table whose owner is not us is overwritten where it is, when that is
// allowed, as the real postmap does with rights dropped.
func TestUnwritableFolder(t *testing.T) {
	realpostfix.Need(t, "root")
	for _, f := range postfixFormats {
		path := built(t, f, nil, "k old")
		dir := filepath.Dir(path)
		for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			os.Chmod(d, 0o755)
		}
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		as := func(write func() error) error {
			if err := syscall.Setegid(65534); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Seteuid(65534); err != nil {
				t.Fatal(err)
			}
			defer func() {
				syscall.Seteuid(0)
				syscall.Setegid(0)
			}()
			return write()
		}
		build := func(in InPlace) (res Result, err error) {
			err = as(func() error {
				b := NewBuilder(f, &BuildOptions{File: FileOptions{InPlace: in}})
				b.Add("k", "new")
				res, err = b.WriteFile(ctx, path)
				return err
			})
			return res, err
		}
		if _, err := build(InPlaceNever); err == nil || !strings.Contains(err.Error(), "cannot be replaced") {
			t.Errorf("%v: got %v", f, err)
		}
		want(t, open(t, path, nil), "k", "old", true)
		if res, err := build(InPlaceNeeded); err != nil || !res.InPlace {
			t.Errorf("%v: got %+v %v", f, res, err)
		}
		want(t, open(t, path, nil), "k", "new", true)
	}
}
