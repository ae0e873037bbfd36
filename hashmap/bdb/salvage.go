package bdb

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// Salvaged is a record, or a part of one, found in a damaged file.
type Salvaged struct {
	Record
	Page int64 // where the pair was found

	// NoKey marks a value whose key is lost. It may as well be a long key, or
	// the value of a record deleted long ago.
	NoKey bool

	// Damage says what is wrong with the record: that it is not complete, or
	// that a lookup in the file does not find it with this value, because pages
	// between are lost or because it is an old copy. It is empty for a record
	// that is whole and in its place.
	Damage string
}

// Salvage iterates over everything that can be recovered from a file, page by
// page, whatever leads to the pages, in the order of the pages. It needs no
// metadata: when page 0 is damaged, the page size and byte order are those that
// make sense of most pages. Values without keys come last.
//
// One key may come more than once; prefer the record whose Damage is empty. An
// error ends the iteration: a failure to read, or ErrNotBerkeleyDB when nothing
// looks like a page of such a file. Every page is read a few times, and those
// that lookups need; in a file that has lookups read very much, such as one made
// with a hash function of its own, the Damage of most records is that they were
// not looked up.
func Salvage(src io.ReaderAt, size int64) iter.Seq2[Salvaged, error] {
	return func(yield func(Salvaged, error) bool) {
		s, err := newSalvager(src, size)
		if err == nil {
			s.yield = yield
			err = s.run()
		}
		if err != nil && err != errStop {
			yield(Salvaged{}, err)
		}
	}
}

type salvager struct {
	r     *Reader // for its layout, and to read pages
	sound *Reader // nil when the metadata is damaged
	meter *meter  // what sound reads
	most  int64   // bytes it may have read by now
	pages uint32  // last page, perhaps not a whole one
	used  pageSet // overflow and duplicate pages that belong to a pair
	yield func(Salvaged, error) bool

	page, chain []byte
	dups        [][]byte
	key, value  []byte
	space       int // bytes of the page given so far; overlapping items end it

	asked       []byte // the key looked up last
	answer      string
	there       bool
	answerError error
}

func newSalvager(src io.ReaderAt, size int64) (*salvager, error) {
	s := &salvager{meter: &meter{ReaderAt: src}}
	r, err := NewReader(s.meter, size, nil)
	switch {
	case err == nil:
		s.sound = r
		s.r = &Reader{meta: r.meta, src: src, length: size}
		s.most = lookupsAtAll * int64(r.size)
	case errors.Is(err, ErrUnsupported):
		return nil, err
	default:
		l, err := guessLayout(src, size)
		if err != nil {
			return nil, err
		}
		s.r = &Reader{meta: meta{layout: l}, src: src, length: size}
	}
	// Pages behind the last one of the metadata may be a crash's.
	last := (size+int64(s.r.size)-1)/int64(s.r.size) - 1
	s.pages = uint32(min(max(last, 0), 1<<32-2))
	s.r.lastPgno = s.pages
	s.page, s.chain = make([]byte, s.r.size), make([]byte, s.r.size)
	return s, nil
}

// What lookups may read: so many pages at all, so many more for each record, and
// so many times its size. The pages of a bucket, or of values of one key, may be
// as many as the file has.
const (
	lookupsAtAll = 1 << 19
	lookupPages  = 32
	lookupSize   = 8
)

// meter counts the bytes that are read.
type meter struct {
	io.ReaderAt
	n int64
}

func (m *meter) ReadAt(b []byte, off int64) (int, error) {
	n, err := m.ReaderAt.ReadAt(b, off)
	m.n += int64(n)
	return n, err
}

