package bench

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/hashmap/bdb"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

var bdbKinds = []bdb.Kind{bdb.Hash, bdb.Btree}

func bdbFile(tb testing.TB, kind bdb.Kind, recs []tabletest.Record) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "t.db")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	b := bdb.NewBuilder(kind, nil)
	addAll(tb, b, recs)
	if _, err := b.WriteTo(f); err != nil {
		tb.Fatal(err)
	}
	if err := f.Sync(); err != nil { // or the disk is busy with it later
		tb.Fatal(err)
	}
	return path
}

// bdbSize is the number of entries of the benchmarks that are about large files:
// the million of the goals when POSTFIXKIT_LONG is set.
func bdbSize() int {
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		return 1e6
	}
	return 1e4
}

// bdbField is the tables of one kind, which libdb is asked for with the whole file
// in its cache. The file is ours: its pages are fuller than those of libdb.
func bdbField(kind bdb.Kind) field {
	return field{
		file: func(tb testing.TB, recs []tabletest.Record) string { return bdbFile(tb, kind, recs) },
		enter: func(tb testing.TB, path string, recs []tabletest.Record, keys *clib.Keys) []contestant {
			r, err := bdb.Open(path, nil)
			if err != nil {
				tb.Fatal(err)
			}
			tb.Cleanup(func() { r.Close() })
			return []contestant{
				{name: "postfixkit", find: finderOf(keys, r.AppendLookup)},
				inC(tb, "libdb", clib.DB, path, keys),
				{name: "map", find: mapFinder(recs, keys)},
			}
		},
	}
}

func BenchmarkLookupHash(b *testing.B)  { bdbField(bdb.Hash).compare(b, lookupSizes) }
func BenchmarkLookupBtree(b *testing.B) { bdbField(bdb.Btree).compare(b, lookupSizes) }

func TestPairedHash(t *testing.T)  { bdbField(bdb.Hash).pair(t) }
func TestPairedBtree(t *testing.T) { bdbField(bdb.Btree).pair(t) }

// BenchmarkBDBTools runs the programs of libdb and ours over a whole file, each
// as what it is: a process there, a call here.
func BenchmarkBDBTools(b *testing.B) {
	n := bdbSize()
	recs := tabletest.Mail(n)
	for _, kind := range bdbKinds {
		path := bdbFile(b, kind, recs)
		tool := func(name string, args ...string) func(*testing.B) {
			return func(b *testing.B) {
				program := realpostfix.Need(b, name).Path(name)
				for b.Loop() {
					if out, err := exec.Command(program, args...).Output(); err != nil {
						b.Fatalf("%v: %.200s", err, out)
					}
				}
			}
		}
		b.Run(fmt.Sprintf("check/%v/n=%d/postfixkit", kind, n), func(b *testing.B) {
			for b.Loop() {
				r, err := bdb.Open(path, nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := r.Check(b.Context(), nil); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
		b.Run(fmt.Sprintf("check/%v/n=%d/db_verify", kind, n), tool("db5.3_verify", "-q", path))
		b.Run(fmt.Sprintf("dump/%v/n=%d/postfixkit", kind, n), func(b *testing.B) {
			for b.Loop() {
				r, err := bdb.Open(path, nil)
				if err != nil {
					b.Fatal(err)
				}
				for rec, err := range r.All() {
					if err != nil {
						b.Fatal(err)
					}
					fmt.Fprintf(io.Discard, " %x\n %x\n", rec.Key, rec.Value)
				}
				r.Close()
			}
		})
		b.Run(fmt.Sprintf("dump/%v/n=%d/db_dump", kind, n), tool("db5.3_dump", path))
	}
}

// BenchmarkBDBOpen opens a file, looks one key up and closes it.
func BenchmarkBDBOpen(b *testing.B) {
	n := bdbSize()
	recs := tabletest.Mail(n)
	for _, kind := range bdbKinds {
		b.Run(fmt.Sprintf("%v/n=%d/postfixkit", kind, n), func(b *testing.B) {
			path := bdbFile(b, kind, recs)
			for i := 0; b.Loop(); i++ {
				r, err := bdb.Open(path, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, ok, err := r.Lookup(recs[i*7919%n].Key); !ok || err != nil {
					b.Fatal(ok, err)
				}
				r.Close()
			}
		})
	}
}

// BenchmarkBDBInsert adds one record to a table: ours as a call that leaves a
// complete, synced file in the place of the old one; postmap -i as a process that
// changes the file in place and does not sync it.
func BenchmarkBDBInsert(b *testing.B) {
	n := bdbSize()
	recs := tabletest.Mail(n)
	for _, kind := range bdbKinds {
		b.Run(fmt.Sprintf("%v/n=%d/postfixkit", kind, n), func(b *testing.B) {
			path := bdbFile(b, kind, recs)
			for i := 0; b.Loop(); i++ {
				_, err := hashmap.Update(b.Context(), path, nil, func(e *hashmap.Edit) error {
					_, err := e.Put(fmt.Sprintf("new%d@example.org", i), "value")
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%v/n=%d/copy", kind, n), func(b *testing.B) {
			path := bdbFile(b, kind, recs) // what the disk alone needs
			for b.Loop() {
				if err := copySynced(path, path+".new"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%v/n=%d/postmap", kind, n), func(b *testing.B) {
			path := bdbFile(b, kind, recs)
			real := realpostfix.Need(b, "postmap", "map:"+kind.String())
			name := kind.String() + ":" + path[:len(path)-len(".db")]
			for i := 0; b.Loop(); i++ {
				real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-i", name}, Stdin: fmt.Sprintf("new%d@example.org value\n", i)})
			}
		})
	}
}

func copySynced(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	return dst.Sync()
}

// BenchmarkBuildMemory reports the largest heap of a build, garbage included, as a
// multiple of the bytes of keys and values: ten million records when
// POSTFIXKIT_LONG is set.
func BenchmarkBuildMemory(b *testing.B) {
	n := 100_000
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		n = 10_000_000
	}
	for _, kind := range bdbKinds {
		b.Run(fmt.Sprintf("%v/n=%d/postfixkit", kind, n), func(b *testing.B) {
			for b.Loop() {
				peak := newPeak()
				bd := bdb.NewBuilder(kind, nil)
				var key, value []byte
				size := 0
				for i := range n {
					j := int(uint64(i) * 7919 % uint64(n))
					key = fmt.Appendf(key[:0], "user%d@example%d.org\x00", j, j%100)
					value = fmt.Appendf(value[:0], "mailbox%d\x00", j)
					size += len(key) + len(value)
					if err := bd.Add(key, value); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := bd.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
				most := peak.stop()
				b.ReportMetric(float64(most)/float64(size), "peak/payload")
				b.ReportMetric(float64(size)/float64(n), "payload-B/record")
			}
		})
	}
}

// peak watches the heap of the process.
type peak struct {
	base, most uint64
	end, ended chan struct{}
}

func newPeak() *peak {
	runtime.GC()
	p := &peak{base: heapInUse(), end: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			p.most = max(p.most, heapInUse())
			select {
			case <-p.end:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	return p
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func (p *peak) stop() uint64 {
	close(p.end)
	<-p.ended
	return p.most - min(p.base, p.most)
}
