package bdb

import (
	"errors"
	"iter"
	"math/bits"
)

// Record is one pair as it is stored. The slices are valid until the next step
// of the iteration that gave them, and may be changed.
type Record struct{ Key, Value []byte }

// All iterates over the records in the order they are stored, which is what
// "postmap -s" and "db5.3_dump" print: a hash file by bucket, a btree by key. A
// key with several values comes once with each. Damage ends the iteration with
// an error; Salvage goes on. No page is read twice, so that a hostile file costs
// no more than a sound one of its size.
func (r *Reader) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		w := walk{r: r, page: make([]byte, r.size)}
		w.emit = func(key, value []byte) error {
			if !yield(Record{key, value}, nil) {
				return errStop
			}
			return nil
		}
		var err error
		if r.kind == Hash {
			err = w.hash()
		} else {
			err = w.tree(r.root, -1)
		}
		if err != nil && err != errStop {
			yield(Record{}, err)
		}
	}
}

// errStop ends a walk because its consumer has enough.
var errStop = errors.New("bdb: stopped")

// walk goes through a file, on copies of its pages: the consumer runs between
// them and may keep us waiting while somebody changes the file.
type walk struct {
	r      *Reader
	used   pageSet
	emit   func(key, value []byte) error
	page   []byte   // of the bucket
	levels [][]byte // pages of the tree by level
	dups   [][]byte // pages of a duplicate tree by level
	chain  []byte   // overflow page
	key    []byte   // collected from a chain
	value  []byte
}

// claim reads page pgno into p and examines it. A page used before is an error.
func (r *Reader) claim(p []byte, pgno uint32, used *pageSet) (pageState, error) {
	if !used.add(pgno) {
		return 0, r.corrupt(pgno, 0, "the page is used twice")
	}
	if err := r.readPage(p, pgno); err != nil {
		return 0, err
	}
	st, f := r.examine(p, pgno)
	if f != nil {
		return 0, r.corrupt(pgno, f.at, "%s", f.reason)
	}
	return st, nil
}

func (w *walk) hash() error {
	r := w.r
	for b := uint32(0); b <= r.maxBucket; b++ {
		pgno, from := r.bucketPage(b), uint32(0)
		if pgno == 0 || pgno > r.lastPgno {
			return r.corrupt(0, offSpares+4*bits.Len32(b), "bucket %d is on page %d, the last page is %d", b, pgno, r.lastPgno)
		}
		for steps := uint32(0); pgno != 0; steps++ {
			if pgno > r.lastPgno {
				return r.corrupt(from, offNext, "the next page is %d, the last is %d", pgno, r.lastPgno)
			}
			if _, err := r.claim(w.page, pgno, &w.used); err != nil {
				return err
			}
			if from == 0 && r.neverWritten(w.page) {
				break
			}
			if err := r.chained(w.page, pgno, from, steps); err != nil {
				return err
			}
			if err := w.hashPage(pgno); err != nil {
				return err
			}
			from, pgno = pgno, r.next(w.page)
		}
	}
	return nil
}

// hashPage emits the pairs of w.page.
func (w *walk) hashPage(pgno uint32) error {
	r, p := w.r, w.page
	end := r.size
	for i := 0; i < r.entries(p); i += 2 {
		keyAt, valueAt := r.index(p, i), r.index(p, i+1)
		key, err := w.hashItem(p[keyAt:end], pgno, keyAt, &w.key)
		if err != nil {
			return err
		}
		if err := w.hashValues(key, p[valueAt:keyAt], pgno, valueAt); err != nil {
			return err
		}
		end = valueAt
	}
	return nil
}

// hashItem returns the bytes of an item, collected in buf when off the page.
func (w *walk) hashItem(item []byte, pgno uint32, at int, buf *[]byte) ([]byte, error) {
	if item[0] == itemKeyData {
		return item[1:], nil
	}
	return w.collect(w.r.u32(item, 4), w.r.u32(item, 8), pgno, at, buf)
}

func (w *walk) hashValues(key, item []byte, pgno uint32, at int) error {
	r := w.r
	if t := item[0]; (t == itemDups || t == itemOffDup) && !r.dups() {
		return r.corrupt(pgno, at, "several values in a file whose keys have one")
	}
	switch item[0] {
	case itemDups:
		for b := item[1:]; len(b) > 0; {
			value, rest, _ := r.nextDup(b)
			if err := w.emit(key, value); err != nil {
				return err
			}
			b = rest
		}
		return nil
	case itemOffDup:
		return w.dupTree(key, r.u32(item, 4), -1, pgno, at)
	}
	value, err := w.hashItem(item, pgno, at, &w.value)
	if err != nil {
		return err
	}
	return w.emit(key, value)
}

