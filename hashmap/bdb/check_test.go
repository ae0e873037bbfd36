package bdb

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func checkAll(r *Reader) (faults []string, err error) {
	err = r.Check(context.Background(), func(f Fault) bool {
		faults = append(faults, f.Reason)
		return true
	})
	return faults, err
}

func TestCheckSamples(t *testing.T) {
	for _, file := range sampleFiles(t) {
		for name, r := range readers(t, file) {
			if faults, err := checkAll(r); err != nil {
				t.Errorf("%s (%s): %v\n%s", file, name, err, strings.Join(faults, "\n"))
			}
		}
	}
}

func TestCheckBuilt(t *testing.T) {
	layouts(func(name string, kind Kind, opts BuildOptions) {
		if opts.BigEndian != opts.Checksums {
			return
		}
		contents := tables(opts.PageSize)
		for content, pairs := range dupTables() {
			contents["all "+content] = pairs
		}
		for content, pairs := range contents {
			if len(pairs) > 1000 && opts.PageSize > 4096 || content == "huge" {
				continue
			}
			opts.Duplicates = RejectDuplicates
			if strings.HasPrefix(content, "all ") {
				opts.Duplicates = KeepAll
			}
			r, err := FromBytes(build(t, kind, &opts, pairs))
			if err != nil {
				t.Fatal(err)
			}
			if faults, err := checkAll(r); err != nil {
				t.Errorf("%s/%s: %v\n%.1000s", name, content, err, strings.Join(faults, "\n"))
			}
		}
	})
}

func TestCheckHostile(t *testing.T) {
	for name, data := range hostileFiles(t) {
		r, err := FromBytes(data)
		if err == nil {
			_, err = checkAll(r)
		}
		if err == nil {
			t.Errorf("%s: nothing found", name)
		}
	}
}

// TestCheckFinds breaks a sound file in one place after the other and wants the
// break found, or the file to read as before.
func TestCheckFinds(t *testing.T) {
	for _, kind := range []Kind{Hash, Btree} {
		pairs := tables(512)["mail100"]
		pairs = append(pairs, pair{strings.Repeat("k", 700), strings.Repeat("v", 1200)})
		data := build(t, kind, &BuildOptions{PageSize: 512}, pairs)
		r, err := FromBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		want := mustAll(t, r)
		silent := 0
		for at := range data {
			broken := slices.Clone(data)
			broken[at] ^= 0x11
			r, err := FromBytes(broken)
			if err != nil {
				continue
			}
			_, checkErr := checkAll(r)
			if checkErr != nil {
				if !errors.Is(checkErr, ErrCorrupt) {
					t.Fatalf("%v byte %d: %v", kind, at, checkErr)
				}
				continue
			}
			silent++
			got, err := all(r)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%v byte %d (page %d, byte %d of it): the check finds nothing, All gives %d records, want %d, %v",
					kind, at, at/512, at%512, len(got), len(want), err)
			}
		}
		t.Logf("%v: %d of %d changed bytes are harmless or change text", kind, silent, len(data))
	}
}

func TestCheckStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Open("testdata/hash/n200.db", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Check(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	calls := 0
	r, err = FromBytes(hostileFiles(t)["hash-offpage-shared.db"])
	if err != nil {
		t.Fatal(err)
	}
	err = r.Check(context.Background(), func(Fault) bool { calls++; return false })
	if calls != 1 || !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %d calls and %v", calls, err)
	}
}

// TestCheckReasons makes one fault of each sort.
func TestCheckReasons(t *testing.T) {
	var pairs []pair
	for i := range 60 {
		pairs = append(pairs, pair{string(rune('A'+i%26)) + "key" + string(rune('a'+i/26)), "value"})
	}
	l := &layout{size: 512, overhead: overhead}
	index := func(p []byte, i int) []byte { return p[overhead+2*i : overhead+2*i+2] }
	swap := func(a, b []byte) {
		for i := range a {
			a[i], b[i] = b[i], a[i]
		}
	}
	for _, c := range []struct {
		kind Kind
		want string
		harm func(data []byte) []byte
	}{
		{Hash, "is out of order", func(d []byte) []byte {
			p := d[512:1024]
			swap(p[l.index(p, 0)+1:][:5], p[l.index(p, 2)+1:][:5])
			return d
		}},
		{Hash, "lookups look in bucket", func(d []byte) []byte { d[512+l.index(d[512:], 0)+5] ^= 1; return d }},
		{Hash, "is there twice", func(d []byte) []byte {
			p := d[512:1024]
			copy(p[l.index(p, 2)+1:][:5], p[l.index(p, 0)+1:])
			return d
		}},
		{Hash, "in the free list and in use", func(d []byte) []byte { d[offFree] = 1; return d }},
		{Hash, "nothing leads to the page", func(d []byte) []byte { d[offLastPgno]++; return append(d, make([]byte, 512)...) }},
		{Hash, "the item area begins at", func(d []byte) []byte { d[512+offHigh]--; return d }},
		{Btree, "is out of order", func(d []byte) []byte {
			p := d[1024:]
			swap(index(p, 0), index(p, 2))
			return d
		}},
		{Btree, "belongs to a later page", func(d []byte) []byte { p := d[1024:]; p[l.index(p, 4)+3] = 'z'; return d }},
		{Btree, "belongs to an earlier page", func(d []byte) []byte { p := d[1536:]; p[l.index(p, 0)+3] = ' '; return d }},
		{Btree, "two items overlap", func(d []byte) []byte {
			p := d[1024:]
			copy(index(p, 1), index(p, 3))
			return d
		}},
		{Btree, "the leaf follows page", func(d []byte) []byte { d[1536+offPrev]++; return d }},
		{Btree, "but it says page", func(d []byte) []byte { d[1024+offNext]++; return d }},
		{Btree, "the last leaf goes on", func(d []byte) []byte { d[len(d)-512+offNext]++; return d }},
	} {
		r, err := FromBytes(c.harm(build(t, c.kind, &BuildOptions{PageSize: 512}, pairs)))
		if err != nil {
			t.Fatalf("%s: %v", c.want, err)
		}
		faults, _ := checkAll(r)
		if !strings.Contains(strings.Join(faults, "\n"), c.want) {
			t.Errorf("want a fault %q, got %q", c.want, faults)
		}
	}
}
