package sqlmap

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/postfixkit/postfixkit/table"
)

// fake is a database that answers every query with its rows, and remembers
// what it was asked.
type fake struct {
	mu    sync.Mutex
	asked []string
	rows  [][]driver.Value
	down  bool  // no connection can be made
	err   error // of every query
}

func (f *fake) Connect(context.Context) (driver.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errors.New("connection refused")
	}
	return &fakeConn{f}, nil
}

func (f *fake) Driver() driver.Driver { return nil }

func (f *fake) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

type fakeConn struct{ f *fake }

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not used") }
func (c *fakeConn) Close() error                        { return nil }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("not used") }

func (c *fakeConn) Ping(context.Context) error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.down {
		return driver.ErrBadConn
	}
	return nil
}

func (c *fakeConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.down {
		return nil, driver.ErrBadConn
	}
	for _, a := range args {
		query += fmt.Sprintf(" [%v]", a.Value)
	}
	c.f.asked = append(c.f.asked, query)
	if c.f.err != nil {
		return nil, c.f.err
	}
	return &fakeRows{c.f.rows}, nil
}

type fakeRows struct{ rows [][]driver.Value }

func (r *fakeRows) Columns() []string {
	if len(r.rows) == 0 {
		return nil
	}
	return make([]string, len(r.rows[0]))
}
func (r *fakeRows) Close() error { return nil }
func (r *fakeRows) Next(dest []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// open opens a table with a client file of these lines.
func open(t *testing.T, f *fake, d Dialect, lines ...string) *Table {
	t.Helper()
	c, err := ParseConfig("test.cf", []byte(strings.Join(append(lines, "dbpath = x"), "\n")), d)
	if c.prepared.text == "" {
		t.Fatal(err)
	}
	tab, err := New(t.Context(), c, func(context.Context, *Config, string) (*sql.DB, error) { return sql.OpenDB(f), nil }, &table.Opener{Types: table.Types()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tab.Close() })
	return tab
}

func TestQueries(t *testing.T) {
	for _, c := range []struct {
		d          Dialect
		query, key string
		want       string // "" when nothing may be asked
	}{
		{MySQL, "SELECT a FROM t WHERE k = '%s'", "Joe@Example.com", "SELECT a FROM t WHERE k = ? [joe@example.com]"},
		{PgSQL, "SELECT a FROM t WHERE k = '%s' OR l = '%u'", "joe@example.com", "SELECT a FROM t WHERE k = $1 OR l = $2 [joe@example.com] [joe]"},
		{SQLite, "SELECT a FROM t WHERE k='%u@%d'", "joe@example.com", "SELECT a FROM t WHERE k=? [joe@example.com]"},
		{MySQL, "SELECT a FROM t WHERE k LIKE '%%%d%%' AND n = 5 %% 2", "joe@example.com", "SELECT a FROM t WHERE k LIKE ? AND n = 5 % 2 [%example.com%]"},
		{MySQL, "SELECT '%1', '%2', '%3'", "joe@mail.example.com", "SELECT ?, ?, ? [com] [example] [mail]"},
		{MySQL, "SELECT '%1', '%2', '%3'", "joe@example.com", ""},
		{MySQL, "SELECT '%1'", "example.com", ""},
		{MySQL, "SELECT '%d'", "example.com", ""},
		{MySQL, "SELECT '%d'", "@example.com", "SELECT ? [example.com]"},
		{MySQL, "SELECT '%u'", "@example.com", ""},
		{MySQL, "SELECT '%u'", "example.com", "SELECT ? [example.com]"},
		{MySQL, "SELECT '%S%U%D'", "a@b", "SELECT ? [a@bab]"},
		{MySQL, "SELECT a FROM t WHERE id = %u", "7", "SELECT a FROM t WHERE id = ? [7]"},
		{MySQL, `SELECT "%s", 'it''s \' fine', '%s''x'`, "k", `SELECT ?, 'it''s \' fine', ? [k] [k'x]`},
		{PgSQL, `SELECT "col", $$dollar %% $$, $t$%s$t$, E'a\'b' FROM t -- '%%s' it's`, "k", `SELECT "col", $$dollar % $$, $1, E'a\'b' FROM t -- '%s' it's [k]`},
		{MySQL, "SELECT a /* '%% */ FROM t WHERE k='%s' # '%%", "k", "SELECT a /* '% */ FROM t WHERE k=? # '% [k]"},
		{MySQL, "SELECT 5--'%s' -- '%%s'", "k", "SELECT 5--? -- '%s' [k]"},
		{SQLite, "SELECT [a'b], `c'd` FROM t WHERE k = '%s'", "k", "SELECT [a'b], `c'd` FROM t WHERE k = ? [k]"},
		{MySQL, "SELECT '%s'", "o'brien\"; DROP TABLE t --\\", "SELECT ? [o'brien\"; drop table t --\\]"},
		{MySQL, "SELECT '%s'", "", ""},
		{MySQL, "SELECT '%s'", "nul\x00", ""},
	} {
		f := &fake{rows: [][]driver.Value{{"value"}}}
		tab := open(t, f, c.d, "query = "+c.query)
		v, found, err := tab.Lookup(t.Context(), c.key)
		want := []string{c.want}
		if c.want == "" {
			want = nil
		}
		if got := f.take(); !slices.Equal(got, want) || found != (c.want != "") || found && v != "value" || err != nil {
			t.Errorf("%s %q\n got %q, %q, %v, %v\nwant %q", c.query, c.key, got, v, found, err, want)
		}
	}
}

func TestResults(t *testing.T) {
	rows := func(values ...string) [][]driver.Value {
		var r [][]driver.Value
		for _, v := range values {
			if v == "NULL" {
				r = append(r, []driver.Value{nil})
			} else {
				r = append(r, []driver.Value{v})
			}
		}
		return r
	}
	for _, c := range []struct {
		format, key string
		rows        [][]driver.Value
		want        string
	}{
		{"", "k", rows("a", "b"), "a,b"},
		{"", "k", rows("NULL", "", "b"), "b"},
		{"", "k", rows("NULL"), "miss"},
		{"", "k", rows(), "miss"},
		{"", "k", [][]driver.Value{{"a", int64(5)}, {nil, "c"}}, "a,5,c"},
		{"smtp:[%s]", "k", rows("a", "b"), "smtp:[a],smtp:[b]"},
		{"%u at %d", "k", rows("joe@example.com", "unqualified", "@nouser", "x@"), "joe at example.com"},
		{"%u", "k", rows("joe@example.com", "plain", "@nouser"), "joe,plain"},
		{"%U-%D-%S-%1 %s", "joe@example.com", rows("v"), "joe-example.com-joe@example.com-com v"},
		{"%D %s", "unqualified", rows("v"), "miss"},
		{"100%% %s", "k", rows("v"), "100% v"},
	} {
		f := &fake{rows: c.rows}
		tab := open(t, f, MySQL, "query = SELECT '%s'", "result_format = "+c.format)
		got, found, err := tab.Lookup(t.Context(), c.key)
		if !found {
			got = "miss"
		}
		if got != c.want || err != nil {
			t.Errorf("%q %q: got %q, %v, want %q", c.format, c.key, got, err, c.want)
		}
	}
	f := &fake{rows: rows("a", "b", "c")}
	tab := open(t, f, MySQL, "query = SELECT '%s'", "expansion_limit = 2")
	if _, _, err := tab.Lookup(t.Context(), "k"); !table.IsTemporary(err) || !strings.Contains(err.Error(), "expansion_limit") {
		t.Errorf("got %v", err)
	}
}

func TestDomain(t *testing.T) {
	f := &fake{rows: [][]driver.Value{{"v"}}}
	c, _ := ParseConfig("x", []byte("query = SELECT '%s'\ndomain = !no.example.com, example.com, inline:{in.example=1}, /domains\n"), MySQL)
	o := &table.Opener{Types: table.Types(), FS: fstest.MapFS{"domains": &fstest.MapFile{Data: []byte("# ours\nfile.example\n  more.example\n")}}}
	tab, err := New(t.Context(), c, func(context.Context, *Config, string) (*sql.DB, error) { return sql.OpenDB(f), nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	for key, want := range map[string]bool{
		"a@example.com": true, "A@EXAMPLE.COM": true, "a@no.example.com": false, "a@sub.example.com": false, "a@in.example": true, "a@file.example": true,
		"a@more.example": true, "@example.com": false, "example.com": false, "a": false, "a@": false,
	} {
		if _, found, err := tab.Lookup(t.Context(), key); found != want || err != nil || len(f.take()) > 0 != want {
			t.Errorf("%s: %v, %v, want %v", key, found, err, want)
		}
	}
}

func TestHosts(t *testing.T) {
	dbs := map[string]*fake{"unix:/sock": {down: true}, "one": {rows: [][]driver.Value{{"1"}}}, "two": {rows: [][]driver.Value{{"2"}}, down: true}}
	var tried []string
	c, _ := ParseConfig("x", []byte("hosts = one, two, unix:/sock\nquery = SELECT '%s'\nretry_interval = 1\n"), PgSQL)
	tab, err := New(t.Context(), c, func(_ context.Context, _ *Config, host string) (*sql.DB, error) {
		tried = append(tried, host)
		return sql.OpenDB(dbs[host]), nil
	}, &table.Opener{})
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	for range 3 {
		if v, _, err := tab.Lookup(t.Context(), "k"); v != "1" || err != nil {
			t.Errorf("got %q, %v", v, err)
		}
	}
	if tried[0] != "unix:/sock" {
		t.Errorf("tried %q", tried)
	}
	dbs["one"].mu.Lock()
	dbs["one"].err = errors.New("syntax error")
	dbs["one"].mu.Unlock()
	if _, _, err := tab.Lookup(t.Context(), "k"); !table.IsTemporary(err) || !strings.Contains(err.Error(), "syntax error") {
		t.Errorf("bad query: %v", err)
	}
	for _, f := range dbs {
		f.mu.Lock()
		f.down, f.err = !f.down, nil
		f.mu.Unlock()
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) { // until a host that failed is tried again
		if _, _, err = tab.Lookup(t.Context(), "k"); err == nil || time.Now().After(deadline) {
			break
		}
		if !table.IsTemporary(err) {
			t.Errorf("got %v", err)
		}
	}
	if err != nil {
		t.Errorf("no host came back: %v", err)
	}
}

func TestParseConfig(t *testing.T) {
	for _, c := range []struct {
		d         Dialect
		src, want string
	}{
		{MySQL, "query = SELECT '%s'\n", ""},
		{MySQL, "table = t\nselect_field = a\nwhere_field = b\nadditional_conditions = AND c = 1\n", ""},
		{PgSQL, "select_function = f\n", ""},
		{MySQL, "", "query is not set"},
		{SQLite, "query = SELECT '%s'\n", "dbpath is not set"},
		{MySQL, "query = SELECT '%x'\n", "x.cf:1:1: error: %x in"},
		{MySQL, "query = SELECT '%s\n", "no end"},
		{MySQL, "query = SELECT '%s' %\n", "ends with a %"},
		{MySQL, "query = SELECT 1\n", "does not depend on the key"},
		{MySQL, "query = SELECT a FROM `%s`\n", "a key can only be a value"},
		{PgSQL, "query = SELECT a FROM \"%s\"\n", "a key can only be a value"},
		{SQLite, "dbpath = x\nquery = SELECT \"%s\"\n", "a string only by mistake"},
		{MySQL, "query = SELECT '\\%s'\n", "backslash"},
		{MySQL, "query = SELECT '%s' WHERE a = ?\n", "bare \"?\""},
		{MySQL, "query = SELECT '%s'\nresult_format = %q\n", "x.cf:2:1: error: %q in"},
		{MySQL, "query = SELECT '%s'\nexpansion_limit = many\n", "want a number"},
		{MySQL, "query = SELECT '%s'\nqeury = x\n", "unknown parameter \"qeury\""},
		{MySQL, "query = SELECT '%s'\nquery = SELECT '%u'\n", "set again"},
		{MySQL, "query\n = x\n", "want"},
		{MySQL, "query SELECT\n", "missing '='"},
		{MySQL, " query = SELECT '%s'\n", "must not start with whitespace"},
	} {
		cfg, err := ParseConfig("x.cf", []byte(c.src), c.d)
		if cfg == nil || c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) && c.src != "query\n = x\n" {
			t.Errorf("%q: %v, want %q", c.src, err, c.want)
		}
	}
	cfg, err := FromParams("virtual", MySQL, func(name string) (string, bool) {
		v, ok := map[string]string{"virtual_query": "SELECT '%s'", "virtual_hosts": "a b"}[name]
		return v, ok
	})
	if err != nil || cfg.Query != "SELECT '%s'" || !slices.Equal(cfg.Hosts, []string{"a", "b"}) {
		t.Errorf("got %+v, %v", cfg, err)
	}
	old, _ := ParseConfig("x", []byte("table = t\nselect_field = a\nwhere_field = b\nadditional_conditions = AND c = 1\n"), MySQL)
	if want := "SELECT a FROM t WHERE b = '%s' AND c = 1"; old.Query != want {
		t.Errorf("got %q, want %q", old.Query, want)
	}
}

// FuzzQuery: nothing of a key gets into the text of a query, and as many
// placeholders stand in it as there are parameters.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"SELECT '%s'", "SELECT '%u@%d', %1 -- x", `E'\'%s'`, "$a$%s$a$", "/* */ '%%%s%%'", `"%s" [x] '`, "'a''%s'"} {
		f.Add(q, "key@example.com", byte(1))
	}
	f.Fuzz(func(t *testing.T, text, key string, d byte) {
		dialect := Dialect(d%3 + 1)
		q, _, err := prepare(dialect, text)
		if err != nil {
			return
		}
		if again, _, err := prepare(dialect, text); err != nil || again.text != q.text || len(q.args(key)) != len(q.params) {
			t.Fatalf("%q: %q, %q, %v", text, q.text, again.text, err)
		}
		if dialect == PgSQL && len(q.params) > 0 && !strings.Contains(q.text, fmt.Sprintf("$%d", len(q.params))) {
			t.Fatalf("%q: %q has no $%d", text, q.text, len(q.params))
		}
		for i := range q.params {
			if !hasKey(q.params[i]) {
				t.Fatalf("%q: parameter %q has nothing of the key", text, q.params[i])
			}
		}
	})
}

// TestDomainTableFails wants the error that the documentation of Table promises,
// whatever that of the table in the parameter domain is.
func TestDomainTableFails(t *testing.T) {
	c, _ := ParseConfig("x", []byte("query = SELECT '%s'\ndomain = broken:x\n"), MySQL)
	cause := errors.New("damaged")
	o := &table.Opener{Types: map[string]table.OpenFunc{"broken": func(context.Context, *table.Opener, string) (table.Closer, error) {
		return table.NopCloser(table.Fail(cause)), nil
	}}}
	tab, err := New(t.Context(), c, func(context.Context, *Config, string) (*sql.DB, error) { return sql.OpenDB(&fake{}), nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	_, _, err = tab.Lookup(t.Context(), "joe@example.com")
	var e *table.Error
	if !errors.As(err, &e) || e.Spec != "mysql:x" || !table.IsTemporary(err) || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}
