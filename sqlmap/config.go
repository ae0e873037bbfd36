package sqlmap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/internal/cflines"
)

// Config is what a client file says.
type Config struct {
	Dialect Dialect
	// Hosts are the servers to ask: "host", "host:port", "inet:host:port" or
	// "unix:/path". For SQLite it is dbpath alone.
	Hosts                  []string
	User, Password, DBName string
	Query                  string // as it is in the file, or made of the parameters of Postfix 2.1
	ResultFormat           string // "%s" when not set
	Domain                 []string
	ExpansionLimit         int // results of one key; 0: no limit
	// Params has all parameters of the file, also those about the connection
	// that are not above (tls_cert_file, option_group, charset, …).
	Params map[string]string

	name         string // of the file, or the prefix of the parameters
	prepared     query
	upper, lower parts // of ResultFormat
}

// known are the parameters of a client file, by dialect.
var known = map[Dialect][]string{
	MySQL: {"hosts", "user", "password", "dbname", "charset", "idle_interval", "retry_interval", "query", "result_format", "domain", "expansion_limit",
		"option_file", "option_group", "require_result_set", "tls_cert_file", "tls_key_file", "tls_CAfile", "tls_CApath", "tls_ciphers", "tls_verify_cert",
		"table", "select_field", "where_field", "additional_conditions"},
	PgSQL: {"hosts", "user", "password", "dbname", "encoding", "idle_interval", "retry_interval", "query", "result_format", "domain", "expansion_limit",
		"table", "select_field", "where_field", "additional_conditions", "select_function"},
	SQLite: {"dbpath", "query", "result_format", "domain", "expansion_limit", "table", "select_field", "where_field", "additional_conditions"},
}

// ParseConfig reads a client file: lines "name = value" as in main.cf. The
// error is a [diag.List]; the Config is never nil, and usable when the list
// has nothing of severity error.
func ParseConfig(name string, src []byte, d Dialect) (*Config, error) {
	c := &Config{Dialect: d, Params: map[string]string{}, name: name}
	var found diag.List
	report := func(s diag.Severity, at diag.Span, check, format string, args ...any) {
		found = append(found, diag.Diagnostic{File: name, Span: at, Severity: s, Check: check, Message: fmt.Sprintf(format, args...)})
	}
	where := map[string]diag.Span{}
	for item := range cflines.Split(src) {
		if item.Kind != cflines.Logical {
			continue
		}
		text := item.Text(src)
		line, _ := cflines.CutNUL(text.Bytes)
		at := text.Span(0, len(line))
		param, value, ok := strings.Cut(string(line), "=")
		param = trim(param)
		switch {
		case cflines.IsSpace(text.Bytes[0]):
			report(diag.Error, at, "", "logical line must not start with whitespace")
			continue
		case !ok:
			report(diag.Error, at, "", "missing '=' after parameter name, want \"name = value\"")
			continue
		case param == "":
			report(diag.Error, at, "", "missing parameter name")
			continue
		case !slices.Contains(known[d], param):
			report(diag.Warning, at, "unknown-parameter", "unknown parameter %q", param)
		}
		if _, twice := where[param]; twice {
			report(diag.Warning, at, "duplicate-parameter", "%s is set again", param)
		}
		c.Params[param], where[param] = trim(value), at
	}
	c.fill(func(param string, s diag.Severity, check, format string, args ...any) {
		report(s, where[param], check, format, args...)
	})
	found.Sort()
	return c, found.Err()
}

func trim(s string) string { return string(cflines.Trim([]byte(s))) }

// FromParams makes a Config of parameters that stand in main.cf with the name
// of the table in front: "mysql:virtual" has virtual_hosts, virtual_query and
// so on. get returns the value of a parameter.
func FromParams(prefix string, d Dialect, get func(name string) (string, bool)) (*Config, error) {
	c := &Config{Dialect: d, Params: map[string]string{}, name: prefix}
	for _, name := range known[d] {
		if v, ok := get(prefix + "_" + name); ok {
			c.Params[name] = v
		}
	}
	var found diag.List
	c.fill(func(param string, s diag.Severity, check, format string, args ...any) {
		found = append(found, diag.Diagnostic{Severity: s, Check: check, Message: prefix + "_" + param + ": " + fmt.Sprintf(format, args...)})
	})
	return c, found.Err()
}

// fill sets the fields from Params.
func (c *Config) fill(report func(param string, s diag.Severity, check, format string, args ...any)) {
	p := c.Params
	c.User, c.Password, c.DBName, c.Query = p["user"], p["password"], p["dbname"], p["query"]
	c.Domain = fields(p["domain"])
	c.Hosts = fields(p["hosts"])
	if len(c.Hosts) == 0 {
		c.Hosts = []string{"localhost"}
	}
	if c.Dialect == SQLite {
		if c.Hosts = []string{p["dbpath"]}; p["dbpath"] == "" {
			report("dbpath", diag.Error, "", "dbpath is not set")
		}
	}
	if c.Query == "" {
		c.Query = oldQuery(p)
	}
	var warnings []string
	var err error
	if c.Query == "" {
		report("query", diag.Error, "", "query is not set")
	} else if c.prepared, warnings, err = prepare(c.Dialect, c.Query); err != nil {
		report("query", diag.Error, "", "%v", err)
	} else if len(c.prepared.params) == 0 {
		warnings = append(warnings, "the query does not depend on the key, want '%s' in it")
	}
	for _, w := range warnings {
		report("query", diag.Warning, "sql-query", "%s", w)
	}
	if c.ResultFormat = p["result_format"]; c.ResultFormat == "" {
		c.ResultFormat = "%s"
	}
	if c.upper, c.lower, err = needs(c.ResultFormat); err != nil {
		report("result_format", diag.Error, "", "%v", err)
	}
	if v := p["expansion_limit"]; v != "" {
		if c.ExpansionLimit, err = strconv.Atoi(v); err != nil || c.ExpansionLimit < 0 {
			report("expansion_limit", diag.Error, "", "expansion_limit is %q, want a number of 0 or more", v)
			c.ExpansionLimit = 0
		}
	}
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}

// oldQuery makes a query of the parameters that Postfix 2.1 had.
func oldQuery(p map[string]string) string {
	if f := p["select_function"]; f != "" {
		return "SELECT " + f + "('%s')"
	}
	if p["table"] == "" || p["select_field"] == "" || p["where_field"] == "" {
		return ""
	}
	return strings.TrimSpace("SELECT " + p["select_field"] + " FROM " + p["table"] + " WHERE " + p["where_field"] + " = '%s' " + p["additional_conditions"])
}
