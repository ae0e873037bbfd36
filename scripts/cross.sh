#!/bin/sh
# Builds and vets everything for every platform we promise, without cgo.
set -eu
GO=${GO:-go}
for target in linux/386 linux/arm64 linux/s390x darwin/arm64 windows/amd64 freebsd/amd64; do
	echo "build $target"
	CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} $GO build ./...
done
# Tests must compile there too; two targets that differ most from this machine.
for target in linux/386 windows/amd64; do
	CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} $GO vet ./...
done
