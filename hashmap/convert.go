package hashmap

import (
	"context"
	"fmt"
)

// Convert writes the records of a table into a file of any format at path,
// replacing what is there. What keys and values were in the old table they are
// in the new one, but for the NUL at their end, which becomes what is usual in
// the new format or what opts.NUL says. Records that stand without a NUL in a
// table that otherwise has them, such as the YP_ records of postalias, stay
// without.
//
// opts are those of a build; FoldKeys is ignored. A repeated key can come from
// a cdb file, or from a table with both forms of a key: that is an error unless
// opts.Duplicates says what to keep. With opts.Verify every record of the new
// table is looked up before it takes its place.
//
// src may be the file at path: it is read to its end first.
func Convert(ctx context.Context, src *Reader, f Format, path string, opts *BuildOptions) (Result, error) {
	b, err := ConvertTo(ctx, src, f, opts)
	if err != nil {
		return Result{Path: path}, err
	}
	return b.WriteFile(ctx, path)
}

// ConvertTo is Convert that leaves the table in a Builder, for writing it
// somewhere else than to a file.
func ConvertTo(ctx context.Context, src *Reader, f Format, opts *BuildOptions) (*Builder, error) {
	b := NewBuilder(f, opts)
	if b.err != nil {
		return nil, b.err
	}
	withNUL, err := storesNUL(src)
	if err != nil {
		return nil, err
	}
	if in, err := src.Info(); err == nil {
		b.total = in.Records
	}
	n := 0
	for r, err := range src.Records() {
		if n++; err == nil && n%1024 == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if withNUL && !endsInNUL(r) {
			err = b.AddRaw(r.Key, r.Value)
		} else {
			if withNUL {
				r = Record{trimNUL(r.Key), trimNUL(r.Value)}
			}
			err = b.add(append(b.key[:0], r.Key...), append(b.value[:0], r.Value...))
		}
		if err != nil {
			return nil, fmt.Errorf("converting record %d of %s: %w", n, src.Path(), err)
		}
	}
	return b, nil
}

func endsInNUL(r Record) bool {
	k, v := len(r.Key), len(r.Value)
	return k > 0 && v > 0 && r.Key[k-1] == 0 && r.Value[v-1] == 0
}

// storesNUL reports whether a table has records that end in a NUL. Nearly
// always the first one tells.
func storesNUL(r *Reader) (bool, error) {
	for rec, err := range r.Records() {
		if err != nil {
			return false, err
		}
		if endsInNUL(rec) {
			return true, nil
		}
	}
	return false, nil
}
