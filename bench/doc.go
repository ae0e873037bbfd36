// Package bench compares postfixkit with the real Postfix tools, with the C
// libraries behind them and with other Go packages, in one run on one machine.
//
// It is a module of its own, so that nobody who imports postfixkit sees what
// it needs. One command runs everything that is installed and writes a dated
// file into results/; others compare two such files and draw one:
//
//	cd bench
//	go run ./cmd/record
//	go run ./cmd/compare results/OLD.json results/NEW.json
//	go run ./cmd/plot -match Lookup results/NEW.json > lookup.svg
//	go test ./book -update   # the table and the plot of the README
//
// A benchmark that compares has one sub-benchmark per contestant, named by the
// last element; ours is always "postfixkit":
//
//	BenchmarkBuild/hash/n=1000000/postfixkit
//	BenchmarkBuild/hash/n=1000000/postmap
//
// A peer that is not installed is left out (b.Skip), and the run says so; with
// CI=true in the environment it fails. C libraries are measured by programs that
// are compiled for it, see clib: there is no cgo here.
package bench
