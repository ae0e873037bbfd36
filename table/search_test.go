package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
)

type patternTable struct{ Func }

func (patternTable) IsPattern() bool { return true }

func (patternTable) Locate(_ context.Context, key string) (string, int, bool) {
	return "rules", 7, true
}

func TestSearch(t *testing.T) {
	ctx := context.Background()
	broken := errors.New("broken")
	stored := Func(func(_ context.Context, key string) (string, bool, error) {
		if key == "bad" {
			return "", false, broken
		}
		return "stored", key == "b", nil
	})
	rules := patternTable{func(_ context.Context, key string) (string, bool, error) { return "rule", key == "C", nil }}
	keys := func(list ...Key) func(func(Key) bool) { return slices.Values(list) }
	for _, c := range []struct {
		keys  []Key
		steps string
		found bool
		err   error
	}{
		{[]Key{{"A", false}, {"B", true}, {"C", false}}, "0:a 1:A 0:b=stored", true, nil},
		{[]Key{{"", false}, {"C", true}, {"C", false}}, "0:c 0:c 1:C=rule@rules:7", true, nil},
		{[]Key{{"x", false}, {"BAD", true}, {"C", false}}, "0:x 1:x 0:bad!", false, broken},
		{[]Key{{"x", true}}, "0:x", false, nil},
	} {
		got := ""
		hit, found, err := Search(ctx, []Table{stored, rules}, keys(c.keys...), func(s Step) {
			got += fmt.Sprintf(" %d:%s", s.Table, s.Key)
			if s.Found {
				got += "=" + s.Value
			}
			if s.Line != 0 {
				got += fmt.Sprintf("@%s:%d", s.File, s.Line)
			}
			if s.Err != nil {
				got += "!"
			}
		})
		if got != " "+c.steps || found != c.found || err != c.err || hit.Found != found {
			t.Errorf("%v\n got%s, %v, %v\nwant %s, %v, %v", c.keys, got, found, err, c.steps, c.found, c.err)
		}
	}
	if got := slices.Collect(Asked(rules, keys(Key{"A", false}, Key{"B", true}))); !slices.Equal(got, []string{"A"}) {
		t.Errorf("pattern table: %q", got)
	}
	if got := slices.Collect(Asked(stored, keys(Key{"A", false}, Key{"B", true}))); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("stored table: %q", got)
	}
}
