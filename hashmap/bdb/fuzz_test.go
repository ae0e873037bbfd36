package bdb

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/postfixkit/postfixkit/internal/mmap"
)

// seedFiles are small sound files of every sort, for fuzzing.
func seedFiles(t testing.TB) (seeds [][]byte) {
	for _, kind := range []Kind{Hash, Btree} {
		for _, big := range []bool{false, true} {
			opts := &BuildOptions{PageSize: 512, BigEndian: big, Checksums: false}
			long := pair{string(bytes.Repeat([]byte("k"), 600)), string(bytes.Repeat([]byte("v"), 1100))}
			pairs := append(tables(512)["mail100"][:40], long)
			seeds = append(seeds, build(t, kind, opts, pairs), build(t, kind, opts, nil))
			opts.Duplicates = KeepAll
			seeds = append(seeds, build(t, kind, opts, dupTables()["dups30"]))
		}
	}
	return append(seeds, read(t, "testdata/hostile/base-hash.db"), read(t, "testdata/hostile/base-btree.db"))
}

// consume reads a file in every way and checks that the ways agree, and do not
// need more memory than they may.
func consume(t *testing.T, data []byte) {
	bounded(t, "all ways to read", func() { consumeAll(t, data) })
}

func consumeAll(t *testing.T, data []byte) {
	r, err := FromBytes(data)
	if err != nil {
		known(t, err)
		return
	}
	ra, err := NewReader(bytes.NewReader(data), int64(len(data)), nil)
	if err != nil {
		t.Fatalf("FromBytes opens the file, NewReader does not: %v", err)
	}

	var records []pair
	size := 0
	for rec, e := range r.All() {
		if err = e; err != nil {
			known(t, err)
			break
		}
		size += len(rec.Value)
		if len(records) < 300 {
			records = append(records, pair{string(rec.Key), string(rec.Value)})
		}
	}
	if size > len(data) && err == nil {
		t.Fatalf("%d bytes of values in a file of %d", size, len(data))
	}

	sound := r.Check(t.Context(), nil)
	if sound != nil {
		known(t, sound)
	}
	if err != nil && sound == nil {
		t.Fatalf("Check finds nothing, All: %v", err)
	}
	first := map[string]string{}
	for _, p := range records {
		if _, ok := first[p.key]; !ok {
			first[p.key] = p.value
		}
	}
	asked := append(records, pair{"", ""}, pair{"no such key", ""})
	consumeMany(t, r, asked)
	for _, p := range asked {
		got, ok, err := r.Lookup([]byte(p.key))
		out, ok2, err2 := ra.AppendLookup(nil, []byte(p.key))
		if got != string(out) || ok != ok2 || (err == nil) != (err2 == nil) {
			t.Fatalf("Lookup(%.40q) in memory: %.40q, %v, %v; with ReadAt: %.40q, %v, %v", p.key, got, ok, err, out, ok2, err2)
		}
		if err != nil {
			known(t, err)
		}
		want, there := first[p.key]
		if sound == nil && len(records) < 300 && (err != nil || ok != there || got != want) {
			t.Fatalf("Lookup(%.40q) in a file without faults: %.40q, %v, %v, want %.40q, %v", p.key, got, ok, err, want, there)
		}
	}
}

// consumeMany wants LookupMany to answer as Lookup does.
func consumeMany(t *testing.T, r *Reader, asked []pair) {
	keys := make([][]byte, len(asked))
	for i, p := range asked {
		keys[i] = []byte(p.key)
	}
	for from := 0; from < len(keys); {
		next := from
		agree := func(to int, value []byte, found bool) {
			for ; next <= to; next++ {
				got, ok, err := r.Lookup(keys[next])
				if want := found && next == to; err != nil || ok != want || ok && got != string(value) {
					t.Fatalf("LookupMany(%.40q): %.40q, %v; Lookup: %.40q, %v, %v", keys[next], value, want, got, ok, err)
				}
			}
		}
		n, err := r.LookupMany(keys[from:], func(i int, value []byte) bool {
			agree(from+i, value, true)
			return true
		})
		agree(from+n-1, nil, false)
		if from += n; err == nil && from == len(keys) {
			return
		}
		if _, _, same := r.Lookup(keys[from]); err == nil || same == nil || same.Error() != err.Error() {
			t.Fatalf("LookupMany(%.40q): %v; Lookup: %v", keys[from], err, same)
		}
		from++
	}
}

// known wants an error to be of a documented sort.
func known(t *testing.T, err error) {
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotBerkeleyDB) && !errors.Is(err, ErrUnsupported) {
		t.Fatalf("unexpected error %v", err)
	}
}

// FuzzRead takes arbitrary bytes for a file.
func FuzzRead(f *testing.F) {
	for _, seed := range seedFiles(f) {
		f.Add(seed)
	}
	for _, data := range hostileFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) <= 1<<16 {
			consume(t, data)
		}
	})
}

