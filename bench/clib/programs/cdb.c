#include "table.h"
#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static struct cdb table;

void table_open(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || cdb_init(&table, fd) != 0)
		fail(path, strerror(errno));
}

int table_get(char *key, unsigned size, char *value)
{
	if (cdb_find(&table, key, size) <= 0)
		return 0;
	memcpy(value, cdb_getdata(&table), cdb_datalen(&table));
	return 1;
}
