/* One read transaction for all lookups: what liblmdb is fastest with. */
#include "table.h"
#include <lmdb.h>
#include <string.h>

static MDB_txn *txn;
static MDB_dbi dbi;

static void must(const char *what, int err)
{
	if (err != 0)
		fail(what, mdb_strerror(err));
}

void table_open(const char *path)
{
	MDB_env *env;

	must("mdb_env_create", mdb_env_create(&env));
	must(path, mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0));
	must("mdb_txn_begin", mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
	must("mdb_dbi_open", mdb_dbi_open(txn, NULL, 0, &dbi));
}

int table_get(char *key, unsigned size, char *value)
{
	MDB_val k = {size, key}, v;

	if (mdb_get(txn, dbi, &k, &v) != 0)
		return 0;
	memcpy(value, v.mv_data, v.mv_size);
	return 1;
}
