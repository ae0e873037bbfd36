package hashmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/filelock"
	"github.com/postfixkit/postfixkit/table"
)

// OpenOptions for [Open] and [NewReader]. The zero value and nil read any
// format and look keys up as they are given, with and without a NUL.
type OpenOptions struct {
	// Format the file must have; 0 takes what the content is.
	Format Format
	// NUL says which form of a key is looked up.
	NUL NUL
	// KeepNUL gives keys and values as they are stored. Otherwise values end
	// at their first NUL, and All takes one off the end of keys and values.
	KeepNUL bool
	// FoldKeys folds keys before they are looked up, to lower case as Postfix
	// does (ASCII letters, or by Unicode case folding with UTF8).
	FoldKeys bool
	// UTF8 is smtputf8_enable: keys that are not UTF-8 are not looked up, and
	// a value that is not is an error.
	UTF8 bool

	// NoMmap reads the file instead of mapping it into memory.
	NoMmap bool
	// NoLock opens without Postfix's lock: for file systems without locks.
	// Otherwise a writer that changes the file in place is waited for.
	NoLock bool
	// LockLookups takes Postfix's lock for every lookup too, and opens the
	// file again when it was changed in place. Slow, and only of use while
	// the original postmap rebuilds or updates the table under the readers;
	// writers in this package never change a file in place unless told to.
	LockLookups bool
	// LockWait limits the wait for a lock; 0 means 30 seconds.
	LockWait time.Duration

	// Source is the file the table was made from. When it is newer than the
	// table Notice is told so.
	Source string
	// Notice, when set, is told what is odd but no error. The Check of its
	// argument is one of the Notice constants.
	Notice func(diag.Diagnostic)
}

// Checks of notices. Their messages are those of Postfix.
const (
	NoticeOlder  = "older-than-source" // database X.db is older than source file X
	NoticeKey    = "not-utf8"          // non-UTF-8 key "KEY": …
	NoticeRemade = "zero-length"       // removing zero-length database file: X.db
)

// A Reader answers lookups in one table file. It is a [table.Table]. All
// methods are safe for concurrent use, except that Close must come last.
//
// A file that is replaced stays as it was for the Reader; [table.Reload]
// follows replacements.
type Reader struct {
	path   string
	format Format
	opts   OpenOptions
	eng    engine
	form   atomic.Uint32 // a NUL: the form that had the first hit

	mu   sync.Mutex // held for lookups when opts.LockLookups
	file *os.File   // what is locked then
	seen fs.FileInfo
	uses int      // of an engine for longer than a lookup, see hold
	old  []engine // that were replaced during one
}

var (
	_ table.Lister   = (*Reader)(nil)
	_ table.Appender = (*Reader)(nil)
	_ table.Closer   = (*Reader)(nil)
)

// Open opens the table in the file at path, whose format is found out from its
// content: "/etc/postfix/virtual.db". [OpenTable] takes a "type:name" instead.
//
// Errors wrap [ErrUnknownFormat], [ErrCorrupt] (a *[CorruptError]),
// [ErrUnsupported], or the error of the system.
func Open(path string, opts *OpenOptions) (*Reader, error) {
	r := &Reader{path: path}
	if opts != nil {
		r.opts = *opts
	}
	r.form.Store(uint32(r.opts.NUL))
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("hashmap: %w", err)
	}
	if r.format, err = detectFile(f); err != nil {
		f.Close()
		return nil, err
	}
	if want := r.opts.Format; want != 0 && want != r.format {
		f.Close()
		return nil, notThat(path, r.format, want)
	}
	f, locked, err := r.lockFile(f)
	if err == nil {
		if r.eng, err = openEngine(r.format, path, r.opts.NoMmap, r.opts.LockWait); err == nil {
			r.seen, err = f.Stat()
		}
	}
	if err != nil {
		r.eng.close()
		f.Close()
		return nil, explain(err, path)
	}
	if locked {
		// Nothing to be done about an error, and closing the file unlocks too.
		_ = filelock.Unlock(f, formats[r.format].lock)
	}
	if r.opts.LockLookups && locked {
		r.file = f
	} else {
		f.Close()
	}
	if r.opts.Source != "" && r.opts.Notice != nil && OlderThan(path, r.opts.Source) {
		r.notice(NoticeOlder, fmt.Sprintf("database %s is older than source file %s", path, r.opts.Source))
	}
	return r, nil
}

