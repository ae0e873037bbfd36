#!/bin/sh
# Vets and tests the modules beside the main one. Comparisons with other
# programs (bench/) are compiled and run once.
set -eu
GO=${GO:-go}
for mod in $(git ls-files '*/go.mod'); do
	dir=$(dirname "$mod")
	echo "module $dir"
	case $dir in
	bench) (cd "$dir" && $GO vet ./... && $GO test -run . -bench . -benchtime 1x ./... | grep -v '^Benchmark') ;;
	*) (cd "$dir" && $GO vet ./... && $GO test ./...) ;;
	esac
done
