// Package sqlmap reads the client files of mysql_table(5), pgsql_table(5) and
// sqlite_table(5), and asks a database for keys with the driver that the
// caller brings, over [database/sql].
//
//	# /etc/postfix/virtual.mysql
//	hosts  = unix:/run/mysqld/mysqld.sock, db.example.com
//	user   = postfix
//	dbname = mail
//	query  = SELECT goto FROM alias WHERE address = '%s' AND active = 1
//
//	types := postfixkit.Types()
//	types["mysql"] = sqlmap.Type(sqlmap.MySQL, func(ctx context.Context, c *sqlmap.Config, host string) (*sql.DB, error) {
//		… // make a data source name of c and host for your driver
//		return sql.Open("mysql", dsn)
//	})
//	o := table.Opener{Types: types}
//	t, err := o.Open(ctx, "mysql:/etc/postfix/virtual.mysql")
//
// Postfix quotes a key and pastes it into the text of the query. Here no key
// ever gets into the text: each string of the query that has a part of the key
// in it, such as '%s' or '%u@%d', becomes one parameter of a prepared query.
// That gives the same answers, and leaves nothing to quote. A "%s" at a place
// where SQL has no value, like the name of a table, is refused by the
// database.
//
// What is asked and what comes back follows the manual pages: %s %u %d %1 to %9
// and their capitals, keys that do not have the parts a query wants are not
// asked for, domain, result_format, expansion_limit, several rows and columns
// joined by commas, several hosts. Parameters about the connection are in
// [Config.Params] for the caller.
//
// # Limits
//
// Stored procedures with more than one result set are not supported. Stores
// without a driver for database/sql (LDAP, MongoDB) are not for this package;
// make a [table.Func] of their client.
package sqlmap
