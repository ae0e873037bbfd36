package cdb

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

func image(t testing.TB, opts *BuildOptions, recs ...tabletest.Record) []byte {
	t.Helper()
	return tabletest.Image(t, NewBuilder(opts), recs...)
}

func opened(t testing.TB, image []byte) *Reader {
	t.Helper()
	r, err := NewReader(bytes.NewReader(image), int64(len(image)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// inMemory is what Open makes of a small file.
func inMemory(image []byte) (*Reader, error) {
	r := &Reader{data: image, size: int64(len(image))}
	return r, r.readHeader()
}

func (r *Reader) forTest() tabletest.Table {
	return tabletest.Table{
		Lookup:       r.Lookup,
		AppendLookup: r.AppendLookup,
		All:          tabletest.Records(r.All()),
		Check:        func() error { return r.Check(context.Background(), nil) },
		Close:        r.Close,
	}
}

func format(t testing.TB) tabletest.Format {
	mode := func(opts *Options) func(string) (tabletest.Table, error) {
		return tabletest.Opens(func(path string) (*Reader, error) { return Open(path, opts) }, (*Reader).forTest)
	}
	return tabletest.Format{
		Build: func(path string, recs []tabletest.Record) error {
			return os.WriteFile(path, image(t, nil, recs...), 0o600)
		},
		Modes: []tabletest.Mode{
			{Name: "memory", Open: mode(nil), NoAlloc: true},
			{Name: "mmap", Open: mode(&Options{alwaysMap: true}), NoAlloc: true},
			{Name: "ReaderAt", Open: mode(&Options{NoMmap: true})},
		},
		Order: func([]tabletest.Record) {}, // as they were added
	}
}

func TestConformance(t *testing.T) { tabletest.Run(t, format(t)) }

func BenchmarkFormat(b *testing.B) {
	tabletest.Benchmark(b, format(b), func() tabletest.Builder { return NewBuilder(nil) })
}

func TestHash(t *testing.T) {
	for key, want := range map[string]uint32{
		"": 0x00001505, "a": 0x0002b5c4, "alice@example.org\x00": 0x65a6c99b, "\xff\xfe": 0x00596064,
	} {
		if got := hash([]byte(key)); got != want {
			t.Errorf("%q: got %#08x, want %#08x", key, got, want)
		}
	}
}

// keysWithHash finds n keys with one hash: going back from the hash over four
// random bytes gives what the hash has to be after the first four.
func keysWithHash(want uint32, n int) (keys []string) {
	inverse := uint32(1)
	for range 31 { // 33 * inverse == 1 mod 2^32
		inverse *= 2 - 33*inverse
	}
	rnd := rand.New(rand.NewPCG(uint64(want), 0))
	middle := map[uint32]string{} // hash after four bytes -> them
	for len(middle) < 1<<17 {
		k := []byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())}
		middle[hash(k)] = string(k)
	}
	for len(keys) < n {
		h, tail := want, make([]byte, 4)
		for i := 3; i >= 0; i-- {
			tail[i] = byte(rnd.Uint32())
			h = (h ^ uint32(tail[i])) * inverse
		}
		if head, ok := middle[h]; ok {
			keys = append(keys, head+string(tail))
			delete(middle, h)
		}
	}
	return keys
}

func TestStart(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 2_000_000 {
		n := uint32(i) + 1 // all small tables, then some of every size
		if i > 1_000_000 {
			n = 1 + rnd.Uint32()>>(3+rnd.IntN(29))
		}
		table := tableAt(le.AppendUint32(make([]byte, 4), n))
		// Hashes beside multiples of n are those that rounding would spoil.
		h := min(rnd.Uint32()>>8/n*n+n-1, 1<<24-1)
		for _, h := range []uint32{h, h + 1, 0, 1<<24 - 1} {
			h = h<<8 | uint32(i)&255
			if got, want := table.start(h), startSlot(h, n); got != want {
				t.Fatalf("hash %d in a table of %d slots starts at %d, want %d", h, n, got, want)
			}
		}
	}
}

func TestKeysWithHashZero(t *testing.T) {
	var recs []tabletest.Record
	for i, k := range keysWithHash(0, 5) {
		if hash([]byte(k)) != 0 {
			t.Fatalf("key %q does not have hash 0", k)
		}
		recs = append(recs, tabletest.Record{Key: []byte(k), Value: fmt.Append(nil, i)})
	}
	img := image(t, nil, recs...)
	mem, err := inMemory(img)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range recs {
		for _, tab := range []*Reader{mem, opened(t, img)} {
			v, found, err := tab.Lookup(r.Key)
			if v != strconv.Itoa(i) || !found || err != nil {
				t.Errorf("got %q %v %v, want %d", v, found, err, i)
			}
		}
	}
}

// TestCollidingKeys builds a table in which all keys have one hash, so that each
// would be compared with all before it, and looks at whether slots are where the
// simple way puts them.
func TestCollidingKeys(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{10, 100, 3000} {
		for _, spread := range []uint32{1, 7, 1 << 20} {
			slots := make([]slot, n)
			for i := range slots {
				slots[i] = newSlot(rnd.Uint32N(spread)<<8, uint32(i+1))
			}
			want := make([]slot, 2*n)
			for _, s := range slots {
				i := int(s.hash()>>8) % len(want)
				for want[i] != 0 {
					i = (i + 1) % len(want)
				}
				want[i] = s
			}
			got, slow := make([]byte, 16*n), make([]byte, 16*n)
			fillTable(got, slots)
			fillSlowly(slow, slots)
			for i := range want {
				if g, s := slot(le.Uint64(got[8*i:])), slot(le.Uint64(slow[8*i:])); g != want[i] || s != want[i] {
					t.Fatalf("%d slots over %d values: place %d has %#x and %#x, want %#x", n, spread, i, g, s, want[i])
				}
			}
		}
	}
}

func rec(key, value string) tabletest.Record {
	return tabletest.Record{Key: []byte(key), Value: []byte(value)}
}

func TestDuplicates(t *testing.T) {
	recs := []tabletest.Record{rec("a", "1"), rec("b", "2"), rec("a", "3"), rec("c", "4"), rec("a", "5"), rec("b", "6")}
	for policy, want := range map[Duplicates]string{
		KeepFirst: "a=1 b=2 c=4", KeepLast: "c=4 a=5 b=6", KeepAll: "a=1 b=2 a=3 c=4 a=5 b=6",
	} {
		var reported []string
		img := image(t, &BuildOptions{Duplicates: policy, OnDuplicate: func(key []byte, first, again int) {
			reported = append(reported, fmt.Sprintf("%s%d%d", key, first, again))
		}}, recs...)
		r := opened(t, img)
		var got []string
		for rec, err := range r.All() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s=%s", rec.Key, rec.Value))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("policy %d: got %s, want %s", policy, got, want)
		}
		if s := strings.Join(reported, " "); s != "a02 a04 b15" {
			t.Errorf("policy %d: reported %s", policy, s)
		}
		if err := r.Check(t.Context(), nil); err != nil {
			t.Errorf("policy %d: %v", policy, err)
		}
	}
	r := opened(t, image(t, &BuildOptions{Duplicates: KeepAll}, recs...))
	var values []string
	for v, err := range r.Values([]byte("a")) {
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, string(v))
	}
	if s := strings.Join(values, " "); s != "1 3 5" {
		t.Errorf("values of a: got %s", s)
	}

	b := NewBuilder(nil)
	for _, r := range recs {
		b.Add(r.Key, r.Value)
	}
	var buf bytes.Buffer
	n, err := b.WriteTo(&buf)
	var dup *DuplicateError
	if !errors.As(err, &dup) || !errors.Is(err, ErrDuplicate) || string(dup.Key) != "a" || dup.First != 0 || dup.Again != 2 || n != 0 || buf.Len() != 0 {
		t.Errorf("reject: got %v, %d bytes written", err, buf.Len())
	}
}

