#!/usr/bin/env bash
# Puts a real part of the end-to-end tests into a cache folder and prints that folder. A part is a folder beside
# this file; its get.sh fills the folder it is given, once: whatever changes beside it makes a new one.
#
# usage: get.sh NAME   for example: get.sh autobahn
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
name=$1

say() { printf '%s  e2e part %s: %s\n' "$(date +%H:%M:%S)" "$name" "$*" >&2; }

# What is missing on this machine, and the way out: for people, and as the answer in place of the folder.
exec 3>&1
fail() {
    say "$*"
    echo "$*" >&3
    exit 1
}

# Debian's packages, where this machine has none of them and allows it.
install_packages() {
    [[ $EUID == 0 ]] && command -v apt-get >/dev/null || fail "needed: $* (install it with your package manager)"
    say "apt-get install $*"
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"; } >/dev/null ||
        fail "apt-get could not install $*"
}

[[ -f $name/get.sh ]] || fail "unknown; there are: $(echo */)"
version=$(cd "$name" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c 1-12)
parts=${XDG_CACHE_HOME:-$HOME/.cache}/wsgate-e2e/parts
folder=$parts/$name-$version
if [[ ! -e $folder/.complete ]]; then
    mkdir -p "$parts"
    # Two test runs may want it at once. -o: nothing started below inherits the lock, so no daemon can keep it.
    [[ ${WSGATE_E2E_LOCKED:-} == "$folder" ]] ||
        WSGATE_E2E_LOCKED=$folder exec flock -o "$parts/.$name.lock" bash "$PWD/get.sh" "$name"
    # What an interrupted run left; older versions stay, another work tree may use them.
    rm -rf "$folder"
    mkdir "$folder"
    # shellcheck source=/dev/null
    (cd "$name" && . ./get.sh) >&2
    touch "$folder/.complete"
    say "ready after $SECONDS s"
fi
echo "$folder"
