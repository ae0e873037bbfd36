// Package cdb reads and writes constant databases: the cdb: tables of Postfix
// (cdb_table(5), NAME.cdb) and the files of cdbmake and TinyCDB, which share
// one format. See FORMAT.md beside this file for its layout.
//
// The package moves bytes and knows nothing of Postfix: whether keys carry a
// trailing NUL, how they are folded, and under which name and lock a file is
// replaced is decided by package hashmap above it.
//
// Read a table:
//
//	r, err := cdb.Open("/etc/postfix/virtual.cdb", nil)
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	value, found, err := r.Lookup([]byte("postmaster@example.org"))
//
// Write one; the bytes are the ones that postmap would have written:
//
//	b := cdb.NewBuilder(nil)
//	for _, rec := range records {
//		if err := b.Add(rec.Key, rec.Value); err != nil {
//			return err
//		}
//	}
//	_, err := b.WriteTo(w)
//
// A file that was damaged or made to do harm costs an error wrapping
// [ErrCorrupt], and no lookup costs more than reading one hash table.
//
// # Limits
//
// A file is smaller than 4 GiB, of which a Builder holds the records in memory,
// with 8 bytes for each, 16 while it writes. A table cannot be changed, only
// built anew. There is no support for the 64-bit variants of the format, which
// Postfix does not read either.
//
// Files are meant to be replaced by renaming. One that is cut while it is mapped
// gives errors, or misses for keys whose slots are in the last page that is left.
package cdb
