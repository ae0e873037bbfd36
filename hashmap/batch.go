package hashmap

import (
	"github.com/postfixkit/postfixkit/hashmap/bdb"
	"github.com/postfixkit/postfixkit/hashmap/lmdb"
	"github.com/postfixkit/postfixkit/textmap"
)

// batches returns how the entries of a source are collected by several
// goroutines, and how what one has collected is added; nil when they have to come
// one by one.
func (b *Builder) batches() (collect func(size int) textmap.Collector, add func(textmap.Collector) error) {
	if b.copy != nil {
		return nil, nil
	}
	switch w := b.w.(type) {
	case *lmdb.Builder:
		return func(size int) textmap.Collector { return w.NewBatch(size, b.nul) },
			func(c textmap.Collector) error { return w.AddBatch(c.(*lmdb.Batch)) }
	case *bdb.Builder:
		return func(size int) textmap.Collector { return w.NewBatch(size, b.nul) },
			func(c textmap.Collector) error { return w.AddBatch(c.(*bdb.Batch)) }
	}
	return nil, nil
}
