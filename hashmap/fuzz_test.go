package hashmap

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever the bytes, opening, looking up, listing and checking them ends with
// an answer or an error; and a file that checks clean finds every key it lists.
func FuzzReader(f *testing.F) {
	for _, format := range Formats() {
		if format == Bolt {
			continue // read from files only; its own package has a fuzz target
		}
		for _, entries := range [][]string{nil, {"k v"}, {"a 1", "b 2", "c " + strings.Repeat("x", 3000)}} {
			b := NewBuilder(format, nil)
			for _, e := range entries {
				k, v, _ := strings.Cut(e, " ")
				b.Add(k, v)
			}
			var image bytes.Buffer
			if _, err := b.WriteTo(&image); err != nil {
				f.Fatal(err)
			}
			f.Add(image.Bytes())
			f.Add(image.Bytes()[:image.Len()/2])
		}
	}
	f.Add([]byte("not a table"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewReader(bytes.NewReader(data), int64(len(data)), &OpenOptions{NUL: NoNUL, KeepNUL: true})
		if err != nil {
			if !errors.Is(err, ErrUnknownFormat) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("unexplained error: %v", err)
			}
			return
		}
		defer r.Close()
		sound := r.Check(ctx, nil) == nil
		if _, _, err := r.Lookup(ctx, "k\x00"); err != nil && sound {
			t.Fatalf("lookup in a sound file: %v", err)
		}
		keys := []string{"k\x00"}
		for rec, err := range r.Records() {
			if err != nil {
				if sound {
					t.Fatalf("listing a sound file: %v", err)
				}
				break
			}
			if keys = append(keys, string(rec.Key)); len(keys) > 1000 {
				break
			}
			if _, found, err := r.AppendLookup(nil, rec.Key); sound && (err != nil || !found) {
				t.Fatalf("%v: key %q is listed but not found: %v", r.Format(), rec.Key, err)
			}
		}
		if got, want := asked(t, r.LookupMany, keys), asked(t, oneByOne(r), keys); !slices.Equal(got, want) {
			t.Fatalf("%v: LookupMany: %q, one by one: %q", r.Format(), got, want)
		}
	})
}

// A table that is changed agrees with a map that is changed the same way, for
// any keys, values and order, in every format.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte("a 1\nb 2\nc 3"), []byte("a 9\n-b\nd 4\n-d\na 8"), uint8(0))
	f.Add([]byte(""), []byte("k v"), uint8(7))
	f.Add([]byte("k 1"), []byte("-k\nk 2\n-k"), uint8(3))
	dir, err := os.MkdirTemp("", "fuzz-update")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	f.Fuzz(func(t *testing.T, before, changes []byte, how uint8) {
		format := []Format{Hash, Btree, CDB, LMDB}[how%4]
		policy := KeepFirst + Duplicates(how>>2&1)
		path := FileName(format, filepath.Join(dir, "m"))
		want := map[string]string{}
		b := NewBuilder(format, &BuildOptions{Duplicates: policy})
		entry := func(line []byte) (k, v string, ok bool) {
			key, value, ok := strings.Cut(string(line), " ")
			return key, value, ok && len(key) < 400 && !strings.Contains(string(line), "\x00") && (key != "" || format == Hash)
		}
		for line := range bytes.SplitSeq(before, []byte("\n")) {
			k, v, ok := entry(line)
			if !ok {
				continue
			}
			if err := b.Add(k, v); err != nil {
				t.Fatal(err)
			}
			if _, twice := want[k]; !twice || policy == KeepLast {
				want[k] = v
			}
		}
		// Syncing is not what is tested.
		var image bytes.Buffer
		if _, err := b.WriteTo(&image); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, image.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Update(ctx, path, &UpdateOptions{Duplicates: policy, Format: format}, func(e *Edit) error {
			for line := range bytes.SplitSeq(changes, []byte("\n")) {
				if key, del := strings.CutPrefix(string(line), "-"); del && !strings.Contains(key, "\x00") {
					existed, err := e.Delete(key)
					if _, has := want[key]; existed != has || err != nil {
						t.Fatalf("delete %q: %v %v", key, existed, err)
					}
					delete(want, key)
					continue
				}
				k, v, ok := entry(line)
				if !ok {
					continue
				}
				_, has := want[k]
				existed, err := e.Put(k, v)
				if existed != has || err != nil {
					t.Fatalf("put %q: %v %v", k, existed, err)
				}
				if !has || policy == KeepLast {
					want[k] = v
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.Check(ctx, nil); err != nil {
			t.Fatal(err)
		}
		n := 0
		for e, err := range r.All(ctx) {
			if v, ok := want[e.Key]; err != nil || !ok || v != e.Value {
				t.Fatalf("got %q (%v), want %q", e, err, want)
			}
			n++
		}
		if n != len(want) {
			t.Fatalf("%d records, want %d", n, len(want))
		}
	})
}
