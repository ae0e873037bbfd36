// Command plot draws a recorded file as SVG, the picture of the README.
//
//	cd bench && go run ./cmd/plot results/2026-11-21.json > results/plot.svg
package main

import (
	"flag"
	"log"
	"os"

	"github.com/postfixkit/postfixkit/bench/book"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("plot: ")
	match := flag.String("match", "", "only benchmarks whose name contains this")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: plot [-match text] results.json > plot.svg")
	}
	b, err := book.Read(flag.Arg(0))
	if err == nil {
		err = b.Plot(os.Stdout, *match)
	}
	if err != nil {
		log.Fatal(err)
	}
}
