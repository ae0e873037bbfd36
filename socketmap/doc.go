// Package socketmap speaks socketmap_table(5) from both sides: a [Server] that
// lets Postfix use any [table.Table], and a [Client] for tables elsewhere.
//
// With a server in front, a Postfix that was built without Berkeley DB reads
// .db files, and any Postfix reads tables it has never heard of:
//
//	t, err := hashmap.Open("/etc/postfix/virtual.db", nil)
//	…
//	s := socketmap.Server{Tables: map[string]table.Table{"virtual": t}}
//	l, err := net.Listen("unix", "/var/spool/postfix/private/maps")
//	…
//	err = s.Serve(l) // main.cf: virtual_alias_maps = socketmap:unix:private/maps:virtual
//
// Postfix asks a socketmap for whole keys only, as it does with regexp:
// tables: never for a domain alone, a parent domain, or an address without its
// extension. To serve a table whose entries are such partial
// keys, use package proxymap, whose protocol tells Postfix what kind of table
// it is.
//
// # Limits
//
// A request and a reply hold [MaxLength] bytes, as Postfix has it; a value that
// is longer is a permanent error. The server takes 256 connections at a time and
// gives a lookup 100 seconds unless told otherwise ([Server]).
//
// Neither side is authenticated and nothing is encrypted: use a socket in a
// protected folder, or the loopback interface.
package socketmap
