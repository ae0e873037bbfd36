package mapcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/postfixkit/postfixkit/headercheck"
	"github.com/postfixkit/postfixkit/maincf"
)

// config is what the commands want to know of main.cf.
type config struct {
	dir         string
	defaultType string              // default_database_type
	utf8        bool                // smtputf8_enable
	main        *maincf.File        // nil: there is none
	queueDir    string              // queue_directory, where the socket of proxymap(8) is
	limits      headercheck.Options // header_size_limit, mime_*_limit, for -h, -b and -m
}

// readConfig reads main.cf from -c, MAIL_CONFIG or /etc/postfix. Without one
// the settings are those of a new installation. Only what a command needs is
// evaluated, so that a mistake elsewhere in the file stops nobody.
func readConfig(c *command) (config, error) {
	cfg := config{dir: "/etc/postfix", defaultType: "hash", utf8: true, queueDir: "/var/spool/postfix"}
	if dir := c.Getenv("MAIL_CONFIG"); dir != "" {
		cfg.dir = dir
	}
	if c.configDir != "" {
		cfg.dir = c.configDir
	}
	path := filepath.Join(cfg.dir, "main.cf")
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if c.configDir != "" || c.Getenv("MAIL_CONFIG") != "" {
			if _, derr := os.Stat(cfg.dir); derr != nil {
				return cfg, fmt.Errorf("open %s: %s", path, cause(derr))
			}
		}
		return cfg, nil
	}
	if err != nil {
		return cfg, fmt.Errorf("open %s: %s", path, cause(err))
	}
	// A broken line is Postfix's fatal error and ours only if what we need
	// cannot be known because of it.
	file, _ := maincf.Parse(path, src)
	cfg.main = file
	env := maincf.Env{Main: file}
	if v, err := env.Eval("default_database_type"); err == nil && v.Text != "" {
		cfg.defaultType = v.Text
	} else if err != nil {
		return cfg, err
	}
	v, err := env.Eval("smtputf8_enable")
	if err != nil {
		return cfg, err
	}
	switch v.Text {
	case "yes":
	case "no":
		cfg.utf8 = false
	default:
		return cfg, fmt.Errorf("bad boolean configuration: smtputf8_enable = %s", v.Text)
	}
	if v, err := env.Eval("queue_directory"); err == nil && v.Text != "" {
		cfg.queueDir = v.Text
	}
	if c.messageMode() {
		for name, limit := range map[string]*int{
			"header_size_limit":          &cfg.limits.HeaderSize,
			"mime_boundary_length_limit": &cfg.limits.BoundaryLength,
			"mime_nesting_limit":         &cfg.limits.Nesting,
		} {
			if *limit, err = positive(&env, name); err != nil {
				return cfg, err
			}
		}
	}
	return cfg, nil
}

// hostname is myhostname, for YP_MASTER_NAME. Where main.cf does not have it the
// machine is asked.
func (cfg *config) hostname() string {
	env := maincf.Env{Main: cfg.main}
	env.Runtime, _ = maincf.Machine(&env) // an error is about mynetworks
	v, err := env.Eval("myhostname")
	if err != nil {
		return env.Runtime["myhostname"]
	}
	return v.Text
}

// positive returns a parameter that is a number, at least 1.
func positive(env *maincf.Env, name string) (int, error) {
	v, err := env.Eval(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(v.Text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("bad numerical configuration: %s = %s", name, v.Text)
	}
	if n < 1 {
		return 0, fmt.Errorf("invalid %s parameter value %d < 1", name, n)
	}
	return int(n), nil
}
