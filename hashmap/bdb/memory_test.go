package bdb

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
)

// memoryBound is how much any one use of a small damaged file may allocate, all
// in all, garbage included.
const memoryBound = 64 << 20

// allocated returns the bytes that the process has allocated so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// bounded runs use and wants it to stay within the bound.
func bounded(t testing.TB, what string, use func()) (spent uint64) {
	t.Helper()
	before := allocated()
	use()
	if spent = allocated() - before; spent > memoryBound {
		t.Fatalf("%s: %d MiB allocated, at most %d are allowed", what, spent>>20, memoryBound>>20)
	}
	return spent
}

// TestMemoryBound does everything with hostile files that can be done with a file.
func TestMemoryBound(t *testing.T) {
	most, where := uint64(0), ""
	for name, data := range hostileFiles(t) {
		spend := func(what string, use func()) {
			if n := bounded(t, name+", "+what, use); n > most {
				most, where = n, name+", "+what
			}
		}
		var readers []*Reader
		spend("open", func() {
			for _, open := range []func() (*Reader, error){
				func() (*Reader, error) { return FromBytes(data) },
				func() (*Reader, error) { return NewReader(bytes.NewReader(data), int64(len(data)), nil) },
			} {
				if r, err := open(); err == nil {
					readers = append(readers, r)
				}
			}
		})
		for _, r := range readers {
			var keys [][]byte
			spend("iterate", func() {
				for rec, err := range r.All() {
					if err != nil {
						break
					}
					if len(keys) < 200 {
						keys = append(keys, bytes.Clone(rec.Key))
					}
				}
			})
			for i := range 50 {
				keys = append(keys, fmt.Appendf(nil, "user%d@example%d.org\x00", i, i%7))
			}
			spend("look up", func() {
				for _, key := range keys {
					_, _, _ = r.Lookup(key)
				}
			})
			spend("look up many", func() {
				_, _ = r.LookupMany(keys, func(int, []byte) bool { return true })
			})
			spend("check", func() { _ = r.Check(t.Context(), nil) })
			spend("update", func() {
				u, err := r.Update()
				for i := 0; err == nil && i < 20; i++ {
					_, err = u.Put(fmt.Appendf(nil, "new%d", i), bytes.Repeat([]byte("v"), 400))
				}
			})
		}
		spend("salvage", func() {
			for _, err := range Salvage(bytes.NewReader(data), int64(len(data))) {
				if err != nil {
					break
				}
			}
		})
	}
	if most == 0 {
		t.Fatal("nothing was allocated, so nothing was measured")
	}
	t.Logf("at most %d KiB: %s", most>>10, where)
}

// sparse is a file of a terabyte with nothing behind its first bytes.
type sparse struct{ head []byte }

const sparseSize = 1 << 40

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= sparseSize {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), sparseSize-off))
	clear(p[:n])
	if off < int64(len(s.head)) {
		copy(p[:n], s.head[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestMemoryBoundSparse opens files whose numbers promise a terabyte, and which
// are that long, with nothing in them.
func TestMemoryBoundSparse(t *testing.T) {
	for _, kind := range []Kind{Hash, Btree} {
		data := build(t, kind, &BuildOptions{PageSize: 4096}, tables(4096)["mail100"])
		const pages = sparseSize / 4096
		var l layout
		l.put32(data, offLastPgno, pages-1)
		if kind == Hash {
			l.put32(data, offMaxBucket, pages/2-1)
			l.put32(data, offHighMask, pages/2-1)
			l.put32(data, offLowMask, pages/4-1)
			for i := range numSpares {
				l.put32(data, offSpares+4*i, 1)
			}
		}
		ways := map[string]func() (*Reader, error){
			"ReaderAt": func() (*Reader, error) { return NewReader(sparse{data}, sparseSize, nil) },
		}
		if runtime.GOOS == "linux" { // files with holes are made in other ways elsewhere, if at all
			path := filepath.Join(t.TempDir(), "t.db")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, sparseSize); err != nil {
				t.Fatalf("a file of a terabyte without contents: %v; TMPDIR can name another folder", err)
			}
			ways["mapped"] = func() (*Reader, error) { return Open(path, nil) }
			ways["file"] = func() (*Reader, error) { return Open(path, &Options{NoMmap: true}) }
		}
		for way, open := range ways {
			spent := bounded(t, "sparse", func() {
				r, err := open()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				for i := range 500 {
					if _, _, err := r.Lookup(fmt.Appendf(nil, "user%d@example.org\x00", i)); err != nil {
						known(t, err)
					}
				}
			})
			t.Logf("%v, %s: %d KiB", kind, way, spent>>10)
		}
	}
}
