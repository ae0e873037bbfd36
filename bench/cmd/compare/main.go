// Command compare looks for benchmarks that got worse between two recorded
// files: ratios to a peer that fell by more than the tolerance. It exits with
// status 1 when there are some.
//
//	cd bench && go run ./cmd/compare results/2026-11-21.json results/2027-01-10.json
package main

import (
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/postfixkit/postfixkit/bench/book"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	tolerance := flag.Float64("tolerance", 0.15, "how much of a ratio may be lost, 0.15 is 15 %")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: compare [-tolerance 0.15] old.json new.json")
	}
	old, err := book.Read(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	now, err := book.Read(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	worse := now.Regressions(old, *tolerance)
	for _, c := range worse {
		fmt.Printf("%s against %s: %.3g times, was %.3g\n", c.Name, c.Peer, c.Times(), c.Before)
	}
	if len(worse) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%d ratios compared, none fell by more than %.0f %%\n", len(now.Ratios()), *tolerance*100)
}
