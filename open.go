package postfixkit

import (
	"context"
	"maps"

	"github.com/postfixkit/postfixkit/cidrmap"
	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/regexpmap"
	"github.com/postfixkit/postfixkit/socketmap"
	"github.com/postfixkit/postfixkit/table"
	"github.com/postfixkit/postfixkit/tcptable"
)

// Types returns every built-in table type by its name in main.cf:
//
//	btree cdb hash lmdb          indexed files of Postfix
//	bolt                         bbolt files, which Postfix does not have
//	texthash                     the text that postmap(1) reads
//	cidr pcre regexp             pattern tables
//	inline static randmap        values in the name
//	unionmap pipemap debug       tables made of others
//	environ internal fail unix   the process, nothing, and the system's accounts
//	socketmap tcp                tables on servers
//
// The map is a new one each time: add types to it, or take some out, before you
// make a [table.Opener] of it. Types that need to be told something first are
// not in it: "proxy" wants the socket of a proxymap(8) service, see
// proxymap.Type, and "mysql", "pgsql" and "sqlite" want a database driver, see
// sqlmap.Type.
func Types() map[string]table.OpenFunc {
	types := table.Types()
	maps.Copy(types, hashmap.Types())
	types["cidr"] = cidrmap.Type
	types["regexp"] = patterns("regexp", regexpmap.POSIX)
	types["pcre"] = patterns("pcre", regexpmap.PCRE)
	types["socketmap"] = socketmap.Type
	types["tcp"] = tcptable.Type
	return types
}

// patterns opens tables of regular expressions. What is wrong with rules goes
// to the Opener.
func patterns(typ string, d regexpmap.Dialect) table.OpenFunc {
	return func(ctx context.Context, o *table.Opener, name string) (table.Closer, error) {
		warn := func(found diag.Diagnostic) { o.Warn(typ+":"+name, found) }
		return regexpmap.Type(d, warn)(ctx, o, name)
	}
}

// Open opens one table by its "type:name", such as "hash:/etc/aliases" or
// "unionmap:{cidr:/etc/postfix/a, static:DUNNO}". Keys of tables that store
// keys are folded to lower case, as most parameters of Postfix have it; use a
// [table.Opener] with other [table.Options], or to learn about rules that a
// pattern table skips.
func Open(ctx context.Context, spec string) (table.Closer, error) {
	o := table.Opener{Types: Types(), Options: table.Options{UTF8: true}}
	return o.Open(ctx, spec)
}
