package book

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkBuild/hash/n=10/postfixkit-2  	 2	 100 ns/op	 64.00 MB/s	 12 B/op	 3 allocs/op
BenchmarkBuild/hash/n=10/postmap-2  	 2	 1000 ns/op
BenchmarkBuild/hash/n=10/postfixkit-2  	 2	 300 ns/op	 64.00 MB/s	 12 B/op	 3 allocs/op
BenchmarkBuild/hash/n=10/postfixkit-2  	 2	 200 ns/op	 60.00 MB/s	 14 B/op	 3 allocs/op
BenchmarkAlone-2  	 2	 7 ns/op
PASS
`

func TestBook(t *testing.T) {
	b := new(Book)
	if err := b.ReadBench(strings.NewReader(output)); err != nil {
		t.Fatal(err)
	}
	if len(b.Results) != 3 || b.Results[0].Contestant != Ours || b.Results[0].NsPerOp != 200 || b.Results[0].Runs != 3 ||
		b.Results[0].Metrics["B/op"] != 12 || b.Results[2].Name != "Alone" || b.Results[2].Contestant != "" {
		t.Fatalf("got %+v", b.Results)
	}
	ratios := b.Ratios()
	if len(ratios) != 1 || ratios[0] != (Ratio{"Build/hash/n=10", "postmap", "ns/op", 200, 1000}) {
		t.Fatalf("got %+v", ratios)
	}
	slower := new(Book)
	slower.ReadBench(strings.NewReader(strings.ReplaceAll(output, " 200 ns/op", " 290 ns/op")))
	if c := slower.Regressions(b, 0.1); len(c) != 1 || c[0].Before != 5 || c[0].Times() >= 4 {
		t.Errorf("regression: got %+v", c)
	}
	if c := slower.Regressions(b, 0.5); len(c) != 0 {
		t.Errorf("within tolerance: got %+v", c)
	}
	if c := b.Regressions(slower, 0.1); len(c) != 0 {
		t.Errorf("faster is no regression: got %+v", c)
	}
	var s strings.Builder
	b.Table(&s)
	if !strings.Contains(s.String(), "| Build/hash/n=10 (ns/op) | postmap | 200 ns | 1 µs | 5.0 |") {
		t.Errorf("got\n%s", s.String())
	}
	var svg strings.Builder
	if err := Plot(&svg, b.Bars("")); err != nil || strings.Count(svg.String(), "<rect") != 2 { // background and one bar
		t.Errorf("plot: %v\n%s", err, svg.String())
	}
}

// What an operation is differs between a program and a library: the better
// measure counts when both have it.
func TestMeasures(t *testing.T) {
	b := new(Book)
	b.ReadBench(strings.NewReader(`BenchmarkP/postfixkit-2 9 50 ns/op 20000000 lookups/cpu-s
BenchmarkP/postmap-2 1 5000000000 ns/op 2000000 lookups/cpu-s
BenchmarkQ/postfixkit-2 9 50 ns/op 40 cpu-ns/op
BenchmarkQ/postmap-2 9 80 ns/op 90 cpu-ns/op
BenchmarkQ/floor-2 9 25 ns/op
BenchmarkR/postfixkit-2 9 50 ns/op 40 ns/lookup
BenchmarkR/postmap-2 9 80 ns/op -3 ns/lookup
`))
	want := []Ratio{{"P", "postmap", "ns/lookup", 50, 500}, {"Q", "floor", "ns/op", 50, 25}, {"Q", "postmap", "cpu", 40, 90}}
	if got := b.Ratios(); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestAdd(t *testing.T) {
	b, later := &Book{Commands: []string{"one"}}, &Book{Date: "2", Commands: []string{"two"}}
	b.ReadBench(strings.NewReader(output))
	later.ReadBench(strings.NewReader("BenchmarkAlone-2 1 9 ns/op\nBenchmarkNew-2 1 1 ns/op\n"))
	b.Add(later)
	if len(b.Results) != 4 || b.Results[2].NsPerOp != 9 || b.Results[3].Name != "New" || b.Date != "2" || len(b.Commands) != 2 {
		t.Errorf("got %+v", b)
	}
}

var update = flag.Bool("update", false, "write the table and the plot of the README")

// The table and the plot of the README are those of the newest recorded file.
func TestReadme(t *testing.T) {
	files, err := filepath.Glob("../results/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing is recorded: %v", err)
	}
	newest := files[len(files)-1] // their names are dates
	b, err := Read(newest)
	if err != nil {
		t.Fatal(err)
	}
	bars, err := b.ReadmeBars()
	if err != nil {
		t.Fatalf("%s: %v", newest, err)
	}
	var svg, table strings.Builder
	if err := Plot(&svg, bars); err != nil {
		t.Fatal(err)
	}
	if err := b.ReadmeTable(&table); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "| | postfixkit | | peer | times faster |\n"
	start := strings.Index(string(text), head)
	if start < 0 {
		t.Fatalf("README.md has no table that begins with %q", head)
	}
	end := start + strings.Index(string(text[start:]), "\n\n") + 1
	readme := string(text[:start]) + table.String() + string(text[end:])
	for path, want := range map[string]string{"../../README.md": readme, "../results/plot.svg": svg.String()} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not made of %s: run go test ./book -update in bench (%v)", path, newest, err)
		}
	}
}
