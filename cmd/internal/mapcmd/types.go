package mapcmd

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

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
		c.warn("%s", ruleWarning(s, d))
	}
}

// ruleWarning words a finding as the original does, which names the line on
// which the rule starts, and in some cases neither the line nor the table.
func ruleWarning(s table.Spec, d diag.Diagnostic) string {
	switch line := d.Span.Start.Line; {
	case strings.HasPrefix(d.Message, "logical line must not"):
		return s.Name + ": " + d.Message
	case strings.HasPrefix(d.Message, "empty macro name:"), strings.HasPrefix(d.Message, "truncated macro reference:"):
		return d.Message
	case len(d.Related) > 0:
		line = d.Related[0].Span.Start.Line
		fallthrough
	default:
		return fmt.Sprintf("%s map %s, line %d: %s", s.Type, s.Name, line, d.Message)
	}
}
