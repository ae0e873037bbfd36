// Package hashmap reads, writes, changes and converts the indexed tables of
// Postfix: hash: and btree: (Berkeley DB), lmdb: and cdb: files, and bolt: files
// of this toolkit, without Postfix and without any C library. What postmap(1) does
// to a table can be done with it from a Go program.
//
// # Look up
//
//	r, err := hashmap.Open("/etc/postfix/virtual.db", nil)
//	if err != nil {
//		return err // errors.Is(err, hashmap.ErrCorrupt) when it is damaged
//	}
//	defer r.Close()
//	value, found, err := r.Lookup(ctx, "postmaster@example.org")
//
// Open finds the format out from the content. [OpenTable] takes what stands in
// main.cf, "hash:/etc/postfix/virtual"; [Types] is for a [table.Opener] and
// gives tables that follow their files.
//
// # Build
//
//	f, err := os.Open("/etc/postfix/virtual")
//	...
//	b := hashmap.NewBuilder(hashmap.LMDB, &hashmap.BuildOptions{Duplicates: hashmap.KeepFirst})
//	if err := b.AddSource("virtual", textmap.NewScanner("virtual", f, nil)); err != nil {
//		return err
//	}
//	for _, d := range b.Findings() {
//		log.Print(d)
//	}
//	_, err = b.WriteFile(ctx, hashmap.FileName(hashmap.LMDB, "/etc/postfix/virtual"))
//
// # Change, convert
//
// [Update] puts and deletes single entries, [Convert] turns any table into one
// of any other format. [Memory] is a table in memory for many entries.
//
// A file that is damaged says so: Check lists what is wrong with it, page by page,
// and bdb.Salvage gets out of a Berkeley DB file what can still be read.
//
// # How Postfix uses tables
//
// The packages below this one move bytes. What Postfix makes of them is here:
//
//   - Keys and values of hash, btree and lmdb tables end in a NUL byte, those of
//     cdb tables do not; lookups try both ([NUL]).
//   - Keys are folded to lower case before they are stored and looked up. It is
//     off unless asked for (FoldKeys), since textmap has folded its keys.
//   - Tables are locked with flock(2), those of LMDB with fcntl(2). No lock is
//     waited for for ever.
//   - A new table gets its mode from its source, and an existing one keeps mode,
//     owner and the symbolic link to it; cdb tables are always new files
//     ([FileOptions]).
//
// # Replacing tables
//
// A table is written beside its place and renamed, also where Postfix writes
// into the existing file. Whatever goes wrong, there is always a complete table
// at its place. Programs that have the old one open go on reading it; Postfix
// daemons notice that its link count is 0 and start afresh.
//
// # Limits
//
// A table that is built or changed is held in memory until it is written: about
// twice the bytes of its keys and values, three times when they are short. The
// format packages say what else they cannot do. There is no access to sdbm and
// dbm tables.
package hashmap
