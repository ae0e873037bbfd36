package hashmap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/postfixkit/postfixkit/table"
)

// FileName is the file of the table "type:name": the name and the suffix of
// the format.
func FileName(f Format, name string) string { return name + f.Ext() }

// oldEnough is how long ago a source must have been changed before its table
// counts as forgotten: someone may just be editing.
const oldEnough = 100 * time.Second

// OlderThan reports whether Postfix would say that the table file is older than
// its source: the source was changed after it, and more than 100 seconds ago.
// Files that are not there are not older than anything.
func OlderThan(tableFile, source string) bool {
	t, err := os.Stat(tableFile)
	if err != nil {
		return false
	}
	s, err := os.Stat(source)
	if err != nil {
		return false
	}
	return olderThan(t.ModTime(), s.ModTime(), time.Now())
}

// olderThan compares whole seconds, as Postfix does.
func olderThan(tableTime, sourceTime, now time.Time) bool {
	return sourceTime.Unix() > tableTime.Unix() && sourceTime.Unix() < now.Unix()-int64(oldEnough/time.Second)
}

// OpenTable opens the table that main.cf calls "type:name" ("hash:/etc/aliases")
// for lookups as Postfix makes them: the suffix is appended, the file must
// have the format of the type, and opts is used but for its Format and Source.
func OpenTable(spec string, opts *OpenOptions) (*Reader, error) {
	s, err := table.ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	f, err := ParseFormat(s.Type)
	if err != nil {
		return nil, err
	}
	var o OpenOptions
	if opts != nil {
		o = *opts
	}
	o.Format, o.Source = f, s.Name
	return Open(FileName(f, s.Name), &o)
}

// Types are the map types of this package for [table.Opener]: hash, btree, cdb,
// lmdb and bolt, and texthash. Tables opened through them follow their files
// ([table.Reload]), fold keys and look at UTF-8 as [table.Options] say.
func Types() map[string]table.OpenFunc {
	types := map[string]table.OpenFunc{"texthash": openTextHash}
	for _, f := range Formats() {
		types[f.String()] = func(ctx context.Context, o *table.Opener, name string) (table.Closer, error) {
			return openFormat(ctx, o, f, name)
		}
	}
	return types
}

func openFormat(ctx context.Context, o *table.Opener, f Format, name string) (table.Closer, error) {
	opts := &OpenOptions{Format: f, FoldKeys: !o.Options.NoFold, UTF8: o.Options.UTF8}
	file := FileName(f, name)
	if o.FS != nil {
		return openFS(o.FS, file, opts)
	}
	return table.Reload(ctx, func(context.Context) (table.Closer, error) { return Open(file, opts) }, nil, file)
}

// openFS opens a table in a file system that need not be that of the machine.
func openFS(fsys fs.FS, file string, opts *OpenOptions) (*Reader, error) {
	f, err := fsys.Open(fsName(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The table is small beside what reading it piece by piece would cost
	// through an fs.FS, and most of them have no ReadAt.
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(bytes.NewReader(data), int64(len(data)), opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	r.path = file
	return r, nil
}

// fsName is the name of a file below the root of an fs.FS.
func fsName(file string) string { return path.Clean(strings.TrimLeft(file, "/")) }
