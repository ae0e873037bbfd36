package bdb

import (
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// memo is what a Reader has found out about a file that is in memory.
//
// A key that is found through it is compared with the page, so that a hit is
// right whatever happened since. A miss is taken for one only while the file is
// known to be as it was, a millisecond ago at most; after a change all is
// forgotten and the key looked up again.
type memo struct {
	pageStates
	top    atomic.Pointer[inner] // the root of a tree, once it is known
	inners atomic.Uint32         // how many were made
	asked  atomic.Uint32         // lookups while top was not known
}

func newMemo(m *meta) *memo { return &memo{pageStates: newPageStates(m.lastPgno, m.size)} }

// clock knows when the file was last seen to be unchanged.
type clock struct {
	origin time.Time
	last   atomic.Int64 // since origin, in nanoseconds

	mu      sync.Mutex
	changed time.Time // when the file was, as its system says
	size    int64
	since   time.Time // when memo was begun
}

const (
	// between looks at the file's time
	between = time.Millisecond
	// Two changes may have the same time when they are closer than this. The
	// clocks of file systems tick slowly.
	settled = 100 * time.Millisecond
)

func (c *clock) start(st fs.FileInfo) {
	c.origin = time.Now()
	c.changed, c.size, c.since = st.ModTime(), st.Size(), c.origin
}

// current reports whether the file is as it was when memo was begun. Otherwise
// memo has been begun again. Unless asked to look, it takes a look a millisecond
// ago for one.
func (r *Reader) current(look bool) bool {
	if !r.mapped {
		return true
	}
	c := &r.clock
	now := time.Since(c.origin)
	if !look && int64(now)-c.last.Load() < int64(between) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	st, err := r.file.Stat()
	c.last.Store(int64(now))
	if err != nil {
		return true // reading will tell
	}
	age := c.since.Sub(c.changed)
	if st.ModTime().Equal(c.changed) && st.Size() == c.size && (age > settled || age < -settled) {
		return true
	}
	c.changed, c.size, c.since = st.ModTime(), st.Size(), time.Now()
	r.memo.Store(newMemo(&r.meta))
	return false
}
