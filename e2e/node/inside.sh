#!/usr/bin/env bash
# The first process inside the namespaces: makes of them what a node needs, and waits for COMMAND.
# usage: inside.sh STATE COMMAND...
set -euo pipefail
state=$1

# Volumes that the kubelet mounts must reach the containers.
mount --make-rshared /
# Whatever is written to these folders goes with the namespace.
mount -t tmpfs tmpfs /run
mkdir -p "$state"/{var,var-work,sysctl}
mount -t overlay -o "lowerdir=/var,upperdir=$state/var,workdir=$state/var-work" overlay /var
# The kubelet insists on these values: it sees them here, the machine keeps its own.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=$state/sysctl/$(tr / _ <<<"${setting%=*}")
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
done
ip link set lo up
# The node's address. Pods have links of their own, there is no bridge.
ip address add 10.88.0.1/32 dev lo
# So that the node's own processes reach Services: the kernel asks for a route before kube-proxy's rules change it.
ip route add 10.0.0.0/24 dev lo src 10.88.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
# Not exec: a first process must collect the orphans.
"${@:2}"
exit
