#!/bin/sh
# Static binaries of the commands in dist/OS-ARCH/, the same bytes from the
# same commit and Go release, with their SHA-256 sums.
set -eu
GO=${GO:-go}
version=$(git describe --tags --always --dirty)
for target in ${TARGETS:-linux/amd64 linux/arm64}; do
	dir=dist/$(echo "$target" | tr / -)
	mkdir -p "$dir"
	for cmd in cmd/*/; do
		CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} \
			$GO build -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o "$dir/" "./$cmd"
	done
done
for dir in dist/*-*/; do
	$GO run ./scripts/sbom "$dir"* >"${dir%/}.cdx.json"
done
echo "version $version"
(cd dist && find . -type f ! -name SHA256SUMS | sort | xargs sha256sum | tee SHA256SUMS)
