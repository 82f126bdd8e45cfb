#!/usr/bin/env bash
# Builds kube-scheduler and kube-proxy into the cache of toolchain/build.sh, whose go.mod decides their versions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../toolchain"

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/wsgate-e2e/$(sed -n 's/^VERSION=//p' build.sh)
PATH=$PATH:/usr/local/go/bin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Copies: kube-proxy needs lines in go.sum that no other program does. The versions stay those of k8s.io/kubernetes.
cp go.mod "$folder/node.mod"
cp go.sum "$folder/node.sum"
chmod u+w "$folder"/*
for name in kube-scheduler kube-proxy; do
    [[ -x $CACHE/bin/$name ]] || GOFLAGS='-buildvcs=false -modcacherw' go build -modfile "$folder/node.mod" -mod=mod \
        -trimpath -ldflags '-s -w' -o "$CACHE/bin/$name" "k8s.io/kubernetes/cmd/$name"
done
