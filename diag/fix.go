package diag

import (
	"cmp"
	"fmt"
	"slices"
)

// An Edit replaces the bytes Start to End (not included) of File with New.
// Start == End inserts.
type Edit struct {
	File       string
	Start, End int
	New        string
}

// ApplyEdits returns src with all edits made, whatever their File says. An
// edit outside src, or two edits that overlap, are an error, and nothing is
// changed. Insertions at the same place are made in the order given.
func ApplyEdits(src []byte, edits []Edit) ([]byte, error) {
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
	size, at := len(src), 0
	for _, e := range sorted {
		if e.Start < 0 || e.End < e.Start || e.End > len(src) {
			return nil, fmt.Errorf("diag: edit %d-%d is outside the source of %d bytes", e.Start, e.End, len(src))
		}
		if e.Start < at {
			return nil, fmt.Errorf("diag: edit %d-%d overlaps another that ends at %d", e.Start, e.End, at)
		}
		at = e.End
		size += len(e.New) - (e.End - e.Start)
	}
	out, at := make([]byte, 0, size), 0
	for _, e := range sorted {
		out = append(out, src[at:e.Start]...)
		out = append(out, e.New...)
		at = e.End
	}
	return append(out, src[at:]...), nil
}

// ApplyFixes applies to src, the content of file, the first fix of every
// finding in found that has one. A fix is applied whole or not at all: when it
// overlaps one applied before it, or also edits another file, its finding is
// returned in skipped. Findings without a fix, and findings of other files,
// are neither applied nor skipped.
func ApplyFixes(file string, src []byte, found List) (fixed []byte, skipped List, err error) {
	var all []Edit
	for _, d := range found {
		if d.File != file || len(d.Fixes) == 0 {
			continue
		}
		edits := d.Fixes[0].Edits
		if slices.ContainsFunc(edits, func(e Edit) bool { return e.File != file }) || conflict(all, edits) {
			skipped = append(skipped, d)
			continue
		}
		all = append(all, edits...)
	}
	fixed, err = ApplyEdits(src, all)
	return fixed, skipped, err
}

// conflict reports whether one of the new edits touches the same bytes as one
// of the old. Two insertions at one place conflict too: their order would be
// a guess. The same edit proposed twice is a conflict for the same reason.
func conflict(old, edits []Edit) bool {
	for _, e := range edits {
		for _, o := range old {
			if e.Start < o.End && o.Start < e.End || e.Start == o.Start {
				return true
			}
		}
	}
	return false
}
