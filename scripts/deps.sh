#!/bin/sh
# Installs what is missing of the real Postfix, the tools that check table
# files and a database (Debian and Ubuntu, as root, without starting any). Elsewhere it
# says what the tests go without.
set -eu

packages="postfix postfix-lmdb postfix-cdb postfix-pcre db5.3-util lmdb-utils tinycdb freecdb postgresql
	gcc libc6-dev libdb5.3-dev liblmdb-dev libcdb-dev libcdb-file-perl"
missing=
for p in $packages; do
	if ! dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed'; then
		missing="$missing $p"
	fi
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
	echo "going without:$missing"
	echo "(tests that ask the real tools skip; on Debian or Ubuntu, 'make test' as root installs them)"
	exit 0
fi

echo "installing:$missing"
# A policy that refuses to start services, for the time of the installation
# and only when there is none.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install() { apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; }
# Without package lists, or with old ones, the first try fails.
install || { apt-get update >>"$log" 2>&1 && install; } || {
	tail -20 "$log"
	exit 1
}
rm -f "$log"
