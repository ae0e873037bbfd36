package hashmap

import (
	"sync"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/table"
)

var (
	_ table.Batcher = (*Reader)(nil)
	_ table.Batcher = (*Memory)(nil)
	_ table.Batcher = foldedMemory{}
)

// LookupMany is a [table.Batcher]: it answers keys in less time than one by one,
// in a table larger than the processor's caches several times as fast.
func (r *Reader) LookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	if r.opts.LockLookups {
		return table.LookupEach(r, keys, found)
	}
	p := parts.Get().(*part)
	defer parts.Put(p)
	for answered < len(keys) {
		from := answered
		some := keys[from:min(from+partSize, len(keys))]
		p.fill(some, r.prepare)
		n, err := r.lookupPart(p, func(i int, value []byte) bool { return found(from+p.of[i], value) })
		if n < len(p.keys) {
			return from + p.of[n], explain(err, r.path)
		}
		answered += len(some)
	}
	return answered, nil
}

// lookupPart looks up prepared keys. While it is not known whether the table
// stores them with a NUL, and one of them is found, they are looked up one by one:
// the first hit decides about those that follow.
func (r *Reader) lookupPart(p *part, found func(i int, value []byte) bool) (answered int, err error) {
	if form := NUL(r.form.Load()); form != NULAuto {
		return r.lookupForm(p, form, found)
	}
	hit := false
	for _, form := range []NUL{WithNUL, NoNUL} {
		if _, err := r.lookupForm(p, form, func(int, []byte) bool { hit = true; return false }); err != nil || hit {
			return r.lookupEach(p, found)
		}
	}
	return len(p.keys), nil
}

func (r *Reader) lookupEach(p *part, found func(i int, value []byte) bool) (answered int, err error) {
	var value []byte
	for i, key := range p.keys {
		var ok bool
		if value, ok, err = r.appendStored(value[:0], key, key); err != nil {
			return i, err
		}
		if ok && !found(i, value) {
			return i, nil
		}
	}
	return len(p.keys), nil
}

func (r *Reader) lookupForm(p *part, form NUL, found func(i int, value []byte) bool) (answered int, err error) {
	keys := p.keys
	if form == WithNUL {
		keys = p.withNUL
	}
	var bad error
	answered, err = r.eng.lookupMany(keys, func(i int, value []byte) bool {
		if !r.opts.KeepNUL {
			value = cBytes(value)
		}
		if r.opts.UTF8 && !casefold.Valid(value) {
			bad = r.notUTF8(string(p.keys[i]), string(value))
			return false
		}
		return found(i, value)
	})
	if err == nil {
		err = bad
	}
	return answered, err
}

// lookupMany asks the engines that can for many keys at once.
func (e *engine) lookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	switch {
	case e.bdb != nil:
		return e.bdb.LookupMany(keys, found)
	case e.lmdb != nil:
		return e.lmdb.LookupMany(keys, found)
	}
	var value []byte
	for i, key := range keys {
		var ok bool
		if value, ok, err = e.appendLookup(value[:0], key); err != nil {
			return i, err
		}
		if ok && !found(i, value) {
			return i, nil
		}
	}
	return len(keys), nil
}

// partSize is how many keys are brought into their stored form at a time.
const partSize = 256

// A part is some keys in their stored form.
type part struct {
	keys, withNUL [][]byte
	of            []int // number of each among all keys
	buf           []byte
	ends          []int
}

var parts = sync.Pool{New: func() any { return new(part) }}

// fill takes the keys as ready makes them; one that is not ok is left out.
func (p *part) fill(keys [][]byte, ready func([]byte) (_ []byte, ok bool)) {
	p.keys, p.withNUL, p.of, p.buf, p.ends = p.keys[:0], p.withNUL[:0], p.of[:0], p.buf[:0], p.ends[:0]
	for i, key := range keys {
		at := len(p.buf)
		p.buf = append(p.buf, key...)
		k, ok := ready(p.buf[at:])
		if !ok {
			p.buf = p.buf[:at]
			continue
		}
		p.buf = append(append(p.buf[:at], k...), 0)
		p.of, p.ends = append(p.of, i), append(p.ends, len(p.buf))
	}
	at := 0
	for _, end := range p.ends {
		p.keys, p.withNUL = append(p.keys, p.buf[at:end-1:end]), append(p.withNUL, p.buf[at:end:end])
		at = end
	}
}
