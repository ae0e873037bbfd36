package bdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func salvageAll(data []byte) (found []Salvaged, err error) {
	for s, err := range Salvage(bytes.NewReader(data), int64(len(data))) {
		if err != nil {
			return found, err
		}
		s.Key, s.Value = slices.Clone(s.Key), slices.Clone(s.Value)
		found = append(found, s)
	}
	return found, nil
}

// TestSalvageSound wants all records, and nothing else, from sound files.
func TestSalvageSound(t *testing.T) {
	sound := map[string][]byte{}
	for _, file := range sampleFiles(t) {
		sound[file] = read(t, file)
	}
	for _, kind := range []Kind{Hash, Btree} {
		for content, pairs := range tables(512) {
			if len(pairs) <= 1000 {
				sound[kind.String()+content] = build(t, kind, &BuildOptions{PageSize: 512}, pairs)
			}
		}
		for content, pairs := range dupTables() {
			sound[kind.String()+"all"+content] = build(t, kind, &BuildOptions{PageSize: 512, Duplicates: KeepAll}, pairs)
		}
	}
	for name, data := range sound {
		r, err := FromBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		found, err := salvageAll(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []pair
		for _, s := range found {
			if s.Damage != "" || s.NoKey {
				t.Fatalf("%s: page %d, key %.40q: %s", name, s.Page, s.Key, s.Damage)
			}
			got = append(got, pair{string(s.Key), string(s.Value)})
		}
		if !slices.Equal(sorted(got), sorted(mustAll(t, r))) {
			t.Errorf("%s: %d records", name, len(got))
		}

		// Without metadata the same records come, all marked.
		blind := slices.Clone(data)
		clear(blind[:72])
		found, err = salvageAll(blind)
		if len(got) == 0 {
			continue
		}
		if err != nil {
			t.Fatalf("%s without metadata: %v", name, err)
		}
		var again []pair
		for _, s := range found {
			if s.Damage == "" {
				t.Fatalf("%s without metadata: key %.40q is not marked", name, s.Key)
			}
			again = append(again, pair{string(s.Key), string(s.Value)})
		}
		if !slices.Equal(sorted(again), sorted(got)) {
			t.Errorf("%s without metadata: %d records, want %d", name, len(again), len(got))
		}
	}
}

// TestSalvageDamaged overwrites and cuts off pages: what was on the others, and
// all that whole records need of them, must come back.
func TestSalvageDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for _, kind := range []Kind{Hash, Btree} {
		pairs := tables(512)["mail100"]
		for i := range 40 {
			pairs = append(pairs, pair{strings.Repeat("k", 100+i*20), strings.Repeat("v", i*60)})
		}
		data := build(t, kind, &BuildOptions{PageSize: 512}, pairs)
		sound, err := salvageAll(data)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 300 {
			broken := slices.Clone(data)
			bad := map[int64]bool{}
			if round%2 == 0 {
				cut := rnd.IntN(len(data))
				broken = broken[:cut]
				for p := int64(cut / 512); p <= int64(len(data)/512); p++ {
					bad[p] = true
				}
			} else {
				for range 1 + rnd.IntN(6) {
					p := rnd.IntN(len(data) / 512)
					bad[int64(p)] = true
					for i := range 512 {
						broken[p*512+i] = byte(rnd.Uint32())
					}
				}
			}
			found, err := salvageAll(broken)
			if err != nil && !errors.Is(err, ErrNotBerkeleyDB) {
				t.Fatal(err)
			}
			got := map[pair]bool{}
			for _, s := range found {
				got[pair{string(s.Key), string(s.Value)}] = true
				if s.Damage == "" && !slices.Contains(pairs, pair{string(s.Key), string(s.Value)}) {
					t.Fatalf("%v round %d: record %.40q is wrong and not marked", kind, round, s.Key)
				}
			}
			for _, s := range sound {
				if bad[s.Page] || len(s.Key) > 101 || len(s.Value) > 101 || err != nil {
					continue // has other pages, too
				}
				if !got[pair{string(s.Key), string(s.Value)}] {
					t.Fatalf("%v round %d: record %.40q of page %d is lost", kind, round, s.Key, s.Page)
				}
			}
		}
	}
}

