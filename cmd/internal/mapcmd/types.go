package mapcmd

import (
	"errors"
	"path/filepath"

	"github.com/postfixkit/postfixkit"
	"github.com/postfixkit/postfixkit/diag"
	"github.com/postfixkit/postfixkit/proxymap"
	"github.com/postfixkit/postfixkit/table"
)

// types are the table types that can be asked with -q.
func types(c *command) map[string]table.OpenFunc {
	all := postfixkit.Types()
	all["proxy"] = proxymap.Type("unix", filepath.Join(c.cfg.queueDir, "private", "proxymap"))
	return all
}

// reportRules prints what is wrong with a table that can be used all the same,
// such as the rules of a pattern table that are skipped.
func (c *command) reportRules(spec string, err error) {
	s, _ := table.ParseSpec(spec)
	var found diag.List
	var one diag.Diagnostic
	switch {
	case errors.As(err, &found):
	case errors.As(err, &one):
		found = diag.List{one}
	default:
		c.warn("%s: %s", spec, err)
		return
	}
	for _, d := range found {
		c.problems++
		if c.jsonReport {
			// The only thing that can go wrong is standard error.
			_ = diag.List{d}.WriteJSON(c.Stderr)
			continue
		}
		c.warn("%s map %s, line %d: %s", s.Type, s.Name, d.Span.Start.Line, d.Message)
	}
}
