package boltmap

import (
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/postfixkit/postfixkit/internal/arena"
)

// Lookup returns the value of key. A miss is found == false with a nil error;
// an error means that the answer is not known.
func (t *Table) Lookup(key []byte) (value string, found bool, err error) {
	v, found, err := t.AppendLookup(nil, key)
	return string(v), found, err
}

// AppendLookup appends the value of key to dst and returns the result, dst
// itself when there is none. bbolt allocates a little for each.
func (t *Table) AppendLookup(dst, key []byte) (out []byte, found bool, err error) {
	out = dst
	err = t.view(func(tx *bbolt.Tx) error {
		if b := t.in(tx); b != nil {
			if v := b.Get(key); v != nil {
				out, found = append(dst, v...), true
			}
		}
		return nil
	})
	if err != nil {
		return dst, false, err
	}
	return out, found, nil
}

// in returns the table's bucket, nil when the file has none.
func (t *Table) in(tx *bbolt.Tx) *bbolt.Bucket {
	if t.bucket == nil {
		return nil
	}
	return tx.Bucket(t.bucket)
}

// A Record is one key with its value. Its slices are valid until the next step
// of the iteration.
type Record struct{ Key, Value []byte }

// All iterates over the records in the order of their keys (unsigned bytes). The
// table may be changed meanwhile, by the loop's body too: no transaction is open
// while that runs. Records that are changed or added behind the current one are
// seen as they are when the iteration comes there.
func (t *Table) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var c chunk
		for {
			err := t.view(func(tx *bbolt.Tx) error { return c.read(t.in(tx)) })
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, e := range c.ends {
				if !yield(Record{c.take(e.key), c.take(e.value)}, nil) {
					return
				}
			}
			if c.done {
				return
			}
		}
	}
}

// A chunk is the part of an iteration that is read in one transaction.
type chunk struct {
	buf  []byte // keys and values, one after the other
	ends []lengths
	at   int    // what take has not given yet
	last []byte // key to go on after; nil at the start
	done bool
}

type lengths struct{ key, value int }

const chunkSize = 64 << 10

func (c *chunk) take(n int) []byte {
	p := c.buf[c.at : c.at+n : c.at+n]
	c.at += n
	return p
}

func (c *chunk) read(b *bbolt.Bucket) error {
	c.buf, c.ends, c.at = c.buf[:0], c.ends[:0], 0
	if b == nil {
		c.done = true
		return nil
	}
	cur := b.Cursor()
	var k, v []byte
	if c.last == nil {
		k, v = cur.First()
	} else if k, v = cur.Seek(c.last); string(k) == string(c.last) {
		k, v = cur.Next()
	}
	for ; k != nil; k, v = cur.Next() {
		if v == nil {
			return fmt.Errorf("boltmap: key %s is a bucket inside the table's bucket, not a record", arena.Quoted(k))
		}
		c.buf = append(append(c.buf, k...), v...)
		c.ends = append(c.ends, lengths{len(k), len(v)})
		if len(c.buf) >= chunkSize {
			c.last = append(c.last[:0], k...)
			return nil
		}
	}
	c.done = true
	return nil
}

// Info describes a table.
type Info struct {
	Size     int64 // bytes of the file
	PageSize int
	Bucket   string // "" when the file has none
	Records  int64
	Depth    int // levels of the tree
	Branches int // branch pages
	Leaves   int // leaf pages
}

// Info describes the table. It visits every page of it.
func (t *Table) Info() (in Info, err error) {
	err = t.view(func(tx *bbolt.Tx) error {
		in = Info{Size: tx.Size(), PageSize: t.pageSize, Bucket: string(t.bucket)}
		if b := t.in(tx); b != nil {
			s := b.Stats()
			in.Records, in.Depth, in.Branches, in.Leaves = int64(s.KeyN), s.Depth, s.BranchPageN, s.LeafPageN
		}
		return nil
	})
	return in, err
}
