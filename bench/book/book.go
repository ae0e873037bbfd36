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
//
// An operation is not the same amount of work for every contestant: a program
// is asked for many keys at once, a library for one. Where both report what one
// lookup costs, or how much processor time was used, that is compared, and
// else the time of the clock.
package book

import (
	"bufio"
	"bytes"
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

// A Ratio compares a peer with postfixkit.
type Ratio struct {
	Name, Peer   string
	Measure      string  // what was compared: "ns/lookup", "cpu", "ns/op"
	Ours, Theirs float64 // nanoseconds of it
}

// Times is how many times the time of postfixkit the peer needs.
func (r Ratio) Times() float64 { return r.Theirs / r.Ours }

// measures are what can be compared, the best first: the unit of the metric,
// and nanoseconds from it.
var measures = []struct {
	unit, name string
	ns         func(float64) float64
}{
	{"ns/lookup", "ns/lookup", func(v float64) float64 { return v }},
	{"lookups/cpu-s", "ns/lookup", func(v float64) float64 { return 1e9 / v }},
	{"cpu-ns/op", "cpu", func(v float64) float64 { return v }},
	{"cpu-ms/op", "cpu", func(v float64) float64 { return v * 1e6 }},
}

// compare makes the Ratio of two results, by the best measure both have. There
// is none (ok is false) when that was too small to be measured.
func compare(ours, theirs Result) (_ Ratio, ok bool) {
	r := Ratio{Name: ours.Name, Peer: theirs.Contestant, Measure: "ns/op", Ours: ours.NsPerOp, Theirs: theirs.NsPerOp}
	for _, m := range measures {
		a, measured := ours.Metrics[m.unit]
		b, too := theirs.Metrics[m.unit]
		if measured && too {
			r.Measure, r.Ours, r.Theirs = m.name, m.ns(a), m.ns(b)
			break
		}
	}
	return r, r.Ours > 0 && r.Theirs > 0
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
	ours := map[string]Result{}
	for _, r := range b.Results {
		if r.Contestant == Ours {
			ours[r.Name] = r
		}
	}
	var out []Ratio
	for _, r := range b.Results {
		base, found := ours[r.Name]
		if !found || r.Contestant == Ours || r.Contestant == "" {
			continue
		}
		if ratio, ok := compare(base, r); ok {
			out = append(out, ratio)
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
		before[[2]string{r.Name, r.Peer}] = r.Times()
	}
	var out []Change
	for _, r := range b.Ratios() {
		if was, ok := before[[2]string{r.Name, r.Peer}]; ok && r.Times() < was*(1-tolerance) {
			out = append(out, Change{r, was})
		}
	}
	return out
}

// Table writes the ratios as a Markdown table.
func (b *Book) Table(w io.Writer) {
	fmt.Fprintf(w, "| benchmark | peer | postfixkit | peer | times faster |\n|---|---|--:|--:|--:|\n")
	for _, r := range b.Ratios() {
		fmt.Fprintf(w, "| %s (%s) | %s | %s | %s | %s |\n", r.Name, r.Measure, r.Peer, Duration(r.Ours), Duration(r.Theirs), factor(r.Times()))
	}
}

// factor prints a ratio with two digits.
func factor(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	if v >= 1 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
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

// Add takes the results of a later run over: those of the same name and
// contestant are replaced.
func (b *Book) Add(later *Book) {
	at := map[[2]string]int{}
	for i, r := range b.Results {
		at[[2]string{r.Name, r.Contestant}] = i
	}
	for _, r := range later.Results {
		if i, ok := at[[2]string{r.Name, r.Contestant}]; ok {
			b.Results[i] = r
		} else {
			b.Results = append(b.Results, r)
		}
	}
	b.Date, b.Machine, b.Versions = later.Date, later.Machine, later.Versions
	b.Commands = append(b.Commands, later.Commands...)
}

// Write writes the book for [Read].
func (b *Book) Write(path string) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // commands have a "&&"
	enc.SetIndent("", "  ")
	if err := enc.Encode(b); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
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
