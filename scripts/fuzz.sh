#!/bin/sh
# Runs every fuzz target for $FUZZTIME (2s), as many at once as there are
# processors. One package: scripts/fuzz.sh ./textmap
set -eu
GO=${GO:-go}
export GO FUZZTIME="${FUZZTIME:-2s}"

if [ "${1:-}" = --one ]; then
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if ! $GO test -run '^$' -fuzz "^$3\$" -fuzztime "$FUZZTIME" -parallel 1 "$2" >"$log" 2>&1; then
		# The end of the time can hit a running input; that is no finding.
		if ! grep -q 'context deadline exceeded' "$log" || grep -q 'Failing input' "$log"; then
			cat "$log"
			echo "fuzz: $2 $3 failed"
			exit 1
		fi
	fi
	printf '%-58s %-22s %s\n' "${2#github.com/postfixkit/}" "$3" "$(sed -n 's/.*\(execs: [0-9]*\).*/\1/p' "$log" | tail -1)"
	exit 0
fi

list=$(mktemp)
trap 'rm -f "$list"' EXIT
grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | grep -v '^\./bench' >"$list.dirs"
# With packages named, only those.
for pkg in $($GO list "${@:-./...}"); do
	dir=./${pkg#github.com/postfixkit/postfixkit/}
	grep -qx "$dir" "$list.dirs" || continue
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | while read -r target; do echo "$pkg $target"; done
done >"$list"
rm -f "$list.dirs"
xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 2 "$0" --one <"$list"
echo "$(wc -l <"$list") fuzz targets passed"
