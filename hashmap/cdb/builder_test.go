package cdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// plainTable makes a file the plain way: one map, one pass, no blocks.
func plainTable(recs []tabletest.Record, policy Duplicates) (file []byte, repeats []string) {
	first, last := map[string]int{}, map[string]int{}
	for i, r := range recs {
		if at, ok := first[string(r.Key)]; ok {
			repeats = append(repeats, fmt.Sprintf("%s %d %d", r.Key, at, i))
		} else {
			first[string(r.Key)] = i
		}
		last[string(r.Key)] = i
	}
	file = make([]byte, headerSize)
	var slots [tables][]slot
	for i, r := range recs {
		if policy == KeepFirst && first[string(r.Key)] != i || policy == KeepLast && last[string(r.Key)] != i {
			continue
		}
		h := hash(r.Key)
		slots[h%tables] = append(slots[h%tables], newSlot(h, uint32(len(file))))
		file = le.AppendUint32(le.AppendUint32(file, uint32(len(r.Key))), uint32(len(r.Value)))
		file = append(append(file, r.Key...), r.Value...)
	}
	for i, in := range slots {
		le.PutUint32(file[8*i:], uint32(len(file)))
		le.PutUint32(file[8*i+4:], uint32(2*len(in)))
		table := make([]slot, 2*len(in))
		for _, s := range in {
			at := int(s.hash()>>8) % len(table)
			for table[at] != 0 {
				at = (at + 1) % len(table)
			}
			table[at] = s
		}
		for _, s := range table {
			file = le.AppendUint64(file, uint64(s))
		}
	}
	return file, repeats
}

// TestBlocks builds tables whose records cross the blocks they are kept in, at
// every part of a record, with and without repeated keys.
func TestBlocks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	sources := map[string]func() []tabletest.Record{
		"mail":  func() []tabletest.Record { return tabletest.Mail(40_000) },
		"none":  func() []tabletest.Record { return nil },
		"empty": func() []tabletest.Record { return []tabletest.Record{{}, {Value: []byte("v")}, {}} },
		"repeated": func() (recs []tabletest.Record) {
			for i := range 60_000 {
				recs = append(recs, rec(fmt.Sprint("key", rnd.IntN(40_000)), fmt.Sprint("value", i)))
			}
			return recs
		},
		"one repeated": func() []tabletest.Record {
			recs := tabletest.Mail(40_000)
			recs[39_000].Key = recs[20_000].Key
			recs[39_001].Key = recs[20_000].Key
			return recs
		},
		"large": func() (recs []tabletest.Record) {
			for i := range 40 {
				value := bytes.Repeat([]byte{byte(i)}, rnd.IntN(5<<20>>(i%20)))
				recs = append(recs, tabletest.Record{Key: fmt.Append(nil, "key", i%15), Value: value})
			}
			key := bytes.Repeat([]byte("k"), 3*blockSize)
			return append(recs, tabletest.Record{Key: key}, rec("", ""), tabletest.Record{Key: key, Value: key})
		},
		"one key": func() []tabletest.Record {
			return slices.Repeat([]tabletest.Record{rec("key", "value")}, 30_000)
		},
	}
	// The last record ends, and its parts begin, on and around the end of a block.
	for back := range 20 {
		sources[fmt.Sprint("edge", back)] = func() []tabletest.Record {
			fill := tabletest.Record{Key: []byte("fill"), Value: make([]byte, blockSize-recordHead-4-back)}
			return []tabletest.Record{fill, rec("k", "v"), rec("", ""), fill, rec("k", "w"), rec("", "x")}
		}
	}
	for name, source := range sources {
		recs := source()
		for _, policy := range []Duplicates{KeepFirst, KeepLast, KeepAll} {
			want, reports := plainTable(recs, policy)
			var got []string
			file := image(t, &BuildOptions{Duplicates: policy, OnDuplicate: func(key []byte, first, again int) {
				got = append(got, fmt.Sprintf("%s %d %d", key, first, again))
			}}, recs...)
			if !bytes.Equal(file, want) {
				t.Errorf("%s, policy %d: the file differs", name, policy)
			}
			if !slices.Equal(got, reports) {
				t.Errorf("%s, policy %d: %d reports of repeated keys, want %d, or they differ", name, policy, len(got), len(reports))
			}
		}
	}
}

// TestEqualHashes finds the records whose keys have one hash, also where keys
// were chosen to collide.
func TestEqualHashes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 2, 50, 5000} {
		for _, spread := range []uint32{1, 2, 40, 1 << 24} {
			for _, step := range []uint32{1 << 8, uint32(max(1, 2*n)) << 8} { // all in one place of the table
				slots := make([]slot, n)
				times := map[uint32]int{}
				for i := range slots {
					slots[i] = newSlot(rnd.Uint32N(spread)*step, uint32(i+1))
					times[slots[i].hash()]++
				}
				var want []slot
				for _, s := range slots {
					if times[s.hash()] > 1 {
						want = append(want, s)
					}
				}
				for how, found := range map[string][]slot{
					"appendEqual":       appendEqual(nil, make([]byte, 16*n), slots),
					"appendEqualSlowly": appendEqualSlowly(nil, slots),
				} {
					slices.Sort(found)
					if found = slices.Compact(found); !slices.Equal(found, want) {
						t.Errorf("%s: %d of %d slots, want %d, or others", how, len(found), n, len(want))
					}
				}
			}
		}
	}
}
