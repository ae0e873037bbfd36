package hashmap

import (
	"context"
	"io"
	"os"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/textmap"
)

// ReadText reads a source of "key value" lines into memory, as a texthash:
// table does. Lines that Postfix ignores are left out. Of entries with the same
// key the one counts that duplicates say: the first with [KeepFirst], as for
// postmap -q, the last with [KeepLast], as for postmap -r -q. report, which may
// be nil, is told about both, in the order of the source for the former,
// repeated keys after them, whatever becomes of those.
//
// The keys of the table are folded unless opts say otherwise, so the ones to
// look up must be too; [Folded] does it.
func ReadText(name string, src io.Reader, opts *textmap.Options, duplicates Duplicates, report func(diag.Diagnostic)) (*Memory, error) {
	ahead := textmap.Options{ReadAhead: true}
	if opts != nil {
		ahead = *opts
		ahead.ReadAhead = true
	}
	s := textmap.NewScanner(name, src, &ahead)
	s.Report = report
	s.Collect = func(size int) textmap.Collector { return &memoryBatch{block: make([]byte, 0, size)} }
	b := MemoryBuilder{Duplicates: duplicates}
	var lines []int32
	for {
		if run := s.Batch(); run != nil {
			if err := b.addBatch(run.Collector().(*memoryBatch)); err != nil {
				return nil, err
			}
			for i := 0; report != nil && i < run.Len(); i++ {
				lines = append(lines, int32(run.Line(i)))
			}
			s.Skip(run)
			continue
		}
		if !s.Scan() {
			break
		}
		if err := b.Add(s.Key(), s.Value()); err != nil {
			return nil, err
		}
		if report != nil {
			lines = append(lines, int32(s.Line()))
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if report != nil {
		b.OnDuplicate = func(key string, first, again int) {
			report(duplicateFinding(name, key, int(lines[first]), int(lines[again])))
		}
	}
	return b.Build()
}

// duplicateFinding is the finding for a key that its source has twice.
func duplicateFinding(source, key string, first, again int) diag.Diagnostic {
	d := diag.Diagnostic{
		File: source, Span: lineStart(again), Severity: diag.Warning, Check: textmap.CheckDuplicate,
		Message: "duplicate entry: \"" + diag.Printable(key) + "\"",
	}
	if first > 0 {
		d.Related = []diag.Related{{File: source, Span: lineStart(first), Message: "first entry with this key"}}
	}
	return d
}

// lineStart is the place of an entry of which only the line is known; 0 is none.
func lineStart(line int) (s diag.Span) {
	if line > 0 {
		s.Start = diag.Position{Line: line, Col: 1}
	}
	return s
}

func openTextHash(ctx context.Context, o *table.Opener, name string) (table.Closer, error) {
	opts := &textmap.Options{NoFold: o.Options.NoFold, NoUTF8: !o.Options.UTF8, ReadFile: o.Options.ReadFile}
	open := func() (table.Closer, error) {
		var f io.ReadCloser
		var err error
		if o.FS != nil {
			f, err = o.FS.Open(fsName(name))
		} else {
			f, err = os.Open(name)
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		m, err := ReadText(name, f, opts, KeepFirst, nil)
		if err != nil {
			return nil, err
		}
		if o.Options.NoFold {
			return m, nil
		}
		return table.NopCloser(Folded(m, o.Options.UTF8)), nil
	}
	if o.FS != nil {
		return open()
	}
	return table.Reload(ctx, func(context.Context) (table.Closer, error) { return open() }, nil, name)
}

// Folded is m for keys that are not folded yet: they are folded before each
// lookup, ASCII letters to lower case, or by Unicode case folding with utf8.
// Then, too, a key that is not UTF-8 is not found.
func Folded(m *Memory, utf8 bool) table.Lister { return foldedMemory{m, utf8} }

type foldedMemory struct {
	*Memory
	utf8 bool
}

func (f foldedMemory) Lookup(_ context.Context, key string) (string, bool, error) {
	var room [keyRoom]byte
	v, found, err := f.find(append(room[:0], key...))
	return v, found, err
}

func (f foldedMemory) AppendLookup(dst, key []byte) ([]byte, bool, error) {
	var room [keyRoom]byte
	v, found, err := f.find(append(room[:0], key...))
	return append(dst, v...), found, err
}

func (f foldedMemory) find(key []byte) (string, bool, error) {
	if f.utf8 && !casefold.Valid(key) {
		return "", false, nil
	}
	v, found := f.GetBytes(foldKey(key, f.utf8))
	return v, found, nil
}
