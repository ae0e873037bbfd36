package maincf

import (
	"slices"
	"strings"
	"sync"

	"github.com/postfixkit/postfixkit/internal/paramdb"
)

// longestSuggested is above the length of every name of Postfix.
const longestSuggested = 100

// Suggest returns the known parameter names nearest to a name that is not
// known, best first and at most five. It is empty when nothing is near.
func Suggest(name string) []string {
	type near struct {
		name string
		away int
	}
	var found []near
	if p := paramdb.Find(name); p != nil && p.Replaced != "" {
		found = append(found, near{p.Replaced, 0})
	}
	if len(name) <= longestSuggested {
		lower := strings.ToLower(name)
		most := len(name)/4 + 1
		letters := lettersOf(lower)
		for _, s := range suggestible() {
			// A change makes one letter less and another one more.
			if s.letters.differ(&letters) > 2*most {
				continue
			}
			if d := distance(lower, s.name, most); d <= most && s.name != name {
				found = append(found, near{s.name, d})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.away - b.away })
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
}

var suggestible = sync.OnceValue(func() (all []suggestion) {
	params := paramdb.Params()
	for i := range params {
		if p := &params[i]; p.Status != paramdb.Removed && p.Status != paramdb.Legacy {
			all = append(all, suggestion{p.Name, lettersOf(p.Name)})
		}
	}
	return all
})

// letters is how many there are of each letter, of 32 kinds.
type letters [32]int8

func lettersOf(name string) (n letters) {
	for i := range len(name) {
		n[name[i]%32]++
	}
	return n
}

// differ counts the letters that one has and the other has not.
func (n *letters) differ(m *letters) (count int) {
	for i := range n {
		count += max(int(n[i])-int(m[i]), int(m[i])-int(n[i]))
	}
	return count
}

// distance counts the letters to insert, delete, change or swap with the next;
// more than most is only known to be more.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, above, before := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
	}
	return rows[len(a)%3][len(b)]
}
