package book

import (
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
	if len(ratios) != 1 || ratios[0] != (Ratio{"Build/hash/n=10", "postmap", 5}) {
		t.Fatalf("got %+v", ratios)
	}
	slower := new(Book)
	slower.ReadBench(strings.NewReader(strings.ReplaceAll(output, " 200 ns/op", " 290 ns/op")))
	if c := slower.Regressions(b, 0.1); len(c) != 1 || c[0].Before != 5 || c[0].Times >= 4 {
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
	if !strings.Contains(s.String(), "| Build/hash/n=10 | postmap | 200 ns | 1 µs | 5 |") {
		t.Errorf("got\n%s", s.String())
	}
	var svg strings.Builder
	if err := b.Plot(&svg, ""); err != nil || strings.Count(svg.String(), "<rect") != 2 { // background and one bar
		t.Errorf("plot: %v\n%s", err, svg.String())
	}
}
