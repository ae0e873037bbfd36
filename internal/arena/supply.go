package arena

import "runtime"

// BlockSize is the size of a full block.
const BlockSize = 1 << 20

// A Supply has memory ready before it is needed: the first use of every page of
// fresh memory takes the system as long as a record takes to be added, and
// another processor can wait for that. The zero Supply is ready. Not safe for
// concurrent use.
type Supply struct{ next chan []byte }

// Block returns an empty block of BlockSize bytes, and has the next one made
// ready.
func (s *Supply) Block() []byte {
	if runtime.GOMAXPROCS(0) == 1 {
		return make([]byte, 0, BlockSize)
	}
	var b []byte
	if s.next != nil {
		b = <-s.next
	} else {
		b = make([]byte, 0, BlockSize)
		s.next = make(chan []byte, 1) // so that the goroutine ends also when nobody asks again
	}
	next := s.next
	go func() {
		b := make([]byte, BlockSize)
		for i := 0; i < len(b); i += 4 << 10 {
			b[i] = 0
		}
		next <- b[:0]
	}()
	return b
}