func detectFile(f *os.File) (Format, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("hashmap: %w", err)
	}
	if !st.Mode().IsRegular() {
		return 0, fmt.Errorf("hashmap: %s: not a regular file", f.Name())
	}
	format, err := Detect(f, st.Size())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return format, nil
}

// lockFile takes the shared lock of the format on f. When the file was
// replaced meanwhile, f is closed and the new one returned.
func (r *Reader) lockFile(f *os.File) (_ *os.File, locked bool, err error) {
	kind := formats[r.format].lock
	if r.opts.NoLock || kind == 0 {
		return f, false, nil
	}
	f.Close()
	ctx, cancel := lockContext(context.Background(), r.opts.LockWait)
	defer cancel()
	locked = true
	f, err = filelock.Open(ctx, r.path, os.O_RDONLY, 0, kind, filelock.Shared)
	if errors.Is(err, filelock.ErrUnsupported) {
		locked = false
		f, err = os.Open(r.path)
	}
	return f, locked, err
}

func lockContext(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	if wait <= 0 {
		wait = filelock.DefaultWait
	}
	return context.WithTimeout(ctx, wait)
}

// NewReader reads a table of size bytes through r, of any format but bolt.
// There are no locks, and closing the Reader does not close r.
func NewReader(r io.ReaderAt, size int64, opts *OpenOptions) (*Reader, error) {
	t := &Reader{}
	if opts != nil {
		t.opts = *opts
	}
	t.form.Store(uint32(t.opts.NUL))
	var err error
	if t.format, err = Detect(r, size); err != nil {
		return nil, err
	}
	if want := t.opts.Format; want != 0 && want != t.format {
		return nil, notThat("", t.format, want)
	}
	if t.eng, err = newEngine(t.format, r, size); err != nil {
		return nil, explain(err, "")
	}
	return t, nil
}

func (r *Reader) notice(check, message string) {
	if r.opts.Notice != nil {
		r.opts.Notice(diag.Diagnostic{File: r.path, Severity: diag.Warning, Check: check, Message: message})
	}
}

// Path is the file name, "" for a Reader that has none.
func (r *Reader) Path() string { return r.path }

// Format is the format of the table.
func (r *Reader) Format() Format { return r.format }

// keys are the buffers in which lookups make the stored form of their keys. The
// engines keep no key, but the compiler cannot see that through an io.ReaderAt,
// and would put a buffer on the stack of the lookup on the heap each time.
var keys = sync.Pool{New: func() any { return &keyBuffer{make([]byte, 0, keyRoom)} }}

type keyBuffer struct{ b []byte }

const keyRoom = 512

// Lookup returns the value of key. A miss is found == false and a nil error; an
// error wraps [ErrCorrupt] when the file is damaged. ctx only has to satisfy
// [table.Table]: a lookup takes microseconds.
func (r *Reader) Lookup(_ context.Context, key string) (value string, found bool, err error) {
	if r.opts.LockLookups {
		var v []byte
		v, found, err = r.AppendLookup(nil, []byte(key))
		return string(v), found, err
	}
	buf := keys.Get().(*keyBuffer)
	defer keys.Put(buf)
	buf.b = append(buf.b[:0], key...)
	k, ok := r.prepare(buf.b)
	if !ok {
		return "", false, nil
	}
	form := NUL(r.form.Load())
	if form != NoNUL {
		value, found, err = r.eng.lookup(append(k, 0))
		if found && form == NULAuto {
			r.form.CompareAndSwap(uint32(NULAuto), uint32(WithNUL))
		}
	}
	if !found && err == nil && form != WithNUL {
		value, found, err = r.eng.lookup(k)
		if found && form == NULAuto {
			r.form.CompareAndSwap(uint32(NULAuto), uint32(NoNUL))
		}
	}
	if !r.opts.KeepNUL {
		value = cString(value)
	}
	if err != nil {
		return "", false, explain(err, r.path)
	}
	if found && r.opts.UTF8 && !casefold.Valid([]byte(value)) {
		return "", false, r.notUTF8(key, value)
	}
	return value, found, nil
}

