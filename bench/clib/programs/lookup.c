/*
 * Looks keys up in a table when told to, and says how long that took.
 *
 *     lookup TABLE KEYS
 *
 * KEYS begins with the number n of keys, then n+1 offsets into what follows,
 * all of them uint32_t of this machine, then the keys without a gap. For every
 * line "FROM COUNT" on standard input, COUNT keys are looked up one after the
 * other, the first again after the last, and a line "FOUND NANOSECONDS" is
 * printed. The end of the input ends the program.
 */
#include "table.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	long size;
	char *data;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 8)
		fail(path, "cannot be read");
	rewind(f);
	data = malloc(size);
	if (data == NULL || fread(data, 1, size, f) != (size_t) size)
		fail(path, "cannot be read");
	fclose(f);
	return data;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long from, count, found;
	uint32_t *ends, n;
	char *keys, *value = malloc(8 << 20); /* room for the longest value */
	int64_t start;

	if (argc != 3 || value == NULL)
		fail("usage", "lookup TABLE KEYS");
	ends = (uint32_t *) read_file(argv[2]);
	n = *ends++;
	keys = (char *) (ends + n + 1);
	table_open(argv[1]);
	while (scanf("%ld %ld", &from, &count) == 2) {
		found = 0;
		start = now();
		for (; count > 0; count--) {
			found += table_get(keys + ends[from], ends[from + 1] - ends[from], value);
			if (++from == n)
				from = 0;
		}
		printf("%ld %lld\n", found, (long long) (now() - start));
		fflush(stdout);
	}
	return 0;
}
