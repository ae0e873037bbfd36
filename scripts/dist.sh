#!/bin/sh
# Static binaries of the commands in dist/OS-ARCH/, the same bytes from the
# same commit and Go release in whatever folder, with a bill of materials for
# each platform and SHA-256 sums. TARGETS names other platforms.
set -eu
GO=${GO:-go}
rm -rf dist
for target in ${TARGETS:-linux/amd64 linux/arm64}; do
	dir=dist/$(echo "$target" | tr / -)
	mkdir -p "$dir"
	CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} \
		$GO build -trimpath -buildvcs=auto -ldflags "-s -w -buildid=" -o "$dir/" \
		./cmd/postmap ./cmd/postalias ./cmd/postconf
	$GO run ./scripts/sbom "$dir"/* >"$dir.cdx.json"
done
cd dist
find . -type f ! -name SHA256SUMS | sort | xargs sha256sum | tee SHA256SUMS
