package sqlmap

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/casefold"
	"github.com/postfixkit/postfixkit/internal/cflines"
	"github.com/postfixkit/postfixkit/table"
)

// Connect opens the database of one of the hosts of a Config with the driver
// of the caller. It need not connect yet. host is an element of c.Hosts.
type Connect func(ctx context.Context, c *Config, host string) (*sql.DB, error)

// Type returns the [table.OpenFunc] of the table type of a dialect. The name is
// that of a client file; to read parameters of main.cf instead use [FromParams]
// and [New].
func Type(d Dialect, connect Connect) table.OpenFunc {
	return func(ctx context.Context, o *table.Opener, name string) (table.Closer, error) {
		src, err := readFile(o, name)
		if err != nil {
			return nil, err
		}
		c, err := ParseConfig(name, src, d)
		var found diag.List
		if errors.As(err, &found) && found.Max() == diag.Error {
			return nil, err
		}
		o.Warn(d.String()+":"+name, err)
		return New(ctx, c, connect, o)
	}
}

// RetryAfter is how long a host that failed is left alone while others work,
// unless retry_interval says otherwise.
const RetryAfter = time.Minute

// Table asks a database. Make one with [New]. Safe for concurrent use.
//
// All errors of lookups are of type [*table.Error] and temporary: a mail server
// has to try again later.
type Table struct {
	c       *Config
	spec    string
	connect Connect
	options table.Options
	domains []domainRule
	retry   time.Duration

	mu    sync.Mutex
	hosts []*host
	done  bool
}

// host is a server with its connections.
type host struct {
	name string
	db   *sql.DB
	bad  time.Time // when it failed last
}

func (h *host) rank() int {
	if strings.HasPrefix(h.name, "unix:") {
		return 0
	}
	return 1
}

// domainRule is an element of the parameter domain.
type domainRule struct {
	not   bool
	name  string
	table table.Closer
}

// New returns the table that c describes. o opens the tables that are named in
// the parameter domain, and its Options say how keys are treated.
func New(ctx context.Context, c *Config, connect Connect, o *table.Opener) (*Table, error) {
	if c.prepared.text == "" {
		return nil, errors.New("sqlmap: a Config that is not from ParseConfig or FromParams, or that has errors")
	}
	t := &Table{c: c, spec: c.Dialect.String() + ":" + c.name, connect: connect, options: o.Options, retry: RetryAfter}
	if d, err := time.ParseDuration(c.Params["retry_interval"] + "s"); err == nil && d > 0 {
		t.retry = d
	}
	if err := t.addDomains(ctx, o, c.Domain, 0); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	for _, name := range c.Hosts {
		t.hosts = append(t.hosts, &host{name: name})
	}
	// Sockets first, then the others in any order, as the clients of Postfix
	// spread their load.
	rand.Shuffle(len(t.hosts), func(i, j int) { t.hosts[i], t.hosts[j] = t.hosts[j], t.hosts[i] })
	slices.SortStableFunc(t.hosts, func(a, b *host) int { return a.rank() - b.rank() })
	return t, nil
}

// maxFiles is how deep files with domains may name other files.
const maxFiles = 8

// addDomains adds elements of the parameter domain: names, tables, files with
// more of them, and "!" in front of each.
func (t *Table) addDomains(ctx context.Context, o *table.Opener, list []string, deep int) error {
	for _, elem := range list {
		var r domainRule
		for strings.HasPrefix(elem, "!") {
			elem, r.not = elem[1:], !r.not
		}
		switch {
		case strings.HasPrefix(elem, "/"):
			if deep >= maxFiles || r.not {
				return fmt.Errorf("sqlmap: domain: cannot use the file %s here", elem)
			}
			src, err := readFile(o, elem)
			if err != nil {
				return err
			}
			for item := range cflines.Split(src) {
				if item.Kind == cflines.Logical {
					if err := t.addDomains(ctx, o, fields(string(item.Text(src).Bytes)), deep+1); err != nil {
						return err
					}
				}
			}
			continue
		case strings.Contains(elem, ":"):
			tab, err := o.Open(ctx, elem)
			if err != nil {
				return err
			}
			r.table = tab
		}
		r.name = casefold.String(elem, true)
		t.domains = append(t.domains, r)
	}
	return nil
}

