/*
 * The cache holds the whole file, so that the library is compared and not the
 * 128 KiB that berkeley_db_read_buffer_size, see postconf(5), leaves it.
 */
#include "table.h"
#include <db.h>
#include <string.h>
#include <sys/stat.h>

static DB *table;

static void must(const char *what, int err)
{
	if (err != 0)
		fail(what, db_strerror(err));
}

void table_open(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		fail(path, "is not there");
	must("db_create", db_create(&table, NULL, 0));
	must("set_cachesize", table->set_cachesize(table, 0, st.st_size + st.st_size / 4 + (1 << 20), 1));
	must(path, table->open(table, NULL, path, NULL, DB_UNKNOWN, DB_RDONLY, 0));
}

int table_get(char *key, unsigned size, char *value)
{
	DBT k, v;

	memset(&k, 0, sizeof k);
	memset(&v, 0, sizeof v);
	k.data = key;
	k.size = size;
	if (table->get(table, NULL, &k, &v, 0) != 0)
		return 0;
	memcpy(value, v.data, v.size);
	return 1;
}
