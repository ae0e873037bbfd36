#!/bin/sh
# Runs every fuzz target for $FUZZTIME (2s). One package: scripts/fuzz.sh ./textmap
set -eu
GO=${GO:-go}
time=${FUZZTIME:-2s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

n=0
for pkg in $($GO list "${@:-./...}"); do
	for target in $($GO test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		if ! $GO test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg" >"$log" 2>&1; then
			# The end of the time can hit a running input; that is no finding.
			if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
				:
			else
				cat "$log"
				echo "fuzz: $pkg $target failed"
				exit 1
			fi
		fi
		n=$((n + 1))
		printf '%-60s %-24s %s\n' "$pkg" "$target" "$(sed -n 's/.*\(execs: [0-9]*\).*/\1/p' "$log" | tail -1)"
	done
done
echo "$n fuzz targets passed"
