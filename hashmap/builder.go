package hashmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

// Duplicates says what becomes of a key that is added more than once.
type Duplicates uint8

const (
	RejectDuplicates Duplicates = iota // an error, and nothing is written
	KeepFirst                          // what postmap does, with a warning
	KeepLast                           // postmap -r
	KeepAll                            // postmap -w on cdb: lookups find the first; elsewhere the same as KeepFirst
)

// BuildOptions for [NewBuilder]. The zero value and nil store keys as they are
// given, in the form Postfix gives the format, and reject repeated keys.
type BuildOptions struct {
	Duplicates Duplicates
	// OnDuplicate, when set, is called for every record whose key was added
	// before, in the order they were added, whatever Duplicates says. first
	// and again count the calls of Add from 0.
	OnDuplicate func(key string, first, again int)
	// NUL says whether keys and values get a NUL at their end.
	NUL NUL
	// FoldKeys folds keys as Postfix does, by Unicode case folding with UTF8.
	// [Builder.AddSource] does not: its source has folded them.
	FoldKeys, UTF8 bool

	PageSize  int  // of Berkeley DB and LMDB files; 0 is 4096
	BigEndian bool // for machines like s390x; Berkeley DB and LMDB
	WordSize  int  // of LMDB files: 8, or 4 for machines of 32 bits; 0 is 8

	// File says how WriteFile puts the table in place.
	File FileOptions
	// Verify makes WriteFile read the table back and compare all of it with
	// what was added. It needs about as much memory again.
	Verify bool
	// Progress, when set, is called now and then.
	Progress func(Progress)

	sameOrder bool // the order of an LMDB file is what BigEndian says, on any machine
	checksums bool // of Berkeley DB files, as the old one had them
}

// Progress tells how far a build or conversion is.
type Progress struct {
	Stage Stage
	Done  int64 // records; bytes when writing
	Total int64 // what Done will be at the end, -1 if not known
}

// Stage is a part of building a table. The zero Stage is invalid.
type Stage uint8

const (
	Reading   Stage = iota + 1 // records are added
	Writing                    // the file is written; no call comes while records are put in order before it
	Verifying                  // the file is read back
)

// String is "reading", "writing" or "verifying".
func (s Stage) String() string {
	switch s {
	case Reading:
		return "reading"
	case Writing:
		return "writing"
	case Verifying:
		return "verifying"
	}
	return fmt.Sprintf("Stage(%d)", uint8(s))
}

// A Source yields the entries of a table's source one by one, as
// [textmap.Scanner] does. Key and Value are valid until the next Scan, and Line
// is the line the entry begins at.
type Source interface {
	Scan() bool
	Key() []byte
	Value() []byte
	Line() int
	Err() error
}

// A Builder collects records and writes them as one table file of any format.
// Not safe for concurrent use.
type Builder struct {
	format Format
	opts   BuildOptions
	w      writer
	nul    bool
	err    error // what was wrong with the arguments of NewBuilder
	total  int64 // records that will be added, -1 if not known

	key, value []byte // room for the stored form
	source     string
	lines      lineList    // of records, as far as they come from sources
	findings   diag.List   // of sources
	repeats    []duplicate // found when the table was put in order
	resolved   int         // Len when repeats was filled, -1 before
	copy       *MemoryBuilder
}

type duplicate struct {
	key          string
	first, again int32 // there are no more records
}

// NewBuilder returns an empty Builder for a format. What is wrong with its
// arguments is the error of Add and of writing.
func NewBuilder(f Format, opts *BuildOptions) *Builder {
	b := &Builder{format: f, resolved: -1, total: -1}
	if opts != nil {
		b.opts = *opts
	}
	if b.opts.Duplicates > KeepAll {
		b.err = fmt.Errorf("hashmap: invalid policy for duplicates %d", b.opts.Duplicates)
		return b
	}
	b.nul = b.opts.NUL.written(f)
	b.w, b.err = newWriter(f, &b.opts, func(key []byte, first, again int) {
		b.repeats = append(b.repeats, duplicate{string(b.plain(key)), int32(first), int32(again)})
	})
	if b.opts.Verify {
		b.copy = &MemoryBuilder{Duplicates: b.opts.Duplicates}
	}
	return b
}

// plain is a stored key as it was before it got a NUL.
func (b *Builder) plain(key []byte) []byte {
	if b.nul {
		return trimNUL(key)
	}
	return key
}

// Len is the number of records added.
func (b *Builder) Len() int {
	if b.w == nil {
		return 0
	}
	return b.w.Len()
}