// collect reads an overflow chain that byte at of page pgno refers to.
func (w *walk) collect(chain, total, pgno uint32, at int, buf *[]byte) ([]byte, error) {
	r := w.r
	if chain == 0 || chain > r.lastPgno {
		return nil, r.corrupt(pgno, at, "an item on overflow page %d, the last page is %d", chain, r.lastPgno)
	}
	if w.chain == nil {
		w.chain = make([]byte, r.size)
	}
	*buf = (*buf)[:0]
	err := r.eachChunk(chain, total, w.chain, &w.used, func(chunk []byte) bool {
		*buf = append(*buf, chunk...)
		return true
	})
	return *buf, err
}

// tree emits the pairs under page pgno, which is at the given level (-1: any).
// Levels fall on the way down, so the depth is at most 255.
func (w *walk) tree(pgno uint32, level int) error {
	r := w.r
	p := levelBuffer(&w.levels, level, r.size)
	if _, err := r.claim(p, pgno, &w.used); err != nil {
		return err
	}
	if err := r.levelled(p, pgno, level); err != nil {
		return err
	}
	if p[offType] == pageLeaf {
		return w.leaf(p, pgno)
	}
	for i := range r.entries(p) {
		at := r.index(p, i)
		child := r.u32(p, at+4)
		if child == 0 || child > r.lastPgno {
			return r.corrupt(pgno, at, "the child is page %d, the last page is %d", child, r.lastPgno)
		}
		if err := w.tree(child, int(p[offLevel])-1); err != nil {
			return err
		}
	}
	return nil
}

// levelBuffer returns the page buffer of a level; the root's level is not known
// before it is read, so it has the place of level 0, which no tree has.
func levelBuffer(levels *[][]byte, level, size int) []byte {
	level = max(level, 0)
	for len(*levels) <= level {
		*levels = append(*levels, nil)
	}
	if (*levels)[level] == nil {
		(*levels)[level] = make([]byte, size)
	}
	return (*levels)[level]
}

func (w *walk) leaf(p []byte, pgno uint32) error {
	r := w.r
	var key []byte
	keyFrom := -1
	for i := 0; i < r.entries(p); i += 2 {
		keyAt, valueAt := r.index(p, i), r.index(p, i+1)
		if p[valueAt+2]&entryDeleted != 0 {
			continue
		}
		if keyAt == keyFrom && !r.dups() {
			return r.corrupt(pgno, keyAt, "two records share a key in a file whose keys have one value")
		}
		if keyAt != keyFrom { // repeated keys share one item
			var err error
			if key, err = w.treeItem(p, pgno, keyAt, &w.key); err != nil {
				return err
			}
			keyFrom = keyAt
		}
		if p[valueAt+2] == entryDupTree {
			if err := w.dupTree(key, r.u32(p, valueAt+4), -1, pgno, valueAt); err != nil {
				return err
			}
			continue
		}
		value, err := w.treeItem(p, pgno, valueAt, &w.value)
		if err != nil {
			return err
		}
		if err := w.emit(key, value); err != nil {
			return err
		}
	}
	return nil
}

// treeItem returns the bytes of the leaf item at byte at.
func (w *walk) treeItem(p []byte, pgno uint32, at int, buf *[]byte) ([]byte, error) {
	switch typ := p[at+2] &^ entryDeleted; typ {
	case entryKeyData:
		return p[at+3 : at+3+w.r.u16(p, at)], nil
	case entryOverflow:
		return w.collect(w.r.u32(p, at+4), w.r.u32(p, at+8), pgno, at, buf)
	default:
		return nil, w.r.corrupt(pgno, at+2, "item type %d", typ)
	}
}

// dupTree emits key with each value of the duplicate tree under page root, as
// byte at of page from refers to it.
func (w *walk) dupTree(key []byte, root uint32, level int, from uint32, at int) error {
	r := w.r
	if root == 0 || root > r.lastPgno {
		return r.corrupt(from, at, "duplicates on page %d, the last page is %d", root, r.lastPgno)
	}
	p := levelBuffer(&w.dups, level, r.size)
	if _, err := r.claim(p, root, &w.used); err != nil {
		return err
	}
	have, typ := int(p[offLevel]), p[offType]
	if level >= 0 && have != level {
		return r.corrupt(root, offLevel, "the page is at level %d of a duplicate tree, want %d", have, level)
	}
	switch typ {
	case pageDupLeaf, pageRecLeaf:
		for i := range r.entries(p) {
			at := r.index(p, i)
			if p[at+2]&entryDeleted != 0 {
				continue
			}
			value, err := w.treeItem(p, root, at, &w.value)
			if err != nil {
				return err
			}
			if err := w.emit(key, value); err != nil {
				return err
			}
		}
		return nil
	case pageInternal, pageRecInternal:
		for i := range r.entries(p) {
			at := r.index(p, i)
			child := at
			if typ == pageInternal {
				child += 4
			}
			if err := w.dupTree(key, r.u32(p, child), have-1, root, at); err != nil {
				return err
			}
		}
		return nil
	}
	return r.corrupt(root, offType, "page type %d in a duplicate tree", typ)
}
