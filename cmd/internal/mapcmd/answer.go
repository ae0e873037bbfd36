package mapcmd

import (
	"bytes"
	"slices"

	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/table"
)

// A batch is some lines of keys and what came of them.
type batch struct {
	lines []byte
	out   []byte
	found bool
	err   error
	done  chan struct{} // gets one element when the batch is answered
	alone bool          // something will be said about a key: answered when it is its turn

	// What answering needs, kept for the next use.
	keys    [][]byte
	answers []answer // one for each of keys
	values  []byte
	ask     [][]byte // keys that no table had yet
	of      []int    // their numbers
}

// An answer is what is known about a key.
type answer struct {
	state    answerState
	from, to int // of the value, in the values of the batch
}

type answerState uint8

const (
	noValue answerState = iota
	hasValue
	bySimpleWay // find has to be asked: the answer is an error, or needs words
)

// answer looks up the keys of one batch.
func (s *searcher) answer(b *batch) {
	b.split()
	s.askTables(b)
	s.write(b)
}

// needsWords reports that find has to be asked about a key of a batch.
func (b *batch) needsWords() bool {
	return slices.ContainsFunc(b.answers, func(a answer) bool { return a.state == bySimpleWay })
}

// write makes the output for what is known about the keys of a batch.
func (s *searcher) write(b *batch) {
	b.out, b.found, b.err = b.out[:0], false, nil
	var value []byte
	for i, key := range b.keys {
		a := b.answers[i]
		hit := a.state == hasValue
		switch a.state {
		case hasValue:
			value = b.values[a.from:a.to]
		case bySimpleWay:
			if value, hit, b.err = s.find(nil, key); b.err != nil {
				return
			}
		}
		if hit {
			b.found = true
			b.out = s.c.appendEntry(b.out, key, value)
		}
	}
}

// split finds the keys in the lines.
func (b *batch) split() {
	b.keys = slices.Grow(b.keys[:0], bytes.Count(b.lines, []byte{'\n'})+1)
	for rest := b.lines; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		b.keys = append(b.keys, cString(line))
	}
}

// askTables asks each table for the keys that those before it do not have.
func (s *searcher) askTables(b *batch) {
	n := len(b.keys)
	b.answers, b.values = slices.Grow(b.answers[:0], n), b.values[:0]
	b.ask, b.of = slices.Grow(b.ask[:0], n), slices.Grow(b.of[:0], n)
	start := answer{state: noValue}
	if b.alone || len(s.opened) < len(s.operands) || s.c.valueFiles {
		start.state = bySimpleWay
	}
	for i, key := range b.keys {
		b.answers, b.ask, b.of = append(b.answers, start), append(b.ask, key), append(b.of, i)
	}
	if start.state == bySimpleWay {
		return
	}
	for _, l := range s.opened {
		s.askTable(l.table, b)
		n := 0
		for _, i := range b.of {
			if b.answers[i].state == noValue {
				b.ask[n], b.of[n] = b.keys[i], i
				n++
			}
		}
		b.ask, b.of = b.ask[:n], b.of[:n]
	}
}

// askTable notes the answers of one table.
func (s *searcher) askTable(t table.Table, b *batch) {
	ask, of := b.ask, b.of
	many, ok := t.(table.Batcher)
	if !ok {
		for _, i := range of {
			b.answers[i].state = bySimpleWay
		}
		return
	}
	for len(ask) > 0 {
		n, _ := many.LookupMany(ask, func(i int, value []byte) bool {
			if len(value) == 0 {
				return false
			}
			from := len(b.values)
			b.values = append(b.values, value...)
			b.answers[of[i]] = answer{hasValue, from, len(b.values)}
			return true
		})
		if n == len(ask) {
			return
		}
		// An error, or an empty value: find says what is to be said.
		b.answers[of[n]].state = bySimpleWay
		ask, of = ask[n+1:], of[n+1:]
	}
}

// find appends the value of the first table that has the key to dst.
func (s *searcher) find(dst, key []byte) (value []byte, found bool, err error) {
	for i, operand := range s.operands {
		if i == len(s.opened) {
			l, err := s.c.open(operand)
			if err != nil {
				return dst, false, err
			}
			s.opened = append(s.opened, l)
		}
		l := s.opened[i]
		// The quick way where there is nothing to be said about the answer.
		if a, ok := l.table.(table.Appender); ok && !s.c.valueFiles && (!l.text || !s.c.utf8Mode() || casefold.Valid(key)) {
			if value, found, err = a.AppendLookup(dst, key); err == nil {
				if found && len(value) > len(dst) {
					return value, true, nil
				}
				if !found {
					continue
				}
			}
		}
		text, found, err := s.c.get(l, l.name, string(key))
		if found || err != nil {
			return append(dst, text...), found, err
		}
	}
	return dst, false, nil
}