func readFile(o *table.Opener, name string) ([]byte, error) {
	if o.FS != nil {
		return fs.ReadFile(o.FS, strings.TrimPrefix(name, "/"))
	}
	return os.ReadFile(name)
}

// Lookup asks the database.
func (t *Table) Lookup(ctx context.Context, key string) (value string, found bool, err error) {
	if !t.options.NoFold {
		key = casefold.String(key, t.options.UTF8)
	}
	if strings.IndexByte(key, 0) >= 0 || !t.c.prepared.needs.and(t.c.upper).satisfied(key) || key == "" {
		return "", false, nil
	}
	if ok, err := t.inDomain(ctx, key); err != nil || !ok {
		return "", false, err
	}
	results, err := t.ask(ctx, key)
	if err != nil {
		return "", false, &table.Error{Spec: t.spec, Key: key, Temporary: true, Err: err}
	}
	return strings.Join(results, ","), len(results) > 0, nil
}

// inDomain: with a domain parameter, only user@domain of these is asked for.
func (t *Table) inDomain(ctx context.Context, key string) (bool, error) {
	if len(t.domains) == 0 {
		return true, nil
	}
	user, domain, qualified := splitKey(key)
	if !qualified || user == "" || domain == "" {
		return false, nil
	}
	domain = casefold.String(domain, true)
	for _, r := range t.domains {
		match := r.name == domain
		if r.table != nil {
			var err error
			if _, match, err = r.table.Lookup(ctx, domain); err != nil {
				return false, &table.Error{Spec: t.spec, Key: domain, Temporary: true, Err: fmt.Errorf("domain: %w", err)}
			}
		}
		if match {
			return !r.not, nil
		}
	}
	return false, nil
}

// errNoHost is the error when all hosts failed a short while ago.
var errNoHost = errors.New("sqlmap: no host is available")

// ask tries the hosts: those that work first, then those that failed long
// enough ago.
func (t *Table) ask(ctx context.Context, key string) ([]string, error) {
	last := errNoHost
	for _, h := range t.order() {
		db, err := t.open(ctx, h)
		if err == nil {
			var results []string
			if results, err = t.run(ctx, db, key); err == nil {
				t.mark(h, time.Time{})
				return results, nil
			}
			if !lost(ctx, db, err) {
				return nil, err
			}
		}
		last = fmt.Errorf("%s: %w", h.name, err)
		if ctx.Err() != nil {
			break
		}
		t.mark(h, time.Now())
	}
	return nil, last
}

func (t *Table) order() []*host {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil
	}
	var good, again []*host
	for _, h := range t.hosts {
		switch {
		case h.bad.IsZero():
			good = append(good, h)
		case time.Since(h.bad) >= t.retry || len(t.hosts) == 1:
			again = append(again, h)
		}
	}
	return append(good, again...)
}

func (t *Table) mark(h *host, bad time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h.bad = bad
}

func (t *Table) open(ctx context.Context, h *host) (*sql.DB, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil, errNoHost
	}
	if h.db == nil {
		db, err := t.connect(ctx, t.c, h.name)
		if err != nil {
			return nil, err
		}
		h.db = db
	}
	return h.db, nil
}

// lost reports whether err is about the connection and not about the query.
func lost(ctx context.Context, db *sql.DB, err error) bool {
	return errors.Is(err, driver.ErrBadConn) || db.PingContext(ctx) != nil
}

// run runs the query. Every column of every row is a result.
func (t *Table) run(ctx context.Context, db *sql.DB, key string) (results []string, err error) {
	rows, err := db.QueryContext(ctx, t.c.prepared.text, t.c.prepared.args(key)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for _, v := range values {
			if !v.Valid || v.String == "" || !t.c.lower.satisfied(v.String) {
				continue
			}
			if results = append(results, expand(t.c.ResultFormat, v.String, key)); t.c.ExpansionLimit > 0 && len(results) > t.c.ExpansionLimit {
				return nil, fmt.Errorf("sqlmap: more than expansion_limit = %d results", t.c.ExpansionLimit)
			}
		}
	}
	return results, rows.Err()
}

// Close closes the databases. Lookups fail afterwards.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = true
	var errs []error
	for _, h := range t.hosts {
		if h.db != nil {
			errs = append(errs, h.db.Close())
			h.db = nil
		}
	}
	for _, r := range t.domains {
		if r.table != nil {
			errs = append(errs, r.table.Close())
		}
	}
	return errors.Join(errs...)
}
