#!/bin/sh
# Shows of a benchmark run only how many there were, and everything that is
# not a result. Fails when a package failed.
awk '/^Benchmark/ { n++; next }
/^(goos|goarch|pkg|cpu|PASS|ok)/ || /no test files/ { next }
/FAIL/ { bad = 1 }
{ print }
END { print n+0 " benchmarks ran once"; exit bad }'
