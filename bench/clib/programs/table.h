/* What a library does for lookup.c. */

/* fail ends the program with a message. */
void fail(const char *what, const char *why);

/* table_open opens the file for lookups, as Postfix opens it. */
void table_open(const char *path);

/* table_get copies the value of a key, and returns 0 when there is none. */
int table_get(char *key, unsigned size, char *value);
