package mapcmd

import (
	"os"
	"strings"
	"testing"
)

// differences lists all that our commands do otherwise than Postfix 3.7.11,
// with the reason.
var differences = []difference{}

func TestBuildAgainstPostmap(t *testing.T) {
	b := newBench(t)
	all := buildScenarios(t)
	if os.Getenv("POSTFIXKIT_LONG") == "" {
		var some []scenario
		for i, sc := range all {
			if i%17 == 0 {
				some = append(some, sc)
			}
		}
		all = some
	}
	b.runAll(all)
}

func TestCommandLinesAgainstPostfix(t *testing.T) {
	b := newBench(t)
	all := commandLines("postmap")
	all = append(all, commandLines("postalias")...)
	b.runAll(all)
}

// contains excuses a step whose original messages contain a text, by putting
// another in its place.
func rewording(old, new string) func(sc scenario, s step, real, ours stepResult) (stepResult, bool) {
	return func(_ scenario, _ step, real, ours stepResult) (stepResult, bool) {
		if !strings.Contains(real.stderr, old) {
			return real, false
		}
		real.stderr = strings.ReplaceAll(real.stderr, old, new)
		return real, true
	}
}
