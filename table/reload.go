package table

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ReloadOptions for [Reload]. The zero value and nil are the usual choice.
type ReloadOptions struct {
	// Interval is how long a look at the files is good for; 0 means a second,
	// and a negative one looks before every lookup.
	Interval time.Duration
	// OnReload, when set, is told after every attempt to open changed files:
	// nil when the new table is in use, otherwise why the old one stays. It is
	// called by the goroutine whose lookup noticed the change, and must not
	// look anything up in this table.
	OnReload func(error)
	// NoFirst returns from Reload although the table cannot be opened yet.
	// Lookups fail as temporary until it can.
	NoFirst bool
}

// A Reloading is a table that follows its files: when one of them is replaced
// or changed (another inode, size or modification time, or gone and back) the
// table is opened anew and takes over between two lookups. Make one with
// [Reload].
//
// No lookup fails or waits because of a change. The lookup that notices it
// opens the new table; all others go on with the old one, which is closed when
// the last lookup in it has ended. While the new table cannot be opened, being
// absent, damaged or half written, the old one goes on to answer, and it is
// tried again after the interval.
//
// A Reloading is safe for concurrent use.
type Reloading struct {
	open  func(context.Context) (Closer, error)
	files []string
	opts  ReloadOptions
	now   func() time.Time

	current atomic.Pointer[generation]
	next    atomic.Int64 // when to look again, in nanoseconds since start
	start   time.Time

	looking sync.Mutex // held by the one that looks and opens
	seen    []state    // of files, when the current table was opened
	recheck time.Time  // not zero: open again then, even if nothing changed
	closed  atomic.Bool
}

// generation is one opened table. refs counts the lookups in it, and one more
// as long as it is the current one; at 0 it is closed.
type generation struct {
	t    Closer
	refs atomic.Int64
	err  error // of Close, read after refs became 0
}

func (g *generation) release() error {
	if g.refs.Add(-1) == 0 {
		g.err = g.t.Close()
		return g.err
	}
	return nil
}

// state is how a file looked. The zero state is that of an absent file.
type state struct {
	info fs.FileInfo
}

func look(path string) state {
	info, err := os.Stat(path)
	if err != nil {
		return state{}
	}
	return state{info}
}

func (s state) same(t state) bool {
	if s.info == nil || t.info == nil {
		return s.info == nil && t.info == nil
	}
	return os.SameFile(s.info, t.info) && s.info.Size() == t.info.Size() && s.info.ModTime().Equal(t.info.ModTime())
}

// coarse is the resolution of the coarsest modification times in use. A file
// that was opened sooner than this after it was written might be written once
// more without looking any different.
const coarse = 2 * time.Second

var (
	errNotOpen  = errors.New("table: not open yet")
	errNoAll    = errors.New("table: this type cannot list its entries")
	errReloaded = errors.New("table: the reloading table is closed")
)

// Reload opens a table with open, and again whenever one of files has changed.
// open is called by one goroutine at a time. The error is that of the first
// call, unless [ReloadOptions.NoFirst] is set.
//
//	t, err := table.Reload(ctx, func(ctx context.Context) (table.Closer, error) {
//		return opener.Open(ctx, "hash:/etc/postfix/virtual")
//	}, nil, "/etc/postfix/virtual.db")
func Reload(ctx context.Context, open func(context.Context) (Closer, error), opts *ReloadOptions, files ...string) (*Reloading, error) {
	return reload(ctx, open, opts, time.Now, files)
}

func reload(ctx context.Context, open func(context.Context) (Closer, error), opts *ReloadOptions, now func() time.Time, files []string) (*Reloading, error) {
	r := &Reloading{open: open, files: append([]string(nil), files...), now: now, start: now()}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Interval == 0 {
		r.opts.Interval = time.Second
	}
	r.looking.Lock()
	defer r.looking.Unlock()
	if err := r.reopen(ctx, r.states()); err != nil && !r.opts.NoFirst {
		return nil, err
	}
	r.postpone()
	return r, nil
}

func (r *Reloading) states() []state {
	s := make([]state, len(r.files))
	for i, f := range r.files {
		s[i] = look(f)
	}
	return s
}

func (r *Reloading) postpone() {
	r.next.Store(int64(r.now().Sub(r.start)) + int64(max(r.opts.Interval, 0)))
}

// check looks at the files when it is time to, unless another goroutine is at
// it.
func (r *Reloading) check(ctx context.Context) {
	if int64(r.now().Sub(r.start)) < r.next.Load() || !r.looking.TryLock() {
		return
	}
	defer r.looking.Unlock()
	if r.closed.Load() {
		return
	}
	r.look(ctx)
}

