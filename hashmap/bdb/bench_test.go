package bdb

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

func BenchmarkBuild(b *testing.B) {
	for _, kind := range []Kind{Hash, Btree} {
		b.Run(kind.String(), func(b *testing.B) {
			var ks, vs [][]byte
			rnd := rand.New(rand.NewPCG(1, 2))
			for i := range 1_000_000 {
				ks = append(ks, fmt.Appendf(nil, "user%d@example%d.org\x00", rnd.IntN(1e9), i%100))
				vs = append(vs, fmt.Appendf(nil, "mailbox-%d\x00", i))
			}
			for b.Loop() {
				bd := NewBuilder(kind, &BuildOptions{Duplicates: KeepFirst})
				for i := range ks {
					bd.Add(ks[i], vs[i])
				}
				n, err := bd.WriteTo(io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(n)/1e6, "MB")
			}
		})
	}
}
