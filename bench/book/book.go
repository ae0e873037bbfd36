// Package book is the benchmark book: results of "go test -bench" with the
// machine and the versions they were made on, as a file that can be compared
// with another.
//
// A benchmark that compares is named NAME/.../CONTESTANT; the contestant
// "postfixkit" is this module, every other one a peer:
//
//	BenchmarkBuild/hash/n=1000000/postfixkit
//	BenchmarkBuild/hash/n=1000000/postmap
//
// What is recorded and compared is the ratio between a peer and postfixkit in
// the same run: it stays meaningful when the machine is slower today.
package book

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Ours is the name of the contestant the others are compared with.
const Ours = "postfixkit"

// A Book is what one run of the comparisons measured.
type Book struct {
	Date     string            `json:"date"` // RFC 3339
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"` // of every program that was asked
	Commands []string          `json:"commands"` // how to repeat it
	Results  []Result          `json:"results"`
}

// Machine says where a book was made.
type Machine struct {
	OS, Arch, CPU, Kernel string
	Cores                 int
	MemoryGiB             int
}

// A Result is one contestant in one benchmark: the median of its runs.
type Result struct {
	Name       string             `json:"name"`       // without contestant
	Contestant string             `json:"contestant"` // "" when there is only one
	NsPerOp    float64            `json:"ns_per_op"`
	Min        float64            `json:"min_ns_per_op"`
	Max        float64            `json:"max_ns_per_op"`
	Runs       int                `json:"runs"`
	Metrics    map[string]float64 `json:"metrics,omitempty"` // B/op, allocs/op, MB/s, …
}

// A Ratio is how many times the time of postfixkit a peer needs.
type Ratio struct {
	Name, Peer string
	Times      float64
}

var (
	benchLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)
	unitPair  = regexp.MustCompile(`(\S+) (\S+)`)
)

// ReadBench adds to the book what "go test -bench" printed: lines of the same
// benchmark (-count) become one Result.
func (b *Book) ReadBench(r io.Reader) error {
	type run struct {
		ns      []float64
		metrics map[string][]float64
	}
	runs := map[string]*run{}
	var order []string
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		m := benchLine.FindStringSubmatch(sc.Text())
		if m == nil {
			continue
		}
		x := runs[m[1]]
		if x == nil {
			x = &run{metrics: map[string][]float64{}}
			runs[m[1]] = x
			order = append(order, m[1])
		}
		for _, p := range unitPair.FindAllStringSubmatch(strings.Join(strings.Fields(m[2]), " "), -1) {
			v, err := strconv.ParseFloat(p[1], 64)
			if err != nil {
				continue
			}
			if p[2] == "ns/op" {
				x.ns = append(x.ns, v)
			} else {
				x.metrics[p[2]] = append(x.metrics[p[2]], v)
			}
		}
	}
	for _, full := range order {
		x := runs[full]
		if len(x.ns) == 0 {
			continue
		}
		res := Result{Name: full, NsPerOp: median(x.ns), Min: slices.Min(x.ns), Max: slices.Max(x.ns), Runs: len(x.ns)}
		for unit, vs := range x.metrics {
			if res.Metrics == nil {
				res.Metrics = map[string]float64{}
			}
			res.Metrics[unit] = median(vs)
		}
		b.Results = append(b.Results, res)
	}
	b.findContestants()
	return sc.Err()
}

// findContestants cuts the contestant off the names below which there is a
// postfixkit.
func (b *Book) findContestants() {
	parents := map[string]bool{}
	for _, r := range b.Results {
		if p, ok := strings.CutSuffix(r.Name, "/"+Ours); ok {
			parents[p] = true
		}
		if r.Contestant == Ours {
			parents[r.Name] = true
		}
	}
	for i, r := range b.Results {
		if at := strings.LastIndexByte(r.Name, '/'); at > 0 && r.Contestant == "" && parents[r.Name[:at]] {
			b.Results[i].Name, b.Results[i].Contestant = r.Name[:at], r.Name[at+1:]
		}
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// Ratios returns how every peer compares, by name and peer.
func (b *Book) Ratios() []Ratio {
	ours := map[string]float64{}
	for _, r := range b.Results {
		if r.Contestant == Ours {
			ours[r.Name] = r.NsPerOp
		}
	}
	var out []Ratio
	for _, r := range b.Results {
		if base := ours[r.Name]; base > 0 && r.Contestant != Ours && r.Contestant != "" {
			out = append(out, Ratio{r.Name, r.Contestant, r.NsPerOp / base})
		}
	}
	slices.SortStableFunc(out, func(a, b Ratio) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Peer, b.Peer))
	})
	return out
}

// A Change is a ratio that is worse in the newer of two books.
type Change struct {
	Ratio
	Before float64
}

// Regressions returns the ratios that fell by more than the tolerance (0.1 is
// a tenth) from old to b. What only one of them has is not compared.
func (b *Book) Regressions(old *Book, tolerance float64) []Change {
	before := map[[2]string]float64{}
	for _, r := range old.Ratios() {
		before[[2]string{r.Name, r.Peer}] = r.Times
	}
	var out []Change
	for _, r := range b.Ratios() {
		if was, ok := before[[2]string{r.Name, r.Peer}]; ok && r.Times < was*(1-tolerance) {
			out = append(out, Change{r, was})
		}
	}
	return out
}

// Table writes the ratios as a Markdown table.
func (b *Book) Table(w io.Writer) {
	fmt.Fprintf(w, "| benchmark | peer | postfixkit | peer | times faster |\n|---|---|--:|--:|--:|\n")
	ns := map[[2]string]float64{}
	for _, r := range b.Results {
		ns[[2]string{r.Name, r.Contestant}] = r.NsPerOp
	}
	for _, r := range b.Ratios() {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.3g |\n", r.Name, r.Peer,
			Duration(ns[[2]string{r.Name, Ours}]), Duration(ns[[2]string{r.Name, r.Peer}]), r.Times)
	}
}

// Duration prints nanoseconds in a readable unit.
func Duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.3g ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	case ns < 1e9:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	}
	return fmt.Sprintf("%.3g s", ns/1e9)
}

// Read reads a recorded book.
func Read(path string) (*Book, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b := new(Book)
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}
