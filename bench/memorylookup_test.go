package bench

import (
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/bench/clib"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// memoryField compares the table in memory with Go's map. Neither looks at the
// value it finds: the map would have to fetch it from a place of its own.
var memoryField = field{
	func(testing.TB, []tabletest.Record) string { return "" },
	func(tb testing.TB, _ string, recs []tabletest.Record, keys *clib.Keys) []contestant {
		var b hashmap.MemoryBuilder
		addAll(tb, &b, recs)
		m, err := b.Build()
		if err != nil {
			tb.Fatal(err)
		}
		plain := make(map[string]string, len(recs))
		for _, r := range recs {
			plain[string(r.Key)] = string(r.Value)
		}
		return []contestant{
			{name: "postfixkit", find: func(from, count int) (found int, took time.Duration) {
				n, start := keys.Len(), time.Now()
				for ; count > 0; count-- {
					if _, ok := m.GetBytes(keys.Key(from)); ok {
						found++
					}
					if from++; from == n {
						from = 0
					}
				}
				return found, time.Since(start)
			}},
			{name: "map", find: func(from, count int) (found int, took time.Duration) {
				n, start := keys.Len(), time.Now()
				for ; count > 0; count-- {
					if _, ok := plain[string(keys.Key(from))]; ok {
						found++
					}
					if from++; from == n {
						from = 0
					}
				}
				return found, time.Since(start)
			}},
		}
	},
}

func BenchmarkMemory(b *testing.B) { memoryField.compare(b, lookupSizes) }

func TestPairedMemory(t *testing.T) { memoryField.pair(t) }
