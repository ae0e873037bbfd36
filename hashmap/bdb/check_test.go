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
