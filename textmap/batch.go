package textmap

// A Collector takes entries where they are parsed, see [Scanner].
type Collector interface {
	// Add takes the next entry, whose key and value it must not keep. When it
	// returns an error Scan will return the entries of the Batch.
	Add(key, value []byte) error
}

// A Batch is a run of entries that a [Collector] has. It is valid until the
// Scanner steps behind it.
type Batch struct{ c *chunk }

// Batch returns the entries that the next calls of Scan would return, as far as
// one Collector has them. It is nil when Scan is to be called: at the end, for
// entries that a Collector did not take, and for a Scanner without Collect or
// that does not read ahead.
func (s *Scanner) Batch() *Batch {
	if s.ahead == nil {
		return nil
	}
	if c := s.current(); c != nil && c.taker != nil {
		return &Batch{c}
	}
	return nil
}

// Skip steps over a Batch, as so many calls of Scan as it has entries would. Key
// and Value have nothing until the next Scan.
func (s *Scanner) Skip(b *Batch) {
	if s.ahead != nil && s.ahead.now == b.c {
		s.ahead.at = b.c.len()
	}
	s.rawKey, s.key, s.value = nil, nil, nil
}

// Collector returns the one that has the entries.
func (b *Batch) Collector() Collector { return b.c.taker }

// Len returns how many entries there are.
func (b *Batch) Len() int { return len(b.c.lines) }

// Line returns the number of the first line of an entry.
func (b *Batch) Line(i int) int { return b.c.line + int(b.c.lines[i]) }