// AppendLookup is Lookup without an allocation: it appends the value to dst and
// returns dst as it was on a miss.
func (r *Reader) AppendLookup(dst, key []byte) (value []byte, found bool, err error) {
	if r.opts.LockLookups {
		r.mu.Lock()
		defer r.mu.Unlock()
		unlock, err := r.lockAgain()
		if err != nil {
			return dst, false, err
		}
		defer unlock()
	}
	buf := keys.Get().(*keyBuffer)
	defer keys.Put(buf)
	buf.b = append(buf.b[:0], key...)
	k, ok := r.prepare(buf.b)
	if !ok {
		return dst, false, nil
	}
	if value, found, err = r.appendStored(dst, k, key); err != nil {
		return dst, false, explain(err, r.path)
	}
	return value, found, nil
}

// appendStored looks up the prepared key k, which may be written beyond its end.
// Messages have key.
func (r *Reader) appendStored(dst, k, key []byte) (value []byte, found bool, err error) {
	value = dst
	form := NUL(r.form.Load())
	if form != NoNUL {
		value, found, err = r.eng.appendLookup(dst, append(k, 0))
		if found && form == NULAuto {
			r.form.CompareAndSwap(uint32(NULAuto), uint32(WithNUL))
		}
	}
	if !found && err == nil && form != WithNUL {
		value, found, err = r.eng.appendLookup(dst, k)
		if found && form == NULAuto {
			r.form.CompareAndSwap(uint32(NULAuto), uint32(NoNUL))
		}
	}
	if err != nil {
		return dst, false, err
	}
	if !r.opts.KeepNUL {
		value = value[:len(dst)+len(cBytes(value[len(dst):]))]
	}
	if found && r.opts.UTF8 && !casefold.Valid(value[len(dst):]) {
		return dst, false, r.notUTF8(string(key), string(value[len(dst):]))
	}
	return value, found, nil
}

// prepare folds and checks a key. The key is the Reader's own copy.
func (r *Reader) prepare(key []byte) (_ []byte, ok bool) {
	if r.opts.UTF8 && !casefold.Valid(key) {
		if r.opts.Notice != nil {
			r.notice(NoticeKey, fmt.Sprintf("non-UTF-8 key \"%s\": malformed UTF-8 or invalid codepoint", key))
		}
		return nil, false
	}
	if !r.opts.FoldKeys {
		return key, true
	}
	return foldKey(key, r.opts.UTF8), true
}

// foldKey folds in place where it can.
func foldKey(key []byte, utf8 bool) []byte {
	if utf8 {
		for _, c := range key {
			if c >= 0x80 {
				return casefold.Append(make([]byte, 0, len(key)+8), key)
			}
		}
	}
	return casefold.ASCII(key)
}

func (r *Reader) notUTF8(key, value string) error {
	return &ValueError{r.path, key, value}
}

