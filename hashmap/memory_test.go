package hashmap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

func listAll(t testing.TB, l table.Lister) (all []table.Entry) {
	t.Helper()
	for e, err := range l.All(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestMemory(t *testing.T) {
	var zero Memory
	if _, ok := zero.Get(""); ok || zero.Len() != 0 {
		t.Error("the zero table has an entry")
	}
	long := strings.Repeat("long", 1<<19)
	entries := []table.Entry{{Key: "a", Value: "1"}, {}, {Key: "k" + long, Value: "v" + long}, {Key: "b\x00", Value: "\x00"}, {Key: "c", Value: strings.Repeat("x", 130)}}
	var b MemoryBuilder
	for i, e := range entries {
		var err error
		if i%2 == 0 {
			err = b.AddString(e.Key, e.Value)
		} else {
			err = b.Add([]byte(e.Key), []byte(e.Value))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if got := listAll(t, m); !reflect.DeepEqual(got, entries) {
		t.Error("All differs from what was added")
	}
	for _, e := range entries {
		if v, ok := m.Get(e.Key); v != e.Value || !ok {
			t.Errorf("Get(%.10q): %.10q %v", e.Key, v, ok)
		}
		if v, ok := m.GetBytes([]byte(e.Key)); v != e.Value || !ok {
			t.Errorf("GetBytes(%.10q): %.10q %v", e.Key, v, ok)
		}
		if v, ok, _ := m.AppendLookup([]byte("x"), []byte(e.Key)); string(v) != "x"+e.Value || !ok {
			t.Errorf("AppendLookup(%.10q): %.10q %v", e.Key, v, ok)
		}
	}
	if v, ok, err := m.Lookup(context.Background(), "none"); v != "" || ok || err != nil {
		t.Errorf("miss: %q %v %v", v, ok, err)
	}
	if b.Len() != 0 {
		t.Error("the builder is not empty after Build")
	}
}

func TestMemoryDuplicates(t *testing.T) {
	add := []table.Entry{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "a", Value: "33"}, {Key: "c", Value: "4"}, {Key: "a", Value: "5"}}
	for _, c := range []struct {
		policy Duplicates
		want   []table.Entry
		report string
	}{
		{KeepFirst, []table.Entry{add[0], add[1], add[3]}, "a 0 2, a 0 4, "},
		{KeepAll, []table.Entry{add[0], add[1], add[3]}, "a 0 2, a 0 4, "},
		{KeepLast, []table.Entry{add[1], add[3], add[4]}, "a 0 2, a 2 4, "},
		{RejectDuplicates, nil, "a 0 2, a 0 4, "},
	} {
		report := ""
		b := MemoryBuilder{Duplicates: c.policy, OnDuplicate: func(key string, first, again int) {
			report += fmt.Sprintf("%s %d %d, ", key, first, again)
		}}
		for _, e := range add {
			if err := b.AddString(e.Key, e.Value); err != nil {
				t.Fatal(err)
			}
		}
		m, err := b.Build()
		if report != c.report {
			t.Errorf("policy %d: reported %s", c.policy, report)
		}
		if c.want == nil {
			var d *DuplicateError
			if !errors.As(err, &d) || !errors.Is(err, ErrDuplicate) || d.Again != 2 || d.Count != 2 {
				t.Errorf("policy %d: got %v", c.policy, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := listAll(t, m); !reflect.DeepEqual(got, c.want) || m.Len() != 3 {
			t.Errorf("policy %d: got %v, %d entries", c.policy, got, m.Len())
		}
		size := int64(0)
		for _, e := range c.want {
			size += int64(len(e.Key) + len(e.Value))
		}
		if m.Size() != size {
			t.Errorf("policy %d: size %d, want %d", c.policy, m.Size(), size)
		}
	}
}

// Keys whose hashes were chosen to fall into one place must not make building
// quadratic, or lookups slow.
func TestMemoryHostileKeys(t *testing.T) {
	const n = 1500
	keys := make([]string, 0, n)
	for i := 0; len(keys) < n; i++ {
		key := strconv.Itoa(i)
		if shortHash(key)>>58 == 0 { // the same 1/64 of the index
			keys = append(keys, key)
		}
	}
	var b MemoryBuilder
	for _, k := range keys {
		b.AddString(k, k)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if !m.seeded {
		t.Error("the keys went unnoticed")
	}
	many := make([][]byte, len(keys))
	for i, k := range keys {
		if v, ok := m.Get(k); v != k || !ok {
			t.Fatalf("%s: got %q", k, v)
		}
		if v, ok := m.GetBytes([]byte(k)); v != k || !ok {
			t.Fatalf("%s: got %q", k, v)
		}
		many[i] = []byte(k)
	}
	found := 0
	if _, err := m.LookupMany(many, func(i int, value []byte) bool {
		found++
		return string(value) == keys[i]
	}); found != n || err != nil {
		t.Errorf("LookupMany: %d values, %v", found, err)
	}
}

// Every byte of a key counts, at every length, and keys that differ little are
// spread as evenly as by chance.
func TestShortHash(t *testing.T) {
	seen := map[uint64]string{}
	differs := func(key string) {
		h := shortHash(key)
		if other, there := seen[h]; there && other != key {
			t.Fatalf("%q and %q have one hash", key, other)
		}
		seen[h] = key
	}
	for n := range shortKey + 1 {
		base := []byte("abcdefghijklmnopqrstuvwxyz012345"[:n])
		differs(string(base))
		for i := range base {
			for bit := range 8 {
				base[i] ^= 1 << bit
				differs(string(base))
				base[i] ^= 1 << bit
			}
		}
	}
	const places = 1 << 10
	for _, format := range []string{"%d", "u%d", "user%d", "user%d@example", "user%d@example.org", "%d.reverse.example.com", "192.168.%d", "%08d@x"} {
		var upper, lower [places]int
		for i := range 100 * places {
			h := shortHash(fmt.Sprintf(format, i))
			upper[h>>54]++
			lower[h%places]++
		}
		for i := range places {
			// 100 on average: half or twice of that is no chance.
			if min(upper[i], lower[i]) < 50 || max(upper[i], lower[i]) > 200 {
				t.Fatalf("%s: %d and %d of %d keys in place %d", format, upper[i], lower[i], 100*places, i)
			}
		}
	}
}

func TestMemoryNoAllocation(t *testing.T) {
	m, keys := memoryOf(t, 1000)
	ctx := context.Background()
	raw, dst := []byte(keys[7]), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		m.Lookup(ctx, keys[7])
		m.GetBytes(raw)
		m.AppendLookup(dst, raw)
		m.Get("no such key")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Agreement with a map, over any sequence of additions.
func FuzzMemory(f *testing.F) {
	f.Add([]byte("a\x00b\x00a\x00c"), uint8(1))
	f.Add([]byte("\x00\x00\x00\x00"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, policy uint8) {
		b := MemoryBuilder{Duplicates: KeepFirst + Duplicates(policy%2)}
		want := map[string]string{}
		parts := strings.Split(string(data), "\x00")
		for i := 0; i+1 < len(parts); i += 2 {
			k, v := parts[i], parts[i+1]
			if err := b.AddString(k, v); err != nil {
				t.Fatal(err)
			}
			if _, twice := want[k]; !twice || b.Duplicates == KeepLast {
				want[k] = v
			}
		}
		m, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range listAll(t, m) {
			got[e.Key] = e.Value
			if v, ok := m.Get(e.Key); v != e.Value || !ok {
				t.Fatalf("%q: got %q %v, listed %q", e.Key, v, ok, e.Value)
			}
		}
		if !reflect.DeepEqual(got, want) || m.Len() != len(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if _, ok := want["absent"]; !ok {
			if _, ok := m.GetBytes([]byte("absent")); ok {
				t.Fatal("found what is not there")
			}
		}
		if got, want := asked(t, m.LookupMany, parts), asked(t, oneByOne(m), parts); !slices.Equal(got, want) {
			t.Fatalf("LookupMany: %q, one by one: %q", got, want)
		}
	})
}

func benchKey(i int) string { return fmt.Sprintf("user%08d@example.org", i) }

func memoryOf(t testing.TB, n int) (*Memory, []string) {
	t.Helper()
	var b MemoryBuilder
	keys := make([]string, 0, min(n, 1<<20))
	for i := range n {
		k := benchKey(i)
		b.AddString(k, fmt.Sprintf("mailbox%09d", i))
		if len(keys) < cap(keys) {
			keys = append(keys, k)
		}
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return m, keys
}

func BenchmarkMemoryGet(b *testing.B) {
	for _, n := range []int{1e3, 1e5, 1e6} {
		m, keys := memoryOf(b, n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := m.Get(keys[i]); !ok {
					b.Fatal("not found")
				}
				if i++; i == len(keys) {
					i = 0
				}
			}
		})
	}
}

func BenchmarkGoMapGet(b *testing.B) {
	for _, n := range []int{1e3, 1e5, 1e6} {
		m, keys := make(map[string]string, n), make([]string, n)
		for i := range n {
			keys[i] = benchKey(i)
			m[strings.Clone(keys[i])] = fmt.Sprintf("mailbox%09d", i)
		}
		rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				if m[keys[i]] == "" {
					b.Fatal("not found")
				}
				if i++; i == len(keys) {
					i = 0
				}
			}
		})
	}
}

// TestMemoryTenMillion measures what the doc comment promises.
func TestMemoryTenMillion(t *testing.T) {
	if os.Getenv("POSTFIXKIT_LONG") == "" {
		return
	}
	const n = 10_000_000
	start := time.Now()
	var b MemoryBuilder
	key, value := make([]byte, 0, 64), make([]byte, 0, 64)
	for i := range n {
		key = append(strconv.AppendInt(append(key[:0], "user"...), int64(i+10_000_000), 10), "@example.org"...)
		value = strconv.AppendInt(append(value[:0], "mailbox"...), int64(i+100_000_000), 10)
		if err := b.Add(key, value); err != nil {
			t.Fatal(err)
		}
	}
	added := time.Since(start)
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("added in %v, whole build %v", added, time.Since(start))
	var st runtime.MemStats
	runtime.ReadMemStats(&st)
	t.Logf("from system %d MB", st.Sys>>20)
	gc := time.Now()
	runtime.GC()
	t.Logf("collection %v", time.Since(gc))
	runtime.ReadMemStats(&st)
	t.Logf("heap %d MB, %.1f bytes an entry", st.HeapAlloc>>20, float64(st.HeapAlloc)/n)
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmHWM") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
	runtime.KeepAlive(m)
}

// TestReadTextLarge reads sources that several goroutines collect into blocks,
// and wants what adding one entry after the other gives.
func TestReadTextLarge(t *testing.T) {
	sources := map[string]func(i int) string{
		"plain":    func(i int) string { return fmt.Sprintf("User%d@example.org destination-%d\n", i*7919%20_000, i) },
		"repeated": func(i int) string { return fmt.Sprintf("user%d@example.org destination-%d\n", i%3000, i) },
		"comments": func(i int) string { return fmt.Sprintf("# %s\nk%d v\n", strings.Repeat("comment ", 9), i) },
		"faults":   func(i int) string { return fmt.Sprintf("k%d v\n%s\n", i, []string{"bad", "\"open v", ""}[i%3]) },
		"values": func(i int) string {
			return fmt.Sprintf("k%d %s\n", i, strings.Repeat("v", []int{1, 127, 128, 5000, 1}[i%5]))
		},
		"huge": func(i int) string {
			return fmt.Sprintf("k%d %s\n", i, strings.Repeat("v", []int{1, 3 << 20}[i/5000%2*(i%5000/4999)]))
		},
	}
	for name, line := range sources {
		t.Run(name, func(t *testing.T) {
			var src strings.Builder
			for i := range 20_000 {
				src.WriteString(line(i))
			}
			var got, want []string
			m, err := ReadText("src", strings.NewReader(src.String()), nil, KeepFirst, func(d diag.Diagnostic) { got = append(got, d.String()) })
			if err != nil {
				t.Fatal(err)
			}
			s := textmap.NewScanner("src", strings.NewReader(src.String()), nil)
			s.Report = func(d diag.Diagnostic) { want = append(want, d.String()) }
			b := MemoryBuilder{Duplicates: KeepFirst}
			var lines []int
			for s.Scan() {
				if err := b.Add(s.Key(), s.Value()); err != nil {
					t.Fatal(err)
				}
				lines = append(lines, s.Line())
			}
			b.OnDuplicate = func(key string, first, again int) {
				want = append(want, duplicateFinding("src", key, lines[first], lines[again]).String())
			}
			simple, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %d findings, want %d, or others", len(got), len(want))
			}
			if m.Len() != simple.Len() || m.Size() != simple.Size() {
				t.Errorf("%d entries of %d bytes, want %d of %d", m.Len(), m.Size(), simple.Len(), simple.Size())
			}
			next, stop := iter.Pull2(m.All(ctx))
			defer stop()
			for e, err := range simple.All(ctx) {
				o, oerr, ok := next()
				if err != nil || oerr != nil || !ok || o != e {
					t.Fatalf("got %.60q %.60q %v %v, want %.60q %.60q", o.Key, o.Value, oerr, ok, e.Key, e.Value)
				}
				if v, found := m.Get(e.Key); !found || v != e.Value {
					t.Fatalf("%.60q: got %.60q %v, want %.60q", e.Key, v, found, e.Value)
				}
			}
			if o, _, ok := next(); ok {
				t.Errorf("one more: %.60q", o.Key)
			}
		})
	}
}

// TestReadTextDuplicates: of entries with the same key the one counts that is
// asked for, and all are reported.
func TestReadTextDuplicates(t *testing.T) {
	const src = "a 1\nB 2\nA 3\nb 4\nc 5\na 6\n"
	for policy, want := range map[Duplicates]string{KeepFirst: "1 2 5", KeepLast: "6 4 5", KeepAll: "1 2 5", RejectDuplicates: ""} {
		var lines []int
		m, err := ReadText("src", strings.NewReader(src), nil, policy, func(d diag.Diagnostic) { lines = append(lines, d.Span.Start.Line) })
		if !slices.Equal(lines, []int{3, 4, 6}) {
			t.Errorf("%v: lines %v", policy, lines)
		}
		if want == "" {
			if !errors.Is(err, ErrDuplicate) {
				t.Errorf("%v: %v", policy, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, key := range []string{"a", "b", "c"} {
			v, _ := m.Get(key)
			got = append(got, v)
		}
		if strings.Join(got, " ") != want || m.Len() != 3 {
			t.Errorf("%v: %v, %d entries", policy, got, m.Len())
		}
	}
}
