package main

import (
	"os"
	"slices"

	"github.com/postfixkit/postfixkit/maincf"
)

// warnClients looks into the configuration files of database tables for
// parameters that their type does not have.
func (c *command) warnClients(env *maincf.Env) {
	specs, known := env.ClientFiles()
	for i, s := range specs {
		info, err := os.Stat(s.Name)
		if err == nil && !info.Mode().IsRegular() {
			c.warning("open \"%s\" configuration \"%s\": not a regular file", s.Type, s.Name)
			continue
		}
		var src []byte
		if err == nil {
			src, err = os.ReadFile(s.Name)
		}
		if os.IsPermission(err) { // it may hold a password
			continue
		}
		if err != nil {
			c.warning("open \"%s\" configuration \"%s\": %s", s.Type, s.Name, reason(err))
			continue
		}
		f, _ := maincf.Parse(s.Name, src)
		if !c.warn {
			continue
		}
		for a := range f.All() {
			if !slices.Contains(known[i], a.Name()) && f.Find(a.Name()) == a {
				c.warning("%s: unused parameter: %s=%s", s, a.Name(), a.Value())
			}
		}
	}
}
