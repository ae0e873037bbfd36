// Package postfixkit is the Postfix map and config toolkit for Go: everything
// below /etc/postfix as Go packages, with no Postfix, no libdb and no liblmdb
// on the machine, and no cgo.
//
// This package itself only brings the table types together: [Open] opens any
// "type:name" of main.cf for lookups, [Types] is the map a [table.Opener]
// needs.
//
// # A tour
//
// What all parsers and tables have in common:
//
//   - diag: positions, findings and fixes. Every parser reports all that is
//     wrong with a file, each thing with file, line and column.
//   - table: the one-method interface of a lookup table, the "type:name"
//     notation of main.cf, tables made of other tables, and reloading.
//
// Text files, kept byte for byte where they are not edited:
//
//   - maincf: main.cf, with the parameters of every release since 1.1, and
//     evaluation of $name, overrides and defaults.
//   - mastercf: master.cf; switches commented-out services on and off.
//   - aliases: aliases(5), :include: and .forward files, and where mail for a
//     name really goes.
//   - textmap: the "key value" sources of postmap(1).
//
// Tables:
//
//   - hashmap: the files postmap(1) makes (hash, btree, cdb, lmdb) and bbolt
//     files: build, look up, change, check, salvage, convert; and a table in
//     memory. Its sub-packages know the formats and nothing of Postfix.
//   - regexpmap, cidrmap: pattern tables that stay fast with many rules.
//   - socketmap, tcptable, proxymap: tables on servers, and the servers.
//   - sqlmap: mysql:, pgsql: and sqlite: tables over database/sql, with your
//     driver.
//
// What the answers mean:
//
//   - accessmap: access(5): which keys are tried, and what the result does.
//   - addressmap: canonical(5), virtual(5), generic(5), relocated(5) and
//     transport(5).
//   - headercheck: header_checks(5) and body_checks(5) for whole messages.
//
// The commands postmap, postalias and postconf below cmd/ behave like the
// programs of that name in Postfix 3.12. Each package's own documentation is
// its manual.
package postfixkit