// TestSalvageOrphans loses the pages that lead to long values.
func TestSalvageOrphans(t *testing.T) {
	long := strings.Repeat("value ", 1000)
	for _, kind := range []Kind{Hash, Btree} {
		data := build(t, kind, &BuildOptions{PageSize: 512}, []pair{{"key", long}})
		for p := 512; p < len(data); p += 512 {
			if data[p+offType] != pageOverflow {
				clear(data[p : p+512])
			}
		}
		found, err := salvageAll(data)
		if err != nil || len(found) != 1 || !found[0].NoKey || string(found[0].Value) != long || found[0].Damage == "" {
			t.Errorf("%v: got %d records, %v", kind, len(found), err)
		}
	}
}

func TestSalvageHostile(t *testing.T) {
	for name, data := range hostileFiles(t) {
		found, err := salvageAll(data)
		t.Logf("%s: %d records, %v", name, len(found), err)
		total := 0
		for _, s := range found {
			total += len(s.Key) + len(s.Value)
		}
		if total > 2*len(data) {
			t.Errorf("%s: %d bytes out of %d", name, total, len(data))
		}
	}
	if _, err := salvageAll([]byte("no table")); !errors.Is(err, ErrNotBerkeleyDB) {
		t.Errorf("got %v", err)
	}
}

// oneBucket is a hash file with n pages of 20 records in its only bucket.
func oneBucket(t *testing.T, n int) []byte {
	const size = 512
	data := build(t, Hash, &BuildOptions{PageSize: size}, nil)
	r, err := FromBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	l, first := r.layout, r.bucketPage(0)
	l.put32(data, offMaxBucket, 0)
	l.put32(data, offHighMask, 1)
	l.put32(data, offLowMask, 0)
	last := first
	for i := range n {
		pgno, prev := first, uint32(0)
		if i > 0 {
			pgno, prev = uint32(len(data)/size), last
			l.put32(data[int(last)*size:], offNext, pgno)
			data = append(data, make([]byte, size)...)
		}
		p := data[int(pgno)*size:][:size]
		l.initPage(p, pgno, prev, 0, 0, pageHash)
		top := size
		for j := range 20 {
			for k, item := range []string{fmt.Sprintf("\x01key%06d%02d", i, j), "\x01v"} {
				top -= len(item)
				copy(p[top:], item)
				l.put16(p, l.overhead+4*j+2*k, top)
			}
		}
		l.put16(p, offEntries, 40)
		l.put16(p, offHigh, top)
		last = pgno
	}
	l.put32(data, offLastPgno, uint32(len(data)/size-1))
	l.put32(data, offElements, uint32(n*20))
	return data
}

// TestSalvageOneBucket wants lookups to end that read half of the file for each
// of its records, and the records to come nonetheless.
func TestSalvageOneBucket(t *testing.T) {
	data := oneBucket(t, 1000)
	r, err := FromBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	src, sound, marked := &meter{ReaderAt: bytes.NewReader(data)}, 0, 0
	for s, err := range Salvage(src, int64(len(data))) {
		switch {
		case err != nil:
			t.Fatal(err)
		case s.Damage == "":
			sound++
		case strings.Contains(s.Damage, "not looked up"):
			marked++
		default:
			t.Fatalf("%s: %s", s.Key, s.Damage)
		}
	}
	if sound == 0 || marked == 0 || sound+marked != 20_000 {
		t.Errorf("%d sound records and %d that were not looked up", sound, marked)
	}
	if most := int64(lookupsAtAll+40*20_000) * 512; src.n > most {
		t.Errorf("%d bytes were read of a file of %d", src.n, len(data))
	}
}
