package cidrmap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
)

// networks makes a table like a list of bad networks: IPv4 /16 to /32 and some
// IPv6, n in all, none twice.
func networks(n int) (src []byte, keys []netip.Addr) {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	var b bytes.Buffer
	seen := map[netip.Prefix]bool{}
	for len(seen) < n {
		var p netip.Prefix
		if r.IntN(5) > 0 {
			u := r.Uint32()
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)}), 16+r.IntN(17))
		} else {
			var a [16]byte
			a[0], a[1] = 0x20, 1
			for i := 2; i < 8; i++ {
				a[i] = byte(r.IntN(256))
			}
			p = netip.PrefixFrom(netip.AddrFrom16(a), 32+r.IntN(33))
		}
		p = p.Masked()
		if seen[p] {
			continue
		}
		seen[p] = true
		fmt.Fprintf(&b, "%s\tREJECT listed as %d\n", p, len(seen))
		if len(keys) < 1<<16 {
			keys = append(keys, p.Addr(), p.Addr().Next())
		}
	}
	return b.Bytes(), keys
}

type benchTable struct {
	src    []byte
	keys   []netip.Addr // in random order
	random []netip.Addr
	tab    *Table
}

var benchTables sync.Map

func benchOf(b *testing.B, n int) *benchTable {
	if t, ok := benchTables.Load(n); ok {
		return t.(*benchTable)
	}
	t := &benchTable{}
	t.src, t.keys = networks(n)
	var err error
	if t.tab, err = Parse("bench", t.src); err != nil || t.tab.plain {
		b.Fatal(err, t.tab.plain)
	}
	r := rand.New(rand.NewPCG(3, 9))
	r.Shuffle(len(t.keys), func(i, j int) { t.keys[i], t.keys[j] = t.keys[j], t.keys[i] })
	for range 1 << 17 {
		k := key{r.Uint64(), r.Uint64()}
		if is4 := r.IntN(5) > 0; is4 {
			t.random = append(t.random, k.addr(true))
		} else {
			k.hi = 0x2001<<48 | k.hi>>16
			t.random = append(t.random, k.addr(false))
		}
	}
	benchTables.Store(n, t)
	return t
}

func skipLong(b *testing.B, n int) {
	if n >= 1_000_000 && os.Getenv("POSTFIXKIT_LONG") == "" {
		b.Skip("takes seconds to set up; set POSTFIXKIT_LONG=1")
	}
}

// BenchmarkLookup asks for addresses in the networks, and for addresses from
// anywhere.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000, 1_000_000} {
		for _, kind := range []string{"listed", "random"} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				skipLong(b, n)
				t := benchOf(b, n)
				keys := t.keys
				if kind == "random" {
					keys = t.random
				}
				found := 0
				for _, key := range keys {
					if _, ok := t.tab.LookupAddr(key); ok {
						found++
					}
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					t.tab.LookupAddr(keys[i])
					if i++; i == len(keys) {
						i = 0
					}
				}
				b.ReportMetric(100*float64(found)/float64(len(keys)), "%found")
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			skipLong(b, n)
			t := benchOf(b, n)
			b.ReportAllocs()
			b.SetBytes(int64(len(t.src)))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var tab *Table
			for b.Loop() {
				tab, _ = Parse("bench", t.src)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
			runtime.KeepAlive(tab)
		})
	}
}