// lockAgain takes the shared lock for one lookup and opens the table anew when
// it was changed since it was opened. r.mu is held.
func (r *Reader) lockAgain() (unlock func(), err error) {
	if r.file == nil {
		return func() {}, nil
	}
	kind := formats[r.format].lock
	ctx, cancel := lockContext(context.Background(), r.opts.LockWait)
	defer cancel()
	if err := filelock.Lock(ctx, r.file, kind, filelock.Shared); err != nil {
		return nil, fmt.Errorf("hashmap: %w", err)
	}
	unlock = func() { _ = filelock.Unlock(r.file, kind) }
	now, err := r.file.Stat()
	if err == nil && now.ModTime().Equal(r.seen.ModTime()) && now.Size() == r.seen.Size() {
		return unlock, nil
	}
	if err == nil {
		err = r.again(now)
	}
	if err != nil {
		unlock()
		return nil, explain(err, r.path)
	}
	return unlock, nil
}

// again replaces the engine by one that has looked at the file now.
func (r *Reader) again(now fs.FileInfo) error {
	format, err := Detect(r.file, now.Size())
	if err != nil {
		return err
	}
	named, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	if format != r.format || !os.SameFile(named, now) {
		return fmt.Errorf("hashmap: %s has been replaced", r.path)
	}
	eng, err := openEngine(format, r.path, r.opts.NoMmap, r.opts.LockWait)
	if err != nil {
		return err
	}
	r.old = append(r.old, r.eng)
	r.eng, r.seen = eng, now
	r.closeOld()
	return nil
}

// closeOld closes the engines that were replaced when nobody uses them. They
// show a file that is gone; their errors tell nothing. r.mu is held.
func (r *Reader) closeOld() {
	if r.uses > 0 {
		return
	}
	for i := range r.old {
		_ = r.old[i].close()
	}
	r.old = nil
}

// hold returns the engine, which stays open until release even if a lookup
// meanwhile replaces it.
func (r *Reader) hold() (eng engine, release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uses++
	return r.eng, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.uses--
		r.closeOld()
	}
}

// Records iterates over the records exactly as they are stored, in storage
// order. It ends after an error.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		eng, release := r.hold()
		defer release()
		for rec, err := range eng.all() {
			if err != nil {
				yield(Record{}, explain(err, r.path))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// All iterates over the entries in storage order, as postmap -s prints them.
// It ends after an error, and with that of ctx when ctx ends.
func (r *Reader) All(ctx context.Context) iter.Seq2[table.Entry, error] {
	return func(yield func(table.Entry, error) bool) {
		n := 0
		for rec, err := range r.Records() {
			if n++; err == nil && n%1024 == 0 {
				err = ctx.Err()
			}
			if err != nil {
				yield(table.Entry{}, err)
				return
			}
			if !r.opts.KeepNUL {
				rec = Record{trimNUL(rec.Key), trimNUL(rec.Value)}
			}
			if !yield(table.Entry{Key: string(rec.Key), Value: string(rec.Value)}, nil) {
				return
			}
		}
	}
}

// Check reads the whole file and calls report, which may be nil, for each
// thing that is wrong with it; report returns false to end the check. The
// error is nil for a sound file, and otherwise a *[CorruptError] with the
// first fault, or why the file could not be read.
func (r *Reader) Check(ctx context.Context, report func(Fault) bool) error {
	if report == nil {
		report = func(Fault) bool { return true }
	}
	eng, release := r.hold()
	defer release()
	return explain(eng.check(ctx, report), r.path)
}

// Info describes a table file.
type Info struct {
	Format    Format
	Size      int64 // bytes
	Records   int64 // -1 where only counting them would tell (Berkeley DB)
	Version   int   // of the format; 0 where it has none
	PageSize  int   // 0 where the format has no pages
	WordSize  int   // LMDB: 8, or 4 from a 32-bit machine
	BigEndian bool  // byte order of the machine it was made for
}

// Info describes the table from its first pages.
func (r *Reader) Info() (Info, error) {
	in := Info{Format: r.format, Records: -1}
	eng, release := r.hold()
	defer release()
	err := eng.info(&in)
	return in, explain(err, r.path)
}

// Close releases the file and its mapping.
func (r *Reader) Close() error {
	err := r.eng.close()
	r.uses = 0
	r.closeOld()
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
		r.file = nil
	}
	return err
}