func TestTooLarge(t *testing.T) {
	b := NewBuilder(nil)
	if b.limit != 1<<32-1 {
		t.Fatalf("limit is %d", b.limit)
	}
	b.limit = headerSize + 2*(8+5+16)
	for _, k := range []string{"a", "b"} {
		if err := b.Add([]byte(k), []byte("four")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add(nil, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	var buf bytes.Buffer
	if n, err := b.WriteTo(&buf); err != nil || n != b.limit || n != int64(buf.Len()) {
		t.Errorf("a table of exactly the limit: got %d, %v, want %d", n, err, b.limit)
	}
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	b := NewBuilder(nil)
	for _, r := range tabletest.Mail(20000) {
		b.Add(r.Key, r.Value)
	}
	size, err := b.WriteTo(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for left := 0; left < int(size); left += 50000 {
		if n, err := b.WriteTo(&failing{left}); !errors.Is(err, io.ErrClosedPipe) || n > int64(left) {
			t.Errorf("writer fails after %d bytes: got %d, %v", left, n, err)
		}
	}
}

// TestSamples reads files postmap and postalias made. Building from what was
// read must give the same bytes.
func TestSamples(t *testing.T) {
	paths, _ := filepath.Glob("testdata/samples/*.cdb")
	if len(paths) < 10 {
		t.Fatalf("samples are missing: %s", paths)
	}
	for _, path := range paths {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(&BuildOptions{Duplicates: KeepAll})
		for rec, err := range r.All() {
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			b.Add(rec.Key, rec.Value)
		}
		if n := r.Info().Records; n != int64(b.Len()) {
			t.Errorf("%s: Info has %d records, All %d", path, n, b.Len())
		}
		if err := r.Check(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		var got bytes.Buffer
		b.WriteTo(&got)
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: built anew the file differs", path)
		}
	}
	r, err := Open("testdata/samples/basic-w.cdb", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if v, found, err := r.Lookup([]byte("alice@example.org")); v != "alice" || !found || err != nil {
		t.Errorf("alice: got %q %v %v", v, found, err)
	}
	if _, found, err := r.Lookup([]byte("alice@example.org\x00")); found || err != nil {
		t.Errorf("alice with NUL: got %v %v", found, err)
	}
}

// A patch makes a damaged file from a sound one.
type patch struct {
	name, why string
	image     []byte
}

func hostile(t testing.TB) (patches []patch) {
	list, err := os.ReadFile("testdata/hostile/patches.tsv")
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.ReadFile("testdata/hostile/base.cdb")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSpace(line), "\t")
		img := bytes.Clone(base)
		if f[2] != "-" {
			for p := range strings.SplitSeq(f[2], ",") {
				at, digits, _ := strings.Cut(p, ":")
				off, _ := strconv.Atoi(at)
				b, err := hex.DecodeString(digits)
				if err != nil {
					t.Fatal(err)
				}
				copy(img[off:], b)
			}
		}
		if n, _ := strconv.Atoi(f[3]); n >= 0 {
			img = img[:n]
		}
		patches = append(patches, patch{f[0], f[4], img})
	}
	return patches
}

func TestHostile(t *testing.T) {
	cases := hostile(t)
	if len(cases) < 14 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewReader(bytes.NewReader(c.image), int64(len(c.image)), nil)
			if c.name == "cdb-short.cdb" {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("open: got %v, want ErrCorrupt", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var faults []Fault
			err = r.Check(t.Context(), func(f Fault) bool { faults = append(faults, f); return true })
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || len(faults) == 0 || corrupt.Reason != faults[0].Reason {
				t.Errorf("check (%s): got %v, %v", c.why, err, faults)
			}
			scan, records := error(nil), 0
			for _, err := range r.All() {
				if scan = err; err == nil {
					records++
				}
			}
			_, found, lookup := r.Lookup([]byte("key000"))
			switch c.name {
			case "cdb-end-0.cdb": // no records, says the header
				if records != 0 || scan != nil {
					t.Errorf("scan: got %d records, %v, want none", records, scan)
				}
			case "cdb-slot-pos-end.cdb", "cdb-slots-huge.cdb", "cdb-slots-wrap.cdb", "cdb-table-in-header.cdb",
				"cdb-table-out.cdb", "cdb-table-full.cdb":
				if !errors.Is(lookup, ErrCorrupt) || scan != nil {
					t.Errorf("got lookup %v, scan %v, want a damaged table and sound records", lookup, scan)
				}
			case "cdb-truncated-tables.cdb": // the table of key000 is before the cut
				if !found || lookup != nil || scan != nil {
					t.Errorf("got lookup %v %v, scan %v, want all well", found, lookup, scan)
				}
			default:
				if !errors.Is(scan, ErrCorrupt) {
					t.Errorf("scan: got %v, want ErrCorrupt", scan)
				}
			}
		})
	}
}

func TestClosedCheck(t *testing.T) {
	r := opened(t, image(t, nil, tabletest.Mail(3)...))
	r.Close()
	if err := r.Check(t.Context(), nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want os.ErrClosed", err)
	}
}

func TestCheckStops(t *testing.T) {
	img := image(t, nil, tabletest.Mail(3000)...)
	for i := headerSize; i < len(img); i += 100 {
		img[i] ^= 1 // mostly keys and values
	}
	r := opened(t, img)
	calls := 0
	err := r.Check(t.Context(), func(Fault) bool { calls++; return calls < 2 })
	if !errors.Is(err, ErrCorrupt) || calls != 2 {
		t.Errorf("got %v after %d calls, want 2", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Check(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
