package mastercf

import (
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/internal/near"
)

// Limit is what a daemon demands of the process_limit column.
type Limit uint8

// The demands. A daemon refuses to start when its demand is not met.
const (
	LimitAny  Limit = iota // no demand
	LimitOne               // must be 1: there can be only one process
	LimitNone              // must be 0: as many processes as are asked for
)

// A Daemon is a program master(8) can run, one of those that come with
// Postfix.
type Daemon struct {
	Program    string // file name below daemon_directory
	Types      []Type // service types it can serve
	Since      string // first Postfix release with it; "1.1": that or earlier
	Privileged bool   // has to start as root: unprivileged must be n
	NoChroot   bool   // chroot must be n
	Limit      Limit
	Wakeup     bool // does its work when woken up: needs a wakeup time
	Transport  bool // delivers mail: may be named in transport_maps and the like
	Role       string
}

// LookupDaemon returns the daemon of that program name.
func LookupDaemon(program string) (Daemon, bool) {
	i, ok := slices.BinarySearchFunc(daemons, program, func(d Daemon, p string) int { return strings.Compare(d.Program, p) })
	if !ok {
		return Daemon{}, false
	}
	return daemons[i].clone(), true
}

// Daemons returns all daemons of Postfix 3.12, in the order of their names.
func Daemons() []Daemon {
	all := make([]Daemon, len(daemons))
	for i, d := range daemons {
		all[i] = d.clone()
	}
	return all
}

func (d Daemon) clone() Daemon {
	d.Types = slices.Clone(d.Types)
	return d
}

// suggest returns the daemon whose name is nearest, "" when none is near.
func suggest(program string) string {
	best, least := "", 3
	for _, d := range daemons {
		if n := near.Distance(program, d.Program, least); n < least && n < len(d.Program)/2 {
			best, least = d.Program, n
		}
	}
	return best
}

var (
	streamTypes  = []Type{Inet, Unix, Pass}
	triggerTypes = []Type{Unix, Fifo, Pass}
	dgramTypes   = []Type{UnixDgram}
)

var daemons = []Daemon{
	{Program: "anvil", Types: streamTypes, Since: "2.2", Limit: LimitOne, Role: "connection and rate counters"},
	{Program: "bounce", Types: streamTypes, Since: "1.1", Limit: LimitNone, Role: "non-delivery, delay and trace reports"},
	{Program: "cleanup", Types: streamTypes, Since: "1.1", Limit: LimitNone, Role: "message canonicalization and queue insertion"},
	{Program: "discard", Types: streamTypes, Since: "2.2", Transport: true, Role: "throw mail away"},
	{Program: "dnsblog", Types: streamTypes, Since: "2.8", Limit: LimitNone, Role: "DNSBL lookups for postscreen"},
	{Program: "error", Types: streamTypes, Since: "1.1", Transport: true, Role: "fail or defer mail"},
	{Program: "flush", Types: streamTypes, Since: "1.1", Limit: LimitNone, Wakeup: true, Role: "fast ETRN flush logs"},
	{Program: "lmtp", Types: streamTypes, Since: "1.1", Transport: true, Role: "LMTP client"},
	{Program: "local", Types: streamTypes, Since: "1.1", Privileged: true, NoChroot: true, Transport: true, Role: "local delivery"},
	{Program: "nbdb_reindexd", Types: streamTypes, Since: "3.11", Privileged: true, Limit: LimitOne, Role: "builds lmdb/cdb files during Berkeley DB migration"},
	{Program: "oqmgr", Types: triggerTypes, Since: "2.1", Limit: LimitOne, Wakeup: true, Role: "old queue manager"},
	{Program: "pickup", Types: triggerTypes, Since: "1.1", Limit: LimitOne, Wakeup: true, Role: "collects locally submitted mail"},
	{Program: "pipe", Types: streamTypes, Since: "1.1", Privileged: true, NoChroot: true, Transport: true, Role: "delivery to external commands"},
	{Program: "postlogd", Types: dgramTypes, Since: "3.4", Limit: LimitOne, Role: "internal log writer"},
	{Program: "postscreen", Types: streamTypes, Since: "2.8", Limit: LimitOne, Role: "SMTP triage in front of smtpd (pass service)"},
	{Program: "proxymap", Types: streamTypes, Since: "2.1", Role: "shared table access"},
	{Program: "qmgr", Types: triggerTypes, Since: "1.1", Limit: LimitOne, Wakeup: true, Role: "queue manager"},
	{Program: "qmqpd", Types: streamTypes, Since: "1.1", Role: "QMQP server"},
	{Program: "scache", Types: streamTypes, Since: "2.2", Limit: LimitOne, Role: "SMTP connection cache"},
	{Program: "showq", Types: streamTypes, Since: "1.1", Role: "queue listing"},
	{Program: "smtp", Types: streamTypes, Since: "1.1", Transport: true, Role: "SMTP/LMTP client"},
	{Program: "smtpd", Types: streamTypes, Since: "1.1", Role: "SMTP server"},
	{Program: "spawn", Types: streamTypes, Since: "1.1", Privileged: true, NoChroot: true, Role: "run a command for each connection"},
	{Program: "tlsmgr", Types: streamTypes, Since: "2.2", Limit: LimitOne, Role: "PRNG and TLS session cache"},
	{Program: "tlsproxy", Types: streamTypes, Since: "2.8", Limit: LimitNone, Role: "TLS for postscreen and (3.4) the SMTP client"},
	{Program: "trivial-rewrite", Types: streamTypes, Since: "1.1", Role: "address rewriting and resolving"},
	{Program: "verify", Types: streamTypes, Since: "2.1", Limit: LimitOne, Role: "address verification cache"},
	{Program: "virtual", Types: streamTypes, Since: "1.1", Privileged: true, NoChroot: true, Transport: true, Role: "virtual mailbox delivery"},
}
