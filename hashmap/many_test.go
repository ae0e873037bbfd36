package hashmap

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
)

// asked is everything that came of looking up keys: answers, notices and the
// error that ended it.
func asked(t *testing.T, look func(keys [][]byte, found func(i int, value []byte) bool) (int, error), keys []string) (log []string) {
	t.Helper()
	list := make([][]byte, len(keys))
	for i, k := range keys {
		list[i] = []byte(k)
	}
	n, err := look(list, func(i int, value []byte) bool {
		log = append(log, fmt.Sprintf("%q = %q", list[i], value))
		return true
	})
	for i, k := range keys {
		if string(list[i]) != k {
			t.Errorf("key %q was changed to %q", k, list[i])
		}
	}
	return append(log, fmt.Sprint(n, " ", err))
}

// oneByOne asks as LookupMany does, but one key after the other.
func oneByOne(tab table.Appender) func(keys [][]byte, found func(i int, value []byte) bool) (int, error) {
	return func(keys [][]byte, found func(int, []byte) bool) (int, error) {
		return table.LookupEach(tab, keys, found)
	}
}

// TestLookupMany compares LookupMany with one lookup after the other, for every
// option that has to do with keys and values.
func TestLookupMany(t *testing.T) {
	var entries, keys []string
	for i := range 700 {
		entries = append(entries, fmt.Sprintf("key%d@example.org value %d", i, i))
		keys = append(keys, fmt.Sprintf("key%d@example.org", i), fmt.Sprintf("KEY%d@Example.Org", i), fmt.Sprintf("no%d", i))
		if i%50 == 0 {
			keys = append(keys, fmt.Sprintf("bad\xff%d", i), "", "straße", "STRASSE", fmt.Sprintf("key%d@example.org\x00", i))
		}
	}
	entries = append(entries, "strasse 1", "empty ")
	keys = append(keys, "empty")
	for _, f := range Formats() {
		for _, stored := range []NUL{WithNUL, NoNUL} {
			path := built(t, f, &BuildOptions{NUL: stored}, entries...)
			for _, opts := range []OpenOptions{
				{}, {NUL: WithNUL}, {NUL: NoNUL}, {KeepNUL: true}, {FoldKeys: true}, {FoldKeys: true, UTF8: true}, {UTF8: true}, {NoMmap: true}, {LockLookups: true},
			} {
				name := fmt.Sprintf("%v, stored %v, %+v", f, stored, opts)
				for _, keys := range [][]string{keys, keys[:1], keys[5:40], {"no"}, {}, {"bad\xff"}} {
					var notices, wantNotices []string
					opts.Notice = func(d diag.Diagnostic) { wantNotices = append(wantNotices, d.Message) }
					one := open(t, path, &opts)
					want := asked(t, oneByOne(one), keys)
					opts.Notice = func(d diag.Diagnostic) { notices = append(notices, d.Message) }
					got := asked(t, open(t, path, &opts).LookupMany, keys)
					if !slices.Equal(got, want) || !slices.Equal(notices, wantNotices) {
						t.Fatalf("%s: %d keys: got %.300q, notices %q; one by one %.300q, %q", name, len(keys), got, notices, want, wantNotices)
					}
				}
			}
		}
	}
}

// TestLookupManyNotUTF8 ends at a value that is no UTF-8, as a lookup does.
func TestLookupManyNotUTF8(t *testing.T) {
	for _, f := range Formats() {
		path := built(t, f, nil, "a 1", "b \xff", "c 3")
		r := open(t, path, &OpenOptions{UTF8: true})
		got := asked(t, r.LookupMany, []string{"a", "c", "b", "a"})
		want := asked(t, oneByOne(r), []string{"a", "c", "b", "a"})
		if !slices.Equal(got, want) || !strings.HasPrefix(got[len(got)-1], "2 ") {
			t.Errorf("%v: got %q, want %q", f, got, want)
		}
	}
}

// TestLookupManyMemory is the same for tables in memory, folded and not.
func TestLookupManyMemory(t *testing.T) {
	var b MemoryBuilder
	var keys []string
	for i := range 5000 {
		key := fmt.Sprintf("key%d@example.org", i)
		if err := b.AddString(key, strings.Repeat("v", i%300)); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key, strings.ToUpper(key), "no"+key, "bad\xff")
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	compare := func(name string, tab interface {
		table.Appender
		table.Batcher
	}) {
		got := asked(t, tab.LookupMany, keys)
		want := asked(t, oneByOne(tab), keys)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %.200q, want %.200q", name, got, want)
		}
		list := make([][]byte, len(keys))
		for i, k := range keys {
			list[i] = []byte(k)
		}
		stop := 3000
		if len(got) == 1 { // nothing found, so nobody ends it
			stop = len(list)
		}
		if n, err := tab.LookupMany(list, func(i int, _ []byte) bool { return i < stop }); n != stop || err != nil {
			t.Errorf("%s, ended at %d: got %d %v", name, stop, n, err)
		}
	}
	compare("plain", m)
	compare("folded", foldedMemory{m, false})
	compare("folded, UTF-8", foldedMemory{m, true})
	compare("empty", new(Memory))
}

func TestLookupManyReload(t *testing.T) {
	path := built(t, Hash, nil, "a 1", "b 2")
	tab, err := table.Reload(ctx, func(context.Context) (table.Closer, error) { return Open(path, nil) }, nil, filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	got := asked(t, tab.LookupMany, []string{"b", "x", "a"})
	if want := []string{`"b" = "2"`, `"a" = "1"`, "3 <nil>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
