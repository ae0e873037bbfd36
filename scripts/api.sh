#!/bin/sh
# Compares the exported API with that of the last tag v*. What users' code may
# no longer compile with must be named in the Unreleased part of CHANGELOG.md
# while the version is below 1; from v1.0.0 on it is an error.
set -eu
GO=${GO:-go}
APIDIFF=${APIDIFF:-golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e}
module=github.com/postfixkit/postfixkit

tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) || {
	echo "api: no release is tagged yet, nothing to compare with"
	exit 0
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/old" "$scratch/bin"
git archive "$tag" | tar -x -C "$scratch/old"
GOBIN=$scratch/bin $GO install "$APIDIFF"
apidiff() { # without its remarks on internal packages
	"$scratch/bin/apidiff" -m "$@" 2>"$scratch/remarks" || { cat "$scratch/remarks" >&2; return 1; }
}
(cd "$scratch/old" && apidiff -w "$scratch/old.export" $module)
apidiff -w "$scratch/new.export" $module
apidiff "$scratch/old.export" "$scratch/new.export" >"$scratch/all"
apidiff -incompatible "$scratch/old.export" "$scratch/new.export" >"$scratch/breaks"

echo "api: changes since $tag:"
cat "$scratch/all"
[ -s "$scratch/breaks" ] || { echo "api: nothing that worked with $tag stops working"; exit 0; }

case $tag in
v0.*) ;;
*)
	echo "api: the changes above marked incompatible break users of $tag"
	exit 1
	;;
esac
sed -n '/^## Unreleased/,/^## v/p' CHANGELOG.md >"$scratch/unreleased"
# "- ./maincf.(*File).Set: removed": the name that users wrote is Set.
sed -n 's/^- //p' "$scratch/breaks" | while IFS= read -r change; do
	name=$(echo "${change%%: *}" | sed 's|.*[./]||; s|[^A-Za-z0-9_]||g')
	grep -qw -- "$name" "$scratch/unreleased" || echo "api: CHANGELOG.md, Unreleased, does not say: $change"
done >"$scratch/silent"
cat "$scratch/silent"
[ ! -s "$scratch/silent" ]
