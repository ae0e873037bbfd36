package arena

import (
	"fmt"
	"slices"
)

// Policy says what becomes of records whose key was added before.
type Policy uint8

const (
	Reject    Policy = iota // a repeated key is an error
	KeepFirst               // the record added first stays
	KeepLast                // the record added last stays
	KeepAll                 // all stay, in the order they were added
)

// Duplicates is what to do about keys that were added more than once. The zero
// value rejects them.
type Duplicates struct {
	Policy Policy

	// Report, when set, is called once for every record whose key was added
	// before, whatever the policy, in the order the records were added. first
	// is the sequence number of the first record with that key, again that of
	// the repeated one. key aliases the store.
	Report func(key []byte, first, again int)
}

// DuplicateError is returned under the policy Reject, for the repeated record
// that was added first.
type DuplicateError struct {
	Key          []byte
	First, Again int // sequence numbers
	Count        int // how many records repeat a key
}

func (e *DuplicateError) Error() string {
	s := fmt.Sprintf("duplicate key %s: record %d repeats record %d", Quoted(e.Key), e.Again+1, e.First+1)
	if e.Count > 1 {
		s += fmt.Sprintf(" (%d repeated keys in all)", e.Count)
	}
	return s
}

// Quoted shows a key in a message: without the NUL that Postfix stores at its
// end, a long one by its beginning.
func Quoted(key []byte) string {
	if n := len(key); n > 0 && key[n-1] == 0 {
		key = key[:n-1]
	}
	const long = 60
	if len(key) > long {
		return fmt.Sprintf("%q...", key[:long])
	}
	return fmt.Sprintf("%q", key)
}

// repeat is one repeated record.
type repeat struct{ again, first uint32 }

// resolver applies a policy to runs of equal keys.
type resolver struct {
	s       *Store
	d       Duplicates
	repeats []repeat
}

// run is given the sequence numbers of the records with one key, in Add order,
// and returns those that stay.
func (r *resolver) run(seqs []uint32) (from, to int) {
	if len(seqs) > 1 && (r.d.Report != nil || r.d.Policy == Reject) {
		for _, again := range seqs[1:] {
			r.repeats = append(r.repeats, repeat{again, seqs[0]})
		}
	}
	switch r.d.Policy {
	case KeepAll:
		return 0, len(seqs)
	case KeepLast:
		return len(seqs) - 1, len(seqs)
	}
	return 0, 1
}

// finish reports, in Add order, and returns the error of policy Reject.
func (r *resolver) finish() error {
	if len(r.repeats) == 0 {
		return nil
	}
	slices.SortFunc(r.repeats, func(a, b repeat) int { return int(a.again) - int(b.again) })
	if r.d.Report != nil {
		for _, p := range r.repeats {
			r.d.Report(r.s.Key(r.s.Ref(int(p.again))), int(p.first), int(p.again))
		}
	}
	if r.d.Policy != Reject {
		return nil
	}
	p := r.repeats[0]
	return &DuplicateError{
		Key:   slices.Clone(r.s.Key(r.s.Ref(int(p.again)))),
		First: int(p.first), Again: int(p.again), Count: len(r.repeats),
	}
}
