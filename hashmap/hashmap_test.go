package hashmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/tabletest"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

var ctx = context.Background()

// built writes entries to a file and checks the file at the end of the test.
func built(t testing.TB, f Format, opts *BuildOptions, entries ...string) string {
	t.Helper()
	path := FileName(f, filepath.Join(t.TempDir(), "m"))
	b := NewBuilder(f, opts)
	for _, e := range entries {
		k, v, _ := strings.Cut(e, " ")
		if err := b.Add(k, v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.WriteFile(ctx, path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sound(t, path) })
	return path
}

// sound fails the test when the file does not open or check clean.
func sound(t testing.TB, path string) {
	t.Helper()
	r, err := Open(path, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	if err := r.Check(ctx, nil); err != nil {
		t.Error(err)
	}
}

func open(t testing.TB, path string, opts *OpenOptions) *Reader {
	t.Helper()
	r, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// content is what a table stores, byte for byte, sorted.
func content(t testing.TB, r *Reader) (all []string) {
	t.Helper()
	for rec, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%q %q", rec.Key, rec.Value))
	}
	slices.Sort(all)
	return all
}

func contentOf(t testing.TB, path string) []string {
	t.Helper()
	return content(t, open(t, path, nil))
}

func want(t testing.TB, r *Reader, key, value string, found bool) {
	t.Helper()
	v, ok, err := r.Lookup(ctx, key)
	if v != value || ok != found || err != nil {
		t.Errorf("Lookup(%q): got %q %v %v, want %q %v", key, v, ok, err, value, found)
	}
	b, ok, err := r.AppendLookup([]byte("+"), []byte(key))
	if string(b) != "+"+value || ok != found || err != nil {
		t.Errorf("AppendLookup(%q): got %q %v %v, want %q %v", key, b, ok, err, value, found)
	}
}

// The conformance suite of the formats, through the façade. Their own packages
// run it in more modes.
func TestConformance(t *testing.T) {
	for _, f := range Formats() {
		t.Run(f.String(), func(t *testing.T) {
			format := tabletest.Format{
				Build: func(path string, records []tabletest.Record) error {
					b := NewBuilder(f, &BuildOptions{NUL: NoNUL})
					for _, r := range records {
						if err := b.AddRaw(r.Key, r.Value); err != nil {
							return err
						}
					}
					_, err := b.WriteFile(ctx, path)
					return err
				},
				NotDeterministic: f == Bolt,
			}
			switch f {
			case LMDB:
				format.MaxKey, format.NoEmptyKey = 511, true
			case Bolt:
				format.MaxKey, format.NoEmptyKey = 32768, true
			}
			wrap := func(r *Reader, err error) (tabletest.Table, error) {
				if err != nil {
					return tabletest.Table{}, err
				}
				return tabletest.Table{
					Lookup:       func(key []byte) (string, bool, error) { return r.Lookup(ctx, string(key)) },
					AppendLookup: r.AppendLookup, LookupMany: r.LookupMany,
					All: iter.Seq2[tabletest.Record, error](func(yield func(tabletest.Record, error) bool) {
						for rec, err := range r.Records() {
							if !yield(tabletest.Record(rec), err) {
								return
							}
						}
					}),
					Check: func() error { return r.Check(ctx, nil) },
					Close: r.Close,
				}, nil
			}
			opts := OpenOptions{Format: f, NUL: NoNUL, KeepNUL: true, NoLock: true}
			format.Modes = []tabletest.Mode{{Name: "mmap", NoAlloc: f != Bolt && !raceEnabled, Open: func(path string) (tabletest.Table, error) {
				o := opts
				return wrap(Open(path, &o))
			}}}
			if f != Bolt && !raceEnabled {
				format.Modes = append(format.Modes, tabletest.Mode{Name: "ReaderAt", Open: func(path string) (tabletest.Table, error) {
					data, err := os.ReadFile(path)
					if err != nil {
						return tabletest.Table{}, err
					}
					return wrap(NewReader(bytes.NewReader(data), int64(len(data)), &opts))
				}})
			}
			tabletest.Run(t, format)
		})
	}
}

func TestFormats(t *testing.T) {
	for _, f := range Formats() {
		path := built(t, f, nil, "a 1", "b 2")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Detect(bytes.NewReader(data), int64(len(data))); got != f || err != nil {
			t.Errorf("%v detected as %v (%v)", f, got, err)
		}
		if got, err := ParseFormat(f.String()); got != f || err != nil {
			t.Errorf("ParseFormat(%v): %v %v", f, got, err)
		}
		in, err := open(t, path, nil).Info()
		if err != nil || in.Format != f || in.Size < int64(len(data)) || in.Records != -1 && in.Records != 2 {
			t.Errorf("%v: info %+v %v", f, in, err)
		}
		for _, other := range Formats() {
			if other == f {
				continue
			}
			if _, err := Open(path, &OpenOptions{Format: other}); !errors.Is(err, ErrUnknownFormat) || !strings.Contains(err.Error(), f.String()) {
				t.Errorf("%v as %v: got %v", f, other, err)
			}
		}
	}
	if _, err := ParseFormat("regexp"); err == nil || !strings.Contains(err.Error(), "lmdb") {
		t.Errorf("unknown type: got %v", err)
	}
	for name, head := range map[string]string{"empty": "", "text": "alice bob\n", "1.85": "\x00\x06\x15\x61\x00\x00\x00\x02",
		"SQLite": "SQLite format 3\x00", "zeros": strings.Repeat("\x00", 4096), "ones": strings.Repeat("\xff", 4096)} {
		if f, err := Detect(strings.NewReader(head), int64(len(head))); !errors.Is(err, ErrUnknownFormat) {
			t.Errorf("%s: got %v %v", name, f, err)
		}
	}
	if (Format(0)).String() != "Format(0)" || Format(99).Ext() != "" || Format(99).NUL() {
		t.Error("invalid formats")
	}
}

func TestNUL(t *testing.T) {
	for _, f := range Formats() {
		for _, form := range []NUL{NULAuto, WithNUL, NoNUL} {
			path := built(t, f, &BuildOptions{NUL: form}, "key value")
			stored := `"key" "value"`
			if form == WithNUL || form == NULAuto && f != CDB && f != Bolt {
				stored = `"key\x00" "value\x00"`
			}
			if got := contentOf(t, path); got[0] != stored {
				t.Errorf("%v %d: stored %s, want %s", f, form, got, stored)
			}
			want(t, open(t, path, nil), "key", "value", true)
			with := strings.Contains(stored, "x00")
			want(t, open(t, path, &OpenOptions{NUL: WithNUL}), "key", map[bool]string{true: "value"}[with], with)
			want(t, open(t, path, &OpenOptions{NUL: NoNUL}), "key", map[bool]string{false: "value"}[with], !with)
			if got := listAll(t, open(t, path, nil)); !reflect.DeepEqual(got, []table.Entry{{Key: "key", Value: "value"}}) {
				t.Errorf("%v %d: All gives %q", f, form, got)
			}
		}
	}
}

// In a table with both forms, the first hit decides which is seen.
func TestNULSticks(t *testing.T) {
	path := FileName(Hash, filepath.Join(t.TempDir(), "m"))
	b := NewBuilder(Hash, nil)
	b.Add("with", "1")
	b.AddRaw([]byte("without"), []byte("2"))
	b.AddRaw([]byte("inner\x00"), []byte("3\x00rest\x00"))
	if _, err := b.WriteFile(ctx, path); err != nil {
		t.Fatal(err)
	}
	r := open(t, path, nil)
	want(t, r, "none", "", false)
	want(t, r, "without", "2", true)
	want(t, r, "with", "", false)
	r = open(t, path, nil)
	want(t, r, "inner", "3", true)
	want(t, r, "without", "", false)
	r = open(t, path, &OpenOptions{KeepNUL: true})
	want(t, r, "with", "1\x00", true)
}

func TestFold(t *testing.T) {
	path := built(t, Hash, &BuildOptions{FoldKeys: true, UTF8: true}, "ABC 1", "STRAßE 2")
	r := open(t, path, &OpenOptions{FoldKeys: true, UTF8: true})
	want(t, r, "aBc", "1", true)
	want(t, r, "strasse", "2", true)
	want(t, r, "Straße", "2", true)
	want(t, open(t, path, nil), "ABC", "", false)
	var notices []string
	r = open(t, path, &OpenOptions{UTF8: true, Notice: func(d diag.Diagnostic) { notices = append(notices, d.Check+": "+d.Message) }})
	if _, found, err := r.Lookup(ctx, "a\xff"); found || err != nil {
		t.Errorf("invalid key: %v %v", found, err)
	}
	if want := []string{"not-utf8: non-UTF-8 key \"a\xff\": malformed UTF-8 or invalid codepoint"}; !slices.Equal(notices, want) {
		t.Errorf("notices %q", notices)
	}
	path = built(t, Hash, nil, "k v\xff")
	if _, _, err := open(t, path, &OpenOptions{UTF8: true}).Lookup(ctx, "k"); err == nil {
		t.Error("invalid value: no error")
	}
}

func TestLongKeys(t *testing.T) {
	long := strings.Repeat("k", 3*keyRoom)
	for _, f := range []Format{Hash, Btree, CDB} {
		path := built(t, f, nil, long+" v")
		want(t, open(t, path, nil), long, "v", true)
		want(t, open(t, path, &OpenOptions{FoldKeys: true, UTF8: true}), strings.ToUpper(long), "v", true)
	}
	src := "short v\n" + strings.Repeat("k", 511) + " v\n"
	b := NewBuilder(LMDB, nil)
	err := b.AddSource("virtual", textmap.NewScanner("virtual", strings.NewReader(src), nil))
	var key *KeyError
	if !errors.As(err, &key) || !errors.Is(err, ErrKeySize) || key.Line != 2 || key.Limit != 511 || !strings.HasPrefix(err.Error(), "virtual:2: key \"kkk") {
		t.Errorf("got %v", err)
	}
}

func TestDuplicates(t *testing.T) {
	for _, f := range Formats() {
		for policy, value := range map[Duplicates]string{KeepFirst: "1", KeepAll: "1", KeepLast: "3"} {
			report := ""
			path := built(t, f, &BuildOptions{Duplicates: policy, OnDuplicate: func(k string, a, b int) { report += fmt.Sprint(k, a, b) }}, "k 1", "x 2", "k 3")
			want(t, open(t, path, nil), "k", value, true)
			if report != "k0 2" && report != "k 0 2" {
				t.Errorf("%v %d: reported %q", f, policy, report)
			}
		}
		b := NewBuilder(f, nil)
		path := FileName(f, filepath.Join(t.TempDir(), "m"))
		b.AddSource("src", textmap.NewScanner("src", strings.NewReader("k 1\n\nK 2\n"), nil))
		var d *DuplicateError
		if _, err := b.WriteFile(ctx, path); !errors.As(err, &d) || !errors.Is(err, ErrDuplicate) || err.Error() != `src:3: duplicate key "k", first in line 1` {
			t.Errorf("%v: got %v", f, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%v: something was written", f)
		}
	}
}

func TestConvertAnyToAny(t *testing.T) {
	for _, from := range Formats() {
		for _, to := range Formats() {
			src := built(t, from, nil, "a 1", "b two words", "c 3")
			dst := FileName(to, filepath.Join(t.TempDir(), "c"))
			var stages []Stage
			_, err := Convert(ctx, open(t, src, nil), to, dst, &BuildOptions{Verify: true, Progress: func(p Progress) { stages = append(stages, p.Stage) }})
			if err != nil {
				t.Errorf("%v to %v: %v", from, to, err)
				continue
			}
			same := built(t, to, nil, "a 1", "b two words", "c 3")
			if got, want := contentOf(t, dst), contentOf(t, same); !slices.Equal(got, want) {
				t.Errorf("%v to %v: got %s, want %s", from, to, got, want)
			}
		}
	}
}

// A table of postalias has two records without NUL; they stay so.
func TestConvertMixed(t *testing.T) {
	src := FileName(Hash, filepath.Join(t.TempDir(), "aliases"))
	b := NewBuilder(Hash, nil)
	b.Add("root", "admin")
	b.AddRaw([]byte("YP_MASTER_NAME"), []byte("host"))
	if _, err := b.WriteFile(ctx, src); err != nil {
		t.Fatal(err)
	}
	dst := FileName(LMDB, filepath.Join(t.TempDir(), "aliases"))
	if _, err := Convert(ctx, open(t, src, nil), LMDB, dst, nil); err != nil {
		t.Fatal(err)
	}
	if got := contentOf(t, dst); !slices.Equal(got, []string{`"YP_MASTER_NAME" "host"`, `"root\x00" "admin\x00"`}) {
		t.Errorf("got %s", got)
	}
}

func TestUpdate(t *testing.T) {
	for _, f := range Formats() {
		t.Run(f.String(), func(t *testing.T) {
			path := built(t, f, nil, "a 1", "b 2", "c 3")
			_, err := Update(ctx, path, &UpdateOptions{Duplicates: KeepLast, FoldKeys: true, Verify: true}, func(e *Edit) error {
				for _, step := range []struct {
					op, key string
					existed bool
				}{{"put", "A", true}, {"put", "n", false}, {"del", "b", true}, {"del", "b", false}, {"put", "b", false},
					{"del", "zz", false}, {"put", "m", false}, {"del", "m", true}, {"del", "c", true}} {
					var existed bool
					var err error
					if step.op == "put" {
						existed, err = e.Put(step.key, "new")
					} else {
						existed, err = e.Delete(step.key)
					}
					if existed != step.existed || err != nil {
						t.Errorf("%+v: got %v %v", step, existed, err)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			same := built(t, f, nil, "a new", "b new", "n new")
			if got, want := contentOf(t, path), contentOf(t, same); !slices.Equal(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
			before, _ := os.Stat(path)
			stop := errors.New("stop")
			if _, err := Update(ctx, path, nil, func(e *Edit) error {
				if _, err := e.Put("a", "x"); !errors.Is(err, ErrDuplicate) {
					t.Errorf("put of a key that is there: %v", err)
				}
				e.Put("q", "x")
				return stop
			}); !errors.Is(err, stop) {
				t.Errorf("got %v", err)
			}
			if _, err := Update(ctx, path, nil, func(e *Edit) error { return nil }); err != nil {
				t.Error(err)
			}
			if after, _ := os.Stat(path); !os.SameFile(before, after) {
				t.Error("an edit that was given up, or changed nothing, made a new file")
			}
		})
	}
}

func TestUpdateCreates(t *testing.T) {
	for _, f := range Formats() {
		path := FileName(f, filepath.Join(t.TempDir(), "m"))
		put := func(e *Edit) error { _, err := e.Put("k", "v"); return err }
		if _, err := Update(ctx, path, nil, put); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: got %v", f, err)
		}
		res, err := Update(ctx, path, &UpdateOptions{Format: f}, put)
		if err != nil || !res.Created {
			t.Errorf("%v: %+v %v", f, res, err)
		}
		want(t, open(t, path, nil), "k", "v", true)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		res, err = Update(ctx, path, &UpdateOptions{Format: f}, put)
		if err != nil || !res.ZeroLength {
			t.Errorf("%v: %+v %v", f, res, err)
		}
		want(t, open(t, path, nil), "k", "v", true)
		other := Hash
		if f == Hash {
			other = Btree
		}
		if _, err := Update(ctx, path, &UpdateOptions{Format: other}, put); !errors.Is(err, ErrUnknownFormat) {
			t.Errorf("%v as %v: %v", f, other, err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		return
	}
	for _, f := range Formats() {
		if f == Bolt {
			continue
		}
		r := open(t, built(t, f, nil, "key value"), &OpenOptions{FoldKeys: true, UTF8: true})
		dst, hit, miss := make([]byte, 0, 64), []byte("key"), []byte("none")
		if n := testing.AllocsPerRun(100, func() {
			r.AppendLookup(dst, hit)
			r.AppendLookup(dst, miss)
		}); n != 0 {
			t.Errorf("%v: %v allocations in two lookups", f, n)
		}
	}
}

func TestFindings(t *testing.T) {
	src := "  indented first\na 1\n\"open quote\nb 2\nA 3\nnovalue\nb: 4\nb 5\n"
	b := NewBuilder(Hash, &BuildOptions{Duplicates: KeepFirst})
	if err := b.AddSource("src", textmap.NewScanner("src", strings.NewReader(src), nil)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range b.Findings() {
		got = append(got, fmt.Sprintf("%d %s", d.Span.Start.Line, d.Check))
	}
	if want := []string{"1 leading-whitespace", "3 unbalanced-quote", "5 duplicate-key", "6 expected-key-value", "7 alias-format", "8 duplicate-key"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestAheadSources builds from sources that are read ahead, in batches where the
// format has them, and wants all to be as when entries come one by one: the file,
// the findings, the error.
func TestAheadSources(t *testing.T) {
	source := func(n int, key func(i int) string, long string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s destination-%d@example.com\n", key(i), i)
			switch i % 5000 {
			case 17:
				b.WriteString("novalue\n# comment\n")
			case 18:
				b.WriteString("\"open quote v\n")
			case 19:
				fmt.Fprintf(&b, "continued%d one\n  two\n", i)
			case 4000:
				b.WriteString(long)
			}
		}
		return b.String()
	}
	random := func(i int) string { return fmt.Sprintf("User%d@example%d.org", i*7919%20_000, i%7) }
	sources := map[string]string{
		"random":       source(20_000, random, ""),
		"in order":     source(20_000, func(i int) string { return fmt.Sprintf("%c%07d@example.org", 'a'+i/1000, i) }, ""),
		"repeated":     source(20_000, func(i int) string { return random(i % 300) }, ""),
		"long values":  source(10_000, random, "Large "+strings.Repeat("v", 70_000)+"\n"),
		"long key":     source(10_000, random, strings.Repeat("k", 600)+" v\n"),
		"huge value":   source(10_000, random, "huge "+strings.Repeat("v", 18<<20)+"\n"),
		"small":        source(100, random, ""),
		"nothing":      "# nothing\n",
		"nothing good": strings.Repeat("bad\n", 40_000),
	}
	type outcome struct {
		file, messages string
		progress       bool
	}
	for name, src := range sources {
		for _, f := range []Format{Hash, Btree, LMDB, CDB} {
			if len(src) > 16<<20 && f != LMDB {
				continue // the same for all
			}
			t.Run(fmt.Sprint(name, "/", f), func(t *testing.T) {
				run := func(ahead, verify bool) (o outcome) {
					b := NewBuilder(f, &BuildOptions{Duplicates: KeepFirst, Verify: verify, Progress: func(Progress) { o.progress = true }})
					err := b.AddSource("src", textmap.NewScanner("src", strings.NewReader(src), &textmap.Options{ReadAhead: ahead}))
					file, findings := "", b.Findings()
					if err == nil {
						path := filepath.Join(t.TempDir(), "table")
						_, err = b.WriteFile(ctx, path)
						data, _ := os.ReadFile(path)
						file = string(data)
					}
					o.file, o.messages = file, fmt.Sprint(err, b.Len(), findings)
					return o
				}
				want := run(false, false)
				if (want.file == "") != (name == "long key" && f == LMDB) {
					t.Fatalf("%.300s", want.messages)
				}
				for _, verify := range []bool{false, true} {
					got := run(true, verify)
					if got.messages != want.messages {
						t.Errorf("verify %v: got %.300s\nwant %.300s", verify, got.messages, want.messages)
					}
					if got.file != want.file {
						t.Errorf("verify %v: another file of %d bytes, want %d", verify, len(got.file), len(want.file))
					}
					if got.progress != want.progress {
						t.Errorf("verify %v: progress %v, want %v", verify, got.progress, want.progress)
					}
				}
			})
		}
	}
}

// A scanner that somebody else has begun to collect from gives all entries too.
func TestSourceBegun(t *testing.T) {
	var src strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&src, "user%d@example.org value\n", i)
	}
	for _, f := range []Format{LMDB, CDB} {
		s := textmap.NewScanner("src", strings.NewReader(src.String()), &textmap.Options{ReadAhead: true})
		s.Collect = func(int) textmap.Collector { return discard{} }
		if !s.Scan() {
			t.Fatal(s.Err())
		}
		s.Collect = nil
		b := NewBuilder(f, nil)
		if err := b.AddSource("src", s); err != nil || b.Len() != 19_999 {
			t.Errorf("%v: %d records, %v", f, b.Len(), err)
		}
		if s.Collect != nil || s.Report != nil {
			t.Error("the scanner is not as it was")
		}
	}
}

type discard struct{}

func (discard) Add(key, value []byte) error { return nil }

// What goroutines collected for a Builder that gave up is not for another.
func TestSourceGoesOn(t *testing.T) {
	var src, rest strings.Builder
	rest.WriteString("other value\n")
	fmt.Fprintf(&src, "%s value\n", strings.Repeat("k", 600))
	for i := range 20_000 {
		fmt.Fprintf(&rest, "user%d@example.org value%s\n", i, strings.Repeat("e", i%500*(i%2)))
	}
	src.WriteString(rest.String())
	for _, second := range []*BuildOptions{{NUL: NoNUL}, {PageSize: 512}} {
		s := textmap.NewScanner("src", strings.NewReader(src.String()), &textmap.Options{ReadAhead: true})
		if err := NewBuilder(LMDB, nil).AddSource("src", s); err == nil {
			t.Fatal("a key of 600 bytes was added")
		}
		var got, want bytes.Buffer
		b := NewBuilder(LMDB, second)
		if err := b.AddSource("src", s); err != nil {
			t.Fatal(err)
		}
		if _, err := b.WriteTo(&got); err != nil {
			t.Fatal(err)
		}
		b = NewBuilder(LMDB, second)
		if err := b.AddSource("rest", textmap.NewScanner("rest", strings.NewReader(rest.String()), nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.WriteTo(&want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%+v: another file of %d bytes, want %d", *second, got.Len(), want.Len())
		}
	}
}