// Add adds one record. It fails with a *[KeyError] for a key the format cannot
// store, and wraps [ErrTooLarge] for what does not fit; the record is not
// added then.
func (b *Builder) Add(key, value string) error {
	if b.err != nil {
		return b.err
	}
	k := append(b.key[:0], key...)
	if b.opts.FoldKeys {
		k = foldKey(k, b.opts.UTF8)
	}
	return b.add(k, append(b.value[:0], value...))
}

// add gives both the form of the table. They are the Builder's own copies.
func (b *Builder) add(key, value []byte) error {
	if b.nul {
		key, value = append(key, 0), append(value, 0)
	}
	b.key, b.value = key[:0], value[:0]
	return b.AddRaw(key, value)
}

// AddRaw adds a record in exactly the form it will have in the file, without
// folding and without adding a NUL. postalias stores its YP_ records so.
func (b *Builder) AddRaw(key, value []byte) error {
	if b.err != nil {
		return b.err
	}
	if err := b.w.Add(key, value); err != nil {
		return explain(err, "")
	}
	if b.copy != nil {
		if err := b.copy.Add(key, value); err != nil {
			return err
		}
	}
	if n := b.w.Len(); b.opts.Progress != nil && n%progressStep == 0 {
		b.opts.Progress(Progress{Reading, int64(n), b.total})
	}
	return nil
}

const progressStep = 1 << 14

