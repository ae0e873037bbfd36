package lmdb

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// FuzzLookupMany damages a table in a few places (patches: two bytes of place and
// a new byte) and wants LookupMany to answer, or fail, as one lookup after the
// other does.
func FuzzLookupMany(f *testing.F) {
	recs := append(tabletest.Mail(120), rec("a", "1"), rec("long", string(make([]byte, 3000))), rec("b", ""))
	seed := image(f, &BuildOptions{PageSize: 512, ByteOrder: LittleEndian}, recs...)
	var keys [][]byte
	for _, r := range recs {
		keys = append(keys, r.Key, append(bytes.Clone(r.Key), 'x'))
	}
	f.Add([]byte{})
	f.Add([]byte{4, 10, 1, 6, 16, 200})
	for at := range 40 {
		f.Add([]byte{byte(4 + at/4), byte(at * 7), byte(at * 31)})
	}
	f.Fuzz(func(t *testing.T, patches []byte) {
		if len(patches) > 30 {
			return
		}
		data := bytes.Clone(seed)
		for ; len(patches) >= 3; patches = patches[3:] {
			data[(int(patches[0])<<8|int(patches[1]))%len(data)] = patches[2]
		}
		r, err := inMemory(data)
		if err != nil {
			return
		}
		if !r.view.Load().fast {
			t.Fatal("the table is looked up the slow way")
		}
		var got, want []string
		line := func(key []byte, answer any) string { return fmt.Sprintf("%q %q", key, answer) }
		for from := 0; from < len(keys); from++ {
			some := keys[from:]
			n, err := r.LookupMany(some, func(i int, value []byte) bool {
				got = append(got, line(some[i], value))
				return true
			})
			if from += n; err != nil {
				got = append(got, line(some[n], err.Error()))
			}
		}
		for _, key := range keys {
			v, found, err := r.AppendLookup(nil, key)
			if err != nil {
				want = append(want, line(key, err.Error()))
			} else if found {
				want = append(want, line(key, v))
			}
		}
		if !slices.Equal(got, want) {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Fatalf("%d answers, want %d; from number %d on %.300q, want %.300q", len(got), len(want), i, got[i:], want[i:])
		}
	})
}
