package lmdb

import (
	"bytes"
	"slices"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// inMemory reads an image the way a mapped file is read.
func inMemory(image []byte) (*Reader, error) {
	r, err := NewReader(bytes.NewReader(image), int64(len(image)), nil)
	if err == nil {
		r.view.Store(r.newView(image, int64(len(image))))
	}
	return r, err
}

// scan returns the records up to the first error.
func scan(r *Reader) (recs []tabletest.Record, err error) {
	for rec, err := range r.All() {
		if err != nil {
			return recs, err
		}
		recs = append(recs, tabletest.Record{Key: bytes.Clone(rec.Key), Value: bytes.Clone(rec.Value)})
	}
	return recs, nil
}

// FuzzReader: whatever the bytes, a file that is read and a mapped one give the
// same answers, and in a file that Check finds sound every record is found.
func FuzzReader(f *testing.F) {
	small := []tabletest.Record{rec("a", "1"), rec("b", ""), rec("c", string(make([]byte, 700)))}
	for _, opts := range []BuildOptions{{PageSize: 512}, {PageSize: 512, WordSize: 4, ByteOrder: BigEndian}} {
		f.Add(image(f, &opts))
		f.Add(image(f, &opts, small...))
		f.Add(image(f, &opts, tabletest.Mail(60)...))
	}
	for _, c := range hostile(f) {
		f.Add(c.image)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<13 {
			return
		}
		at, err := NewReader(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil {
			return
		}
		mem, err := inMemory(data)
		if err != nil {
			t.Fatal(err)
		}
		recs, err := scan(mem)
		recsAt, errAt := scan(at)
		if (err == nil) != (errAt == nil) || !slices.EqualFunc(recs, recsAt, func(a, b tabletest.Record) bool {
			return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
		}) {
			t.Fatalf("scan: %d records, %v mapped, %d records, %v read", len(recs), err, len(recsAt), errAt)
		}
		sound, soundAt := mem.Check(t.Context(), nil), at.Check(t.Context(), nil)
		if (sound == nil) != (soundAt == nil) {
			t.Fatalf("check: %v mapped, %v read", sound, soundAt)
		}
		if in, _ := at.Info(); sound == nil && (err != nil || in.Records != int64(len(recs))) {
			t.Fatalf("check finds nothing, scan %v after %d of %d records", err, len(recs), in.Records)
		}
		for i, r := range append(recs[:min(len(recs), 40)], rec("key000\x00", ""), rec("", "")) {
			v, found, err := mem.AppendLookup(nil, r.Key)
			vAt, foundAt, errAt := at.AppendLookup(nil, r.Key)
			if found != foundAt || (err == nil) != (errAt == nil) || !bytes.Equal(v, vAt) {
				t.Fatalf("lookup %q: %q %v %v mapped, %q %v %v read", r.Key, v, found, err, vAt, foundAt, errAt)
			}
			if sound == nil && i < len(recs) && i < 40 && (!found || !bytes.Equal(v, r.Value)) {
				t.Fatalf("sound file, but lookup of %q gives %q %v %v, want %q", r.Key, v, found, err, r.Value)
			}
		}
	})
}

// FuzzBuild: a table has what was put in, in order, on any kind of machine.
func FuzzBuild(f *testing.F) {
	f.Add(byte(1), byte(0), []byte("a=1 b=2 a=3"))
	f.Add(byte(0), byte(9), []byte("a=1 x=\x00\xff"))
	f.Add(byte(1), byte(3), bytes.Repeat([]byte("k=v kk=v k\x00=w "), 50))
	f.Add(byte(1), byte(4), append([]byte("a= b="), make([]byte, 3000)...))
	f.Fuzz(func(t *testing.T, policy, machine byte, data []byte) {
		if len(data) > 1<<12 {
			return
		}
		opts := BuildOptions{
			Duplicates: KeepFirst + Duplicates(policy%2),
			PageSize:   512 << (machine % 7), WordSize: 4 + 4*int(machine/7%2), ByteOrder: LittleEndian + ByteOrder(machine/14%2),
		}
		b := NewBuilder(&opts)
		want := map[string][]byte{}
		for field := range bytes.SplitSeq(data, []byte(" ")) {
			k, v, _ := bytes.Cut(field, []byte("="))
			if err := b.Add(k, v); (err == nil) != (len(k) > 0 && len(k) <= b.MaxKey()) {
				t.Fatalf("key of %d bytes: %v", len(k), err)
			} else if err != nil {
				continue
			}
			if _, there := want[string(k)]; !there || opts.Duplicates == KeepLast {
				want[string(k)] = v
			}
		}
		var buf bytes.Buffer
		if _, err := b.WriteTo(&buf); err != nil {
			t.Fatal(err)
		}
		r, err := inMemory(buf.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := audit(r); err != nil {
			t.Fatal(err)
		}
		got, err := scan(r)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d records, %v, want %d", len(got), err, len(want))
		}
		for _, g := range got {
			w, there := want[string(g.Key)]
			v, found, err := r.Lookup(g.Key)
			if !there || !bytes.Equal(g.Value, w) || !found || err != nil || v != string(w) {
				t.Fatalf("%q: got %q and %q %v %v, want %q %v", g.Key, g.Value, v, found, err, w, there)
			}
		}
	})
}