// mutate changes a sound file as patches say: three bytes each, place and value.
func mutate(data, patches []byte) []byte {
	data = bytes.Clone(data)
	for len(patches) >= 3 {
		at := int(patches[0])<<8 | int(patches[1])
		data[at%len(data)] = patches[2]
		patches = patches[3:]
	}
	return data
}

// FuzzMutated damages sound files in a few places.
func FuzzMutated(f *testing.F) {
	seeds := seedFiles(f)
	for i := range seeds {
		f.Add(uint8(i), []byte{0, 72, 5, 2, 16, 3})
		f.Add(uint8(i), []byte{2, 22, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, patches []byte) {
		if len(patches) <= 60 {
			consume(t, mutate(seeds[int(which)%len(seeds)], patches))
		}
	})
}

// FuzzSalvage salvages damaged files and arbitrary bytes.
func FuzzSalvage(f *testing.F) {
	seeds := seedFiles(f)
	for i := range seeds {
		f.Add(uint8(i), []byte{0, 72, 5, 2, 16, 3}, uint16(0))
		f.Add(uint8(i), []byte{0, 12, 0}, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, which uint8, patches []byte, cut uint16) {
		if len(patches) > 4096 {
			return
		}
		data := patches // taken as a file
		if int(which) < len(seeds) {
			data = mutate(seeds[which], patches)
			data = data[:len(data)-int(cut)%len(data)]
		}
		want := map[pair]bool{}
		r, err := FromBytes(data)
		sound := err == nil && r.Check(t.Context(), nil) == nil
		if sound {
			for rec, err := range r.All() {
				if err != nil {
					t.Fatal(err)
				}
				want[pair{string(rec.Key), string(rec.Value)}] = true
			}
		}
		size, before := 0, allocated()
		for s, err := range Salvage(bytes.NewReader(data), int64(len(data))) {
			if err != nil {
				known(t, err)
				break
			}
			size += len(s.Value)
			delete(want, pair{string(s.Key), string(s.Value)})
		}
		if n := allocated() - before; n > memoryBound {
			t.Fatalf("Salvage allocated %d MiB", n>>20)
		}
		if len(want) > 0 {
			t.Fatalf("%d records of a sound file were not found", len(want))
		}
		if size > 2*len(data)+512 {
			t.Fatalf("%d bytes of values in a file of %d", size, len(data))
		}
	})
}

// FuzzUpdate changes damaged files; the result is an error or a file that has
// the change.
func FuzzUpdate(f *testing.F) {
	seeds := seedFiles(f)
	for i := range seeds {
		f.Add(uint8(i), []byte{0, 72, 5}, []byte("user1@example1.org\x00"), uint16(300), false)
		f.Add(uint8(i), []byte{}, []byte("a new key"), uint16(3000), true)
	}
	f.Fuzz(func(t *testing.T, which uint8, patches, key []byte, size uint16, remove bool) {
		if len(patches) > 60 || len(key) > 3000 {
			return
		}
		data := mutate(seeds[int(which)%len(seeds)], patches)
		r, err := FromBytes(data)
		if err != nil {
			known(t, err)
			return
		}
		sound := r.Check(t.Context(), nil)
		u, err := r.Update()
		if err != nil {
			known(t, err)
			return
		}
		value := bytes.Repeat([]byte("x"), int(size))
		bounded(t, "update", func() {
			if remove {
				_, err = u.Delete(key)
			} else {
				_, err = u.Put(key, value)
			}
		})
		if err != nil {
			known(t, err)
			if sound == nil {
				t.Fatalf("a file without faults: %v", err)
			}
			return
		}
		var buf bytes.Buffer
		if _, err := u.WriteTo(&buf); err != nil {
			t.Fatal(err)
		}
		if sound != nil {
			return // what comes of damage is damaged
		}
		r, err = FromBytes(buf.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(t.Context(), nil); err != nil {
			t.Fatalf("after the change: %v", err)
		}
		got, ok, err := r.Lookup(key)
		if err != nil || ok == remove || !remove && got != string(value) {
			t.Fatalf("after the change: %d bytes, %v, %v", len(got), ok, err)
		}
	})
}

// TestFileCutShort truncates a file under its Reader.
func TestFileCutShort(t *testing.T) {
	for _, opts := range []*Options{nil, {NoMmap: true}} {
		path := t.TempDir() + "/t.db"
		pairs := tables(4096)["mail10000"]
		if err := os.WriteFile(path, build(t, Hash, nil, pairs), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 8192); err != nil {
			r.Close()
			return // Windows does not allow it
		}
		failed := 0
		for _, p := range pairs[:100] {
			if _, _, err := r.Lookup([]byte(p.key)); err != nil {
				failed++
				if opts == nil && !errors.Is(err, mmap.ErrFault) {
					t.Fatalf("got %v", err)
				}
			}
		}
		if _, err := all(r); err == nil || failed == 0 {
			t.Errorf("%d lookups failed, All: %v", failed, err)
		}
		if err := r.Check(t.Context(), nil); err == nil {
			t.Error("Check finds nothing")
		}
		r.Close()
		if _, _, err := r.Lookup([]byte("k")); err == nil {
			t.Error("lookup after Close")
		}
	}
}