// guessLayout finds the layout for which most pages know their own number and
// have a sound structure.
func guessLayout(src io.ReaderAt, size int64) (best layout, err error) {
	const sample = 1 << 20 // bytes looked at
	data := make([]byte, min(size, sample))
	if n, err := src.ReadAt(data, 0); n < len(data) && err != io.EOF {
		return best, fmt.Errorf("bdb: %w", err)
	}
	most := 0
	for pageSize := minPageSize; pageSize <= maxPageSize; pageSize *= 2 {
		for _, big := range []bool{false, true} {
			for _, sums := range []bool{false, true} {
				l := layout{big: big, sums: sums, size: pageSize, overhead: overhead}
				if sums {
					l.overhead = overheadSum
				}
				score := 0
				for at := pageSize; at+pageSize <= len(data); at += pageSize {
					p := data[at : at+pageSize]
					if l.neverWritten(p) || p[offType] == pageFree {
						continue
					}
					if _, f := l.examine(p, uint32(at/pageSize)); f == nil {
						score += pageSize
					}
				}
				if score > most {
					most, best = score, l
				}
			}
		}
	}
	if most == 0 {
		return best, fmt.Errorf("bdb: %w: no page makes sense", ErrNotBerkeleyDB)
	}
	return best, nil
}

func (s *salvager) run() error {
	for pgno := uint32(1); pgno <= s.pages; pgno++ {
		if err := s.read(s.page, pgno); err != nil {
			return err
		}
		s.space = 0
		var err error
		switch s.page[offType] {
		case pageHash, pageHashUnsorted:
			err = s.hashPage(pgno)
		case pageLeaf:
			err = s.leaf(pgno)
		}
		if err != nil {
			return err
		}
	}
	if err := s.skipSeparators(); err != nil {
		return err
	}
	for pgno := uint32(1); pgno <= s.pages; pgno++ {
		if s.used.has(pgno) {
			continue
		}
		if err := s.read(s.page, pgno); err != nil {
			return err
		}
		var err error
		switch s.page[offType] {
		case pageDupLeaf, pageRecLeaf:
			err = s.dupLeaf(s.page, pgno, nil, true, "")
		case pageOverflow:
			err = s.orphan(pgno)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skipSeparators marks the chains of keys on internal pages, which are copies.
func (s *salvager) skipSeparators() error {
	r, p := s.r, s.page
	for pgno := uint32(1); pgno <= s.pages; pgno++ {
		if err := s.read(p, pgno); err != nil {
			return err
		}
		if p[offType] != pageInternal {
			continue
		}
		for i := range min(r.entries(p), (r.size-r.overhead)/2) {
			at := r.index(p, i)
			if at < r.overhead || at+24 > r.size || p[at+2]&^entryDeleted != entryOverflow {
				continue
			}
			chain, total := r.u32(p, at+16), r.u32(p, at+20)
			if !s.used.has(chain) {
				r.eachChunk(chain, total, s.chain, &s.used, func([]byte) bool { return true })
			}
		}
	}
	return nil
}

// read reads a page; what the file does not have is zero.
func (s *salvager) read(p []byte, pgno uint32) error {
	at := int64(pgno) * int64(s.r.size)
	n := min(int64(len(p)), max(s.r.length-at, 0))
	clear(p[n:])
	if err := s.r.readAt(p[:n], at); err != nil {
		return named(s.r.path, fmt.Errorf("page %d: %w", pgno, err))
	}
	return nil
}

// wrong says what is wrong with a page as a whole.
func (s *salvager) wrong(p []byte, pgno uint32) string {
	if n := s.r.pgno(p); n != pgno {
		return fmt.Sprintf("its page says it is page %d", n)
	}
	if s.r.sums && s.r.u32(p, offPageSum) != pageSum(p, false) {
		return "the checksum of its page is wrong"
	}
	return ""
}

// emit gives one record to the consumer.
func (s *salvager) emit(rec Salvaged, pgno uint32, damage string) error {
	rec.Page, rec.Damage = int64(pgno), damage
	if rec.Damage == "" && !rec.NoKey {
		rec.Damage = s.lookup(rec.Key, rec.Value)
	}
	if !s.yield(rec, nil) {
		return errStop
	}
	return nil
}

// lookup says why a lookup does not give the record.
func (s *salvager) lookup(key, value []byte) string {
	if s.sound == nil {
		return "the metadata of the file is damaged"
	}
	// The values of one key come one after the other and share its slice.
	if len(s.asked) == 0 || len(key) != len(s.asked) || &key[0] != &s.asked[0] {
		s.most += lookupPages*int64(s.r.size) + lookupSize*int64(len(key)+len(value))
		if s.meter.n > s.most {
			return "it was not looked up, because that takes too long in this file"
		}
		s.answer, s.there, s.answerError = s.sound.Lookup(key)
		s.asked = key
	}
	switch {
	case s.answerError != nil:
		return "a lookup fails: " + s.answerError.Error()
	case !s.there:
		return "a lookup does not find it"
	case s.answer != string(value) && !s.sound.dups():
		return "a lookup finds another value"
	}
	return ""
}

// hashPage recovers the pairs of s.page whose three borders are in order.
func (s *salvager) hashPage(pgno uint32) error {
	r, p := s.r, s.page
	wrong := s.wrong(p, pgno)
	n := min(r.entries(p)&^1, (r.size-r.overhead)/2&^1)
	low := r.overhead
	for i := 0; i < n; i += 2 {
		end := r.size
		if i > 0 {
			end = r.index(p, i-1)
		}
		k, v := r.index(p, i), r.index(p, i+1)
		if v < low || v >= k || k >= end || end > r.size {
			continue
		}
		if r.examineHashItem(p[k:end], k, true) != nil {
			continue
		}
		if s.space += end - v; s.space > r.size {
			break
		}
		s.asked = nil
		key, damage := p[k+1:end], wrong
		if p[k] == itemOffPage {
			key, damage = s.collect(r.u32(p, k+4), r.u32(p, k+8), &s.key, "key", damage)
		}
		item := p[v:k]
		if r.examineHashItem(item, v, false) != nil {
			if err := s.emit(Salvaged{Record: Record{Key: key}}, pgno, "its value cannot be read"); err != nil {
				return err
			}
			continue
		}
		var err error
		switch item[0] {
		case itemKeyData:
			err = s.emit(Salvaged{Record: Record{key, item[1:]}}, pgno, damage)
		case itemOffPage:
			var value []byte
			value, damage = s.collect(r.u32(item, 4), r.u32(item, 8), &s.value, "value", damage)
			err = s.emit(Salvaged{Record: Record{key, value}}, pgno, damage)
		case itemDups:
			for b := item[1:]; len(b) > 0 && err == nil; {
				value, rest, ok := r.nextDup(b)
				if !ok {
					break
				}
				err = s.emit(Salvaged{Record: Record{key, value}}, pgno, damage)
				b = rest
			}
		case itemOffDup:
			err = s.dupTree(r.u32(item, 4), -1, key, damage, pgno)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leaf recovers the pairs of s.page.
func (s *salvager) leaf(pgno uint32) error {
	r, p := s.r, s.page
	wrong := s.wrong(p, pgno)
	n := min(r.entries(p)&^1, (r.size-r.overhead)/2&^1)
	var key []byte
	keyFrom, keyDamage := -1, ""
	for i := 0; i < n; i += 2 {
		k, v := r.index(p, i), r.index(p, i+1)
		if !s.entryFits(p, k, true) || s.entryFits(p, v, false) && p[v+2]&entryDeleted != 0 {
			continue
		}
		if k != keyFrom { // repeated keys share one item
			s.space += r.entrySize(p, k)
			s.asked = nil
			key, keyDamage = s.item(p, k, &s.key, "key", wrong)
			keyFrom = k
		}
		if s.entryFits(p, v, false) {
			s.space += r.entrySize(p, v)
		}
		if s.space > r.size {
			break
		}
		damage := keyDamage
		var err error
		switch {
		case !s.entryFits(p, v, false):
			err = s.emit(Salvaged{Record: Record{Key: key}}, pgno, "its value cannot be read")
		case p[v+2]&^entryDeleted == entryDupTree:
			err = s.dupTree(r.u32(p, v+4), -1, key, damage, pgno)
		default:
			var value []byte
			value, damage = s.item(p, v, &s.value, "value", damage)
			err = s.emit(Salvaged{Record: Record{key, value}}, pgno, damage)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *salvager) entryFits(p []byte, at int, even bool) bool {
	return at >= s.r.overhead && at < s.r.size && s.r.examineEntry(p, at, pageLeaf, even) == nil
}

// item returns the bytes of a leaf item, as far as there are any.
func (s *salvager) item(p []byte, at int, buf *[]byte, what, damage string) ([]byte, string) {
	if p[at+2]&^entryDeleted == entryOverflow {
		return s.collect(s.r.u32(p, at+4), s.r.u32(p, at+8), buf, what, damage)
	}
	return p[at+3 : at+3+s.r.u16(p, at)], damage
}

// collect reads an overflow chain until something is wrong with it.
func (s *salvager) collect(chain, total uint32, buf *[]byte, what, damage string) ([]byte, string) {
	*buf = (*buf)[:0]
	err := s.r.eachChunk(chain, total, s.chain, &s.used, func(chunk []byte) bool {
		*buf = append(*buf, chunk...)
		return true
	})
	if err != nil {
		var e *CorruptError
		reason := err.Error()
		if errors.As(err, &e) {
			reason = fmt.Sprintf("page %d: %s", e.Page, e.Reason)
		}
		damage = fmt.Sprintf("its %s has %d of %d bytes: %s", what, len(*buf), total, reason)
	}
	return *buf, damage
}

// dupTree recovers the values of a key from what is left of their tree.
func (s *salvager) dupTree(root uint32, level int, key []byte, damage string, from uint32) error {
	broken := func() error {
		return s.emit(Salvaged{Record: Record{Key: key}}, from, fmt.Sprintf("values on page %d are lost", root))
	}
	if root == 0 || root > s.pages || !s.used.add(root) {
		return broken()
	}
	r := s.r
	p := levelBuffer(&s.dups, level, r.size)
	if err := s.read(p, root); err != nil {
		return err
	}
	have, typ := int(p[offLevel]), p[offType]
	switch {
	case r.pgno(p) != root || level >= 0 && have != level:
		return broken()
	case typ == pageDupLeaf || typ == pageRecLeaf:
		return s.dupLeaf(p, root, key, false, damage)
	case typ != pageInternal && typ != pageRecInternal || have < 2:
		return broken()
	}
	need := map[bool]int{true: 8, false: 4}[typ == pageInternal]
	for i := range min(r.entries(p), (r.size-r.overhead)/2) {
		at := r.index(p, i)
		if at < r.overhead || at+need > r.size {
			continue
		}
		if err := s.dupTree(r.u32(p, at+need-4), have-1, key, damage, root); err != nil {
			return err
		}
	}
	return nil
}

func (s *salvager) dupLeaf(p []byte, pgno uint32, key []byte, noKey bool, damage string) error {
	if noKey {
		damage = "its key is lost"
	}
	space := 0
	for i := range min(s.r.entries(p), (s.r.size-s.r.overhead)/2) {
		at := s.r.index(p, i)
		if !s.entryFits(p, at, true) || p[at+2]&entryDeleted != 0 {
			continue
		}
		if space += s.r.entrySize(p, at); space > s.r.size {
			break
		}
		value, damage := s.item(p, at, &s.value, "value", damage)
		if err := s.emit(Salvaged{Record: Record{key, value}, NoKey: noKey}, pgno, damage); err != nil {
			return err
		}
	}
	return nil
}

// orphan recovers an overflow chain that no pair refers to, from its first page
// that is left.
func (s *salvager) orphan(pgno uint32) error {
	r := s.r
	if prev := r.prev(s.page); prev != 0 && prev <= s.pages && !s.used.has(prev) {
		if err := s.read(s.chain, prev); err != nil {
			return err
		}
		if s.chain[offType] == pageOverflow && r.pgno(s.chain) == prev && r.next(s.chain) == pgno {
			return nil // comes with that page
		}
	}
	if r.pgno(s.page) != pgno {
		return nil
	}
	value := s.value[:0]
	for at := pgno; at != 0 && at <= s.pages && s.used.add(at); {
		if err := s.read(s.chain, at); err != nil {
			return err
		}
		n := r.u16(s.chain, offHigh)
		if s.chain[offType] != pageOverflow || r.pgno(s.chain) != at || n > r.capacity() {
			break
		}
		value = append(value, s.chain[r.overhead:r.overhead+n]...)
		at = r.next(s.chain)
	}
	s.value = value
	if len(value) == 0 {
		return nil
	}
	return s.emit(Salvaged{Record: Record{Value: value}, NoKey: true}, pgno, "its key is lost")
}
