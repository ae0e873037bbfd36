package boltmap

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/postfixkit/postfixkit/internal/arena"
)

// Put stores value under key, in place of what was there. It fails with a
// [*KeyError] for a key that bbolt cannot store.
func (t *Table) Put(key, value []byte) error {
	var b Batch
	if err := b.Put(key, value); err != nil {
		return err
	}
	return t.Apply(&b)
}

// Delete removes key and reports whether it was there.
func (t *Table) Delete(key []byte) (found bool, err error) {
	err = t.update(func(tx *bbolt.Tx) error {
		b := t.in(tx)
		found = b.Get(key) != nil
		if !found {
			return nil
		}
		return b.Delete(key)
	})
	return found && err == nil, err
}

// A Batch is a list of changes for [Table.Apply]. The zero Batch is empty and
// ready. It is not safe for concurrent use.
type Batch struct {
	buf     []byte
	changes []change
}

type change struct {
	lengths
	delete bool
}

// Put adds the change that [Table.Put] makes. It copies key and value.
func (b *Batch) Put(key, value []byte) error {
	if len(key) == 0 || len(key) > maxKey {
		return &KeyError{Key: bytes.Clone(key), Limit: maxKey}
	}
	if int64(len(value)) > maxValue {
		return fmt.Errorf("%w: key %s has a value of %d bytes", ErrTooLarge, arena.Quoted(key), len(value))
	}
	b.buf = append(append(b.buf, key...), value...)
	b.changes = append(b.changes, change{lengths: lengths{len(key), len(value)}})
	return nil
}

// Delete adds the removal of key. It is no error when key is not there.
func (b *Batch) Delete(key []byte) {
	b.buf = append(b.buf, key...)
	b.changes = append(b.changes, change{lengths{len(key), 0}, true})
}

// Len returns the number of changes.
func (b *Batch) Len() int { return len(b.changes) }

// Reset empties the batch for another use.
func (b *Batch) Reset() { b.buf, b.changes = b.buf[:0], b.changes[:0] }

// Apply makes all changes of a batch, in their order and in one transaction:
// after an error none of them is made.
func (t *Table) Apply(batch *Batch) error {
	return t.update(func(tx *bbolt.Tx) error {
		b, rest := t.in(tx), batch.buf
		for _, c := range batch.changes {
			key, value := rest[:c.key:c.key], rest[c.key:][:c.value:c.value]
			rest = rest[c.key+c.value:]
			var err error
			if c.delete {
				err = b.Delete(key)
			} else {
				err = b.Put(key, value)
			}
			if err != nil {
				return fmt.Errorf("boltmap: key %s: %w", arena.Quoted(key), err)
			}
		}
		return nil
	})
}
