package tabletest

import (
	"bytes"
	"sync"
	"testing"
)

// A BatchBuilder takes records that were collected by several goroutines.
type BatchBuilder[B interface{ Add(key, value []byte) error }] interface {
	Builder
	NewBatch(size int, nul bool) B
	AddBatch(B) error
}

// Batches wants builders to make of batches, and of what is added one by one
// between them, the file that they make of single records.
func Batches[B interface{ Add(key, value []byte) error }](t *testing.T, f Format, builder func() BatchBuilder[B]) {
	for name, recs := range f.sets() {
		t.Run(name, func(t *testing.T) {
			for _, nul := range []bool{false, true} {
				var stored []Record
				kept := recs[:0:0]
				for _, r := range recs {
					if !nul {
						stored = append(stored, r)
					} else if f.MaxKey == 0 || len(r.Key) < f.MaxKey {
						kept = append(kept, r)
						stored = append(stored, Record{append(bytes.Clone(r.Key), 0), append(bytes.Clone(r.Value), 0)})
					}
				}
				if !nul {
					kept = recs
				}
				want := Image(t, builder(), stored...)
				for _, n := range []int{1, 7, 3000} { // 3000 records are more than a small batch
					if n == 1 && len(kept) > 1000 {
						continue
					}
					b := builder()
					inBatches(t, b, kept, stored, n, nul)
					var got bytes.Buffer
					if _, err := b.WriteTo(&got); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got.Bytes(), want) {
						t.Fatalf("batches of %d records, nul %v: another file of %d bytes, want %d", n, nul, got.Len(), len(want))
					}
				}
			}
		})
	}
}

// inBatches adds records in batches of n, each filled by a goroutine of its own,
// and every fifth batch one by one.
func inBatches[B interface{ Add(key, value []byte) error }](t *testing.T, b BatchBuilder[B], recs, stored []Record, n int, nul bool) {
	t.Helper()
	batches := make([]B, (len(recs)+n-1)/n)
	errs := make([]error, len(batches))
	var wg sync.WaitGroup
	for i := range batches {
		wg.Go(func() {
			batches[i] = b.NewBatch(100*n, nul)
			for _, r := range recs[i*n : min(i*n+n, len(recs))] {
				if err := batches[i].Add(r.Key, r.Value); err != nil && errs[i] == nil {
					errs[i] = err
				}
			}
		})
		if i%8 == 7 {
			wg.Wait()
		}
	}
	wg.Wait()
	for i, batch := range batches {
		if errs[i] == nil && i%5 < 4 {
			errs[i] = b.AddBatch(batch)
		} else { // also what is too large for a batch
			errs[i] = nil
			for _, r := range stored[i*n : min(i*n+n, len(recs))] {
				if err := b.Add(r.Key, r.Value); err != nil {
					errs[i] = err
				}
			}
		}
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
	}
}
