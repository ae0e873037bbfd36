package hashmap

import (
	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/hashmap/bdb"
	"github.com/postfixkit/postfixkit/hashmap/lmdb"
	"github.com/postfixkit/postfixkit/textmap"
)

// addScanned is AddSource for a Scanner, whose entries become records where they
// are parsed if that is elsewhere.
func (b *Builder) addScanned(name string, s *textmap.Scanner) error {
	if s.Report == nil {
		s.Report = func(d diag.Diagnostic) { b.findings = append(b.findings, d) }
		defer func() { s.Report = nil }()
	}
	collect, add := b.batches()
	if s.Collect == nil {
		s.Collect = collect
		defer func() { s.Collect = nil }()
	}
	for {
		if run := s.Batch(); run != nil && add != nil {
			before := b.Len()
			if ours, err := add(run.Collector()); err != nil {
				return err
			} else if ours {
				b.addedBatch(run, before)
				s.Skip(run)
				continue
			}
		}
		if !s.Scan() {
			return s.Err()
		}
		if err := b.addFrom(name, s.Key(), s.Value(), s.Line()); err != nil {
			return err
		}
	}
}

// addedBatch takes note of the lines of a batch.
func (b *Builder) addedBatch(run *textmap.Batch, before int) {
	for i := range run.Len() {
		b.lines.add(int32(run.Line(i)))
	}
	if n := b.Len(); b.opts.Progress != nil && n/progressStep != before/progressStep {
		b.opts.Progress(Progress{Reading, int64(n), b.total})
	}
}

// batches returns how several goroutines collect entries of a source, and how
// what one of them has is added; nil when entries have to come one by one. The
// second tells whether it was collected so.
func (b *Builder) batches() (collect func(size int) textmap.Collector, add func(textmap.Collector) (bool, error)) {
	if b.copy != nil {
		return nil, nil
	}
	switch w := b.w.(type) {
	case *lmdb.Builder:
		return batches(b, w.NewBatch, w.AddBatch)
	case *bdb.Builder:
		return batches(b, w.NewBatch, w.AddBatch)
	}
	return nil, nil
}

func batches[B textmap.Collector](b *Builder, newBatch func(size int, nul bool) B, addBatch func(B) error) (func(int) textmap.Collector, func(textmap.Collector) (bool, error)) {
	collect := func(size int) textmap.Collector { return collector{newBatch(size, b.nul), b} }
	add := func(c textmap.Collector) (bool, error) {
		if c, ours := c.(collector); ours && c.of == b {
			return true, addBatch(c.Collector.(B))
		}
		return false, nil
	}
	return collect, add
}

// A collector has the Builder that its records are for: a Scanner may have some
// left from when one gave up, and another goes on with it.
type collector struct {
	textmap.Collector
	of *Builder
}
