package bench_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/hashmap"
)

// pairs cuts a source into records whose strings share nothing with it.
func pairs(text []byte, yield func(key, value string)) {
	for line := range strings.Lines(string(text)) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		yield(strings.Clone(k), strings.Clone(v))
	}
}

func memoryOf(tb testing.TB, text []byte) *hashmap.Memory {
	tb.Helper()
	var b hashmap.MemoryBuilder
	pairs(text, func(k, v string) { b.AddString(k, v) })
	m, err := b.Build()
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func mapOf(text []byte) map[string]string {
	m := map[string]string{}
	pairs(text, func(k, v string) { m[k] = v })
	return m
}

// heapOf is what build keeps on the heap.
func heapOf(build func() any) (any, uint64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return v, after.HeapAlloc - before.HeapAlloc
}

// BenchmarkMemory is one lookup in the table in memory beside Go's map, in
// random order, and the heap either keeps per entry.
func BenchmarkMemory(b *testing.B) {
	for _, n := range append([]int{1e3}, sizes()...) {
		text, keys := source(n)
		list := strings.Fields(string(keys))
		b.Run(fmt.Sprintf("n=%d/postfixkit", n), func(b *testing.B) {
			v, heap := heapOf(func() any { return memoryOf(b, text) })
			m := v.(*hashmap.Memory)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, ok := m.Get(list[i%n]); !ok {
					b.Fatal("not found")
				}
			}
			b.ReportMetric(float64(heap)/float64(n), "heap-B/entry")
			runtime.KeepAlive(m)
		})
		b.Run(fmt.Sprintf("n=%d/map", n), func(b *testing.B) {
			v, heap := heapOf(func() any { return mapOf(text) })
			m := v.(map[string]string)
			for i := 0; b.Loop(); i++ {
				if m[list[i%n]] == "" {
					b.Fatal("not found")
				}
			}
			b.ReportMetric(float64(heap)/float64(n), "heap-B/entry")
			runtime.KeepAlive(m)
		})
	}
}

// BenchmarkMemoryLoad reads a map source into memory: ten million lines when
// POSTFIXKIT_LONG is set.
func BenchmarkMemoryLoad(b *testing.B) {
	n := 10_000
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		n = 10_000_000
	}
	var text bytes.Buffer
	for i := range n {
		fmt.Fprintf(&text, "user%08d@example.org\tmailbox%09d\n", i*7919%n, i)
	}
	b.Run(fmt.Sprintf("n=%d/postfixkit", n), func(b *testing.B) {
		b.SetBytes(int64(text.Len()))
		for b.Loop() {
			m, err := hashmap.ReadText("source", bytes.NewReader(text.Bytes()), nil, nil)
			if err != nil || m.Len() != n {
				b.Fatal(err, m.Len())
			}
		}
	})
	b.Run(fmt.Sprintf("n=%d/map", n), func(b *testing.B) {
		b.SetBytes(int64(text.Len()))
		for b.Loop() {
			if m := mapOf(text.Bytes()); len(m) != n {
				b.Fatal(len(m))
			}
		}
	})
}
