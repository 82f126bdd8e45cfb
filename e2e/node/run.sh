#!/usr/bin/env bash
# Runs the images on a real node of this machine, and tells what was seen and how long it took (Markdown on stdout).
# The node lives in network, mount and process namespaces of its own, so that nothing of it outlives this script; what
# stays are Debian packages and a cache. Needs root, .venv (make setup), 8 GB of disk.
#
# REPEATS: how often each figure is measured (10)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

PYTHON=$PWD/.venv/bin/python
PACKAGES=(containerd runc containernetworking-plugins nftables dnsmasq-base buildah mmdebstrap)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/wsgate-e2e
LOGS=$CACHE/node-logs
CGROUP=wsgate-node-$$

say() { printf '%s  e2e node: %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

timed() { # WHAT COMMAND...
    local what=$1 start=$SECONDS
    say "$what"
    "${@:2}"
    say "$what: $((SECONDS - start)) s"
}

install_packages() {
    local missing=()
    for package in "${PACKAGES[@]}"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || fail "these are needed, by their names in Debian: ${missing[*]}"
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >/dev/null
}

build_images() {
    local log=$CACHE/images.log
    PYTHON=$PYTHON nice bash e2e/node/build-images.sh "$CACHE/images" >"$log" 2>&1 || fail "$(tail -n 20 "$log")"
}

# The kubelet puts all pods below; one folder for each hierarchy of version 1, one alone of version 2.
cgroups() { findmnt -rn -t cgroup,cgroup2 -o TARGET | sort -u | sed "s|\$|/$CGROUP|"; }

clean_up() {
    # unshare takes the namespaces' first process with it, and the kernel then all others.
    [[ -z ${node:-} ]] || kill -KILL "$node" 2>/dev/null || true
    wait
    local folder
    for folder in $(cgroups); do
        for _ in {1..50}; do
            find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [[ -d $folder ]] || break
            sleep 0.1
        done
    done
    rm -rf "$LOGS" && mkdir -p "$LOGS"
    find "$state" -maxdepth 1 -name '*.log' -exec cp {} "$LOGS" \;
    say "logs are in $LOGS"
    rm -rf --one-file-system "$state"
}

[[ $EUID == 0 ]] || fail "needs root: namespaces, containers and Debian packages"
[[ -x $PYTHON ]] || fail "no $PYTHON: make setup"

timed "Debian packages" install_packages
timed "programs" nice bash e2e/toolchain/build.sh etcd kube-apiserver kube-controller-manager kubectl kubelet
timed "kube-scheduler, kube-proxy" nice bash e2e/node/build-programs.sh
timed "images" build_images

state=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' INT TERM
for folder in $(cgroups); do mkdir "$folder"; done
say "the node"
unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
    bash e2e/node/inside.sh "$state" "$PYTHON" -m e2e.node "$state" "$CACHE/images" "/$CGROUP" &
node=$!
wait "$node"
