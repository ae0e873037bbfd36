// Command plot draws a recorded file as SVG: the picture of the README, or with
// -match every comparison whose name contains a text.
//
//	cd bench && go run ./cmd/plot results/2026-11-21.json > results/plot.svg
//	cd bench && go run ./cmd/plot -match Lookup results/2026-11-21.json > lookup.svg
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
	match := flag.String("match", "", "draw all benchmarks whose name contains this, \"/\" for all")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: plot [-match text] results.json > plot.svg")
	}
	b, err := book.Read(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	bars := b.Bars(*match)
	if *match == "" {
		if bars, err = b.ReadmeBars(); err != nil {
			log.Fatal(err)
		}
	}
	if err := book.Plot(os.Stdout, bars); err != nil {
		log.Fatal(err)
	}
}
