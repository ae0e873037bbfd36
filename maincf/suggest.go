package maincf

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/postfixkit/postfixkit/internal/near"
	"github.com/postfixkit/postfixkit/internal/paramdb"
)

// longestSuggested is above the length of every name of Postfix.
const longestSuggested = 100

// Suggest returns the known parameter names nearest to a name that is not
// known, best first and at most five. It is empty when nothing is near.
func Suggest(name string) []string {
	type candidate struct {
		name string
		away int
	}
	var found []candidate
	if p := paramdb.Find(name); p != nil && p.Replaced != "" {
		found = append(found, candidate{p.Replaced, 0})
	}
	if len(name) <= longestSuggested {
		most := len(name)/4 + 1
		letters := lettersOf(name)
		kinds := letters.kinds()
		all := suggestible()
		for i := range all {
			s := &all[i]
			// A change makes one letter less and another one more.
			if max(len(name)-len(s.name), len(s.name)-len(name)) > most ||
				bits.OnesCount32(s.kinds^kinds) > 2*most || s.letters.differ(&letters) > 2*most {
				continue
			}
			if d := near.Distance(name, s.name, most); d <= most && s.name != name {
				found = append(found, candidate{s.name, d})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.away - b.away })
	var names []string
	for _, f := range found[:min(len(found), 5)] {
		names = append(names, f.name)
	}
	return names
}

func didYouMean(near []string) string {
	if len(near) > 0 {
		return "; did you mean " + near[0] + "?"
	}
	return ""
}

type suggestion struct {
	name    string
	letters letters
	kinds   uint32
}

var suggestible = sync.OnceValue(func() (all []suggestion) {
	params := paramdb.Params()
	for i := range params {
		if p := &params[i]; p.Status != paramdb.Removed && p.Status != paramdb.Legacy {
			n := lettersOf(p.Name)
			all = append(all, suggestion{p.Name, n, n.kinds()})
		}
	}
	return all
})

// letters is how many there are of each letter, of 32 kinds; upper and lower
// case are the same.
type letters [32]int8

func lettersOf(name string) (n letters) {
	for i := range len(name) {
		n[name[i]%32]++
	}
	return n
}

// kinds has a bit for every kind of letter that is there.
func (n *letters) kinds() (set uint32) {
	for i, count := range n {
		if count > 0 {
			set |= 1 << i
		}
	}
	return set
}

// differ counts the letters that one has and the other has not.
func (n *letters) differ(m *letters) (count int) {
	for i := range n {
		count += max(int(n[i])-int(m[i]), int(m[i])-int(n[i]))
	}
	return count
}