// look opens the table anew if a file has changed. r.looking is held.
func (r *Reloading) look(ctx context.Context) error {
	defer r.postpone()
	now := r.states()
	due := !r.recheck.IsZero() && !r.now().Before(r.recheck)
	if r.current.Load() != nil && !due {
		changed := false
		for i := range now {
			changed = changed || !now[i].same(r.seen[i])
		}
		if !changed {
			return nil
		}
	}
	// The caller's lookup may be cancelled; the new table is for all.
	err := r.reopen(context.WithoutCancel(ctx), now)
	if r.opts.OnReload != nil {
		r.opts.OnReload(err)
	}
	return err
}

// reopen opens the table and makes it the current one. before is how the files
// looked: what is written to them from then on counts as a change.
func (r *Reloading) reopen(ctx context.Context, before []state) error {
	opened := r.now()
	t, err := r.open(ctx)
	if err != nil {
		return err
	}
	r.seen, r.recheck = before, time.Time{}
	for _, s := range before {
		if s.info != nil && opened.Sub(s.info.ModTime()).Abs() < coarse {
			r.recheck = opened.Add(coarse)
		}
	}
	g := &generation{t: t}
	g.refs.Store(1)
	if old := r.current.Swap(g); old != nil {
		// The new table answers; what closing the old one says changes nothing.
		_ = old.release()
	}
	return nil
}

// acquire returns the current table; the caller releases it.
func (r *Reloading) acquire(ctx context.Context) (*generation, error) {
	r.check(ctx)
	for {
		g := r.current.Load()
		if g == nil {
			if r.closed.Load() {
				return nil, errReloaded
			}
			return nil, &Error{Spec: r.name(), Temporary: true, Err: errNotOpen}
		}
		// A count of 0 belongs to a table that was just replaced and closed.
		if n := g.refs.Load(); n > 0 && g.refs.CompareAndSwap(n, n+1) {
			return g, nil
		}
	}
}

func (r *Reloading) name() string {
	if len(r.files) == 0 {
		return "table"
	}
	return r.files[0]
}

// Lookup looks key up in the current table.
func (r *Reloading) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	g, err := r.acquire(ctx)
	if err != nil {
		return "", false, err
	}
	defer g.release()
	return g.t.Lookup(ctx, key)
}

// AppendLookup is [Appender.AppendLookup] of the current table. One that is no
// Appender is asked by Lookup, which allocates.
func (r *Reloading) AppendLookup(dst, key []byte) (value []byte, found bool, err error) {
	g, err := r.acquire(context.Background())
	if err != nil {
		return dst, false, err
	}
	defer g.release()
	return appender{g.t}.AppendLookup(dst, key)
}

// LookupMany is [Batcher.LookupMany] of the current table, which answers all keys.
// One that is no Batcher is asked for one key after the other.
func (r *Reloading) LookupMany(keys [][]byte, found func(i int, value []byte) bool) (answered int, err error) {
	g, err := r.acquire(context.Background())
	if err != nil {
		return 0, err
	}
	defer g.release()
	if b, ok := g.t.(Batcher); ok {
		return b.LookupMany(keys, found)
	}
	return LookupEach(appender{g.t}, keys, found)
}

// appender gives every table an AppendLookup.
type appender struct{ Table }

func (a appender) AppendLookup(dst, key []byte) (value []byte, found bool, err error) {
	if t, ok := a.Table.(Appender); ok {
		return t.AppendLookup(dst, key)
	}
	v, found, err := a.Lookup(context.Background(), string(key))
	return append(dst, v...), found, err
}

// All lists the current table, to its end even when it is replaced meanwhile.
// It yields an error when the table is no [Lister].
func (r *Reloading) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		g, err := r.acquire(ctx)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer g.release()
		l, ok := g.t.(Lister)
		if !ok {
			yield(Entry{}, errNoAll)
			return
		}
		l.All(ctx)(yield)
	}
}

// IsPattern reports whether the current table is a [Pattern].
func (r *Reloading) IsPattern() bool {
	g, err := r.acquire(context.Background())
	if err != nil {
		return false
	}
	defer g.release()
	return IsPattern(g.t)
}

// Locate is that of the current table, if it is a [Locator].
func (r *Reloading) Locate(ctx context.Context, key string) (file string, line int, ok bool) {
	g, err := r.acquire(ctx)
	if err != nil {
		return "", 0, false
	}
	defer g.release()
	if l, is := g.t.(Locator); is {
		return l.Locate(ctx, key)
	}
	return "", 0, false
}

// Refresh looks at the files now, whatever the interval, and reports why a
// changed table could not be opened.
func (r *Reloading) Refresh(ctx context.Context) error {
	r.looking.Lock()
	defer r.looking.Unlock()
	if r.closed.Load() {
		return errReloaded
	}
	return r.look(ctx)
}

// Close closes the table as soon as the lookups in it have ended; later ones
// fail.
func (r *Reloading) Close() error {
	r.looking.Lock()
	defer r.looking.Unlock()
	if r.closed.Load() {
		return nil
	}
	r.closed.Store(true)
	if g := r.current.Swap(nil); g != nil {
		return g.release()
	}
	return nil
}
