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

// BenchmarkMemoryHeap is what the table in memory and Go's map keep on the heap
// for records of 40 bytes, and how long it takes to build them.
func BenchmarkMemoryHeap(b *testing.B) {
	for _, n := range sizes() {
		text, _ := source(n)
		for name, build := range map[string]func() any{
			"postfixkit": func() any { return memoryOf(b, text) },
			"map":        func() any { return mapOf(text) },
		} {
			b.Run(fmt.Sprintf("n=%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					var before, after runtime.MemStats
					b.StopTimer()
					runtime.GC()
					runtime.ReadMemStats(&before)
					b.StartTimer()
					table := build()
					b.StopTimer()
					runtime.GC()
					runtime.ReadMemStats(&after)
					b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heap-B/entry")
					b.ReportMetric(float64(len(text)-2*n)/float64(n), "record-B/entry")
					runtime.KeepAlive(table)
					b.StartTimer()
				}
			})
		}
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
			m, err := hashmap.ReadText("source", bytes.NewReader(text.Bytes()), nil, hashmap.KeepFirst, nil)
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
