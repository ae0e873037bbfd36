// Package postfixkit is the Postfix map and config toolkit for Go: everything
// below /etc/postfix as Go packages, with no Postfix, no libdb and no liblmdb
// on the machine, and no cgo.
//
// # A tour
//
// What is common to all parsers and tables:
//
//   - diag: positions, findings and fixes. Every parser reports all that is
//     wrong with a file, each thing with file, line and column.
//   - table: the one-method interface of a lookup table, and the "type:name"
//     notation of main.cf.
//
// Text files, kept byte for byte where they are not edited:
//
//   - textmap: the "key value" sources of postmap(1), also as texthash.
//
// Each package's own documentation is its manual.
package postfixkit
