package hashmap

import (
	"fmt"
	"runtime"
	"testing"
)

// live is what the collector finds in use.
func live() uint64 {
	for range 3 { // what pools hold goes with the second
		runtime.GC()
	}
	var st runtime.MemStats
	runtime.ReadMemStats(&st)
	return st.HeapAlloc
}

// onFirstWrite calls itself when the first bytes come.
type onFirstWrite func()

func (f *onFirstWrite) Write(p []byte) (int, error) {
	if *f != nil {
		(*f)()
		*f = nil
	}
	return len(p), nil
}

// TestBuilderMemory holds the builders to what the doc comment promises, when
// the table has been put in order and the first byte is written.
func TestBuilderMemory(t *testing.T) {
	const n = 100_000
	for _, f := range []Format{Hash, Btree, CDB, LMDB} {
		before := live()
		b := NewBuilder(f, nil)
		size := uint64(0)
		for i := range n {
			key, value := fmt.Sprintf("user%08d@example.org", i*7919%n), fmt.Sprintf("mailbox%09d", i)
			size += uint64(len(key) + len(value))
			if err := b.Add(key, value); err != nil {
				t.Fatal(err)
			}
		}
		after, most := live(), uint64(0)
		w := onFirstWrite(func() { most = live() })
		if _, err := b.WriteTo(&w); err != nil {
			t.Fatal(err)
		}
		added, writing := (float64(after)-float64(before))/float64(size), (float64(most)-float64(before))/float64(size)
		t.Logf("%v: %.2f times the records when added, %.2f when written", f, added, writing)
		if added > 2 || writing > 3 {
			t.Errorf("%v: %.2f times the size of the records when added, %.2f when written", f, added, writing)
		}
		runtime.KeepAlive(b)
	}
}
