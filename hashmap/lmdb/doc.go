// Package lmdb reads and writes LMDB data files: the lmdb: tables of Postfix
// (lmdb_table(5), NAME.lmdb) and single-file databases of other programs that
// keep everything in the unnamed database. See FORMAT.md beside this file for
// the layout.
//
// The package moves bytes and knows nothing of Postfix: trailing NULs, key
// folding, names, locks and replacing a file belong to package hashmap above it.
//
// Read a table:
//
//	r, err := lmdb.Open("/etc/postfix/virtual.lmdb", nil)
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	value, found, err := r.Lookup([]byte("postmaster@example.org\x00"))
//
// Write one; liblmdb and Postfix can go on changing it:
//
//	b := lmdb.NewBuilder(nil)
//	for _, rec := range records {
//		if err := b.Add(rec.Key, rec.Value); err != nil {
//			return err
//		}
//	}
//	_, err := b.WriteTo(w)
//
// # Files that change while they are open
//
// liblmdb changes a file in place, page by page, and Postfix updates lmdb:
// tables that way. A lookup starts from the newest finished transaction and is
// repeated when so many were finished meanwhile that its pages may have been
// used again; after a few repeats it fails with [ErrChanged]. An iteration sees
// the table as it was at its start, or fails with ErrChanged. A caller that holds
// Postfix's lock on the file (fcntl, as package hashmap does) never meets that.
//
// A file that was damaged or made to do harm costs an error wrapping
// [ErrCorrupt], never a panic, an endless loop or memory that a number in the
// file asks for. [Reader.Check] looks at all of it.
//
// # Limits
//
// Data version 1, the one of all LMDB 0.9 releases: files of LMDB 1.0 are
// recognised and refused, as are named databases inside a file and databases
// with several values for one key. Files of machines with other page sizes, word
// sizes and byte orders are read, and written when asked for. Keys have 1 to 511
// bytes. There is no changing in place: an update writes a new file. LMDB's own
// lock file is neither read nor made.
package lmdb
