package lmdb

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// audit is Check, and that no page is lost, as in all files of liblmdb.
func audit(r *Reader) error {
	t := r.begin()
	defer t.end()
	c := checker{t: &t, g: &r.geo, ctx: context.Background()}
	if err := t.guarded(c.run); err != nil {
		return err
	}
	if c.first != nil {
		return c.first
	}
	if n := c.unaccounted(); n > 0 {
		return fmt.Errorf("%d of %d pages are neither in use nor free", n, t.last+1)
	}
	return nil
}

func (r *Reader) forTest() tabletest.Table {
	return tabletest.Table{
		Lookup:       r.Lookup,
		AppendLookup: r.AppendLookup,
		LookupMany:   r.LookupMany,
		All:          tabletest.Records(r.All()),
		Check:        func() error { return audit(r) },
		Close:        r.Close,
	}
}

func format(t testing.TB, build *BuildOptions) tabletest.Format {
	mode := func(opts *Options) func(string) (tabletest.Table, error) {
		return tabletest.Opens(func(path string) (*Reader, error) { return Open(path, opts) }, (*Reader).forTest)
	}
	return tabletest.Format{
		Build: func(path string, recs []tabletest.Record) error {
			return os.WriteFile(path, image(t, build, recs...), 0o600)
		},
		Modes: []tabletest.Mode{
			{Name: "mmap", Open: mode(nil), NoAlloc: true},
			{Name: "ReaderAt", Open: mode(&Options{NoMmap: true})},
		},
		MaxKey:     NewBuilder(build).MaxKey(),
		NoEmptyKey: true,
		Order:      tabletest.ByKey,
		Small:      build != nil,
	}
}

func TestConformance(t *testing.T) {
	tabletest.Run(t, format(t, nil))
	for _, opts := range []BuildOptions{
		{PageSize: 512}, {PageSize: 32768}, {WordSize: 4}, {WordSize: 4, PageSize: 1024, ByteOrder: BigEndian}, {ByteOrder: BigEndian},
	} {
		t.Run(fmt.Sprintf("%d bytes %d words order %d", opts.PageSize, opts.WordSize, opts.ByteOrder), func(t *testing.T) {
			tabletest.Run(t, format(t, &opts))
		})
	}
}

func TestBatches(t *testing.T) {
	for _, opts := range []*BuildOptions{nil, {PageSize: 512, Duplicates: KeepLast}, {WordSize: 4, ByteOrder: BigEndian}} {
		tabletest.Batches(t, format(t, opts), func() tabletest.BatchBuilder[*Batch] { return NewBuilder(opts) })
	}
}

// A batch refuses what its Builder does, the NUL counted.
func TestBatchErrors(t *testing.T) {
	b := NewBuilder(nil)
	for nul, longest := range map[bool]int{false: 511, true: 510} {
		batch := b.NewBatch(1000, nul)
		for _, n := range []int{0, longest + 1} {
			err := batch.Add(make([]byte, n), nil)
			var e *KeyError
			if refused := n > 0 || !nul; refused != errors.As(err, &e) {
				t.Errorf("key of %d bytes, nul %v: got %v", n, nul, err)
			} else if refused && (len(e.Key) != n || e.Limit != 511) {
				t.Errorf("key of %d bytes: a key of %d, limit %d", n, len(e.Key), e.Limit)
			}
		}
		if err := batch.Add(make([]byte, longest), nil); err != nil {
			t.Error(err)
		}
	}
	other := NewBuilder(&BuildOptions{PageSize: 512}).NewBatch(1000, true)
	if err := other.Add([]byte("k"), nil); err != nil || b.AddBatch(other) == nil || b.Len() > 0 {
		t.Errorf("batch for other pages: %v, %d records", err, b.Len())
	}
	bad := NewBuilder(&BuildOptions{PageSize: 1000})
	if err := bad.AddBatch(bad.NewBatch(10, true)); err == nil || err != bad.Add([]byte("k"), nil) {
		t.Errorf("page size 1000: got %v", err)
	}
}

func BenchmarkFormat(b *testing.B) {
	tabletest.Benchmark(b, format(b, nil), func() tabletest.Builder { return NewBuilder(nil) })
}

var rec = tabletest.Rec

