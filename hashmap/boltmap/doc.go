// Package boltmap keeps a lookup table in a bbolt file: the table type bolt: of
// this toolkit, for programs that change a table while they run. Postfix itself
// does not read bbolt files.
//
//	t, err := boltmap.OpenWrite("/var/lib/app/virtual.bolt", nil)
//	if err != nil {
//		return err // errors.Is(err, boltmap.ErrLocked): another process has it
//	}
//	defer t.Close()
//	err = t.Put([]byte("postmaster@example.org"), []byte("alice"))
//	value, found, err := t.Lookup([]byte("postmaster@example.org"))
//
// Every change is a transaction that is on the disk when the call returns; a
// [Batch] makes many changes in one.
//
// # What is added to bbolt
//
// bbolt trusts its file: a damaged one makes it panic, read memory that is not
// its own, or recurse until the process dies. Open therefore looks at every
// page first, in the time it takes to read the file once, and what panics
// nonetheless becomes an error wrapping [ErrCorrupt]. Its locks wait for ever by
// default; here they give up after five seconds, or Options.LockTimeout.
//
// # Limits
//
// A file open for writing is locked against all other processes, one open for
// reading against writers. Keys have 1 to 32768 bytes, values less than 2 GiB.
// A file can only be used on machines of the byte order it was made on. Reading
// through an io.ReaderAt is not possible.
package boltmap
