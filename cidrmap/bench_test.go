package cidrmap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
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
	src  []byte
	keys []netip.Addr
	tab  *Table
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
	benchTables.Store(n, t)
	return t
}

func skipLong(b *testing.B, n int) {
	if n >= 1_000_000 && os.Getenv("POSTFIXKIT_LONG") == "" {
		b.Skip("takes seconds to set up; set POSTFIXKIT_LONG=1")
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			skipLong(b, n)
			t := benchOf(b, n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				t.tab.LookupAddr(t.keys[i%len(t.keys)])
				i++
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			skipLong(b, n)
			t := benchOf(b, n)
			b.ReportAllocs()
			b.SetBytes(int64(len(t.src)))
			for b.Loop() {
				Parse("bench", t.src)
			}
		})
	}
}