func TestDuplicates(t *testing.T) {
	recs := []tabletest.Record{rec("b", "1"), rec("a", "2"), rec("b", "3"), rec("c", "4"), rec("b", "5")}
	for policy, want := range map[Duplicates]string{KeepFirst: "a=2 b=1 c=4", KeepLast: "a=2 b=5 c=4"} {
		var reported []string
		r := opened(t, image(t, &BuildOptions{Duplicates: policy, OnDuplicate: func(key []byte, first, again int) {
			reported = append(reported, fmt.Sprintf("%s%d%d", key, first, again))
		}}, recs...))
		var got []string
		for rec, err := range r.All() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s=%s", rec.Key, rec.Value))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("policy %d: got %s, want %s", policy, s, want)
		}
		if s := strings.Join(reported, " "); s != "b02 b04" {
			t.Errorf("policy %d: reported %s", policy, s)
		}
	}
	b := NewBuilder(nil)
	for _, r := range recs {
		b.Add(r.Key, r.Value)
	}
	var buf bytes.Buffer
	_, err := b.WriteTo(&buf)
	var dup *DuplicateError
	if !errors.As(err, &dup) || !errors.Is(err, ErrDuplicate) || string(dup.Key) != "b" || dup.First != 0 || dup.Again != 2 || buf.Len() != 0 {
		t.Errorf("reject: got %v, %d bytes written", err, buf.Len())
	}
}

func TestKeySizes(t *testing.T) {
	for _, page := range []int{512, 1024, 2048, 4096, 32768} {
		for _, word := range []int{4, 8} {
			b := NewBuilder(&BuildOptions{PageSize: page, WordSize: word})
			limit := b.MaxKey()
			if page >= 2048 && limit != 511 {
				t.Errorf("page size %d: keys up to %d, want 511", page, limit)
			}
			// Longest keys everywhere, with values at both sides of the limit
			// for overflow pages: the tightest branch pages there can be.
			var recs []tabletest.Record
			for i := range 300 {
				k := fmt.Appendf(nil, "%0*d", limit, i)
				recs = append(recs, tabletest.Record{Key: k, Value: make([]byte, i%2*page)})
				if err := b.Add(recs[i].Key, recs[i].Value); err != nil {
					t.Fatal(err)
				}
			}
			for _, n := range []int{0, limit + 1, 70000} {
				err := b.Add(bytes.Repeat([]byte("k"), n), nil)
				var e *KeyError
				if !errors.As(err, &e) || !errors.Is(err, ErrKeySize) || len(e.Key) != n || e.Limit != limit {
					t.Errorf("key of %d bytes: got %v", n, err)
				}
			}
			var buf bytes.Buffer
			if _, err := b.WriteTo(&buf); err != nil {
				t.Fatal(err)
			}
			r := opened(t, buf.Bytes())
			if err := audit(r); err != nil {
				t.Fatal(err)
			}
			for _, rec := range recs {
				if v, found, err := r.Lookup(rec.Key); !found || err != nil || v != string(rec.Value) {
					t.Fatalf("page size %d: got %d bytes %v %v", page, len(v), found, err)
				}
			}
		}
	}
}

