package cdb

import (
	"bytes"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// scan returns the records up to the first error.
func scan(r *Reader, limit int) (recs []tabletest.Record, err error) {
	for rec, err := range r.All() {
		if err != nil || len(recs) == limit {
			return recs, err
		}
		recs = append(recs, tabletest.Record{Key: bytes.Clone(rec.Key), Value: bytes.Clone(rec.Value)})
	}
	return recs, nil
}

// FuzzReader: whatever the bytes, a file that is read and one in memory give the
// same answers, and in a file that Check finds sound every record is found.
func FuzzReader(f *testing.F) {
	f.Add(image(f, nil))
	f.Add(image(f, &BuildOptions{Duplicates: KeepAll}, rec("a", "1"), rec("a", "2"), rec("", "3")))
	for _, c := range hostile(f) {
		f.Add(c.image)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<13 {
			return
		}
		mem, err := inMemory(data)
		at, errAt := NewReader(bytes.NewReader(data), int64(len(data)), nil)
		if (err == nil) != (errAt == nil) {
			t.Fatalf("open: %v in memory, %v read", err, errAt)
		}
		if err != nil {
			return
		}
		recs, err := scan(mem, 40)
		recsAt, errAt := scan(at, 40)
		if (err == nil) != (errAt == nil) || len(recs) != len(recsAt) {
			t.Fatalf("scan: %d records, %v in memory, %d records, %v read", len(recs), err, len(recsAt), errAt)
		}
		sound := mem.Check(t.Context(), nil)
		if soundAt := at.Check(t.Context(), nil); (sound == nil) != (soundAt == nil) {
			t.Fatalf("check: %v in memory, %v read", sound, soundAt)
		}
		if sound == nil && err != nil {
			t.Fatalf("check finds nothing, scan %v", err)
		}
		keys := append(recs, rec("key000", ""), rec("", ""))
		for i, r := range keys {
			v, found, err := mem.AppendLookup(nil, r.Key)
			vAt, foundAt, errAt := at.AppendLookup(nil, r.Key)
			if found != foundAt || (err == nil) != (errAt == nil) || !bytes.Equal(v, vAt) {
				t.Fatalf("lookup %q: %q %v %v in memory, %q %v %v read", r.Key, v, found, err, vAt, foundAt, errAt)
			}
			if sound != nil || i >= len(recs) {
				continue
			}
			there := false
			for v, err := range at.Values(r.Key) {
				there = there || err == nil && bytes.Equal(v, r.Value)
			}
			if !found || !there {
				t.Fatalf("sound file, but lookup does not find %q", r.Key)
			}
		}
	})
}

// FuzzBuild: a table has what was put in, by the plainest way of keeping it.
func FuzzBuild(f *testing.F) {
	f.Add(byte(1), []byte("a=1 b=2 a=3"))
	f.Add(byte(3), []byte("=  = x=\x00\xff"))
	f.Add(byte(2), bytes.Repeat([]byte("k=v "), 50))
	f.Fuzz(func(t *testing.T, policy byte, data []byte) {
		if len(data) > 1<<12 {
			return
		}
		b := NewBuilder(&BuildOptions{Duplicates: KeepFirst + Duplicates(policy%3)})
		var want []tabletest.Record
		for field := range bytes.SplitSeq(data, []byte(" ")) {
			k, v, _ := bytes.Cut(field, []byte("="))
			if err := b.Add(k, v); err != nil {
				t.Fatal(err)
			}
			at := -1
			for i, w := range want {
				if bytes.Equal(w.Key, k) {
					at = i
				}
			}
			switch {
			case at >= 0 && b.opts.Duplicates == KeepFirst:
				continue
			case at >= 0 && b.opts.Duplicates == KeepLast:
				want = append(want[:at], want[at+1:]...)
			}
			want = append(want, tabletest.Record{Key: k, Value: v})
		}
		var buf bytes.Buffer
		if _, err := b.WriteTo(&buf); err != nil {
			t.Fatal(err)
		}
		r, err := inMemory(buf.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		got, err := scan(r, 1<<20)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d records, %v, want %d", len(got), err, len(want))
		}
		seen := map[string]bool{}
		for i, w := range want {
			if !bytes.Equal(got[i].Key, w.Key) || !bytes.Equal(got[i].Value, w.Value) {
				t.Fatalf("record %d: got %q, want %q", i, got[i], w)
			}
			v, found, err := r.Lookup(w.Key)
			if !found || err != nil || !seen[string(w.Key)] && v != string(w.Value) {
				t.Fatalf("lookup %q: got %q %v %v, want %q", w.Key, v, found, err, w.Value)
			}
			seen[string(w.Key)] = true
		}
	})
}
