// Package bdb reads, writes, updates, checks and salvages Berkeley DB hash and
// btree files, the hash: and btree: tables of Postfix (NAME.db), without libdb.
// FORMAT.md beside this file has their layout.
//
// The package moves bytes and knows nothing of Postfix: whether keys and values
// end in a zero byte (by default they do), how keys are folded, and under which
// name and lock a file is replaced is decided by package hashmap above it.
//
// Read a table, whichever of the two kinds it is:
//
//	r, err := bdb.Open("/etc/postfix/virtual.db", nil)
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	value, found, err := r.Lookup([]byte("postmaster@example.org\x00"))
//
// Write one:
//
//	b := bdb.NewBuilder(bdb.Hash, nil)
//	for _, rec := range records {
//		if err := b.Add(rec.Key, rec.Value); err != nil {
//			return err
//		}
//	}
//	_, err := b.WriteTo(w)
//
// Change one: see [Updater]. Find out what is wrong with one: [Reader.Check].
// Get out of a damaged one what is left: [Salvage].
//
// Ask for many keys at once with [Reader.LookupMany]: several times as fast in a
// table larger than the processor's caches.
//
// # What is read and written
//
// Hash versions 7 to 10 and btree versions 8 to 10, which is libdb 3.1 to 18.1;
// page sizes 512 to 65536; both byte orders; page checksums; hash pages sorted
// and not; keys and values on overflow pages; several values for a key, on the
// page and in trees of their own; record counts. Not read, with ErrUnsupported:
// older versions, encrypted files, sub-databases, record number trees, compressed
// trees, partitions, blobs.
//
// Files are written as libdb 4.6 to 5.3 writes them (version 9), pages full: the
// buckets of a hash are chosen so that few need a second page, the leaves of a
// tree have no room left. Updates keep the version, byte order and page size of
// a file. They refuse, with ErrUnsupported, files with a hash function of their
// own, trees with record counts, and sorted duplicates.
//
// # Damaged files
//
// Damage and malice cost an error that wraps ErrCorrupt and names page and byte,
// never a panic, an endless loop or memory that a number in the file asks for. A
// lookup visits each page of a chain once; All, Check and Salvage visit each page
// of the file once, so that a small file cannot be made to last.
//
// Two quirks of libdb are worth knowing. Where keys do not end in a zero byte, some
// of them are long (over a quarter of a page) and one is the beginning of another,
// libdb's order on hash pages contradicts itself: it loses keys that are there.
// The Reader finds them, and what a Builder or Updater writes libdb finds, too.
// And a process that dies while libdb updates a file leaves it damaged; files
// replaced by rename never are.
//
// # Locks
//
// The package takes none. Postfix holds flock(2) on NAME.db itself: shared while a
// command reads the table, exclusive for as long as postmap writes it. Somebody
// who updates opens the file, takes the exclusive lock, makes sure that the name
// still means the locked file, hands it to [NewFile], and holds the lock until the
// new file has been renamed into place. Whoever reads and must not see postmap's
// changes half done takes the shared lock for as long as the Reader is in use. A
// long-running reader looks now and then whether the file was replaced or
// changed, as Postfix daemons do.
//
// # Memory
//
// A Reader keeps notes beside its mapping about the pages that lookups came to: a
// sixteenth of the size of a page for each, and about half of it for an upper page
// of a tree. They save lookups most of their waiting for memory. A Builder
// needs the records and at most 32 bytes for each: building 10 million records of
// 41 bytes, added one by one, took at its peak 1.7 times the size of keys and
// values, so three times are not reached from 16 bytes per record on; see
// BenchmarkBuildMemory in the bench module. An Updater keeps the pages it has
// touched.
package bdb