// TestTwoChildren: liblmdb asserts that a branch page has two children or more.
func TestTwoChildren(t *testing.T) {
	for n := range 600 {
		b := NewBuilder(&BuildOptions{PageSize: 512})
		for i := range n {
			b.Add(fmt.Appendf(nil, "%0200d", i), nil)
		}
		var buf bytes.Buffer
		b.WriteTo(&buf)
		g := b.geo
		for p := range slices.Chunk(buf.Bytes(), 512) {
			if nodes := (g.u16(p[g.lowerAt():]) - g.head()) / 2; g.u16(p[g.flagsAt():]) == pageBranch && nodes < 2 {
				t.Fatalf("%d records: branch page with %d children", n, nodes)
			}
		}
		if n%50 == 0 {
			if err := audit(opened(t, buf.Bytes())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, opts := range []BuildOptions{{PageSize: 100}, {PageSize: 65536}, {PageSize: 3000}, {WordSize: 5}, {Duplicates: 9}, {MapSize: -1}} {
		b := NewBuilder(&opts)
		if err := b.Add([]byte("a"), nil); err == nil {
			t.Errorf("%+v: Add gave no error", opts)
		}
		if _, err := b.WriteTo(io.Discard); err == nil {
			t.Errorf("%+v: WriteTo gave no error", opts)
		}
	}
	b := NewBuilder(&BuildOptions{WordSize: 4, MapSize: 1 << 32})
	if _, err := b.WriteTo(io.Discard); !errors.Is(err, ErrTooLarge) {
		t.Errorf("32-bit file with a map of 4 GiB: got %v", err)
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

func records(t testing.TB, r *Reader) (recs []tabletest.Record) {
	t.Helper()
	for rec, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, tabletest.Record{Key: bytes.Clone(rec.Key), Value: bytes.Clone(rec.Value)})
	}
	return recs
}

func TestSamples(t *testing.T) {
	paths, _ := filepath.Glob("testdata/samples/*.lmdb")
	if len(paths) < 9 {
		t.Fatalf("samples are missing: %s", paths)
	}
	for _, path := range paths {
		for _, opts := range []*Options{nil, {NoMmap: true}} {
			r, err := Open(path, opts)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := audit(r); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			recs := records(t, r)
			in, err := r.Info()
			if err != nil || in.Records != int64(len(recs)) {
				t.Errorf("%s: Info has %d records, %v, All %d", path, in.Records, err, len(recs))
			}
			for _, rec := range recs {
				if v, found, err := r.Lookup(rec.Key); v != string(rec.Value) || !found || err != nil {
					t.Errorf("%s: %q: got %.40q %v %v", path, rec.Key, v, found, err)
				}
			}
			// Built anew for the same machine it has the same content.
			order := LittleEndian
			if in.BigEndian {
				order = BigEndian
			}
			again := opened(t, image(t, &BuildOptions{PageSize: in.PageSize, WordSize: in.WordSize, ByteOrder: order}, recs...))
			if !slices.EqualFunc(records(t, again), recs, func(a, b tabletest.Record) bool {
				return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
			}) {
				t.Errorf("%s: built anew the content differs", path)
			}
		}
	}
	// An empty table is the same, byte for byte.
	want, err := os.ReadFile("testdata/samples/empty.lmdb")
	if err != nil {
		t.Fatal(err)
	}
	if got := image(t, &BuildOptions{ByteOrder: LittleEndian}); !bytes.Equal(got, want) {
		t.Error("empty table differs from postmap's")
	}
}

func TestSampleContent(t *testing.T) {
	src, err := os.ReadFile("testdata/samples/n200.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(string(src)), "\n") {
		if i >= 150 {
			k, v, _ := strings.Cut(line, "\t")
			want[strings.ToLower(strings.TrimSpace(k))+"\x00"] = strings.TrimSpace(v) + "\x00"
		}
	}
	want["added1@new.example\x00"] = "v1\x00"
	want["added2@new.example\x00"] = strings.Repeat("q", 3000) + "\x00"
	r, err := Open("testdata/samples/n200-edited.lmdb", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, rec := range records(t, r) {
		if want[string(rec.Key)] != string(rec.Value) {
			t.Errorf("%q: got %.60q, want %.60q", rec.Key, rec.Value, want[string(rec.Key)])
		}
		delete(want, string(rec.Key))
	}
	if len(want) > 0 {
		t.Errorf("missing: %q", want)
	}
	if in, _ := r.Info(); in.Transaction < 153 {
		t.Errorf("transaction %d, want 153 or more", in.Transaction)
	}
	for _, path := range []string{"testdata/samples/lmdb-32bit-le.lmdb", "testdata/samples/lmdb-64bit-be.lmdb"} {
		r, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, found, err := r.Lookup([]byte("big\x00")); v != strings.Repeat("B", 9000)+"\x00" || !found || err != nil {
			t.Errorf("%s: got %.20q %v %v", path, v, found, err)
		}
		r.Close()
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
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSpace(line), "\t")
		img, err := os.ReadFile("testdata/hostile/" + f[1])
		if err != nil {
			t.Fatal(err)
		}
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
	if len(cases) < 27 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "table.lmdb")
			if err := os.WriteFile(path, c.image, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, opts := range []*Options{nil, {NoMmap: true}} {
				r, err := Open(path, opts)
				if err != nil {
					if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) || c.name == "lmdb-lastpg-huge.lmdb" {
						t.Errorf("open: got %v", err)
					}
					continue
				}
				defer r.Close()
				n, scan := 0, error(nil)
				for _, err := range r.All() {
					if scan = err; err == nil {
						n++
					}
				}
				var faults []Fault
				check := r.Check(t.Context(), func(f Fault) bool { faults = append(faults, f); return true })
				if c.name == "lmdb-lastpg-huge.lmdb" {
					if n != 25 || scan != nil || check != nil {
						t.Errorf("got %d records, %v, %v, want 25", n, scan, check)
					}
					continue
				}
				if !errors.Is(scan, ErrCorrupt) && !errors.Is(scan, ErrUnsupported) {
					t.Errorf("scan (%s): got %v after %d records", c.why, scan, n)
				}
				if !errors.Is(check, ErrCorrupt) && !errors.Is(check, ErrUnsupported) || errors.Is(check, ErrCorrupt) && len(faults) == 0 {
					t.Errorf("check (%s): got %v, %v", c.why, check, faults)
				}
				r.Lookup([]byte("key000\x00"))
				r.Lookup([]byte("zzz"))
			}
		})
	}
}

func TestLMDB1Refused(t *testing.T) {
	img := image(t, nil)
	copy(img[24:], []byte{0xde, 0xc0, 0xef, 0xbe, 2})
	clear(img[16:20])
	if _, err := NewReader(bytes.NewReader(img), int64(len(img)), nil); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "LMDB 1.0") {
		t.Errorf("got %v", err)
	}
	if _, err := NewReader(bytes.NewReader(nil), 0, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("empty file: got %v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	err := &KeyError{Key: bytes.Repeat([]byte("k"), 600), Limit: 511}
	want := `lmdb: key "` + strings.Repeat("k", 60) + `"... has 600 bytes, LMDB stores at most 511`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}