// AddAll adds all entries of a sequence, such as [Reader.All]. It stops at the
// first error of the sequence or of adding.
func (b *Builder) AddAll(entries iter.Seq2[table.Entry, error]) error {
	for e, err := range entries {
		if err != nil {
			return err
		}
		if err := b.Add(e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

// AddSource adds all entries of a source, whose name is for messages, and
// remembers their lines. When it is a [*textmap.Scanner] without a Report its
// findings are kept too, and [Builder.Findings] has all in source order. An
// error in adding carries the line.
func (b *Builder) AddSource(name string, src Source) error {
	if b.err != nil {
		return b.err
	}
	b.source = name
	// Records that came by Add before have no line.
	for b.lines.n < b.Len() {
		b.lines.add(0)
	}
	if s, ok := src.(*textmap.Scanner); ok {
		return b.addScanned(name, s)
	}
	for src.Scan() {
		if err := b.addFrom(name, src.Key(), src.Value(), src.Line()); err != nil {
			return err
		}
	}
	return src.Err()
}

// addFrom adds an entry of a source.
func (b *Builder) addFrom(name string, key, value []byte, line int) (err error) {
	if b.nul {
		err = b.add(append(b.key[:0], key...), append(b.value[:0], value...))
	} else {
		err = b.AddRaw(key, value)
	}
	if err == nil {
		b.lines.add(int32(line))
		return nil
	}
	var k *KeyError
	if errors.As(err, &k) {
		k.Source, k.Line = name, line
		return err
	}
	return fmt.Errorf("%s:%d: %w", name, line, err)
}

// A lineList has a line number for each record, as runs of records on lines that
// follow each other: most sources are one run, or a few.
type lineList struct {
	runs []lineRun
	n    int
}

// A lineRun says what line a record came from, 0 for none. Records after it came
// from the lines after that one, or from none too.
type lineRun struct{ record, line int32 }

func (l *lineList) add(line int32) {
	if last := len(l.runs) - 1; last < 0 || l.runs[last].at(l.n) != line {
		l.runs = append(l.runs, lineRun{int32(l.n), line})
	}
	l.n++
}

// at returns the line of record n if the run has it.
func (r lineRun) at(n int) int32 {
	if r.line == 0 {
		return 0
	}
	return r.line + int32(n) - r.record
}

// line returns the line that record n came from, 0 if it is from no source.
func (b *Builder) line(record int32) int {
	n := int(record)
	if n >= b.lines.n {
		return 0
	}
	i := sort.Search(len(b.lines.runs), func(i int) bool { return int(b.lines.runs[i].record) > n })
	return int(b.lines.runs[i-1].at(n))
}

// Findings are what was found in the sources given to AddSource: lines that
// were ignored or are doubtful, and repeated keys (textmap.CheckDuplicate), in
// source order, which is the order of postmap's warnings. Called before the
// table is written it looks for repeated keys first, which takes about the
// time of writing.
func (b *Builder) Findings() diag.List {
	found := slices.Clone(b.findings)
	for d := range b.Repeated() {
		if d.Span.Start.IsValid() {
			found = append(found, d)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Span.Start.Line < found[j].Span.Start.Line })
	return found
}

// Repeated are the findings about repeated keys alone, in the order the records
// were added; those about records that came from no source have no place. They
// are made one at a time: a source may have millions. Called before the table is
// written it does what Findings does.
func (b *Builder) Repeated() iter.Seq[diag.Diagnostic] {
	return func(yield func(diag.Diagnostic) bool) {
		b.resolve()
		for _, d := range b.repeats {
			if !yield(duplicateFinding(b.source, d.key, b.line(d.first), b.line(d.again))) {
				return
			}
		}
	}
}

// resolve fills repeats, if that is not done.
func (b *Builder) resolve() {
	if b.w != nil && b.resolved != b.Len() {
		// Only the report counts. An error of the real write is reported there.
		_, _ = b.write(failing{})
	}
}

// failing ends a write that is only made for its reports.
type failing struct{}

var errNotWritten = errors.New("not written")

func (failing) Write([]byte) (int, error) { return 0, errNotWritten }

// WriteTo writes the table to w. The same records give the same bytes.
// Repeated keys are found before anything is written.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.write(w)
	if b.opts.OnDuplicate != nil {
		for _, d := range b.repeats {
			b.opts.OnDuplicate(d.key, int(d.first), int(d.again))
		}
	}
	return n, err
}

func (b *Builder) write(w io.Writer) (int64, error) {
	b.repeats = nil
	b.resolved = b.Len()
	out := &output{w: w, report: b.opts.Progress}
	n, err := b.w.WriteTo(out)
	switch {
	case err == nil:
		return n, nil
	case out.err != nil:
		return n, out.err // as it was; a format's package may have put it into words
	case b.opts.Duplicates == RejectDuplicates && len(b.repeats) > 0:
		d := b.repeats[0]
		return n, &DuplicateError{Key: d.key, First: int(d.first), Again: int(d.again), Count: len(b.repeats),
			Source: b.source, FirstLine: b.line(d.first), AgainLine: b.line(d.again)}
	}
	return n, explain(err, "")
}

// output is where a format's package writes. It reports progress and keeps the
// error of writing.
type output struct {
	w       io.Writer
	report  func(Progress)
	n, told int64
	err     error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	o.n += int64(n)
	if err != nil {
		o.err = err
	}
	if o.report != nil && o.n-o.told >= 1<<20 {
		o.told = o.n
		o.report(Progress{Writing, o.n, -1})
	}
	return n, err
}

// WriteFile writes the table to the file at path, replacing what is there, as
// [FileOptions] say. A failure leaves the old file as it was.
//
// To replace a table, give the name Postfix gives it: [FileName].
func (b *Builder) WriteFile(ctx context.Context, path string) (Result, error) {
	if b.err != nil {
		return Result{}, b.err
	}
	p := placement{path: path, format: b.format, opts: b.opts.File}
	if b.opts.Verify {
		return p.put(ctx, b.WriteTo, func(file string) error { return b.verify(ctx, file) })
	}
	return p.put(ctx, b.WriteTo, nil)
}

// verify compares the file with what was added.
func (b *Builder) verify(ctx context.Context, file string) error {
	want, err := b.copy.Build()
	if err != nil {
		return err
	}
	b.copy = &MemoryBuilder{Duplicates: b.opts.Duplicates} // Build emptied it
	if b.format == Bolt {
		// bbolt would wait for the lock that keeps other writers from the file.
		if file, err = copyAside(file); err != nil {
			return err
		}
		defer os.Remove(file)
	}
	r, err := Open(file, &OpenOptions{Format: b.format, NoLock: true})
	if err != nil {
		return err
	}
	defer r.Close()
	return verify(ctx, r, want, b.opts.Duplicates == KeepAll && b.format == CDB, b.opts.Progress)
}

// copyAside copies a file to one beside it.
func copyAside(file string) (name string, err error) {
	src, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer src.Close()
	dst, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+"-verify-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(dst, src)
	if err = errors.Join(err, dst.Close()); err != nil {
		os.Remove(dst.Name())
		return "", err
	}
	return dst.Name(), nil
}

// verify reads all of r and compares it with want: every record is looked up,
// and iteration has as many. With more, r may repeat keys.
func verify(ctx context.Context, r *Reader, want *Memory, more bool, progress func(Progress)) error {
	var value []byte
	n := 0
	for e, err := range want.All(ctx) {
		if err != nil {
			return err
		}
		var found bool
		value, found, err = r.eng.appendLookup(value[:0], []byte(e.Key))
		switch {
		case err != nil:
			return explain(err, r.path)
		case !found:
			return fmt.Errorf("%s: verification: key %q is not found", r.path, e.Key)
		case string(value) != e.Value:
			return fmt.Errorf("%s: verification: key %q has another value", r.path, e.Key)
		}
		if n++; progress != nil && n%progressStep == 0 {
			progress(Progress{Verifying, int64(n), int64(want.Len())})
		}
	}
	records := 0
	for _, err := range r.Records() {
		if err != nil {
			return err
		}
		records++
	}
	if records != want.Len() && !(more && records > want.Len()) {
		return fmt.Errorf("%s: verification: %d records, %d expected", r.path, records, want.Len())
	}
	return nil
}
