// Command container-init turns the environment of a container into the
// configuration of its Postfix, before Postfix starts:
//
//	POSTFIX_relayhost=[mx.example.net]:587     a parameter of main.cf
//	POSTMAP_sasl_passwd=[mx...]:587 user:pass  lines of a table source, built at once
//	POSTMAP_TYPE=lmdb                          type of the tables, default lmdb
//
// Names are checked against the parameters Postfix knows, a misspelt one stops
// the container with the nearest known one. main.cf keeps its comments and may
// be bind-mounted as a single file. Table sources and tables are readable for
// root only: they often hold passwords.
//
//	container-init [-config /etc/postfix] [-maps /etc/postfix]
//
// On a read-only root give -maps a writable folder, such as a tmpfs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/maincf"
	"github.com/postfixkit/postfixkit/textmap"
)

func main() {
	config := flag.String("config", "/etc/postfix", "folder of main.cf")
	maps := flag.String("maps", "", "folder for tables; default that of main.cf")
	flag.Parse()
	if *maps == "" {
		*maps = *config
	}
	if err := initialise(context.Background(), os.Environ(), *config, *maps); err != nil {
		fmt.Fprintln(os.Stderr, "container-init:", err)
		os.Exit(1)
	}
}

// initialise does all that environ asks for. Everything is checked before
// anything is written.
func initialise(ctx context.Context, environ []string, config, maps string) error {
	params, tables := map[string]string{}, map[string]string{}
	format := hashmap.LMDB
	var errs []error
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if name == "POSTMAP_TYPE" {
			f, err := hashmap.ParseFormat(value)
			if err != nil {
				errs = append(errs, err)
			}
			format = f
		} else if p, ok := strings.CutPrefix(name, "POSTFIX_"); ok {
			params[p] = value
			errs = append(errs, known(p))
		} else if m, ok := strings.CutPrefix(name, "POSTMAP_"); ok {
			tables[m] = value
			if m == "" || m != filepath.Base(m) || m[0] == '.' {
				errs = append(errs, fmt.Errorf("%s: not a name for a table", name))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, name := range sorted(tables) {
		if err := buildTable(ctx, filepath.Join(maps, name), tables[name], format); err != nil {
			return err
		}
	}
	_, err := maincf.UpdateFile(filepath.Join(config, "main.cf"), func(f *maincf.File) error {
		for _, name := range sorted(params) {
			if err := f.Set(name, params[name]); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func known(name string) error {
	if _, ok := maincf.LookupParam(name); ok {
		return nil
	}
	if near := maincf.Suggest(name); len(near) > 0 {
		return fmt.Errorf("POSTFIX_%s: unknown parameter, did you mean POSTFIX_%s?", name, near[0])
	}
	return fmt.Errorf("POSTFIX_%s: unknown parameter", name)
}

// buildTable writes a source and its table. A doubtful line stops the
// container: nobody reads its warnings.
func buildTable(ctx context.Context, path, source string, format hashmap.Format) error {
	if !strings.HasSuffix(source, "\n") {
		source += "\n"
	}
	if _, err := textmap.Parse(filepath.Base(path), []byte(source), nil); err != nil {
		return fmt.Errorf("POSTMAP_%s: %w", filepath.Base(path), err)
	}
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		return err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	b := hashmap.NewBuilder(format, &hashmap.BuildOptions{File: hashmap.FileOptions{Source: fi, Mode: 0o600}})
	if err := b.AddSource(path, textmap.NewScanner(path, strings.NewReader(source), nil)); err != nil {
		return err
	}
	_, err = b.WriteFile(ctx, hashmap.FileName(format, path))
	return err
}

func sorted(m map[string]string) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
