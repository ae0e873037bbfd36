//go:build !(cgo && (linux || freebsd))

// Package clib calls liblmdb and TinyCDB, which this build cannot.
package clib

// LMDB is not available here.
type LMDB struct{}

// OpenLMDB returns ErrMissing.
func OpenLMDB(string) (*LMDB, error) { return nil, ErrMissing }

// Find is not available here.
func (*LMDB) Find(*Keys, int, int) int { return 0 }

// Close is not available here.
func (*LMDB) Close() {}

// CDB is not available here.
type CDB struct{}

// OpenCDB returns ErrMissing.
func OpenCDB(string) (*CDB, error) { return nil, ErrMissing }

// Find is not available here.
func (*CDB) Find(*Keys, int, int) int { return 0 }

// Close is not available here.
func (*CDB) Close() {}
