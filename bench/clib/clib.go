//go:build cgo && (linux || freebsd)

// Package clib calls liblmdb and TinyCDB's libcdb, opened when the benchmark
// runs: nothing of them is needed to compile, and a machine without them leaves
// the comparison out. Lookups run as a loop in C, so that they cost what a C
// program pays and not what a call from Go costs.
package clib

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// As in lmdb.h and cdb.h.
typedef struct { size_t size; void *data; } val;
typedef struct {
	int fd; unsigned fsize, dend; const unsigned char *mem;
	unsigned vpos, vlen, kpos, klen;
	char room[64];
} cdb;

static int (*env_create)(void **);
static int (*env_set_mapsize)(void *, size_t);
static int (*env_open)(void *, const char *, unsigned, int);
static void (*env_close)(void *);
static int (*txn_begin)(void *, void *, unsigned, void **);
static int (*dbi_open)(void *, const char *, unsigned, unsigned *);
static int (*get)(void *, unsigned, val *, val *);
static int (*c_init)(cdb *, int);
static int (*c_find)(cdb *, const void *, unsigned);
static const void *(*c_get)(const cdb *, unsigned, unsigned);
static void (*c_free)(cdb *);

static int load_lmdb(void) {
	void *h = dlopen("liblmdb.so.0", RTLD_NOW);
	if (!h) h = dlopen("liblmdb.so", RTLD_NOW);
	if (!h) return 0;
	*(void **)&env_create = dlsym(h, "mdb_env_create");
	*(void **)&env_set_mapsize = dlsym(h, "mdb_env_set_mapsize");
	*(void **)&env_open = dlsym(h, "mdb_env_open");
	*(void **)&env_close = dlsym(h, "mdb_env_close");
	*(void **)&txn_begin = dlsym(h, "mdb_txn_begin");
	*(void **)&dbi_open = dlsym(h, "mdb_dbi_open");
	*(void **)&get = dlsym(h, "mdb_get");
	return env_create && env_set_mapsize && env_open && env_close && txn_begin && dbi_open && get;
}

static int load_cdb(void) {
	void *h = dlopen("libcdb.so.1", RTLD_NOW);
	if (!h) h = dlopen("libcdb.so", RTLD_NOW);
	if (!h) return 0;
	*(void **)&c_init = dlsym(h, "cdb_init");
	*(void **)&c_find = dlsym(h, "cdb_find");
	*(void **)&c_get = dlsym(h, "cdb_get");
	*(void **)&c_free = dlsym(h, "cdb_free");
	return c_init && c_find && c_get && c_free;
}

static void *lmdb_open(const char *path, void **txn, unsigned *dbi) {
	void *env;
	if (env_create(&env)) return 0;
	// NOSUBDIR, RDONLY, NOLOCK: as Postfix opens a table for queries.
	if (env_set_mapsize(env, (size_t)1 << 30) || env_open(env, path, 0x4000 | 0x20000 | 0x400000, 0644) ||
	    txn_begin(env, 0, 0x20000, txn) || dbi_open(*txn, 0, 0, dbi)) {
		env_close(env);
		return 0;
	}
	return env;
}

static void lmdb_close(void *env) { env_close(env); }

static long lmdb_find(void *txn, unsigned dbi, char *slab, uint32_t *ends, long from, long to, char *out) {
	long found = 0;
	for (long i = from; i < to; i++) {
		val k = { ends[i+1] - ends[i], slab + ends[i] }, v;
		if (get(txn, dbi, &k, &v) == 0) {
			found++;
			memcpy(out, v.data, v.size);
		}
	}
	return found;
}

static cdb *tiny_open(const char *path) {
	int fd = open(path, O_RDONLY);
	if (fd < 0) return 0;
	cdb *c = calloc(1, sizeof *c);
	int err = c_init(c, fd);
	close(fd);
	if (err) { free(c); return 0; }
	return c;
}

static void tiny_close(cdb *c) { c_free(c); free(c); }

static long tiny_find(cdb *c, char *slab, uint32_t *ends, long from, long to, char *out) {
	long found = 0;
	for (long i = from; i < to; i++) {
		if (c_find(c, slab + ends[i], ends[i+1] - ends[i]) > 0) {
			found++;
			memcpy(out, c_get(c, c->vlen, c->vpos), c->vlen);
		}
	}
	return found;
}
*/
import "C"

import (
	"errors"
	"unsafe"
)

// LMDB is a file open in liblmdb, with one transaction for all lookups.
type LMDB struct {
	env, txn unsafe.Pointer
	dbi      C.uint
	out      *C.char
}

// OpenLMDB opens a single-file database. The error of a machine without
// liblmdb is ErrMissing.
func OpenLMDB(path string) (*LMDB, error) {
	if C.load_lmdb() == 0 {
		return nil, ErrMissing
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	l := &LMDB{out: (*C.char)(C.malloc(8 << 20))}
	if l.env = C.lmdb_open(name, &l.txn, &l.dbi); l.env == nil {
		return nil, errors.New("liblmdb cannot open " + path)
	}
	return l, nil
}

// Find looks up keys[from:to] and returns how many there are. Values are copied
// out and must be shorter than 8 MiB.
func (l *LMDB) Find(k *Keys, from, to int) int {
	return int(C.lmdb_find(l.txn, l.dbi, (*C.char)(unsafe.Pointer(&k.Slab[0])), (*C.uint32_t)(&k.Ends[0]), C.long(from), C.long(to), l.out))
}

// Close closes the database.
func (l *LMDB) Close() {
	C.lmdb_close(l.env)
	C.free(unsafe.Pointer(l.out))
}

// CDB is a file open in TinyCDB.
type CDB struct {
	c   *C.cdb
	out *C.char
}

// OpenCDB opens a file. The error of a machine without TinyCDB is ErrMissing.
func OpenCDB(path string) (*CDB, error) {
	if C.load_cdb() == 0 {
		return nil, ErrMissing
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	c := C.tiny_open(name)
	if c == nil {
		return nil, errors.New("libcdb cannot open " + path)
	}
	return &CDB{c, (*C.char)(C.malloc(8 << 20))}, nil
}

// Find looks up keys[from:to] and returns how many there are. Values are copied
// out and must be shorter than 8 MiB.
func (c *CDB) Find(k *Keys, from, to int) int {
	return int(C.tiny_find(c.c, (*C.char)(unsafe.Pointer(&k.Slab[0])), (*C.uint32_t)(&k.Ends[0]), C.long(from), C.long(to), c.out))
}

// Close closes the file.
func (c *CDB) Close() {
	C.tiny_close(c.c)
	C.free(unsafe.Pointer(c.out))
}
