package maincf

import (
	"testing"

	"github.com/postfixkit/postfixkit/internal/macro"
	"github.com/postfixkit/postfixkit/internal/paramdb"
)

// Env.usage does not look at defaults, because whatever they refer to is a
// parameter anyway.
func TestDefaultsReferToParameters(t *testing.T) {
	count := 0
	for _, r := range paramdb.Releases() {
		e := &Env{Version: unpack(r.Version)}
		for i := range paramdb.Params() {
			p := &paramdb.Params()[i]
			if !p.Exists(r.Version) || p.KindAt(r.Version) == paramdb.Raw {
				continue
			}
			for _, debian := range []bool{false, true} {
				err := macro.Names(p.DefaultAt(r.Version, debian), true, func(name string, _ int, _ bool) {
					count++
					_, known := e.known(name)
					if !known && name != "var_smtp_sasl_opts" { // a slip in Postfix 2.2.0
						t.Errorf("%v: the default of %s refers to %s", e.Version, p.Name, name)
					}
				})
				if err != nil {
					t.Errorf("%v: %s: %v", e.Version, p.Name, err)
				}
			}
		}
	}
	if count < 10000 {
		t.Errorf("only %d references seen", count)
	}
}
