// Package bdb reads, writes, updates, checks and salvages Berkeley DB hash and
// btree files, the hash: and btree: tables of Postfix (NAME.db), without libdb.
package bdb
