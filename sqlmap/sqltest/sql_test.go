//go:build unix

// Package sqltest runs the tables of package sqlmap on real databases: SQLite
// in the process, PostgreSQL on a socket of its own. It is a module of its own
// so that the drivers are nobody else's dependency.
package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/postfixkit/postfixkit"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/sqlmap"
	"github.com/postfixkit/postfixkit/table"
)

const schema = `CREATE TABLE alias (address VARCHAR(200) PRIMARY KEY, dest VARCHAR(200), other VARCHAR(200), active INTEGER);
INSERT INTO alias VALUES ('joe@example.com', 'joe@mail.example.com', NULL, 1);
INSERT INTO alias VALUES ('many@example.com', 'a@example.org', 'b@example.org', 1);
INSERT INTO alias VALUES ('off@example.com', 'x@example.org', NULL, 0);
INSERT INTO alias VALUES ('o''brien@example.com', 'ob@example.org', NULL, 1);
INSERT INTO alias VALUES ('back\slash@example.com', 'bs@example.org', NULL, 1);
INSERT INTO alias VALUES ('müller@example.com', 'm@example.org', NULL, 1);
INSERT INTO alias VALUES ('empty@example.com', '', NULL, 1);
INSERT INTO alias VALUES ('domain.example', 'whole@example.org', NULL, 1);
CREATE TABLE member (list VARCHAR(200), id INTEGER, address VARCHAR(200));
INSERT INTO member VALUES ('staff', 1, 'a@example.com');
INSERT INTO member VALUES ('staff', 2, 'b@example.com');
INSERT INTO member VALUES ('staff', 3, 'plain');
`

// files are client files, each with keys and what they give: "miss", or "error"
// for a temporary one.
var files = []struct {
	lines string
	keys  map[string]string
}{
	{"query = SELECT dest, other FROM alias WHERE address = '%s' AND active = 1", map[string]string{
		"joe@example.com": "joe@mail.example.com", "JOE@Example.com": "joe@mail.example.com", "many@example.com": "a@example.org,b@example.org", "off@example.com": "miss",
		"none@example.com": "miss", "o'brien@example.com": "ob@example.org", `back\slash@example.com`: "bs@example.org", "MÜLLER@example.com": "m@example.org",
		"empty@example.com": "miss", "x' OR '1'='1": "miss", "'; DROP TABLE alias; --": "miss", "": "miss",
	}},
	{"query = SELECT dest FROM alias WHERE address = '%u@%d'", map[string]string{"joe@example.com": "joe@mail.example.com", "joe": "miss", "@example.com": "miss"}},
	{"query = SELECT dest FROM alias WHERE address = '%2.%1'", map[string]string{"x@sub.domain.example": "whole@example.org", "x@example": "miss", "domain.example": "miss"}},
	{"query = SELECT address FROM member WHERE list = '%u' ORDER BY id\nresult_format = <%s>", map[string]string{"staff@x.example": "<a@example.com>,<b@example.com>,<plain>", "staff": "<a@example.com>,<b@example.com>,<plain>"}},
	{"query = SELECT address FROM member WHERE list = '%u' ORDER BY id\nresult_format = %u at %d for %U", map[string]string{"staff@x.example": "a at example.com for staff,b at example.com for staff"}},
	{"query = SELECT address FROM member WHERE list = '%s' ORDER BY id\nexpansion_limit = 2", map[string]string{"staff": "error", "none": "miss"}},
	{"query = SELECT dest FROM alias WHERE address LIKE '%%%s%%' AND active = 1 ORDER BY address", map[string]string{"joe@": "joe@mail.example.com", "many": "a@example.org"}},
	{"query = SELECT id FROM member WHERE list = '%s' AND id < 3 ORDER BY id", map[string]string{"staff": "1,2"}},
	{"query = SELECT address FROM member WHERE id = %s", map[string]string{"2": "b@example.com", "9": "miss"}},
	{"query = SELECT dest FROM alias WHERE address = '%s'\ndomain = example.com", map[string]string{"joe@example.com": "joe@mail.example.com", "domain.example": "miss"}},
	{"query = SELECT nosuch FROM nosuch WHERE x = '%s'", map[string]string{"k": "error"}},
	{"table = alias\nselect_field = dest\nwhere_field = address\nadditional_conditions = AND active = 1", map[string]string{"joe@example.com": "joe@mail.example.com", "off@example.com": "miss"}},
}

func check(t *testing.T, d sqlmap.Dialect, more string, connect sqlmap.Connect) {
	types := postfixkit.Types()
	types[d.String()] = sqlmap.Type(d, connect)
	o := &table.Opener{Types: types, Options: table.Options{UTF8: true}, Report: func(spec string, err error) { t.Errorf("%s: %v", spec, err) }}
	answers := 0
	for i, f := range files {
		name := filepath.Join(t.TempDir(), fmt.Sprintf("%d.cf", i))
		if err := os.WriteFile(name, []byte(more+f.lines+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		tab, err := o.Open(t.Context(), d.String()+":"+name)
		if err != nil {
			t.Fatalf("%s: %v", f.lines, err)
		}
		for key, want := range f.keys {
			got, found, err := tab.Lookup(t.Context(), key)
			switch {
			case err != nil && table.IsTemporary(err):
				got = "error"
			case err != nil:
				got = err.Error()
			case !found:
				got = "miss"
			}
			if got != want {
				t.Errorf("%s\nkey %q: got %q (%v), want %q", f.lines, key, got, err, want)
			}
			answers++
		}
		tab.Close()
	}
	t.Logf("%d answers", answers)
}

func TestSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.sqlite")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(schema); err != nil {
		t.Fatal(err)
	}
	db.Close()
	check(t, sqlmap.SQLite, "dbpath = "+path+"\n", func(_ context.Context, _ *sqlmap.Config, host string) (*sql.DB, error) {
		return sql.Open("sqlite", host)
	})
}

func TestPostgreSQL(t *testing.T) {
	dir := startPostgreSQL(t)
	dsn := func(c *sqlmap.Config, host string) string {
		host = strings.TrimPrefix(host, "unix:")
		return fmt.Sprintf("host=%s port=5432 user=%s dbname=%s sslmode=disable connect_timeout=5", host, c.User, c.DBName)
	}
	connect := func(_ context.Context, c *sqlmap.Config, host string) (*sql.DB, error) {
		return sql.Open("postgres", dsn(c, host))
	}
	db, err := connect(t.Context(), &sqlmap.Config{User: "postgres", DBName: "postgres"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if err = db.Ping(); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if _, err := db.Exec(schema); err != nil {
		t.Fatal(err)
	}
	// The first host is not there: the second has to do.
	check(t, sqlmap.PgSQL, "hosts = unix:/nonexistent, unix:"+dir+"\nuser = postgres\ndbname = postgres\n", connect)
}

// startPostgreSQL runs a server in a folder of its own, which it returns,
// without any network.
func startPostgreSQL(t *testing.T) (dir string) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	slices.Sort(found)
	account, err := user.Lookup("postgres")
	if len(found) == 0 || err != nil || os.Geteuid() != 0 || runtime.GOOS != "linux" {
		realpostfix.Lacks(t, "PostgreSQL as Debian packages it, its user postgres, or root rights")
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	if dir, err = os.MkdirTemp("", "pg-"); err != nil { // a short name: the socket is in it
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, uid, gid)); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Dir(found[len(found)-1])
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		cmd.Dir, cmd.Env = dir, []string{"LC_ALL=C.UTF-8", "HOME=" + dir, "PATH=/usr/bin:/bin"}
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := run("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-F")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // fast shutdown
		server.Wait()
	})
	return dir
}
