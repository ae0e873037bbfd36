#!/bin/sh
# "go mod tidy" and "go generate" must change nothing.
set -eu
GO=${GO:-go}
for mod in $(git ls-files 'go.mod' '*/go.mod'); do
	(cd "$(dirname "$mod")" && $GO mod tidy -diff) || {
		echo "go mod tidy would change $mod"
		exit 1
	}
done
before=$(git status --porcelain; git diff | cksum)
$GO generate ./...
after=$(git status --porcelain; git diff | cksum)
if [ "$before" != "$after" ]; then
	echo "go generate changed:"
	git status --porcelain
	exit 1
fi
